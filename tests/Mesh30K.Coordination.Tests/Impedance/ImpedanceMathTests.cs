using FsCheck;
using FsCheck.Fluent;
using Mesh30K.Coordination.Impedance;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Coordination.Tests.Impedance;

public sealed class ImpedanceMathTests
{
    [Theory]
    [InlineData(ImpedanceClass.Edge, 0, 0, 10)]
    [InlineData(ImpedanceClass.Edge, 1, 0, 15)]
    [InlineData(ImpedanceClass.Serverless, 1, 0, 75)]
    [InlineData(ImpedanceClass.Persistent, 2, 0, 400)]
    [InlineData(ImpedanceClass.Gpu, 0, 10, 200)]
    [InlineData(ImpedanceClass.Local, 1, 5, 337.5)]
    [InlineData(ImpedanceClass.Human, 1, 0, 90_000)]
    public void Processing_time_is_that_of_the_specification(ImpedanceClass agentClass, double weight, int queue, double ms) =>
        Assert.Equal(ms, ImpedanceMath.SpecProcessingMs(agentClass, weight, queue), 9);

    [Theory]
    [InlineData(1, 0, 1, 0.7)]
    [InlineData(1, 0, 9_999, 0.7)]
    [InlineData(1, 0, 10_000, 0.5)]
    [InlineData(0.8, 0.5, 1, 0.45)]
    [InlineData(0.1, 3, 1, 0)]
    [InlineData(0, 0, 60_000, 0)]
    public void Confidence_is_that_of_the_specification(double reliability, double drift, double ageMs, double confidence) =>
        Assert.Equal(confidence, ImpedanceMath.Confidence(reliability, drift, Fleet.Start, Fleet.Start.PlusMs(ageMs)), 9);

    [Theory]
    [InlineData(20, 10, 0, 30)]
    [InlineData(20, 10, 3, 60)]
    [InlineData(400, 200, 4, 1000)]
    [InlineData(1, 1, int.MaxValue, 1000)]
    public void Score_is_the_expected_total_delay_up_to_a_thousand(double latency, double processing, int queue, double score) =>
        Assert.Equal(score, ImpedanceMath.Score(latency, processing, queue), 9);

    [Fact]
    public void Slow_is_above_800_and_people_are_judged_by_their_own_baseline()
    {
        Assert.False(ImpedanceMath.IsDegraded(Fleet.Agent("a", 800)));
        Assert.True(ImpedanceMath.IsDegraded(Fleet.Agent("a", 800.1)));
        var person = Fleet.Agent("p", 1000) with { AgentClass = ImpedanceClass.Human, CurrentLatencyMs = 0, CurrentProcessingMs = 90_000 };
        Assert.False(ImpedanceMath.IsDegraded(person));
        Assert.True(ImpedanceMath.IsDegraded(person with { CurrentQueueDepth = 2 }));
        Assert.True(ImpedanceMath.IsDegraded(person, baselineMs: 40_000));
        Assert.False(ImpedanceMath.IsUnstable(person with { DriftCoefficient = 0.5 }));
        Assert.True(ImpedanceMath.IsUnstable(person with { DriftCoefficient = 0.51 }));
    }

    [Fact]
    public void Quantiles_are_interpolated_and_always_defined()
    {
        Assert.Equal(0, ImpedanceMath.QuantileInPlace([], 0.95));
        Assert.Equal(7, ImpedanceMath.QuantileInPlace([7], 0.95));
        Assert.Equal(19.5, ImpedanceMath.QuantileInPlace([20, 10], 0.95), 9);
        Assert.Equal(30, ImpedanceMath.QuantileInPlace([30, 10, 20], 1), 9);
    }

    [Fact]
    public void Reliability_counts_the_last_hour_as_a_plain_list_does() =>
        Prop.ForAll<int>(seed =>
        {
            Random r = new(seed);
            ReliabilityWindow window = default;
            List<(Instant At, bool Success)> all = [];
            Instant now = Fleet.Start;
            for (int i = 0; i < 300; i++)
            {
                now = now.PlusMs(r.NextDouble() * (r.Next(50) == 0 ? 2_000_000 : 60_000));
                bool success = r.Next(5) > 0;
                window.Record(success, now);
                all.Add((now, success));
                long bucket = ReliabilityWindow.BucketMs * Instant.TicksPerMs, newest = now.Ticks / bucket;
                List<(Instant At, bool Success)> inside = all.FindAll(x => x.At.Ticks / bucket > newest - ReliabilityWindow.Buckets);
                Assert.Equal((double)inside.Count(x => x.Success) / inside.Count, window.Rate(now), 12);
            }
            Assert.Equal(0.25, window.Rate(now.PlusMs(3_600_001), whenEmpty: 0.25));
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void A_full_bucket_keeps_its_rate()
    {
        ReliabilityWindow window = default;
        for (int i = 0; i < 200_000; i++) window.Record(i % 4 != 0, Fleet.Start);
        Assert.Equal(0.75, window.Rate(Fleet.Start), 2);
        window.Record(success: false, Fleet.Start.PlusMs(-600_000));
        Assert.Equal(0.75, window.Rate(Fleet.Start), 2);
    }
}
