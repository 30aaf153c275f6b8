using Mesh30K.Coordination.Arrival;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Coordination.Gathering;

/// <summary>Counts of one gathering. Every targeted agent is in exactly one of ready, conflict, transit or skipped.</summary>
public struct GatherCounts
{
    public int Ready;
    public int Conflict;
    public int Transit;
    public int Skipped;

    /// <summary>Arrivals with |READY − T| ≤ window.</summary>
    public int WindowHits;

    /// <summary>Agents READY at or before T.</summary>
    public int ReadyByTarget;

    public readonly int Sent => Ready + Conflict + Transit;

    public readonly int Targets => Sent + Skipped;

    public void Add(in GatherCounts other)
    {
        Ready += other.Ready;
        Conflict += other.Conflict;
        Transit += other.Transit;
        Skipped += other.Skipped;
        WindowHits += other.WindowHits;
        ReadyByTarget += other.ReadyByTarget;
    }
}

/// <summary>One agent that did not make it, and why.</summary>
/// <param name="NeedMs">How long before T the plan would have had to be made: its lead, and under a rate budget the wait for its place.</param>
/// <param name="AvailableMs">The time that was left before T when the plan was made.</param>
public sealed record RosterEntry(AgentId Agent, string Cluster, AgentOutcome Outcome, SkipReason Reason, float NeedMs, float AvailableMs, ConflictDetail? Conflict)
{
    /// <summary>Milliseconds missing before T, for a skip by lead time or rate budget; else 0.</summary>
    public float MissingMs => Reason is SkipReason.InsufficientLeadTime or SkipReason.RateBudget ? Math.Max(0, NeedMs - AvailableMs) : 0;
}

/// <summary>One agent's answer to a question.</summary>
public sealed record AgentAnswer(AgentId Agent, string Result);

/// <summary>What one gathering found, for a cluster, a sector or the mesh; reports of disjoint parts merge into the report of the whole.</summary>
public sealed class GatherReport
{
    /// <summary>More answers than this are counted but not kept (policy: keep the first).</summary>
    public const int AnswersMax = 1_000;

    public GatherCounts Counts;

    /// <summary>READY − T in ms of every ack.</summary>
    public SparseSketch Arrivals { get; init; } = SparseSketch.Empty;

    /// <summary>|arrival − predicted arrival| in ms of every ack.</summary>
    public SparseSketch PredictionErrors { get; init; } = SparseSketch.Empty;

    /// <summary>Everyone who is not READY.</summary>
    public IReadOnlyList<RosterEntry> Roster { get; init; } = [];

    public IReadOnlyList<AgentAnswer> Answers { get; init; } = [];

    public double ConfidenceSum { get; init; }

    /// <summary>The reports of disjoint parts, or of several operations, as one.</summary>
    public static GatherReport Merge(IEnumerable<GatherReport> parts)
    {
        GatherReportBuilder builder = new();
        foreach (GatherReport part in parts) builder.Add(part);
        return builder.Build();
    }
}
