using FsCheck;
using FsCheck.Fluent;
using Mesh30K.Coordination.Impedance;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Coordination.Tests.Impedance;

public sealed class AggregationTests
{
    private static readonly ClusterId Cluster = new(7, 4);

    [Fact]
    public void A_summary_is_what_a_naive_reading_gives_in_any_order() =>
        Prop.ForAll<int>(seed =>
        {
            Random r = new(seed);
            AgentImpedance[] agents = Fleet.Many(seed, r.Next(1, 200));
            ClusterImpedanceSummary s = ClusterAggregator.Summarize(Cluster, agents, Fleet.Start);
            double[] scores = [.. agents.Select(a => a.ImpedanceScore).Order()];
            double at = (scores.Length - 1) * 0.95;
            double p95 = scores[(int)at] + ((at - (int)at) * (scores[Math.Min((int)at + 1, scores.Length - 1)] - scores[(int)at]));
            Assert.Equal(agents.Length, s.AgentCount);
            Assert.Equal(agents.Count(a => a.OperationalState == OperationalState.Active), s.ActiveCount);
            Assert.Equal(scores.Average(), s.MeanImpedance, 9);
            Assert.Equal(p95, s.P95Impedance, 9);
            Assert.Equal(agents.OrderBy(a => a.ImpedanceScore).ThenBy(a => a.AgentId.Value, StringComparer.Ordinal).First().AgentId, s.FastestAgent);
            Assert.Equal(agents.OrderByDescending(a => a.ImpedanceScore).ThenBy(a => a.AgentId.Value, StringComparer.Ordinal).First().AgentId, s.SlowestAgent);
            Assert.Equal(agents.Where(a => a.ImpedanceScore > 800).Select(a => a.AgentId.Value).Order(StringComparer.Ordinal), s.DegradedAgents.Select(a => a.Value));
            Assert.Equal(agents.Where(a => a.DriftCoefficient > 0.5).Select(a => a.AgentId.Value).Order(StringComparer.Ordinal), s.UnstableAgents.Select(a => a.Value));

            r.Shuffle(agents);
            ClusterImpedanceSummary again = ClusterAggregator.Summarize(Cluster, agents, Fleet.Start);
            Assert.Equal(s.MeanImpedance, again.MeanImpedance);
            Assert.Equal(s, again with { DegradedAgents = s.DegradedAgents, UnstableAgents = s.UnstableAgents });
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void An_empty_cluster_and_one_agent_are_defined()
    {
        ClusterImpedanceSummary none = ClusterAggregator.Summarize(Cluster, [], Fleet.Start);
        Assert.Equal((0, 0, 0.0, 0.0), (none.AgentCount, none.ActiveCount, none.MeanImpedance, none.P95Impedance));
        Assert.Null(none.SlowestAgent);
        ClusterImpedanceSummary one = ClusterAggregator.Summarize(Cluster, [Fleet.Agent("a", 42)], Fleet.Start);
        Assert.Equal((42.0, 42.0), (one.MeanImpedance, one.P95Impedance));
        Assert.Equal(one.FastestAgent, one.SlowestAgent);
    }

    [Fact]
    public void A_map_of_nothing_is_defined()
    {
        GlobalImpedanceStats stats = GlobalImpedanceMap.Build([], Fleet.Start).Stats;
        Assert.Equal((0, 0.0, 0.0, 0.0, 0, 0), (stats.TotalAgents, stats.ActiveRate, stats.GlobalMeanImpedance, stats.GlobalP95Impedance, stats.SectorsHealthy, stats.SectorsDegraded));
    }

    [Fact]
    public void A_map_shows_each_sector_and_the_whole()
    {
        GlobalImpedanceMap map = GlobalImpedanceMap.Build(
            [
                Summary(1, 0, agents: 20, active: 20, mean: 100, p95: 200), Summary(1, 1, agents: 20, active: 18, mean: 300, p95: 400),
                Summary(0, 0, agents: 60, active: 60, mean: 50, p95: 60), Summary(2, 0, agents: 0, active: 0, mean: 0, p95: 0),
                Summary(0, 0, agents: 1, active: 0, mean: 999, p95: 999) with { LastUpdated = Fleet.Start.PlusMs(-1) },
            ],
            Fleet.Start);
        Assert.Equal([0, 1, 2], map.Sectors.Select(s => s.SectorId.Index));
        SectorImpedanceSummary one = map.Sector(new SectorId(1))!;
        Assert.Equal((2, 40, 38, 200.0), (one.ClusterCount, one.TotalAgents, one.ActiveAgents, one.MeanImpedance));
        Assert.Equal((new ClusterId(1, 0), new ClusterId(1, 1)), (one.HealthiestCluster, one.SickestCluster));
        Assert.Null(map.Sector(new SectorId(2))!.SickestCluster);
        Assert.Equal(0.98, map.Stats.ActiveRate, 9);
        Assert.Equal(((100 * 20) + (300 * 20) + (50 * 60)) / 100.0, map.Stats.GlobalMeanImpedance, 9);
        Assert.Equal(380, map.Stats.GlobalP95Impedance, 9);

        // Sector 1 has exactly 95%: not more than that.
        Assert.Equal((1, 1), (map.Stats.SectorsHealthy, map.Stats.SectorsDegraded));
        Assert.Equal(50, map.Cluster(new ClusterId(0, 0))!.MeanImpedance);
        Assert.Null(map.Cluster(new ClusterId(9, 9)));
    }

    private static ClusterImpedanceSummary Summary(int sector, int index, int agents, int active, double mean, double p95) => new()
    {
        ClusterId = new ClusterId(sector, index),
        SectorId = new SectorId(sector),
        AgentCount = agents,
        ActiveCount = active,
        MeanImpedance = mean,
        P95Impedance = p95,
        DegradedAgents = [],
        UnstableAgents = [],
        LastUpdated = Fleet.Start,
    };
}
