using Mesh30K.Coordination.Impedance.Estimation;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Coordination.Tests.Impedance.Estimation;

public sealed class DelayEstimatorTests
{
    [Theory]
    [InlineData(ImpedanceClass.Edge, 15)]
    [InlineData(ImpedanceClass.Gpu, 150)]
    [InlineData(ImpedanceClass.Human, 90_000)]
    public void Without_a_sample_the_class_answers(ImpedanceClass impedanceClass, float medianMs)
    {
        var estimator = new DelayEstimator(new ClassPool(impedanceClass, EstimatorOptions.Default));
        Assert.Equal(0, estimator.Samples);
        Assert.Equal(medianMs, estimator.MedianMs);
        Assert.True(estimator.LeadMs > estimator.MedianMs && estimator.TailMs > estimator.LeadMs);
        Assert.Equal(medianMs, estimator.MedianServiceMs);
        Assert.Equal(0, estimator.MedianNetworkMs);
    }

    [Fact]
    public void A_delay_is_half_the_round_trip_and_the_service()
    {
        DelayEstimator estimator = Settled(roundTripMs: 40, serviceMs: 100);
        Assert.Equal(120, estimator.MedianMs, 0.5);
        Assert.Equal(20, estimator.MedianNetworkMs, 0.1);
        Assert.Equal(100, estimator.MedianServiceMs, 0.1);
        Assert.Equal(120, estimator.MeanMs, 0.01);
        Assert.Equal(0, estimator.DriftCoefficient, 0.001);
    }

    [Fact]
    public void Weight_scales_the_service_share_and_the_queue_adds_service()
    {
        DelayEstimator estimator = Settled(roundTripMs: 40, serviceMs: 150);
        float lead = estimator.LeadAt(0.95f, 1, 0);
        Assert.Equal(lead, estimator.LeadMs);
        Assert.Equal(lead + 100, estimator.LeadAt(0.95f, 3, 0), 1.0);
        Assert.Equal(lead + 300, estimator.LeadAt(0.95f, 1, 2), 1.0);
        Assert.Equal(estimator.TailMs, estimator.LeadAt(0.98f, 1, 0));
        Assert.Equal(estimator.MedianMs, estimator.LeadAt(0.5f, 1, -1));
    }

    [Theory]
    [InlineData(0f)]
    [InlineData(0.5f)]
    [InlineData(2f)]
    public void The_slope_of_the_payload_weight_is_learned(float slope)
    {
        var random = new Random(8845);
        var pool = new ClassPool(ImpedanceClass.Persistent, EstimatorOptions.Default);
        DelayEstimator[] agents = [.. Enumerable.Range(0, 30).Select(_ => new DelayEstimator(pool))];
        for (int i = 0; i < 300; i++)
        {
            for (int a = 0; a < agents.Length; a++)
            {
                float weight = (float)(0.5 + (2 * random.NextDouble()));
                double service = (50 + a) * (1 + (slope * weight)) * Math.Exp(0.2 * Law.Normal(random));
                agents[a].Observe(10, (float)service, weight);
            }
        }
        Assert.InRange(pool.PayloadSlope, (0.8f * slope) - 0.05f, (1.25f * slope) + 0.05f);
    }

    [Fact]
    public void A_class_knows_its_shape_after_a_hundred_settled_samples()
    {
        var law = Law.Named("lognormal 0.5");
        var random = new Random(8846);
        var pool = new ClassPool(ImpedanceClass.Serverless, EstimatorOptions.Default);
        Assert.False(pool.Ratios.Known);
        for (int agent = 0; agent < 10; agent++)
        {
            var estimator = new DelayEstimator(pool);
            for (int i = 0; i < 300; i++) estimator.Observe(0, law.Next(random) * (1 + agent), 1);
        }
        Assert.Equal(law.Quantile(0.95) / law.Quantile(0.5), pool.Ratios.Lead, 0.2);
        Assert.Equal(law.Quantile(0.98) / law.Quantile(0.5), pool.Ratios.Tail, 0.3);
        var newcomer = new DelayEstimator(pool);
        newcomer.Observe(0, 1000, 1);
        Assert.InRange(newcomer.LeadMs, 2000, 2600);
    }

    [Fact]
    public void Nonsense_from_an_agent_breaks_nothing()
    {
        var estimator = new DelayEstimator(new ClassPool(ImpedanceClass.Local, EstimatorOptions.Default));
        foreach (float bad in new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity, -5f, 0f, float.MaxValue, float.Epsilon })
        {
            estimator.Observe(bad, 5, 1);
            estimator.Observe(5, bad, 1);
            estimator.Observe(5, 5, bad);
            Assert.True(estimator.LeadMs >= estimator.MedianMs && float.IsFinite(estimator.TailMs));
            Assert.True(float.IsFinite(estimator.LeadAt(0.95f, bad, 3)));
            Assert.True(float.IsFinite(estimator.DriftCoefficient));
        }
    }

    [Fact]
    public void A_settled_agent_takes_at_most_1300_bytes_and_observing_allocates_nothing()
    {
        var pool = new ClassPool(ImpedanceClass.Edge, EstimatorOptions.Default);
        long before = GC.GetAllocatedBytesForCurrentThread();
        var estimator = new DelayEstimator(pool);
        long empty = GC.GetAllocatedBytesForCurrentThread() - before;
        for (int i = 0; i < 200; i++) estimator.Observe(10, i % 13, 1);
        before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 500; i++) estimator.Observe(10, i % 11, 1 + (i % 3));
        float sum = estimator.MedianNetworkMs + estimator.LeadAt(0.95f, 2, 1) + estimator.StdDevMs;
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.True(sum > 0);
        Assert.True(empty + 424 <= 1300, $"{empty} bytes and a ring of 424");
    }

    private static DelayEstimator Settled(float roundTripMs, float serviceMs)
    {
        var estimator = new DelayEstimator(new ClassPool(ImpedanceClass.Persistent, EstimatorOptions.Default));
        for (int i = 0; i < 120; i++) estimator.Observe(roundTripMs, serviceMs, 1);
        return estimator;
    }
}
