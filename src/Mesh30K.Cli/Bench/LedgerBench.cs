using System.Diagnostics;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Node.Ledger;

namespace Mesh30K.Cli.Bench;

/// <summary>
/// Committed writes a second of a group of coordinator processes on this machine, over mutual TLS: clients that each set a key of their own, wait for the reply, and go on. Groups of three and of
/// one, many clients and one, each by turns. The limit writes batches of the same size with nothing but pwrite and fdatasync.
/// </summary>
internal sealed class LedgerBench : IBench
{
    internal const int ClientsDefault = 100;
    internal const int ClientsMax = 4_000;
    private const int PayloadBytes = 256;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);

    public string Name => "ledger";

    public string Summary => "Committed writes a second of groups of one and three coordinator processes";

    public double? SecondsPerRun => 3;

    public async Task<BenchReport> RunAsync(BenchArguments arguments)
    {
        using BenchDisk disk = BenchDisk.Create(Name);
        LedgerBenchGroup three = await LedgerBenchGroup.StartAsync(disk.Fresh(), 3, arguments.Stop).ConfigureAwait(false);
        await using (three.ConfigureAwait(false))
        {
            LedgerBenchGroup one = await LedgerBenchGroup.StartAsync(disk.Fresh(), 1, arguments.Stop).ConfigureAwait(false);
            await using (one.ConfigureAwait(false)) return await RunAsync(arguments, disk, three, one).ConfigureAwait(false);
        }
    }

    private async Task<BenchReport> RunAsync(BenchArguments arguments, BenchDisk disk, LedgerBenchGroup three, LedgerBenchGroup one)
    {
        int clients = arguments.Agents;
        double seconds = arguments.SecondsPerRun;
        Series many3 = new(), many1 = new(), each3 = new(), single3 = new(), single1 = new();
        List<double> limit3 = [], limit1 = [], bareOne = [];
        foreach (LedgerBenchGroup group in (LedgerBenchGroup[])[three, one]) // warm-up: compiled code, connections
        {
            _ = await WriteAsync(group, clients, shared: true, seconds, arguments.Stop).ConfigureAwait(false);
            _ = await WriteAsync(group, 1, shared: true, seconds / 2, arguments.Stop).ConfigureAwait(false);
        }
        double[] values = await arguments.RepeatAsync(Name, async _ =>
        {
            Figures now = many3.Add(await WriteAsync(three, clients, shared: true, seconds, arguments.Stop).ConfigureAwait(false));
            limit3.Add(disk.Bare((int)(now.PerSync * PayloadBytes), now.PerSync, seconds / 4));
            Figures alone = many1.Add(await WriteAsync(one, clients, shared: true, seconds, arguments.Stop).ConfigureAwait(false));
            limit1.Add(disk.Bare((int)(alone.PerSync * PayloadBytes), alone.PerSync, seconds / 4));
            each3.Add(await WriteAsync(three, clients, shared: false, seconds, arguments.Stop).ConfigureAwait(false));
            single3.Add(await WriteAsync(three, 1, shared: true, seconds / 2, arguments.Stop).ConfigureAwait(false));
            single1.Add(await WriteAsync(one, 1, shared: true, seconds / 2, arguments.Stop).ConfigureAwait(false));
            bareOne.Add(disk.Bare(PayloadBytes, 1, seconds / 4));
            return now.PerSecond;
        }).ConfigureAwait(false);
        return new BenchReport
        {
            Bench = Name,
            Unit = "writes/s",
            What = $"values of {PayloadBytes} bytes set by {clients} clients in one process that share a connection, each waiting for its reply, at three coordinator processes on loopback",
            Values = values,
            LimitWhat = "a bare loop of pwrite + fdatasync with as many values a batch as the leader's disk got",
            LimitValues = [.. limit3],
            Aim = 12_000,
            LargerIsBetter = true,
            Extra =
            [
                ("clients", clients), ("file_system", disk.FileSystem), ("processors", Environment.ProcessorCount),
                .. many3.Told("three"), .. each3.Told("three_own_connections"), .. single3.Told("three_one_client"),
                .. many1.Told("one"), ("one_aim_per_s", 30_000), ("one_limit_per_s", BenchReport.Quantile(limit1, 0.5)), ("one_ratio_to_limit", many1.PerSecond / BenchReport.Quantile(limit1, 0.5)),
                .. single1.Told("one_one_client"), ("one_client_aim_ms", new[] { 0.31, 0.63 }), ("bare_sync_ms", 1_000 / BenchReport.Quantile(bareOne, 0.5)),
            ],
        };
    }

    /// <param name="shared">Whether all share one connection, or each has its own.</param>
    private static async Task<Figures> WriteAsync(LedgerBenchGroup group, int clients, bool shared, double seconds, CancellationToken stop)
    {
        List<LedgerClient> own = [];
        try
        {
            if (!shared) for (int i = 0; i < clients; i++) own.Add(group.NewClient());
            // A connection takes a while; it is no part of a write.
            await Task.WhenAll(own.Select((c, i) => SetAsync(c, i, stop))).ConfigureAwait(false);
            long syncs = await group.SyncsAsync(stop).ConfigureAwait(false);
            long from = Stopwatch.GetTimestamp();
            double[][] latencies = await Task.WhenAll(Enumerable.Range(0, clients).Select(i => Task.Run(() => LoopAsync(shared ? group.Client : own[i], i, from, seconds, stop), stop))).ConfigureAwait(false);
            double elapsed = Stopwatch.GetElapsedTime(from).TotalSeconds;
            double[] all = [.. latencies.SelectMany(l => l)];
            return new Figures(all.Length / elapsed, all.Length / (double)Math.Max(1, await group.SyncsAsync(stop).ConfigureAwait(false) - syncs), BenchReport.Quantile(all, 0.5), BenchReport.Quantile(all, 0.99));
        }
        finally
        {
            foreach (LedgerClient client in own) await client.DisposeAsync().ConfigureAwait(false);
        }
    }

    private static async Task<double[]> LoopAsync(LedgerClient client, int number, long from, double seconds, CancellationToken stop)
    {
        List<double> latencies = [];
        for (long at = from; Stopwatch.GetElapsedTime(from, at).TotalSeconds < seconds;)
        {
            long asked = Stopwatch.GetTimestamp();
            await SetAsync(client, number, stop).ConfigureAwait(false);
            at = Stopwatch.GetTimestamp();
            latencies.Add(Stopwatch.GetElapsedTime(asked, at).TotalMilliseconds);
        }
        return [.. latencies];
    }

    internal static async Task SetAsync(LedgerClient client, int number, CancellationToken stop)
    {
        byte[] value = new byte[PayloadBytes];
        value.AsSpan().Fill((byte)number);
        LedgerAnswer answer = await client.AskAsync(new LedgerCommand.SetKey($"bench-{number}", value, null), Deadline, stop).ConfigureAwait(false);
        if (answer.Reply is not { Outcome: LedgerOutcome.Ok }) throw new InvalidOperationException($"a write was not taken: {answer.Certainty}: {answer.Why}{answer.Reply?.Message}");
    }

    private sealed record Figures(double PerSecond, double PerSync, double P50Ms, double P99Ms);

    private sealed class Series
    {
        private readonly List<Figures> _runs = [];

        internal double PerSecond => Median(f => f.PerSecond);

        internal Figures Add(Figures run)
        {
            _runs.Add(run);
            return run;
        }

        internal IEnumerable<(string Name, object? Value)> Told(string name) =>
        [
            ($"{name}_per_s", PerSecond), ($"{name}_p50_ms", Median(f => f.P50Ms)), ($"{name}_p99_ms", Median(f => f.P99Ms)), ($"{name}_writes_per_sync", Median(f => f.PerSync)),
        ];

        private double Median(Func<Figures, double> of) => BenchReport.Quantile([.. _runs.Select(of)], 0.5);
    }
}
