using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Coordination.Gathering;

/// <summary>What rides on few acks: an answer, or the detail of a conflict. Immutable.</summary>
public sealed record AckDetail(string? Result, ConflictDetail? Conflict);

/// <summary>
/// One agent's ack as the lead takes it, already addressed (appendix B plus the waiting time). Times in ms are the agent's own
/// measurements of durations; <see cref="ReceivedAt"/> is on the mesh's clock, stamped by the link.
/// </summary>
public readonly struct AgentAck
{
    public required int ClusterIndex { get; init; }

    public required int Slot { get; init; }

    /// <summary>The operation's handle.</summary>
    public required long Operation { get; init; }

    public required Instant ReceivedAt { get; init; }

    public required TrinaryState State { get; init; }

    /// <summary>From the start of service to READY, without waiting.</summary>
    public required float ProcessingMs { get; init; }

    /// <summary>From receipt to the start of service.</summary>
    public float QueueWaitMs { get; init; }

    /// <summary>Sends waiting or in service at the agent after this one.</summary>
    public int QueueDepth { get; init; }

    public AckDetail? Detail { get; init; }
}

/// <summary>One agent's heartbeat as the lead takes it.</summary>
public readonly struct AgentHeartbeat
{
    public required int ClusterIndex { get; init; }

    public required int Slot { get; init; }

    public required Instant ReceivedAt { get; init; }

    public int QueueDepth { get; init; }

    /// <summary>What context the agent has loaded; null when unchanged since its last heartbeat.</summary>
    public string? ContextHash { get; init; }
}
