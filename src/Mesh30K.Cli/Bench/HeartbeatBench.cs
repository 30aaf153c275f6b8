using System.Diagnostics;
using System.Runtime.CompilerServices;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Coordination.Topology;
using Mesh30K.Node.Hosting;
using Mesh30K.Node.Runtime;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Cli.Bench;

/// <summary>
/// What the heartbeats of a fleet cost a node: in real time, every agent once an interval of 5 s, handed over every 50 ms in one array a loop, as
/// links do. Measured is the processor time of the node's loops over whole intervals, so all that heartbeats cause is in it: waking
/// up, the records, the liveness sweep of every agent once a second, a fresh snapshot of every agent that was heard, the clusters' summaries.
/// </summary>
internal sealed class HeartbeatBench : IBench
{
    private const int SlicesPerInterval = 100;
    private const double IntervalS = 5;

    public string Name => "heartbeats";

    public string Summary => "Processor time for every agent's heartbeat every 5 s";

    /// <summary>One interval.</summary>
    public double? SecondsPerRun => IntervalS;

    public async Task<BenchReport> RunAsync(BenchArguments arguments)
    {
        MeshHost host = BenchFleet.Host(arguments.Agents);
        await using ConfiguredAsyncDisposable stop = host.ConfigureAwait(false);
        host.Connect(new InstantLink(host, host.Clock));
        host.Start();
        AgentPlace[] places = host.Mesh.Places;
        bool byCpu = ThreadCpu.IsSupported;
        double Used() => byCpu ? ThreadCpu.Ms("mesh-loop") : host.LoopSnapshots().Sum(l => l.Busy.TotalMilliseconds);
        Task<double> Interval() => FeedAsync(arguments, places, host.LoopOf, host.Clock, (loop, beats) => host.Post(loop, beats, beats.Length));
        await Interval().ConfigureAwait(false);
        List<double> feeder = [];
        double[] values = await arguments.RepeatAsync(Name, async _ =>
        {
            double before = Used();
            long from = Stopwatch.GetTimestamp();
            double feederMs = await Interval().ConfigureAwait(false);
            double wall = Stopwatch.GetElapsedTime(from).TotalMilliseconds;
            feeder.Add(feederMs / wall * 100);
            return (Used() - before) / wall * 100;
        }).ConfigureAwait(false);
        double[] limit = await EmptyLoopAsync(arguments, places).ConfigureAwait(false);
        double median = BenchReport.Quantile(values, 0.5);
        return new BenchReport
        {
            Bench = Name,
            Unit = "percent of one core",
            What = "processor time of the loops in real time: heartbeats, sweeps, snapshots and summaries of whole intervals",
            Values = values,
            LimitWhat = "one loop with an empty handler that is handed the same arrays",
            LimitValues = limit,
            Aim = 1.5,
            Extra =
            [
                ("agents", arguments.Agents), ("loops", host.Loops), ("interval_s", arguments.SecondsPerRun), ("measured_by", byCpu ? "schedstat" : "busy time of turns"),
                ("ns_per_heartbeat", median / 100 * arguments.SecondsPerRun * 1e9 / arguments.Agents), ("harness_percent", BenchReport.Quantile(feeder, 0.5)),
            ],
        };
    }

    private static async Task<double[]> EmptyLoopAsync(BenchArguments arguments, AgentPlace[] places)
    {
        MeshClock clock = new();
        EventLoop<AgentHeartbeat[], int> loop = new("bench-empty", clock, new NoWork());
        loop.Start();
        double[] values = await arguments.RepeatAsync("heartbeats limit", async _ =>
        {
            double before = ThreadCpu.IsSupported ? ThreadCpu.Ms("bench-empty") : loop.Snapshot().Busy.TotalMilliseconds;
            long from = Stopwatch.GetTimestamp();
            await FeedAsync(arguments with { SecondsPerRun = Math.Min(1, arguments.SecondsPerRun) }, places, static _ => 0, clock, (_, beats) => loop.TryPost(beats)).ConfigureAwait(false);
            double wall = Stopwatch.GetElapsedTime(from).TotalMilliseconds;
            return ((ThreadCpu.IsSupported ? ThreadCpu.Ms("bench-empty") : loop.Snapshot().Busy.TotalMilliseconds) - before) / wall * 100;
        }).ConfigureAwait(false);
        await loop.StopAsync(TimeSpan.FromSeconds(5)).ConfigureAwait(false);
        return values;
    }

    /// <summary>One interval's heartbeats in real time, from a thread of their own, in even slices. Returns that thread's processor time in ms.</summary>
    private static async Task<double> FeedAsync(
        BenchArguments arguments, AgentPlace[] places, Func<int, int> loopOf, MeshClock clock, Action<int, AgentHeartbeat[]> post)
    {
        TaskCompletionSource<double> done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Thread thread = new(() =>
        {
            Instant start = clock.Now;
            for (int slice = 0; slice < SlicesPerInterval && !arguments.Stop.IsCancellationRequested; slice++)
            {
                int from = (int)((long)slice * places.Length / SlicesPerInterval);
                int to = (int)((slice + 1L) * places.Length / SlicesPerInterval);
                foreach (IGrouping<int, AgentPlace> group in places[from..to].GroupBy(p => loopOf(p.Cluster.Sector)))
                    post(group.Key, [.. group.Select(p => new AgentHeartbeat { ClusterIndex = p.Cluster.Index, Slot = p.Slot, ReceivedAt = clock.Now })]);
                PreciseSleep.Until(clock, start.PlusMs((slice + 1) * arguments.SecondsPerRun * 1_000 / SlicesPerInterval));
            }
            done.SetResult(ThreadCpu.Ms("bench-feed"));
        })
        { IsBackground = true, Name = "bench-feed" };
        thread.Start();
        double cpuMs = await done.Task.ConfigureAwait(false);
        thread.Join();
        return cpuMs;
    }

    private sealed class NoWork : IEventLoopHandler<AgentHeartbeat[], int>
    {
        public void OnBatch(in AgentHeartbeat[] batch, Instant now)
        {
        }

        public void OnTimer(in int timer, Instant now)
        {
        }

        public void OnTurnEnd(Instant now)
        {
        }

        public bool OnIdle(Instant now) => false;
    }
}
