using Mesh30K.Protocol.Identity;

namespace Mesh30K.Protocol.Messages;

/// <summary>A cluster as its lead reports it to the sector (M 4.2). Scores are in ms, 0 to 1000.</summary>
public sealed record ClusterImpedanceSummary : WireMessage
{
    public override MessageType Type => MessageType.ClusterSummary;

    public required ClusterId ClusterId { get; init; }

    /// <summary>The sector of <see cref="ClusterId"/>.</summary>
    public required SectorId SectorId { get; init; }

    public required int AgentCount { get; init; }

    /// <summary>How many of them are active, at most <see cref="AgentCount"/>.</summary>
    public required int ActiveCount { get; init; }

    /// <summary>Mean score; 0 without agents.</summary>
    public required double MeanImpedance { get; init; }

    /// <summary>95th percentile of the scores, interpolated; the one score with one agent, 0 without agents.</summary>
    public required double P95Impedance { get; init; }

    /// <summary>The agent with the highest score; null without agents.</summary>
    public AgentId? SlowestAgent { get; init; }

    /// <summary>The agent with the lowest score; null without agents.</summary>
    public AgentId? FastestAgent { get; init; }

    /// <summary>Agents flagged as slow (ours).</summary>
    public required IReadOnlyList<AgentId> DegradedAgents { get; init; }

    /// <summary>Agents flagged as unstable (ours).</summary>
    public required IReadOnlyList<AgentId> UnstableAgents { get; init; }

    public required Instant LastUpdated { get; init; }
}

/// <summary>A sector as its clusters' summaries show it (M 4.3).</summary>
public sealed record SectorImpedanceSummary : WireMessage
{
    public override MessageType Type => MessageType.SectorSummary;

    public required SectorId SectorId { get; init; }

    public required int ClusterCount { get; init; }

    public required int TotalAgents { get; init; }

    /// <summary>How many of them are active, at most <see cref="TotalAgents"/>.</summary>
    public required int ActiveAgents { get; init; }

    /// <summary>Mean score in ms over the sector's agents; 0 without agents.</summary>
    public required double MeanImpedance { get; init; }

    /// <summary>The cluster with the lowest mean score among those with agents; null when there is none.</summary>
    public ClusterId? HealthiestCluster { get; init; }

    /// <summary>The cluster with the highest mean score among those with agents; null when there is none.</summary>
    public ClusterId? SickestCluster { get; init; }
}

/// <summary>The whole mesh in a few numbers (M 4.3).</summary>
public sealed record GlobalImpedanceStats : WireMessage
{
    public override MessageType Type => MessageType.GlobalStats;

    public required Instant Timestamp { get; init; }

    public required int TotalAgents { get; init; }

    /// <summary>How many of them are active, at most <see cref="TotalAgents"/>.</summary>
    public required int ActiveAgents { get; init; }

    /// <summary>Active by total, 0 to 1; 0 without agents.</summary>
    public required double ActiveRate { get; init; }

    /// <summary>Mean score in ms over all agents; 0 without agents.</summary>
    public required double GlobalMeanImpedance { get; init; }

    /// <summary>95th percentile of the clusters' 95th percentiles, in ms, as M 4.3 has it; 0 without agents.</summary>
    public required double GlobalP95Impedance { get; init; }

    /// <summary>Sectors with more than 95% of their agents active.</summary>
    public required int SectorsHealthy { get; init; }

    /// <summary>Sectors with agents of which 95% or fewer are active.</summary>
    public required int SectorsDegraded { get; init; }
}
