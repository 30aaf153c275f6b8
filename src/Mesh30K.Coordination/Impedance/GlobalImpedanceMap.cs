using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Coordination.Impedance;

/// <summary>
/// The whole mesh as the clusters' summaries show it (M 4.3): built anew every 10 s or so and swapped whole. Immutable, safe on any thread.
/// </summary>
/// <remarks>
/// Means weigh each cluster by its agents, where M takes the plain mean of the clusters' means: the same for clusters of one size, and right
/// for others. Clusters without agents count as clusters and in nothing else.
/// </remarks>
public sealed class GlobalImpedanceMap
{
    /// <summary>A sector is healthy when more than this share of its agents is active (M 4.3).</summary>
    public const double HealthyAbove = 0.95;

    private readonly Dictionary<ClusterId, ClusterImpedanceSummary> _clusters;
    private readonly Dictionary<SectorId, SectorImpedanceSummary> _sectors;

    private GlobalImpedanceMap(
        Dictionary<ClusterId, ClusterImpedanceSummary> clusters, SectorImpedanceSummary[] sectors, GlobalImpedanceStats stats)
    {
        _clusters = clusters;
        _sectors = sectors.ToDictionary(s => s.SectorId);
        Sectors = sectors;
        Stats = stats;
    }

    /// <summary>The sectors in the order of their indices.</summary>
    public IReadOnlyList<SectorImpedanceSummary> Sectors { get; }

    public GlobalImpedanceStats Stats { get; }

    /// <summary>The map of a set of summaries. Of two summaries of one cluster the later one counts. O(n log n).</summary>
    public static GlobalImpedanceMap Build(IEnumerable<ClusterImpedanceSummary> summaries, Instant now)
    {
        Dictionary<ClusterId, ClusterImpedanceSummary> clusters = [];
        foreach (ClusterImpedanceSummary summary in summaries)
        {
            if (!clusters.TryGetValue(summary.ClusterId, out ClusterImpedanceSummary? known) || known.LastUpdated <= summary.LastUpdated)
                clusters[summary.ClusterId] = summary;
        }
        ClusterImpedanceSummary[] ordered = [.. clusters.Values.OrderBy(c => c.ClusterId)];
        SectorImpedanceSummary[] sectors = [.. ordered.GroupBy(c => c.SectorId).Select(g => Sector(g.Key, [.. g]))];
        return new GlobalImpedanceMap(clusters, sectors, Global(ordered, sectors, now));
    }

    /// <summary>The summary of a cluster; null when there is none.</summary>
    public ClusterImpedanceSummary? Cluster(ClusterId id) => _clusters.GetValueOrDefault(id);

    /// <summary>The summary of a sector; null when there is none.</summary>
    public SectorImpedanceSummary? Sector(SectorId id) => _sectors.GetValueOrDefault(id);

    /// <summary>Whether a sector has agents of which more than 95% are active.</summary>
    public static bool IsHealthy(SectorImpedanceSummary sector) =>
        sector.TotalAgents > 0 && (double)sector.ActiveAgents / sector.TotalAgents > HealthyAbove;

    private static SectorImpedanceSummary Sector(SectorId id, ClusterImpedanceSummary[] clusters)
    {
        ClusterImpedanceSummary? healthiest = null, sickest = null;
        foreach (ClusterImpedanceSummary cluster in clusters)
        {
            if (cluster.AgentCount == 0) continue;
            if (healthiest is null || cluster.MeanImpedance < healthiest.MeanImpedance) healthiest = cluster;
            if (sickest is null || cluster.MeanImpedance > sickest.MeanImpedance) sickest = cluster;
        }
        return new SectorImpedanceSummary
        {
            SectorId = id,
            ClusterCount = clusters.Length,
            TotalAgents = clusters.Sum(c => c.AgentCount),
            ActiveAgents = clusters.Sum(c => c.ActiveCount),
            MeanImpedance = Mean(clusters),
            HealthiestCluster = healthiest?.ClusterId,
            SickestCluster = sickest?.ClusterId,
        };
    }

    private static GlobalImpedanceStats Global(ClusterImpedanceSummary[] clusters, SectorImpedanceSummary[] sectors, Instant now)
    {
        int total = sectors.Sum(s => s.TotalAgents), active = sectors.Sum(s => s.ActiveAgents);
        double[] p95s = [.. clusters.Where(c => c.AgentCount > 0).Select(c => c.P95Impedance)];
        return new GlobalImpedanceStats
        {
            Timestamp = now,
            TotalAgents = total,
            ActiveAgents = active,
            ActiveRate = total == 0 ? 0 : (double)active / total,
            GlobalMeanImpedance = Mean(clusters),
            GlobalP95Impedance = ImpedanceMath.QuantileInPlace(p95s, 0.95),
            SectorsHealthy = sectors.Count(IsHealthy),
            SectorsDegraded = sectors.Count(s => s.TotalAgents > 0 && !IsHealthy(s)),
        };
    }

    private static double Mean(ClusterImpedanceSummary[] clusters)
    {
        long agents = clusters.Sum(c => (long)c.AgentCount);
        return agents == 0 ? 0 : Math.Min(ImpedanceMath.ScoreMax, clusters.Sum(c => c.MeanImpedance * c.AgentCount) / agents);
    }
}
