using Mesh30K.Protocol.Identity;
using Mesh30K.Simulation.Fleet;

namespace Mesh30K.Simulation.Tests.Fleet;

/// <summary>Prints the figures of docs/profiles.md and holds the fleet to the ranges of M 2.2.</summary>
public sealed class FleetSummaryTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(ImpedanceClass.Edge, 5, 20)]
    [InlineData(ImpedanceClass.Serverless, 50, 150)]
    [InlineData(ImpedanceClass.Persistent, 100, 300)]
    [InlineData(ImpedanceClass.Gpu, 200, 500)]
    [InlineData(ImpedanceClass.Local, 169, 479)]
    [InlineData(ImpedanceClass.Human, 5_000, 1_800_000)]
    public void The_typical_delay_of_a_class_is_in_its_range(ImpedanceClass c, double least, double most)
    {
        var fleet = new FleetBlueprint(FleetRun.Of(c, 2_000));
        Summary s = Summarise(FleetRun.Whole(fleet));
        output.WriteLine(
            $"{c,-11} ready p50 of agents: 5% {s.Ready(0.05):0.0}  50% {s.Ready(0.5):0.0}  95% {s.Ready(0.95):0.0} ms;"
            + $" p95/p50 {s.P95:0.00}  p99/p50 {s.P99:0.00}; round trip's part {s.Share:0.00}");
        // Agents at the edges of the range, whose path is at another level than usual, may lie outside: nine in ten may not.
        Assert.InRange(s.Total(0.05), least, most);
        Assert.InRange(s.Total(0.95), least, most);
    }

    [Fact]
    public void The_laws_print()
    {
        FleetProfiles p = FleetProfiles.Embedded;
        output.WriteLine($"shift rate {p.ShiftRate:0.00000}  loss rate {p.LossRate:0.00000}");
        Print("network ratio", p.NetworkRatio);
        Print("path level", p.PathLevel);
        Print("path rtt ms", p.PathRttMs);
        foreach (ImpedanceClass c in ImpedanceClasses.All) Print(c.WireName(), p.ServiceRatio[(int)c]);
    }

    private void Print(string name, float[] law) => output.WriteLine(
        $"{name,-18}" + string.Join("  ", new[] { 0.0, 0.05, 0.5, 0.95, 0.99, 0.999, 1.0 }.Select(l => $"{QuantileLaw.Quantile(law, l),8:0.000}")));

    private static Summary Summarise(FleetPartition fleet)
    {
        var ready = new double[fleet.Count];
        var total = new List<double>();
        (double p95, double p99, double share, int got) = (0, 0, 0, 0);
        for (int i = 0; i < fleet.Count; i++)
        {
            ready[i] = fleet.OracleQuantileMs(i, FleetRun.Start, 1, 0.5f);
            p95 += fleet.OracleQuantileMs(i, FleetRun.Start, 1, 0.95f) / ready[i] / fleet.Count;
            p99 += fleet.OracleQuantileMs(i, FleetRun.Start, 1, 0.99f) / ready[i] / fleet.Count;
            float rtt = Enumerable.Range(0, 9).Select(_ => fleet.HeartbeatRttMs(i)).Where(v => !float.IsNaN(v)).Order().ElementAt(4);
            SendOutcome o = fleet.Send(i, FleetRun.Start, 1);
            total.Add(ready[i] + (rtt / 2));
            if (o.Lost) continue;
            share += o.NetworkMs / (o.NetworkMs + o.ServiceMs);
            got++;
        }
        Array.Sort(ready);
        total.Sort();
        return new Summary(ready, [.. total], p95, p99, share / got);
    }

    private sealed record Summary(double[] Readys, double[] Totals, double P95, double P99, double Share)
    {
        public double Ready(double level) => Readys[(int)(level * Readys.Length)];

        public double Total(double level) => Totals[(int)(level * Totals.Length)];
    }
}
