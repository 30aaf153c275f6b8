using System.Diagnostics;
using Mesh30K.Node.Runtime;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Tests.Runtime;

/// <summary>
/// Figures, not checks; run only when asked for, built in Release:
/// <c>dotnet run -c Release --project tests/Mesh30K.Node.Tests -- --explicit only --show-live-output on</c>.
/// </summary>
public sealed class RuntimeMeasurements(ITestOutputHelper output)
{
    private static readonly TimeSpan Generous = TimeSpan.FromSeconds(60);

    private readonly record struct Send(Instant Due) : IDue;

    private readonly record struct Message(long To, long Payload);

    [Theory(Explicit = true)]
    [InlineData(100, 1)]
    [InlineData(20, 1)]
    [InlineData(0, 1)]
    public async Task Lateness_of_30000_sends_over_one_second(int spinUs, int busyThreads)
    {
        var clock = new MeshClock();
        bool stop = false;
        var busy = Enumerable.Range(0, busyThreads).Select(_ => new Thread(() =>
        {
            while (!Volatile.Read(ref stop)) Thread.SpinWait(50);
        })).ToArray();
        foreach (Thread thread in busy) thread.Start();
        for (int round = 0; round < 7; round++)
        {
            int released = 0;
            using var done = new ManualResetEventSlim();
            var release = new ReleaseThread<Send>("release", clock, (due, _) =>
            {
                if ((released += due.Length) == 30_000) done.Set();
            }, new ReleaseOptions { Spin = TimeSpan.FromMicroseconds(spinUs) });
            TimeSpan cpu = Process.GetCurrentProcess().TotalProcessorTime;
            Instant start = clock.Now.PlusMs(50);
            for (int cluster = 0; cluster < 1_000; cluster++)
                release.Schedule([.. Enumerable.Range(0, 30).Select(i => new Send(start.PlusMs(((i * 1_000) + cluster) / 30.0)))]);
            Assert.True(done.Wait(Generous, TestContext.Current.CancellationToken));
            Process.GetCurrentProcess().Refresh();
            cpu = Process.GetCurrentProcess().TotalProcessorTime - cpu;
            ReleaseSnapshot s = release.Snapshot();
            output.WriteLine($"spin {spinUs} us, {busyThreads} busy: p50 {s.Lateness.P50.TotalMilliseconds:0.000} p99 {s.Lateness.P99.TotalMilliseconds:0.000} " +
                $"max {s.Lateness.Max.TotalMilliseconds:0.00} ms, process cpu {cpu.TotalMilliseconds:0} ms, priority {s.PriorityRaised}");
            await release.StopAsync(Generous);
        }

        Volatile.Write(ref stop, value: true);
        foreach (Thread thread in busy) thread.Join();
    }

    private sealed class Relay : IEventLoopHandler<Message[], int>
    {
        public Action<Message[]> Batch { get; set; } = _ => { };

        public void OnBatch(in Message[] batch, Instant now) => Batch(batch);

        public void OnTimer(in int timer, Instant now)
        {
        }

        public bool OnIdle(Instant now) => false;

        public void OnTurnEnd(Instant now)
        {
        }
    }

    [Theory(Explicit = true)]
    [InlineData(30, 0)]
    [InlineData(300, 0)]
    [InlineData(30, 20)]
    [InlineData(1, 0)]
    [InlineData(1, 20)]
    public async Task Messages_through_two_loops(int perBatch, int spinUs)
    {
        const int Messages = 6_000_000, InFlight = 1_000;
        var options = new EventLoopOptions { Spin = TimeSpan.FromMicroseconds(spinUs) };
        var clock = new MeshClock();
        for (int round = 0; round < 7; round++)
        {
            long returned = 0;
            int all = Messages / (perBatch == 1 ? 10 : 1);
            using var done = new ManualResetEventSlim();
            Relay first = new(), second = new();
            var a = new EventLoop<Message[], int>("a", clock, first, options);
            var b = new EventLoop<Message[], int>("b", clock, second, options);
            first.Batch = batch =>
            {
                returned += batch.Length;
                if (returned >= all) done.Set();
                else Post(b, Forward(batch));
            };
            second.Batch = batch => Post(a, Forward(batch));
            a.Start();
            b.Start();
            long from = Stopwatch.GetTimestamp();
            for (int i = 0; i < Math.Min(InFlight, all / perBatch / 4); i++) Post(b, new Message[perBatch]);
            Assert.True(done.Wait(Generous, TestContext.Current.CancellationToken));
            double seconds = Stopwatch.GetElapsedTime(from).TotalSeconds;
            output.WriteLine($"batches of {perBatch}, spin {spinUs} us: {2 * returned / seconds / 1e6:0.00} M messages/s over hops, busy a {a.Snapshot().Busy / TimeSpan.FromSeconds(seconds):P0}");
            await Task.WhenAll(a.StopAsync(Generous), b.StopAsync(Generous));
        }

        static void Post(EventLoop<Message[], int> loop, Message[] batch) => loop.TryPost(batch);

        static Message[] Forward(Message[] batch)
        {
            var copy = new Message[batch.Length];
            for (int i = 0; i < batch.Length; i++) copy[i] = new Message(batch[i].To + 1, batch[i].Payload);
            return copy;
        }
    }

    [Theory(Explicit = true)]
    [InlineData(0)]
    [InlineData(20)]
    public async Task Round_trip_between_two_loops(int spinUs)
    {
        const int Rounds = 50_000;
        var options = new EventLoopOptions { Spin = TimeSpan.FromMicroseconds(spinUs) };
        var clock = new MeshClock();
        for (int round = 0; round < 7; round++)
        {
            int left = Rounds;
            using var done = new ManualResetEventSlim();
            Relay first = new(), second = new();
            var a = new EventLoop<Message[], int>("a", clock, first, options);
            var b = new EventLoop<Message[], int>("b", clock, second, options);
            first.Batch = batch =>
            {
                if (--left == 0) done.Set();
                else b.TryPost(batch);
            };
            second.Batch = batch => a.TryPost(batch);
            a.Start();
            b.Start();
            long from = Stopwatch.GetTimestamp();
            a.TryPost([default]);
            Assert.True(done.Wait(Generous, TestContext.Current.CancellationToken));
            output.WriteLine($"spin {spinUs} us: round trip {Stopwatch.GetElapsedTime(from).TotalMicroseconds / Rounds:0.0} us");
            await Task.WhenAll(a.StopAsync(Generous), b.StopAsync(Generous));
        }
    }

    [Fact(Explicit = true)]
    public async Task Idle_cost()
    {
        var clock = new MeshClock();
        var release = new ReleaseThread<Send>("release", clock, (_, _) => { });
        release.Schedule([new Send(clock.Now.PlusMs(3_600_000))]);
        var loops = Enumerable.Range(0, 4).Select(i => new EventLoop<Message[], int>($"loop-{i}", clock, new Relay())).ToArray();
        foreach (var loop in loops)
        {
            loop.SetTimer(clock.Now.PlusMs(60_000), 1);
            loop.Start();
        }

        await Task.Delay(1_000, TestContext.Current.CancellationToken);
        TimeSpan cpu = Process.GetCurrentProcess().TotalProcessorTime;
        await Task.Delay(10_000, TestContext.Current.CancellationToken);
        Process.GetCurrentProcess().Refresh();
        output.WriteLine($"4 loops and a release thread, all idle with far timers: {(Process.GetCurrentProcess().TotalProcessorTime - cpu).TotalMilliseconds / 10:0.00} ms of processor a second");
        foreach (var loop in loops) await loop.StopAsync(Generous);
        await release.StopAsync(Generous);
    }
}
