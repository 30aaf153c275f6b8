using Mesh30K.Coordination.Topology;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Coordination.Arrival;

/// <summary>What became of one agent in one operation. Every agent of the cluster has exactly one of these at any time.</summary>
public enum AgentOutcome : byte
{
    /// <summary>Not selected by the operation; counted nowhere.</summary>
    NotTargeted,

    /// <summary>Selected but not sent to, for the reason beside it; listed apart from what was sent.</summary>
    Skipped,

    /// <summary>Sent or about to be; no ack yet. At the close of the gathering it counts as TRANSIT.</summary>
    InTransit,

    /// <summary>Acked READY.</summary>
    Ready,

    /// <summary>Acked CONFLICT: information, kept with its detail.</summary>
    Conflict,
}

/// <summary>Why an agent was skipped. On the wire in snake_case.</summary>
public enum SkipReason : byte
{
    None,

    /// <summary>It needs more time than is left before T.</summary>
    InsufficientLeadTime,

    /// <summary>Its heartbeats stopped.</summary>
    Offline,

    /// <summary>It is isolated.</summary>
    Quarantined,

    /// <summary>It lacks a capability that the operation requires.</summary>
    CapabilityMissing,

    /// <summary>A rate budget that binds its group leaves no place before its latest send time.</summary>
    RateBudget,

    /// <summary>The operation's time to live ends before the send.</summary>
    TtlExpired,

    /// <summary>Its lead has too many operations open.</summary>
    LeadBusy,

    /// <summary>Its class takes no part in this cascade.</summary>
    ClassNotInCascade,
}

/// <summary>One agent's line on a slip. 40 bytes; the release thread writes <see cref="ReleasedAtTicks"/>, the owner everything else.</summary>
public struct SlipLine
{
    public long PlannedAtTicks;

    /// <summary>When the host handed the send to its link; 0 until then. Written once, by the thread that releases.</summary>
    public long ReleasedAtTicks;

    public float MedianMs;
    public float LeadMs;

    /// <summary>READY − T in ms, once acked.</summary>
    public float OffsetMs;

    public float Confidence;
    public AgentOutcome Outcome;
    public SkipReason Reason;
}

/// <summary>
/// The plan of one operation for one cluster, a line a slot, and what came of it. Created by the lead; the host writes the release times,
/// everything else belongs to the lead. Outlives the gathering so that late acks still teach the estimators.
/// </summary>
/// <param name="lines">Empty lines, one a slot; the slip's from now on.</param>
public sealed class DispatchSlip(long operation, ClusterAddress cluster, Instant target, Instant expiresAt, float payloadWeight, SlipLine[] lines)
{
    public long Operation { get; } = operation;

    public ClusterAddress Cluster { get; } = cluster;

    public Instant Target { get; } = target;

    /// <summary>A send that could not be released by then is dropped by the host (TTL).</summary>
    public Instant ExpiresAt { get; } = expiresAt;

    public float PayloadWeight { get; } = payloadWeight;

    public SlipLine[] Lines { get; } = lines;
}
