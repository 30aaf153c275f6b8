using Mesh30K.Protocol.Identity;
using Mesh30K.Simulation.Fleet;

namespace Mesh30K.Simulation.Tests.Fleet;

public sealed class FleetTraceTests(ITestOutputHelper output)
{
    [Fact]
    public void Round_trips_are_the_recorded_ones_in_their_order()
    {
        var trace = NetworkTrace.FromPaths([new RecordedPath("p", [10, 20, float.NaN, 40], [])]);
        FleetPartition fleet = FleetRun.Whole(FleetRun.Of(ImpedanceClass.Edge, 1, seed: 2) with { NetworkTrace = trace, PathAsymmetry = 0 });
        float[] seen = [
            .. Enumerable.Range(0, 8).Select(k => fleet.Send(0, FleetRun.Start.PlusMs(1e7 * k), 1)).Select(o => o.Lost ? -1 : o.NetworkMs),
        ];
        int offset = Array.IndexOf(seen, 10);
        Assert.Equal([10, 20, -1, 40], Enumerable.Range(0, 4).Select(k => seen[(offset + k) % 4]));
        Assert.Equal(seen[..4], seen[4..]);
    }

    [Fact]
    public void Services_are_the_recorded_ones_in_their_order()
    {
        var trace = ServiceTrace.FromGroups([("g", [5, 6, 7])]);
        FleetPartition fleet = FleetRun.Whole(FleetRun.Of(ImpedanceClass.Gpu, 1) with { ServiceTrace = trace, LossRate = 0 });
        float[] seen = [.. Enumerable.Range(0, 6).Select(k => fleet.Send(0, FleetRun.Start.PlusMs(1e7 * k), 1).ServiceMs)];
        Assert.Equal([5, 6, 7], seen[..3].Order());
        Assert.Equal(seen[..3], seen[3..]);
        Assert.Equal(2 * seen[0], fleet.Send(0, FleetRun.Start.PlusMs(1e9), 4).ServiceMs);
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public void With_recordings_the_oracle_covers_what_it_says(bool network, bool service)
    {
        var options = new FleetOptions
        {
            Agents = 300,
            NetworkTrace = network ? NetworkTrace.Load(RecordedData.Require("ripe_rtt")) : null,
            ServiceTrace = service
                ? ServiceTrace.Load(RecordedData.Require("lambda_perf", "init_ms.csv"), "init_ms_*", "runtime,memory_mb,arch")
                : null,
        };
        FleetPartition fleet = FleetRun.Whole(options);
        (int at50, int at95, int draws) = (0, 0, 0);
        for (int round = 0; round < 400; round++)
        {
            for (int i = 0; i < fleet.Count; i++)
            {
                Instant at = FleetRun.Start.PlusMs(1e9 * round);
                float q50 = fleet.OracleQuantileMs(i, at, 1, 0.5f), q95 = fleet.OracleQuantileMs(i, at, 1, 0.95f);
                SendOutcome o = fleet.Send(i, at, 1);
                if (o.ReadyAt == Instant.MaxValue) continue;
                draws++;
                if (o.ReadyAt.MsSince(at) <= q50) at50++;
                if (o.ReadyAt.MsSince(at) <= q95) at95++;
            }
        }
        output.WriteLine(
            $"network {network} service {service}: 0.50 covered {at50 / (double)draws:0.0000}, 0.95 covered {at95 / (double)draws:0.0000} of {draws}");
        Assert.InRange(at50 / (double)draws, 0.49, 0.51);
        Assert.InRange(at95 / (double)draws, 0.945, 0.957);
    }

    [Theory]
    [InlineData(true, 0.5)]
    [InlineData(true, 0.95)]
    [InlineData(false, 0.5)]
    [InlineData(false, 0.95)]
    public void No_window_of_the_past_beats_the_law_of_hindsight(bool network, double level)
    {
        FleetPartition fleet = FleetRun.Whole(new FleetOptions
        {
            Agents = 200,
            ClassShares = new Dictionary<ImpedanceClass, double> { [ImpedanceClass.Serverless] = 1, [ImpedanceClass.Gpu] = 1 },
            NetworkTrace = network ? NetworkTrace.Load(RecordedData.Require("ripe_rtt")) : null,
            ServiceTrace = network ? null : ServiceTrace.Load(RecordedData.Require("lambda_perf", "init_ms.csv"), "init_ms_*", "runtime,memory_mb,arch"),
        });
        int[] windows = [10, 30, 100];
        var loss = new double[windows.Length];
        double oracle = 0;
        for (int i = 0; i < fleet.Count; i++)
        {
            var past = new List<double>();
            for (int k = 0; k < 400; k++)
            {
                Instant at = FleetRun.Start.PlusMs(1e9 * k);
                float predicted = fleet.OracleQuantileMs(i, at, 1, (float)level);
                SendOutcome o = fleet.Send(i, at, 1);
                if (o.ReadyAt == Instant.MaxValue) continue;
                double took = o.ReadyAt.MsSince(at);
                if (past.Count >= 100)
                {
                    oracle += FleetRun.Pinball(took, predicted, level) / past[0];
                    for (int w = 0; w < windows.Length; w++) loss[w] += FleetRun.Pinball(took, QuantileOfLast(past, windows[w], level), level) / past[0];
                }
                past.Add(took);
            }
        }
        string recording = network ? "ripe_rtt" : "lambda_perf";
        output.WriteLine($"{recording} {level}: " + string.Join(", ", windows.Select((w, at) => $"window {w} / oracle {loss[at] / oracle:0.000}")));
        Assert.All(loss, l => Assert.True(l >= oracle));
    }

    private static double QuantileOfLast(List<double> past, int count, double level)
    {
        List<double> window = past.GetRange(past.Count - count, count);
        window.Sort();
        return window[(int)(level * count)];
    }

    [Fact]
    public void The_recordings_load_whole()
    {
        var network = NetworkTrace.Load(RecordedData.Require("ripe_rtt"));
        Assert.Equal(30, network.Paths.Count);
        Assert.Equal(186_900, network.Paths.Sum(p => p.RttMs.Length));
        Assert.Equal(281, network.Paths.Sum(p => p.RttMs.Count(float.IsNaN)));
        var calls = ServiceTrace.Load(RecordedData.Require("llmperf", "requests.csv"), "ttft_ms", "provider_model");
        Assert.Equal(12, calls.Groups.Count);
    }
}
