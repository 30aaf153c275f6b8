using Mesh30K.Coordination.Gathering;

namespace Mesh30K.Coordination.Tests.Gathering;

public sealed class SketchTests
{
    private static Sketch Of(IEnumerable<float> values)
    {
        Sketch sketch = new();
        foreach (float v in values) sketch.Add(v);
        return sketch;
    }

    private static float[] Random(int seed, int count)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)((random.Next(3) - 1) * Math.Exp(random.NextDouble() * 18 - 4)))];
    }

    private static void Same(Sketch a, Sketch b)
    {
        Assert.Equal(a.ToSparse().Bins, b.ToSparse().Bins);
        Assert.Equal(a.ToSparse().Counts, b.ToSparse().Counts);
        Assert.Equal(a.Count, b.Count);
    }

    [Fact]
    public void Quantiles_are_true_to_one_percent()
    {
        for (int seed = 1; seed <= 60; seed++)
        {
            float[] values = Random(seed, 1 + seed * 7);
            Sketch sketch = Of(values);
            Array.Sort(values);
            foreach (double share in (double[])[0, 0.01, 0.05, 0.25, 0.5, 0.9, 0.95, 0.995, 1])
            {
                double exact = values[Math.Clamp((int)Math.Ceiling(share * values.Length), 1, values.Length) - 1];
                Assert.True(
                    Math.Abs(sketch.Quantile(share) - exact) <= Math.Max(0.0501, 0.01 * Math.Abs(exact)), $"replay: seed {seed}, share {share}: {sketch.Quantile(share)} for {exact}");
            }
        }
    }

    [Fact]
    public void The_order_of_merges_does_not_matter_and_a_sparse_copy_says_the_same()
    {
        Sketch[] parts = [.. Enumerable.Range(1, 12).Select(seed => Of(Random(seed, seed * 5)))];
        Sketch whole = Of(Enumerable.Range(1, 12).SelectMany(seed => Random(seed, seed * 5)));
        Sketch forward = new();
        Sketch backward = new();
        foreach (Sketch part in parts) forward.Merge(part);
        foreach (Sketch part in parts.Reverse()) backward.Merge(part.ToSparse());
        Same(whole, forward);
        Same(whole, backward);
        backward.Clear();
        Same(new Sketch(), backward);
        backward.Merge(whole.ToSparse());
        Same(whole, backward);
    }

    [Fact]
    public void A_share_of_the_values_up_to_a_limit_never_lies_beyond_the_limit()
    {
        // 7 reachable agents of 25: in doubles 7 / 25 · 25 is above 7, and the eighth is a person.
        for (int count = 1; count <= 120; count++)
        {
            for (int within = 0; within <= count; within++)
            {
                Sketch sketch = Of(Enumerable.Range(0, count).Select(i => i < within ? 100f : 60_000f));
                double? most = sketch.QuantileUpTo(1, 1_000);
                Assert.Equal(within > 0, most is not null);
                if (most is not null) Assert.InRange(most.Value, 99, 101);
            }
        }
    }

    [Fact]
    public void The_share_up_to_a_limit_is_a_share_of_those_only()
    {
        Sketch sketch = Of([10, 20, 30, 40, 5_000, 6_000, 7_000, 8_000]);
        Assert.InRange(sketch.QuantileUpTo(0.5, 1_000)!.Value, 19.8, 20.2);
        Assert.InRange(sketch.QuantileUpTo(0.75, 1_000)!.Value, 29.7, 30.3);
        Assert.Null(sketch.QuantileUpTo(0.5, 1));
        Assert.Null(new Sketch().QuantileUpTo(0.5, 1));
        Assert.Equal(4, sketch.CountBetween(5, 1_000));
    }

    [Theory]
    [InlineData(0f)]
    [InlineData(float.Epsilon)]
    [InlineData(float.MaxValue)]
    [InlineData(float.MinValue)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void Extreme_values_count(float value)
    {
        Sketch sketch = Of([value]);
        Assert.Equal(1, sketch.Count);
        Assert.Equal(Math.Abs(value) < 1 ? 0 : Math.Sign(value), Math.Sign(sketch.Quantile(0.5)));
    }

    [Fact]
    public void Start_spread_is_what_is_left_after_the_early_ones_held()
    {
        Sketch arrivals = Of(Enumerable.Range(1, 100).Select(i => (float)(i - 80)));
        ArrivalFigures figures = ArrivalFigures.Of(new GatherReport { Arrivals = arrivals.ToSparse() });
        Assert.Equal(90, figures.SpreadMs, 1.5);
        Assert.Equal(15, figures.StartSpreadMs, 0.2);
    }
}
