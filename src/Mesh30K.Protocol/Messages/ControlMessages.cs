namespace Mesh30K.Protocol.Messages;

/// <summary>What happens to a circuit breaker (appendix B). On the wire: <c>OPEN</c>, <c>HALF_OPEN</c>, <c>CLOSE</c>.</summary>
public enum CircuitAction : byte
{
    /// <summary>The part is isolated: nothing is sent into it.</summary>
    Open,

    /// <summary>The part is probed, and watched for a while.</summary>
    HalfOpen,

    /// <summary>The part works as usual again.</summary>
    Close,
}

/// <summary>How much of the mesh something concerns (appendix B). On the wire in lower case.</summary>
public enum MeshScope : byte
{
    /// <summary>One cluster: some 30 agents.</summary>
    Cluster,

    /// <summary>One sector: some 300 agents.</summary>
    Sector,

    /// <summary>The whole mesh.</summary>
    Global,
}

/// <summary>A circuit breaker changed its state (M 6.2, appendix B).</summary>
public sealed record CircuitBreakerMessage : WireMessage
{
    public override MessageType Type => MessageType.Circuit;

    public required CircuitAction Action { get; init; }

    public required MeshScope Scope { get; init; }

    /// <summary>The text of the cluster or of the sector that <see cref="Scope"/> says; <c>global</c> for the whole mesh.</summary>
    public required string TargetId { get; init; }

    /// <summary>Why, for people.</summary>
    public required string Reason { get; init; }
}

/// <summary>Stop new work, pause delivery and write state (M 7.1, appendix B).</summary>
public sealed record FreezeMessage : WireMessage
{
    public override MessageType Type => MessageType.Freeze;

    public required MeshScope Scope { get; init; }

    /// <summary>The cluster or sector; null or <c>global</c> for the whole mesh.</summary>
    public string? TargetId { get; init; }

    /// <summary>The label under which the state is kept. Never to be used as a path as it stands: it comes over a wire.</summary>
    public required string PreserveStateTo { get; init; }
}
