namespace Mesh30K.Coordination.Topology;

/// <summary>
/// The sizes of the hierarchy (M 2.1): orchestrator → sectors → clusters → agents. The reference shape is 100 × 10 × 30.
/// Immutable; safe to share.
/// </summary>
/// <param name="Sectors">Sectors under the orchestrator, at least 1. More cost the orchestrator one summary each.</param>
/// <param name="ClustersPerSector">Clusters under a sector, at least 1.</param>
/// <param name="AgentsPerCluster">Places for agents in a cluster, at least 1; a larger cluster makes its lead slower.</param>
public sealed record MeshShape(int Sectors, int ClustersPerSector, int AgentsPerCluster)
{
    public static readonly MeshShape Reference = new(100, 10, 30);

    /// <summary>A lead plans its agents in one go, with scratch on its stack.</summary>
    public const int AgentsPerClusterMax = 10_000;

    /// <summary>The largest number of agents in one mesh: indices stay 32-bit with room to spare.</summary>
    public const long CapacityMax = 100_000_000;

    public int Clusters => Sectors * ClustersPerSector;

    public long Capacity => (long)Sectors * ClustersPerSector * AgentsPerCluster;

    /// <summary>The reference shape for up to 30,000 agents (with fewer sectors when fewer suffice), else as many sectors of 10 × 30 as are needed.</summary>
    public static MeshShape For(int agents)
    {
        int perSector = Reference.ClustersPerSector * Reference.AgentsPerCluster;
        return Reference with { Sectors = Math.Max(1, (int)(((long)agents + perSector - 1) / perSector)) };
    }

    /// <summary>What is wrong with this shape, or null when it can be built.</summary>
    public string? Validate() =>
        Sectors < 1 ? $"sectors must be at least 1, was {Sectors}"
        : ClustersPerSector < 1 ? $"clusters per sector must be at least 1, was {ClustersPerSector}"
        : AgentsPerCluster < 1 ? $"agents per cluster must be at least 1, was {AgentsPerCluster}"
        : AgentsPerCluster > AgentsPerClusterMax ? $"agents per cluster must be at most {AgentsPerClusterMax}, was {AgentsPerCluster}"
        : (Int128)Sectors * ClustersPerSector * AgentsPerCluster > CapacityMax ? $"the shape holds more than {CapacityMax} agents"
        : null;
}

/// <summary>One cluster: its sector and its place in it, both from 0. <see cref="Index"/> counts clusters through the whole mesh.</summary>
public readonly record struct ClusterAddress(int Sector, int Cluster, int Index)
{
    public static ClusterAddress Of(MeshShape shape, int index) => new(index / shape.ClustersPerSector, index % shape.ClustersPerSector, index);

    public override string ToString() => $"sector/{Sector}/cluster/{Cluster}";
}

/// <summary>Where an agent lives: its cluster and its slot in the cluster's arrays.</summary>
public readonly record struct AgentPlace(ClusterAddress Cluster, int Slot);
