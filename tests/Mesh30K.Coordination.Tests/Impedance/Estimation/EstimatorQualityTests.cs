using Mesh30K.Coordination.Impedance.Estimation;

namespace Mesh30K.Coordination.Tests.Impedance.Estimation;

/// <summary>Scores against the oracle that knows the law: ratios of pinball loss on the same draws, fixed seeds (design section 11).</summary>
public sealed class EstimatorQualityTests
{
    [Theory]
    [InlineData("normal")]
    [InlineData("lognormal 0.2")]
    [InlineData("lognormal 0.5")]
    [InlineData("lognormal 1")]
    [InlineData("exponential")]
    [InlineData("gamma 3")]
    [InlineData("pareto 2.1")]
    [InlineData("pareto 3")]
    [InlineData("uniform")]
    public void Steady_state_is_within_a_tenth_of_the_oracle(string name)
    {
        var law = Law.Named(name);
        Score early = default;
        Score late = default;
        var random = new Random(8841);
        for (int agent = 0; agent < 150; agent++)
        {
            var hedge = new QuantileHedge(EstimatorOptions.Default);
            for (int i = 0; i < 600; i++)
            {
                float value = law.Next(random);
                if (i is >= 20 and < 200) early.Add(law, value, hedge.Prepared);
                if (i >= 200) late.Add(law, value, hedge.Prepared);
                hedge.Observe(value);
            }
        }
        Assert.True(early.Ratio <= 1.10, $"{name}: 20–200 samples {early}");
        Assert.True(late.Ratio <= 1.05, $"{name}: from 200 samples {late}");
        Assert.InRange(late.Coverage, 0.94, 0.96);
        Assert.True(late.Width <= 1.25, $"{name}: {late}");
    }

    [Theory]
    [InlineData("normal")]
    [InlineData("lognormal 0.5")]
    [InlineData("exponential")]
    [InlineData("gamma 3")]
    [InlineData("pareto 3")]
    public void A_new_agent_of_a_known_class_is_within_six_tenths_of_the_oracle_after_five_samples(string name)
    {
        var law = Law.Named(name);
        var random = new Random(8842);
        var pool = new ClassPool(Mesh30K.Protocol.Identity.ImpedanceClass.Persistent, EstimatorOptions.Default);
        for (int agent = 0; agent < 10; agent++) Feed(new DelayEstimator(pool), law, random, 120, Scale(agent));
        Score pooled = default;
        Score alone = default;
        for (int agent = 0; agent < 300; agent++)
        {
            var estimator = new DelayEstimator(pool);
            var hedge = new QuantileHedge(EstimatorOptions.Default);
            for (int i = 0; i < 10; i++)
            {
                float value = law.Next(random);
                if (i >= 5)
                {
                    pooled.Add(law, value, Divide(estimator.Prepared, Scale(agent)));
                    alone.Add(law, value, hedge.Prepared);
                }
                estimator.Observe(0, value * Scale(agent), 1);
                hedge.Observe(value);
            }
        }
        Assert.True(pooled.Ratio <= 1.6, $"{name}: with its class {pooled}");
        Assert.True(alone.Ratio <= 1.6, $"{name}: alone {alone}");
    }

    [Fact]
    public void Agents_that_do_not_share_their_class_shape_lose_little_by_it()
    {
        Law[] laws = [Law.Named("normal"), Law.Named("lognormal 0.5"), Law.Named("lognormal 1")];
        var random = new Random(8848);
        var pool = new ClassPool(Mesh30K.Protocol.Identity.ImpedanceClass.Persistent, EstimatorOptions.Default);
        var estimators = new DelayEstimator[90];
        var hedges = new QuantileHedge[estimators.Length];
        for (int a = 0; a < estimators.Length; a++) (estimators[a], hedges[a]) = (new(pool), new(EstimatorOptions.Default));
        var pooled = new Score[laws.Length];
        var alone = new Score[laws.Length];
        for (int i = 0; i < 300; i++)
        {
            for (int a = 0; a < estimators.Length; a++)
            {
                int kind = a % laws.Length;
                float value = laws[kind].Next(random);
                if (i >= 100)
                {
                    pooled[kind].Add(laws[kind], value, estimators[a].Prepared);
                    alone[kind].Add(laws[kind], value, hedges[a].Prepared);
                }
                estimators[a].Observe(0, value, 1);
                hedges[a].Observe(value);
            }
        }
        for (int kind = 0; kind < laws.Length; kind++)
            Assert.True(pooled[kind].Ratio <= 1.05 * alone[kind].Ratio, $"{laws[kind].Name}: with its class {pooled[kind]}, alone {alone[kind]}");
    }

    [Theory]
    [InlineData(1.6f, 0.75)]
    [InlineData(5f, 0.65)]
    [InlineData(0.5f, 0.95)]
    public void After_a_shift_of_level_the_next_twenty_are_covered_again(float factor, double coverageMin)
    {
        var random = new Random(8843);
        int covered = 0;
        int ring = 0;
        int count = 0;
        for (int agent = 0; agent < 200; agent++)
        {
            var hedge = new QuantileHedge(EstimatorOptions.Default);
            for (int i = 0; i < 100; i++) hedge.Observe((float)(100 * Math.Exp(0.15 * Law.Normal(random))));
            for (int i = 0; i < 20; i++, count++)
            {
                float value = factor * (float)(100 * Math.Exp(0.15 * Law.Normal(random)));
                if (value <= hedge.Prepared.Lead) covered++;
                if (value <= hedge.WindowQuantile(0.95f)) ring++;
                hedge.Observe(value);
            }
        }
        Assert.True(covered >= coverageMin * count, $"×{factor}: {covered} of {count}, a ring of 100 {ring}");
    }

    [Fact]
    public void Two_hung_requests_do_not_widen_what_is_expected()
    {
        var random = new Random(8844);
        var hedge = new QuantileHedge(EstimatorOptions.Default);
        for (int i = 0; i < 200; i++) hedge.Observe((float)(500 * Math.Exp(0.1 * Law.Normal(random))));
        float before = hedge.Prepared.Lead;
        hedge.Observe(100_000);
        hedge.Observe(510);
        hedge.Observe(100_000);
        hedge.Observe(490);
        Assert.InRange(hedge.Prepared.Lead, 0.9f * before, 1.5f * before);
    }

    private static float Scale(int agent) => 0.5f + (0.25f * (agent % 8));

    private static Quantiles Divide(Quantiles q, float by) => new(q.Median / by, q.Lead / by, q.Tail / by);

    private static void Feed(DelayEstimator estimator, Law law, Random random, int samples, float scale)
    {
        for (int i = 0; i < samples; i++) estimator.Observe(0, law.Next(random) * scale, 1);
    }

    private struct Score
    {
        private double _loss;
        private double _oracle;
        private double _covered;
        private double _width;
        private int _count;

        public readonly double Ratio => _loss / _oracle;

        public readonly double Coverage => _covered / _count;

        public readonly double Width => _width / _count;

        public void Add(Law law, double value, Quantiles predicted)
        {
            double truth = law.Quantile(0.95);
            _loss += Law.Pinball(value, predicted.Lead, 0.95);
            _oracle += Law.Pinball(value, truth, 0.95);
            _width += (predicted.Lead - predicted.Median) / (truth - law.Quantile(0.5));
            if (value <= predicted.Lead) _covered++;
            _count++;
        }

        public override readonly string ToString() => $"pinball/oracle {Ratio:f3}, coverage {Coverage:f3}, width/oracle {Width:f3}";
    }
}
