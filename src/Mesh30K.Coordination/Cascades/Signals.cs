using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Coordination.Topology;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Coordination.Cascades;

/// <summary>One phase of an operation as it goes down the hierarchy: everything a lead needs to plan. Immutable.</summary>
public sealed record OperationOrder
{
    /// <summary>Names the gathering: a new one for every phase of every operation, never used twice.</summary>
    public required long Handle { get; init; }

    public required MessageId OperationId { get; init; }

    /// <summary>Which phase of the operation this is, from 0.</summary>
    public int Phase { get; init; }

    /// <summary>
    /// The id of the message that agents get: the operation's own in its first phase. In a later one the operation's id with 64 of its random bits changed in a way that only the phase
    /// decides: the phases of an operation never share an id, and two operations do with the chance of two random ids. So the same order always has the same id, wherever it is worked out.
    /// </summary>
    public MessageId MessageId => Phase == 0 ? OperationId : OperationId with { Low = OperationId.Low ^ AgentSelection.Mix((ulong)Phase, 0) };

    /// <summary>The operation; <see cref="OperationSpec.Selector"/> is replaced by <see cref="Selector"/>.</summary>
    public required OperationSpec Spec { get; init; }

    public required Selector Selector { get; init; }

    public required string Payload { get; init; }

    public required Instant Target { get; init; }

    /// <summary>Acks are gathered until then.</summary>
    public required Instant GatherUntil { get; init; }

    public required Instant ExpiresAt { get; init; }

    /// <summary>How the misses are divided among the agents (<see cref="MissBudget"/>); 0 gives every agent the same share.</summary>
    public float MissPerMs { get; init; }

    /// <summary>When set, nobody is sent to: every selected agent is listed as skipped for this reason.</summary>
    public SkipReason SkipAllAs { get; init; }

    /// <summary>How many agents this part of the mesh is to pick, when the operation samples.</summary>
    public int? Quota { get; init; }
}

/// <summary>What happens to an agent's membership.</summary>
public enum MemberChangeKind : byte
{
    /// <summary>It takes a place that is free.</summary>
    Join,

    /// <summary>It has its place already and said hello again: it is alive, and its capabilities may be others than before.</summary>
    Return,

    /// <summary>It leaves. Its place is free when <see cref="Effects.Departed"/> says so.</summary>
    Leave,
}

/// <summary>An agent comes or goes. The class of an agent that returns is the one that it joined with.</summary>
public sealed record MemberChange(MemberChangeKind Kind, int AgentIndex, AgentPlace Place, AgentDescription Agent);

/// <summary>First step of a wave: are you there? Answered by <see cref="Confirmation"/>. A sector asked for its clusters asks them first.</summary>
public sealed record Preparation(long Handle, bool WithClusters, Instant AnswerUntil);

/// <summary>The answer to a preparation.</summary>
/// <param name="Clusters">Clusters that confirmed; 0 when only the sector itself was asked.</param>
public sealed record Confirmation(long Handle, int Sector, int Cluster, int Clusters);

/// <summary>What a cluster gathered. The arrays are not written after creation.</summary>
public sealed record ClusterReport(
    long Handle, ClusterAddress Cluster, GatherCounts Counts, float[] OffsetsMs, float[] ErrorsMs, RosterEntry[] Roster, AgentAnswer[] Answers, float ConfidenceSum);

/// <summary>What a sector gathered: one of these goes up instead of 300 acks.</summary>
public sealed record SectorReport(long Handle, int Sector, int Clusters, GatherReport Report);

/// <summary>How late a sector's agents tend to be, by class: what the orchestrator chooses T from.</summary>
/// <param name="Leads">Per class, the 0.95 quantiles in ms of every agent that takes work.</param>
/// <param name="Medians">Per class, the predicted medians in ms.</param>
/// <param name="TailScaleSumMs">Per class, the sum of the agents' tail scales (<see cref="MissBudget.TailScaleMs"/>).</param>
/// <param name="Eligible">Agents that take work, per class.</param>
/// <param name="Capabilities">Agents that take work, per capability and class.</param>
public sealed record SectorSummary(int Sector, SparseSketch[] Leads, SparseSketch[] Medians, double[] TailScaleSumMs, int[] Eligible, IReadOnlyDictionary<string, int[]> Capabilities);

/// <summary>One phase of an operation and its outcome.</summary>
public sealed record PhaseResult(string Name, QuorumResult Quorum, GatherReport Report, double TargetInMs);

/// <summary>An operation left the queue. Immutable.</summary>
public sealed record OperationStarted(long Number, MessageId OperationId, OperationSpec Spec, Instant SubmittedAt, Instant StartedAt);

/// <summary>How an operation ended.</summary>
public enum OperationStatus : byte
{
    /// <summary>The quorum said PROCEED (or, for a broadcast, everything was sent).</summary>
    Success,

    /// <summary>Gathered, but the quorum did not say PROCEED.</summary>
    Partial,

    /// <summary>A priority-first cascade went through all its classes; the phases tell which fell short.</summary>
    Complete,

    /// <summary>Too few sectors confirmed a wave; nothing was sent to agents.</summary>
    FailedAtSector,

    /// <summary>Too few clusters confirmed a wave; nothing was sent to agents.</summary>
    FailedAtCluster,

    /// <summary>A pipeline stopped at a stage without quorum.</summary>
    FailedAtStage,

    /// <summary>Its time to live ended before it could start.</summary>
    Expired,
}

/// <summary>The end of an operation. Times in ms on the mesh's clock. Immutable.</summary>
public sealed record OperationResult
{
    public required long Number { get; init; }

    public required MessageId OperationId { get; init; }

    public required OperationSpec Spec { get; init; }

    public required OperationStatus Status { get; init; }

    /// <summary>The decision over everything that was sent.</summary>
    public required QuorumResult Quorum { get; init; }

    /// <summary>All phases together.</summary>
    public required GatherReport Report { get; init; }

    public required IReadOnlyList<PhaseResult> Phases { get; init; }

    public required Instant SubmittedAt { get; init; }

    public required Instant EndedAt { get; init; }

    /// <summary>T of the last phase that sent; the submission when none did.</summary>
    public required Instant Target { get; init; }

    public int SectorsReached { get; init; }

    public int ClustersReached { get; init; }

    public double TotalMs => EndedAt.MsSince(SubmittedAt);

    /// <summary>Share of what was sent that arrived within ± window of T; 0 when nothing was sent.</summary>
    public double WindowHitRate => Report.Counts.Sent == 0 ? 0 : (double)Report.Counts.WindowHits / Report.Counts.Sent;

    /// <summary>Share of what was sent that was READY by T.</summary>
    public double ReadyByTargetRate => Report.Counts.Sent == 0 ? 0 : (double)Report.Counts.ReadyByTarget / Report.Counts.Sent;
}
