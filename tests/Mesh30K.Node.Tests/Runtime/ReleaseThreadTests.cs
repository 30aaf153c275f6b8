using System.Collections.Concurrent;
using Mesh30K.Node.Runtime;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Tests.Runtime;

public sealed class ReleaseThreadTests
{
    private static readonly TimeSpan Generous = TimeSpan.FromSeconds(60);

    internal readonly record struct Send(Instant Due, int Id) : IDue;

    [Fact]
    public async Task Everything_is_released_exactly_once_and_never_before_its_planned_time()
    {
        const int Producers = 4, PerProducer = 5_000, All = Producers * PerProducer;
        var clock = new MeshClock();
        var times = new int[All];
        int early = 0, released = 0;
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var thread = new ReleaseThread<Send>("release", clock, (due, at) =>
        {
            foreach (Send send in due)
            {
                if (at < send.Due || clock.Now < send.Due) early++;
                times[send.Id]++;
            }

            if ((released += due.Length) == All) done.TrySetResult();
        });
        Parallel.For(0, Producers, producer =>
        {
            var random = new Random(producer); // offsets of −20 to 300 ms: some are overdue, most wait
            for (int from = 0; from < PerProducer; from += 50)
            {
                var batch = new Send[50];
                for (int i = 0; i < batch.Length; i++)
                    batch[i] = new Send(clock.Now.PlusMs(random.Next(-20, 300)), (producer * PerProducer) + from + i);
                Assert.Equal(PostResult.Accepted, thread.Schedule(batch));
            }
        });
        await done.Task.WaitAsync(Generous, TestContext.Current.CancellationToken);
        Assert.True(await thread.StopAsync(Generous));
        Assert.Equal(0, early);
        Assert.All(times, count => Assert.Equal(1, count));
        ReleaseSnapshot snapshot = thread.Snapshot();
        Assert.Equal((All, 0), (snapshot.Released, snapshot.Pending));
        Assert.Equal(All, snapshot.Lateness.Count);
        Assert.True(snapshot.Lateness.P50 <= snapshot.Lateness.P99 && snapshot.Lateness.P99 <= snapshot.Lateness.Max);
    }

    [Fact]
    public async Task An_earlier_item_scheduled_later_overtakes_one_that_is_far_away()
    {
        var clock = new MeshClock();
        var seen = new ConcurrentQueue<int>();
        var first = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var thread = new ReleaseThread<Send>("release", clock, (due, _) =>
        {
            foreach (Send send in due) seen.Enqueue(send.Id);
            first.TrySetResult();
        });
        thread.Schedule([new Send(clock.Now.PlusMs(3_600_000), 1)]);
        thread.Schedule([new Send(clock.Now.PlusMs(1), 2)]);
        await first.Task.WaitAsync(Generous, TestContext.Current.CancellationToken);
        Assert.True(await thread.StopAsync(Generous));
        Assert.Equal([2], seen);
        Assert.Equal(1, thread.Snapshot().Pending);
        Assert.Equal(PostResult.Closed, thread.Schedule([new Send(clock.Now, 3)]));
    }

    [Fact]
    public async Task Past_the_bound_a_whole_span_is_rejected()
    {
        var clock = new MeshClock();
        var thread = new ReleaseThread<Send>("release", clock, (_, _) => { }, new ReleaseOptions { PendingMax = 3 });
        Instant far = clock.Now.PlusMs(3_600_000);
        Assert.Equal(PostResult.Accepted, thread.Schedule([new(far, 1), new(far, 2)]));
        Assert.Equal(PostResult.Full, thread.Schedule([new(far, 3), new(far, 4)]));
        Assert.Equal(PostResult.Accepted, thread.Schedule([new(far, 5)]));
        Assert.Equal(2, thread.Snapshot().Rejected);
        Assert.True(await thread.StopAsync(Generous));
    }

    [Fact]
    public async Task A_sink_that_throws_is_surfaced()
    {
        var clock = new MeshClock();
        var thread = new ReleaseThread<Send>("release", clock, (_, _) => throw new InvalidOperationException("sink bug"));
        thread.Schedule([new(clock.Now, 1)]);
        var bug = await Assert.ThrowsAsync<InvalidOperationException>(() => thread.Completion.WaitAsync(Generous, TestContext.Current.CancellationToken));
        Assert.Equal("sink bug", bug.Message);
        Assert.Equal(PostResult.Closed, thread.Schedule([new(clock.Now, 2)]));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Sleep_never_ends_before_its_moment(bool ofSystem)
    {
        var clock = new MeshClock(ofSystem ? TimeProvider.System : new PacedClock());
        for (int i = 0; i < 50; i++)
        {
            double ms = i % 10 == 0 ? 6 : 0.3;
            Instant at = clock.Now.PlusMs(ms);
            PreciseSleep.Until(clock, at);
            Assert.True(clock.Now >= at);
            at = clock.Now.PlusMs(ms);
            PreciseSleep.Until(clock, at, TimeSpan.FromMicroseconds(100));
            Assert.True(clock.Now >= at);
        }

        PreciseSleep.Until(clock, clock.Now.PlusMs(-5));
    }

    [Fact]
    public void The_clock_never_goes_back()
    {
        var clock = new MeshClock();
        Instant last = clock.Now;
        for (int i = 0; i < 100_000; i++)
        {
            Instant now = clock.Now;
            Assert.True(now >= last);
            last = now;
        }
    }

    [Theory]
    [InlineData(1_000, 0.50, 500)]
    [InlineData(1_000_000, 0.99, 990_000)]
    public void Histogram_quantiles_are_upper_bounds_within_a_sixteenth(int samples, double quantile, long expected)
    {
        var histogram = new LatencyHistogram();
        for (int i = 1; i <= samples; i++) histogram.Record(new TimeSpan(i));
        LatencySnapshot snapshot = histogram.Snapshot();
        long actual = (quantile < 0.9 ? snapshot.P50 : snapshot.P99).Ticks;
        Assert.InRange(actual, expected, (long)(expected * (1 + (1 / 16.0))));
        Assert.Equal(samples, snapshot.Max.Ticks);
        Assert.Equal(0, new LatencyHistogram().Snapshot().P99.Ticks);
    }
}
