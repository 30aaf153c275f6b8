using Mesh30K.Node.Runtime;
using Mesh30K.Node.Tests.Links;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Tests.Runtime;

public sealed class EventLoopTests
{
    private static readonly TimeSpan Generous = TimeSpan.FromSeconds(60);

    private readonly MeshClock _clock = new();

    /// <summary>A handler made of lambdas; runs on the loop's thread.</summary>
    private sealed class Handler : IEventLoopHandler<int[], string>
    {
        public Action<int[]> Batch { get; init; } = _ => { };

        public Action<string, Instant> Timer { get; init; } = (_, _) => { };

        public Action TurnEnd { get; init; } = () => { };

        public void OnBatch(in int[] batch, Instant now) => Batch(batch);

        public void OnTimer(in string timer, Instant now) => Timer(timer, now);

        public void OnTurnEnd(Instant now) => TurnEnd();

        public bool OnIdle(Instant now) => false;

    }

    [Fact]
    public async Task Batches_come_in_order_per_producer_and_a_graceful_stop_loses_none()
    {
        const int Producers = 4, PerProducer = 20_000;
        var last = new int[Producers];
        int outOfOrder = 0, threads = 0, thread = 0;
        var loop = new EventLoop<int[], string>("loop", _clock, new Handler
        {
            Batch = batch =>
            {
                if (batch[1] != ++last[batch[0]]) outOfOrder++;
                if (thread != Environment.CurrentManagedThreadId) threads++;
                thread = Environment.CurrentManagedThreadId;
            },
        }, new EventLoopOptions { MailboxMax = Producers * PerProducer });
        loop.Start();
        Parallel.For(0, Producers, producer =>
        {
            for (int i = 1; i <= PerProducer; i++) Assert.Equal(PostResult.Accepted, loop.TryPost([producer, i]));
        });
        Assert.True(await loop.StopAsync(Generous));
        Assert.Equal((0, 1), (outOfOrder, threads));
        Assert.All(last, count => Assert.Equal(PerProducer, count));
        Assert.Equal(Producers * PerProducer, loop.Snapshot().Batches);
        Assert.Equal(PostResult.Closed, loop.TryPost([0, 0]));
        Assert.Equal("event loop loop is Stopped", loop.NotReadyBecause);
    }

    [Fact]
    public async Task A_post_accepted_while_the_loop_stops_is_handled()
    {
        for (int round = 0; round < 200; round++)
        {
            int handled = 0, accepted = 0;
            var loop = new EventLoop<int[], string>("loop", _clock, new Handler { Batch = _ => handled++ });
            loop.Start();
            Task producer = Task.Run(() =>
            {
                while (loop.TryPost([1]) is var result && result != PostResult.Closed)
                {
                    if (result == PostResult.Accepted) accepted++;
                }
            }, TestContext.Current.CancellationToken);
            Assert.True(await loop.StopAsync(Generous));
            await producer.WaitAsync(Generous, TestContext.Current.CancellationToken);
            Assert.Equal(accepted, handled);
        }
    }

    [Fact]
    public async Task A_full_mailbox_rejects_the_newest_and_counts_it()
    {
        var seen = new List<int>();
        var loop = new EventLoop<int[], string>("loop", _clock, new Handler { Batch = b => seen.Add(b[0]) }, new EventLoopOptions { MailboxMax = 2 });
        Assert.Equal(
            [PostResult.Accepted, PostResult.Accepted, PostResult.Full],
            new[] { loop.TryPost([1]), loop.TryPost([2]), loop.TryPost([3]) });
        Assert.Equal((1, 2), (loop.Snapshot().Rejected, loop.Snapshot().Depth));
        loop.Start();
        Assert.True(await loop.StopAsync(Generous));
        Assert.Equal([1, 2], seen);
        Assert.Equal(0, loop.Snapshot().Depth);
    }

    [Fact]
    public async Task Timers_fire_in_order_never_early_and_may_set_others()
    {
        var fired = new List<string>();
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        int early = 0;
        EventLoop<int[], string>? loop = null;
        Instant start = _clock.Now;
        loop = new EventLoop<int[], string>("loop", _clock, new Handler
        {
            Timer = (timer, now) =>
            {
                fired.Add(timer);
                if (timer == "20ms" && now < start.PlusMs(20)) early++;
                if (timer == "20ms") loop!.SetTimer(now.PlusMs(5), "last");
                if (timer == "last") done.TrySetResult();
            },
        });
        loop.SetTimer(start.PlusMs(20), "20ms");
        loop.SetTimer(start.PlusMs(10), "10ms");
        loop.SetTimer(start.PlusMs(3_600_000), "never");
        loop.Start();
        await done.Task.WaitAsync(Generous, TestContext.Current.CancellationToken);
        Assert.True(await loop.StopAsync(Generous));
        Assert.Equal(["10ms", "20ms", "last"], fired);
        Assert.Equal(0, early);
    }

    [Fact]
    public async Task A_handler_that_throws_stops_the_loop_and_is_surfaced()
    {
        var loop = new EventLoop<int[], string>("sector-loop", _clock, new Handler { Batch = _ => throw new InvalidOperationException("bad state") });
        loop.Start();
        Assert.Null(loop.NotReadyBecause);
        loop.TryPost([1]);
        var bug = await Assert.ThrowsAsync<InvalidOperationException>(() => loop.Completion.WaitAsync(Generous, TestContext.Current.CancellationToken));
        Assert.Equal("bad state", bug.Message);
        Assert.Equal(PostResult.Closed, loop.TryPost([2]));
        await LinkFixture.WaitAsync(() => loop.Snapshot().State == EventLoopState.Faulted, "the loop says so");
        Assert.Equal("event loop sector-loop stopped by a bug: bad state", loop.NotReadyBecause);
        await Assert.ThrowsAsync<InvalidOperationException>(() => loop.StopAsync(Generous));
    }

    [Fact]
    public async Task A_stop_whose_deadline_passes_says_so()
    {
        using var release = new ManualResetEventSlim();
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var loop = new EventLoop<int[], string>("loop", _clock, new Handler
        {
            Batch = _ =>
            {
                entered.TrySetResult();
                release.Wait(Generous);
            },
        });
        loop.Start();
        loop.TryPost([1]);
        await entered.Task.WaitAsync(Generous, TestContext.Current.CancellationToken);
        Assert.False(await loop.StopAsync(TimeSpan.Zero));
        release.Set();
        Assert.True(await loop.StopAsync(Generous));
    }

    [Fact]
    public async Task Two_loops_pass_a_batch_back_and_forth()
    {
        const int Rounds = 2_000;
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        EventLoop<int[], string>? ping = null, pong = null;
        ping = new EventLoop<int[], string>("ping", _clock, new Handler
        {
            Batch = batch =>
            {
                if (batch[0] == Rounds) done.TrySetResult();
                else pong!.TryPost([batch[0] + 1]);
            },
        });
        pong = new EventLoop<int[], string>("pong", _clock, new Handler { Batch = batch => ping.TryPost(batch) });
        ping.Start();
        pong.Start();
        ping.TryPost([0]);
        await done.Task.WaitAsync(Generous, TestContext.Current.CancellationToken);
        Assert.True(await ping.StopAsync(Generous));
        Assert.True(await pong.StopAsync(Generous));
    }
}
