using Mesh30K.Agent.Timing;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Agent.Tests.Timing;

public sealed class ClockFilterTests
{
    private const long Ms = TimeSpan.TicksPerMillisecond;

    [Fact]
    public void A_round_trip_of_equal_ways_gives_the_difference_exactly()
    {
        ClockFilter filter = new();
        filter.Add(sentTicks: 100 * Ms, new Instant(5_110 * Ms), new Instant(5_113 * Ms), receivedTicks: 123 * Ms);
        Assert.Equal(5_000 * Ms, filter.OffsetTicks);
        Assert.Equal(20, filter.RoundTripMs);
    }

    [Fact]
    public void The_shortest_round_trip_counts_and_the_error_is_at_most_half_of_it()
    {
        for (int seed = 1; seed <= 200; seed++)
        {
            Random random = new(seed);
            ClockFilter filter = new();
            long offset = random.NextInt64(-1_000_000 * Ms, 1_000_000 * Ms), local = 0;
            double least = double.MaxValue;
            Queue<double> last = new();
            for (int i = 0; i < 40; i++)
            {
                local += 5_000 * Ms;
                long there = random.NextInt64(1, (i % 5 == 0 ? 3 : 200) * Ms), inside = random.NextInt64(0, 2 * Ms), back = random.NextInt64(1, (i % 5 == 0 ? 3 : 200) * Ms);
                filter.Add(local, new Instant(local + offset + there), new Instant(local + offset + there + inside), local + there + inside + back);
                last.Enqueue(there + back);
                if (last.Count > 8) last.Dequeue();
                least = last.Min();
                // 35 s of drift may have made an older sample the worse one, by up to 0.6 ms.
                Assert.True(Math.Abs(filter.OffsetTicks - offset) <= (least / 2) + (0.6 * Ms), $"seed {seed}, sample {i}: {(filter.OffsetTicks - offset) / (double)Ms} ms off, half of the shortest trip {least / 2 / Ms} ms");
            }
        }
    }

    [Theory]
    [InlineData(100, 5_100, 5_100, 99)] // answered before it was asked
    [InlineData(100, 5_100, 5_099, 120)] // left before it came
    [InlineData(100, 5_100, 5_200, 120)] // longer there than away
    public void Times_that_cannot_be_are_no_measurement(long sent, long meshReceived, long meshSent, long received)
    {
        ClockFilter filter = new();
        filter.Add(sent * Ms, new Instant(meshReceived * Ms), new Instant(meshSent * Ms), received * Ms);
        Assert.False(filter.IsSet);
    }
}
