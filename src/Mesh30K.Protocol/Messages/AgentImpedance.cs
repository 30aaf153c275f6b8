using Mesh30K.Protocol.Identity;

namespace Mesh30K.Protocol.Messages;

/// <summary>
/// What the mesh knows of one agent's delay at one moment (M 2.3). A snapshot: immutable, safe on any thread.
/// </summary>
/// <remarks>
/// About 120 bytes without its strings. A fleet's snapshots live all at once: share the id, the capabilities and the context hash with the
/// snapshot before. Fields that are unknown are dropped here, so that an agent cannot fill the registry.
/// </remarks>
public sealed record AgentImpedance
{
    public required AgentId AgentId { get; init; }

    public required ImpedanceClass AgentClass { get; init; }

    public required SectorId SectorId { get; init; }

    /// <summary>The cluster; its sector is <see cref="SectorId"/>.</summary>
    public required ClusterId ClusterId { get; init; }

    /// <summary>Median round-trip time in ms, 0 or more.</summary>
    public required double CurrentLatencyMs { get; init; }

    /// <summary>Median time in ms that the agent takes for a standard payload (weight 1), without waiting; 0 or more.</summary>
    public required double CurrentProcessingMs { get; init; }

    /// <summary>Operations that wait at the agent, 0 or more.</summary>
    public required int CurrentQueueDepth { get; init; }

    /// <summary>When the mesh last heard from the agent, on the mesh's clock.</summary>
    public required Instant LastHeartbeat { get; init; }

    /// <summary>Expected total delay in ms of a standard payload, 0 to 1000, where 1000 means 1000 or more.</summary>
    public required double ImpedanceScore { get; init; }

    /// <summary>Share of operations of the last hour that succeeded, 0 to 1.</summary>
    public required double ReliabilityScore { get; init; }

    /// <summary>Standard deviation of the delay by its mean (σ/μ), 0 or more; above 0.5 the agent counts as unstable.</summary>
    public required double DriftCoefficient { get; init; }

    public required OperationalState OperationalState { get; init; }

    /// <summary>Which context the agent has loaded, in its own words; empty when none. At most 256 characters.</summary>
    public required string CurrentContextHash { get; init; }

    /// <summary>What the agent can do. Not to be changed.</summary>
    public required IReadOnlyList<string> Capabilities { get; init; }
}
