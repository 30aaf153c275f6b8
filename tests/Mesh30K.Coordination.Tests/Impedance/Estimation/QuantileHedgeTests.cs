using FsCheck;
using FsCheck.Fluent;
using Mesh30K.Coordination.Impedance.Estimation;
using Mesh30K.Protocol;

namespace Mesh30K.Coordination.Tests.Impedance.Estimation;

public sealed class QuantileHedgeTests
{
    private static readonly Arbitrary<float[]> AnyValues = Gen.OneOf(
        Gen.Choose(0, 50).Select(v => (float)v),
        Gen.Choose(0, int.MaxValue).Select(v => v / 1000f),
        Gen.Choose(-40, 38).Select(e => MathF.Pow(10, e)),
        Gen.Elements(0f, float.Epsilon, float.MaxValue, QuantileHedge.ValueMax, 1f)).ArrayOf().ToArbitrary();

    [Fact]
    public void Quantiles_are_finite_ordered_and_not_negative_for_any_finite_input() =>
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(400).WithEndSize(400), Prop.ForAll(AnyValues, values =>
        {
            var hedge = new QuantileHedge(EstimatorOptions.Default);
            foreach (float value in values)
            {
                hedge.Observe(value);
                Quantiles q = hedge.Prepared;
                if (!(q.Median >= 0 && q.Median <= q.Lead && q.Lead <= q.Tail && float.IsFinite(q.Tail))) return false;
            }
            return true;
        }));

    [Fact]
    public void Window_quantile_equals_the_naive_computation() =>
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(100).WithEndSize(350), Prop.ForAll(AnyValues, values =>
        {
            var hedge = new QuantileHedge(EstimatorOptions.Default);
            for (int i = 0; i < values.Length; i++)
            {
                hedge.Observe(values[i]);
                float[] last = [.. values.Take(i + 1).TakeLast(100).Select(v => Math.Min(v, QuantileHedge.ValueMax)).Order()];
                foreach (float level in new[] { 0.05f, 0.5f, 0.95f })
                {
                    float rank = Math.Clamp(level * (last.Length + 1), 1, last.Length);
                    int below = Math.Min((int)rank, last.Length);
                    float high = last[Math.Min(below, last.Length - 1)];
                    float naive = last[below - 1] + ((rank - below) * (high - last[below - 1]));
                    if (hedge.WindowQuantile(level) != naive) return false;
                }
            }
            return true;
        }));

    [Theory]
    [InlineData(0.001f)]
    [InlineData(1024f)]
    [InlineData(60_000f)]
    public void Quantiles_scale_with_the_unit(float factor)
    {
        var law = Law.Named("lognormal 0.5");
        var random = new Random(4);
        var inMs = new QuantileHedge(EstimatorOptions.Default);
        var scaled = new QuantileHedge(EstimatorOptions.Default);
        for (int i = 0; i < 300; i++)
        {
            float value = law.Next(random);
            inMs.Observe(value);
            scaled.Observe(value * factor);
            Assert.Equal(1, scaled.Prepared.Lead / factor / inMs.Prepared.Lead, 0.05);
            Assert.Equal(1, scaled.Prepared.Median / factor / inMs.Prepared.Median, 0.05);
        }
    }

    [Fact]
    public void A_constant_series_is_predicted_exactly()
    {
        var hedge = new QuantileHedge(EstimatorOptions.Default);
        for (int i = 0; i < 300; i++) hedge.Observe(42);
        Assert.Equal(42, hedge.Prepared.Median, 0.001);
        Assert.Equal(42, hedge.Prepared.Lead, 0.1);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(-1f)]
    public void What_is_no_delay_is_a_bug_of_the_caller(float value) =>
        Assert.Throws<InvariantException>(() => new QuantileHedge(EstimatorOptions.Default).Observe(value));

    [Fact]
    public void A_full_hedge_learns_without_allocating()
    {
        var hedge = new QuantileHedge(EstimatorOptions.Default);
        for (int i = 0; i < 200; i++) hedge.Observe(i % 17);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++) hedge.Observe(i % 19);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }
}
