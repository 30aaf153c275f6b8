using Mesh30K.Node.Runtime;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Cli.Bench;

/// <summary>How late sends leave: a fleet's sends spread over a second through the production release thread, the 99th percentile of each run.</summary>
internal sealed class ReleaseBench : IBench
{
    private const int Sleeps = 500;

    private readonly record struct Item(Instant Due) : IDue;

    public string Name => "release";

    public string Summary => "How late sends are released against their planned time (p99)";

    public double? SecondsPerRun => 1;

    public async Task<BenchReport> RunAsync(BenchArguments arguments)
    {
        MeshClock clock = new();
        List<double> medians = [];
        List<double> worst = [];
        await OneRunAsync(clock, arguments, 0).ConfigureAwait(false);
        double[] values = await arguments.RepeatAsync(Name, async i =>
        {
            double[] late = await OneRunAsync(clock, arguments, i).ConfigureAwait(false);
            medians.Add(BenchReport.Quantile(late, 0.5));
            worst.Add(late.Max());
            return BenchReport.Quantile(late, 0.99);
        }).ConfigureAwait(false);
        double[] limit = await arguments.RepeatAsync("release limit", _ => Task.Factory.StartNew(() => SleepAlone(clock), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)).ConfigureAwait(false);
        return new BenchReport
        {
            Bench = Name,
            Unit = "ms",
            What = "p99 of released − planned over one run's sends, planned evenly at random over the run's time",
            Values = values,
            LimitWhat = "p99 of an absolute nanosleep alone on an idle thread, 500 sleeps of 1 ms",
            LimitValues = limit,
            Aim = 1,
            Extra =
            [
                ("sends", arguments.Agents), ("seconds_per_run", arguments.SecondsPerRun), ("p50_ms", BenchReport.Quantile(medians, 0.5)),
                ("max_ms", worst.Max()),
            ],
        };
    }

    /// <summary>Lateness of each send in ms.</summary>
    private static async Task<double[]> OneRunAsync(MeshClock clock, BenchArguments arguments, int seed)
    {
        double[] late = new double[arguments.Agents];
        int released = 0;
        TaskCompletionSource all = new(TaskCreationOptions.RunContinuationsAsynchronously);
        ReleaseThread<Item> thread = new("mesh-release", clock, (due, releasedAt) =>
        {
            foreach (ref readonly Item item in due) late[released++] = releasedAt.MsSince(item.Due);
            if (released == late.Length) all.SetResult();
        });
        Random random = new(seed);
        Instant from = clock.Now.PlusMs(50);
        Item[] items = [.. late.Select(_ => new Item(from.PlusMs(random.NextDouble() * arguments.SecondsPerRun * 1_000)))];
        if (thread.Schedule(items) != PostResult.Accepted) throw new InvalidOperationException("the release thread took nothing");
        await all.Task.WaitAsync(arguments.Stop).ConfigureAwait(false);
        await thread.StopAsync(TimeSpan.FromSeconds(5)).ConfigureAwait(false);
        return late;
    }

    private static double SleepAlone(MeshClock clock)
    {
        double[] late = new double[Sleeps];
        Instant at = clock.Now;
        for (int i = 0; i < Sleeps; i++)
        {
            at = clock.Now.PlusMs(1);
            PreciseSleep.Until(clock, at);
            late[i] = clock.Now.MsSince(at);
        }
        return BenchReport.Quantile(late, 0.99);
    }
}
