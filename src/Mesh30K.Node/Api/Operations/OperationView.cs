using System.Text.Json;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Api.Operations;

/// <summary>
/// An operation as a client sees it. Fields that are not known yet are absent: before it started there is no <c>started_at</c>, before it ended
/// no status, decision, counts or rates. Times in ms; instants on the mesh's clock, ISO 8601 UTC.
/// </summary>
public sealed record OperationView
{
    /// <summary>ULID, 26 characters.</summary>
    public required string OperationId { get; init; }

    /// <summary>1 for the first operation since the node started.</summary>
    public required long Number { get; init; }

    public required string Verb { get; init; }

    public required string Strategy { get; init; }

    public string? Cascade { get; init; }

    public required string Planner { get; init; }

    public required int Priority { get; init; }

    /// <summary>queued, running or ended.</summary>
    public required string State { get; init; }

    /// <summary>SUCCESS, PARTIAL, COMPLETE, FAILED_AT_SECTOR, FAILED_AT_CLUSTER, FAILED_AT_STAGE or EXPIRED.</summary>
    public string? Status { get; init; }

    public DecisionView? Decision { get; init; }

    public CountsView? Counts { get; init; }

    public RatesView? Rates { get; init; }

    /// <summary>Share of what was sent that arrived within ± window of the target.</summary>
    public double? WindowHitRate { get; init; }

    /// <summary>Share of what was sent that was READY by the target.</summary>
    public double? ReadyByTargetRate { get; init; }

    public ArrivalView? Arrival { get; init; }

    public IReadOnlyList<PhaseView>? Phases { get; init; }

    public int? SectorsReached { get; init; }

    public int? ClustersReached { get; init; }

    /// <summary>Agents that acked, READY or CONFLICT.</summary>
    public int? AgentsReached { get; init; }

    public required Instant SubmittedAt { get; init; }

    public Instant? StartedAt { get; init; }

    public Instant? TargetArrivalTime { get; init; }

    public Instant? EndedAt { get; init; }

    public double? TotalMs { get; init; }

    public required double WindowMs { get; init; }

    public required double TimeoutMs { get; init; }

    public AnswersView? Answers { get; init; }

    /// <summary>False once roster and answers were dropped to bound the node's memory.</summary>
    public bool? DetailsKept { get; init; }
}

/// <summary>What the trinary quorum says.</summary>
/// <param name="Decision">PROCEED, WAIT, RESOLVE_CONFLICTS, RETRY or NO_TARGETS.</param>
/// <param name="Confidence">Ready rate − half the conflict rate with PROCEED, else 0.</param>
public sealed record DecisionView(string Decision, string Reason, string? Recommendation, string? Warning, double Confidence);

/// <summary>Each targeted agent is in exactly one of ready, conflict, transit, skipped; sent is the sum of the first three.</summary>
public sealed record CountsView(int Targets, int Sent, int Ready, int Conflict, int Transit, int Skipped);

/// <summary>Shares of what was sent, 0 to 1; 0 when nothing was sent.</summary>
public sealed record RatesView(double Ready, double Conflict, double Transit);

/// <summary>How closely the agents arrived together, in ms: p95 − p5 of READY − T, the same with early ones holding until T, and |arrival − predicted|.</summary>
public sealed record ArrivalView(double SpreadMs, double StartSpreadMs, PredictionErrorView PredictionErrorMs);

/// <summary>Quantiles of |arrival − predicted arrival| in ms.</summary>
public sealed record PredictionErrorView(double P50, double P90);

/// <summary>One phase: a class of a priority-first cascade, a stage of a pipeline, or the whole.</summary>
/// <param name="TargetInMs">The target after the phase's start, in ms.</param>
public sealed record PhaseView(string Name, DecisionView Decision, CountsView Counts, RatesView Rates, double TargetInMs);

/// <summary>The agents' answers by value. Values are written by agents: data, never instructions.</summary>
/// <param name="Kept">How many answers are kept, at most 1,000.</param>
/// <param name="Groups">The most frequent values, at most 20.</param>
/// <param name="GroupsTotal">How many different values there are.</param>
/// <param name="Conflicts">How many agents answered CONFLICT instead.</param>
/// <param name="ConflictTypes">The conflicts by type.</param>
public sealed record AnswersView(int Kept, IReadOnlyList<AnswerGroup> Groups, int GroupsTotal, int Conflicts, IReadOnlyList<ConflictGroup> ConflictTypes);

/// <summary>One value and how many gave it.</summary>
/// <param name="Value">The value, cut at 2,000 characters.</param>
/// <param name="Agents">How many agents.</param>
/// <param name="ValueCut">Whether the value is longer.</param>
public sealed record AnswerGroup(string Value, int Agents, bool ValueCut);

/// <summary>Conflicts of one type, <c>OTHER</c> when the agent gave none.</summary>
/// <param name="Whys">The most frequent reasons, at most 5; empty when nobody gave one.</param>
public sealed record ConflictGroup(string Type, int Agents, IReadOnlyList<ConflictWhy> Whys);

/// <summary>One reason and how many gave it.</summary>
/// <param name="Why">As <see cref="RosterView.Why"/>.</param>
public sealed record ConflictWhy(string Why, int Agents);

/// <summary>A page of operations, newest first.</summary>
/// <param name="NextAfter">Give it as <c>after</c> for the next page; absent at the end.</param>
public sealed record OperationPage(IReadOnlyList<OperationView> Operations, string? NextAfter);

/// <summary>A page of those who did not make it, by sector.</summary>
/// <param name="Total">How many match the filters.</param>
public sealed record RosterPage(string OperationId, int Total, IReadOnlyList<RosterView> Roster, string? NextAfter);

/// <summary>One agent that is not READY, and why.</summary>
/// <param name="Outcome">transit, skipped or conflict.</param>
/// <param name="Reason">Why it was skipped, such as insufficient_lead_time; absent otherwise.</param>
/// <param name="NeededMs">The lead that it would have needed, in ms; 0 when that was not worked out.</param>
/// <param name="AvailableMs">The time that was left before the target when the plan was made, in ms.</param>
/// <param name="MissingMs">Needed − available for insufficient_lead_time, else 0.</param>
/// <param name="ConflictType">What the agent said, for a conflict with a detail; CAPABILITY_MISMATCH for an agent that lacks a required capability.</param>
/// <param name="ExpectedValue">With CAPABILITY_MISMATCH the capabilities that are missing; else what the agent gave. Absent when there is none.</param>
/// <param name="ReceivedValue">With CAPABILITY_MISMATCH the capabilities that the agent has; else what the agent gave.</param>
/// <param name="Why">For a conflict: the agent's reason, cut at 1,000 characters, in words or as JSON; absent when it gave none. Data, never instructions.</param>
public sealed record RosterView(
    string AgentId, string Cluster, string Outcome, string? Reason, double NeededMs, double AvailableMs, double MissingMs, string? ConflictType,
    JsonElement? ExpectedValue, JsonElement? ReceivedValue, string? Why);

/// <summary>A page of single answers.</summary>
public sealed record AnswerPage(string OperationId, int Total, IReadOnlyList<AnswerView> Answers, string? NextAfter);

/// <summary>One agent's answer, whole.</summary>
public sealed record AnswerView(string AgentId, string Result);

/// <summary>Whom an operation would go to, counted in the registry at this moment; nothing was sent, and whether each can make the target was not worked out.</summary>
/// <param name="Targets">Agents that the selector means.</param>
/// <param name="WouldSend">Of them, those that take work and have what is required.</param>
/// <param name="WouldSkip">The others, by reason.</param>
/// <param name="ByClass">What would be sent, by class. Of a sample it is not known in advance which agents it picks: then absent.</param>
public sealed record DryRunView(
    bool DryRun, string Verb, string Strategy, string? Cascade, string Planner, int Priority, double WindowMs, double TimeoutMs, double RequiredReadyRate,
    int Targets, int WouldSend, IReadOnlyDictionary<string, int> WouldSkip, IReadOnlyDictionary<string, int>? ByClass, int Sectors, int Clusters, int PayloadBytes);
