using Mesh30K.Protocol.Timing;

namespace Mesh30K.Protocol.Tests.Timing;

/// <summary>Properties, each over many random first pauses, bounds, shares and counts of failures. A failure prints its case.</summary>
public sealed class BackoffTests
{
    private static IEnumerable<(long First, long Most, double Steady, Backoff Backoff, Random Random, string Case)> Cases()
    {
        Random random = new(20261121);
        for (int i = 0; i < 2_000; i++)
        {
            long first = 1 + (long)Math.Pow(10, random.NextDouble() * 12);
            long most = i % 10 == 0 ? long.MaxValue : 1 + (long)Math.Pow(10, random.NextDouble() * 14);
            double steady = (i % 3) switch { 0 => 0, 1 => random.NextDouble(), _ => 0.5 };
            yield return (first, most, steady, new Backoff(new TimeSpan(first), new TimeSpan(most), steady), random, $"case {i}: first {first}, most {most} ticks, steady {steady}");
        }
    }

    [Fact]
    public void A_pause_is_above_zero_and_within_its_share_of_the_ceiling()
    {
        foreach ((long first, long most, double steady, Backoff backoff, Random random, string name) in Cases())
        {
            foreach (int failures in (int[])[0, 1, 2, random.Next(3, 60), random.Next(60, 5_000), int.MaxValue])
            {
                TimeSpan ceiling = backoff.Ceiling(failures), pause = backoff.Pause(failures, random);
                Assert.True(ceiling.Ticks is > 0 && ceiling.Ticks <= most, $"{name}, {failures} failures: ceiling {ceiling.Ticks}");
                Assert.True(pause.Ticks >= 1 && pause <= ceiling, $"{name}, {failures} failures: pause {pause.Ticks} of {ceiling.Ticks}");
                Assert.True(pause.Ticks >= Math.Floor(ceiling.Ticks * steady * (1 - 1e-9)) - 1, $"{name}, {failures} failures: pause {pause.Ticks} is less than the steady part of {ceiling.Ticks}");
            }
            Assert.Equal(Math.Min(first, most), backoff.Ceiling(0).Ticks);
        }
    }

    [Fact]
    public void Ceilings_double_until_they_are_the_most_and_stay_there()
    {
        foreach ((long first, long most, _, Backoff backoff, _, string name) in Cases())
        {
            double expected = first;
            for (int failures = 0; failures < 70; failures++, expected *= 2)
            {
                long ceiling = backoff.Ceiling(failures).Ticks;
                double bounded = Math.Min(expected, most);
                Assert.True(Math.Abs(ceiling - bounded) <= bounded * 1e-9, $"{name}, {failures} failures: ceiling {ceiling}, not {bounded}");
            }
        }
    }

    [Fact]
    public void The_random_part_uses_all_of_its_range()
    {
        foreach (double steady in (double[])[0, 0.5, 0.9])
        {
            Backoff backoff = new(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(8), steady);
            double[] shares = [.. Enumerable.Range(1, 2_000).Select(seed => backoff.Pause(3, new Random(seed)) / TimeSpan.FromSeconds(8))];
            Assert.InRange(shares.Min(), steady, steady + (0.05 * (1 - steady)));
            Assert.InRange(shares.Max(), 1 - (0.05 * (1 - steady)), 1);
        }
        Assert.Equal(TimeSpan.FromSeconds(2), new Backoff(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(8), steady: 1).Pause(1, new Random(1)));
    }

    /// <summary>The extremes of the randomness itself: 0, and the last value below 1.</summary>
    [Theory]
    [InlineData(0.0)]
    [InlineData(0.99999999999999989)]
    public void No_random_value_makes_a_pause_none(double value)
    {
        foreach (long ticks in (long[])[1, 2, 3, TimeSpan.TicksPerMillisecond])
        {
            Backoff full = new(new TimeSpan(ticks), TimeSpan.MaxValue, steady: 0);
            Assert.InRange(full.Pause(0, new Fixed(value)).Ticks, 1, ticks);
            Assert.InRange(Backoff.PartOf(new TimeSpan(ticks), new Fixed(value)).Ticks, 1, ticks);
        }
        Assert.Equal(1, Backoff.PartOf(TimeSpan.Zero, new Fixed(value)).Ticks);
    }

    [Fact]
    public void Wrong_values_are_refused()
    {
        TimeSpan second = TimeSpan.FromSeconds(1);
        Assert.Throws<ArgumentOutOfRangeException>(() => new Backoff(TimeSpan.Zero, second));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Backoff(second, -second));
        foreach (double share in (double[])[-0.1, 1.1, double.NaN]) Assert.Throws<ArgumentOutOfRangeException>(() => new Backoff(second, second, share));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Backoff(second, second).Ceiling(-1));
    }

    private sealed class Fixed(double value) : Random
    {
        public override double NextDouble() => value;
    }
}
