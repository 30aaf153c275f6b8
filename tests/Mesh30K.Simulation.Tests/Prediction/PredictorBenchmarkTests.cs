using Mesh30K.Coordination.Impedance.Estimation;
using Mesh30K.Simulation.Prediction;

namespace Mesh30K.Simulation.Tests.Prediction;

public sealed class PredictorBenchmarkTests
{
    [Fact]
    public void Baselines_are_what_their_sources_say()
    {
        // ring100 and spec: values 10, 20, 30, 40, 50; the sixth is scored. Jacobson by hand from RFC 6298 over the same five.
        PredictorResult result = PredictorBenchmark.Run([new RecordedSeries("s", [10, 20, 30, 40, 50, 100])]);
        Assert.Equal(1, result.Samples);
        Assert.Equal(0.95 * (100 - 48), result.Baselines.Ring100.Pinball, 6);
        Assert.Equal(70, result.Baselines.Ring100.MaeMs, 6);
        Assert.Equal(0.95 * (100 - 30 - Math.Sqrt(250)), result.Baselines.Spec.Pinball, 6);
        double srtt = 10, rttvar = 5;
        foreach (double value in new[] { 20d, 30, 40, 50 })
        {
            rttvar = (0.75 * rttvar) + (0.25 * Math.Abs(srtt - value));
            srtt = (0.875 * srtt) + (0.125 * value);
        }
        Assert.Equal(4 * rttvar, result.Baselines.Jacobson.WidthMs, 6);
        Assert.Equal(100 - srtt, result.Baselines.Jacobson.MaeMs, 6);
    }

    [Fact]
    public void Learned_is_the_production_estimator_and_sees_only_earlier_values()
    {
        float[] values = [.. Enumerable.Range(0, 80).Select(i => 100f + (i * 37 % 23))];
        var hedge = new QuantileHedge(EstimatorOptions.Default);
        double loss = 0;
        for (int i = 0; i < values.Length; i++)
        {
            double miss = values[i] - hedge.Prepared.Lead;
            if (i >= 5) loss += Math.Max(0.95 * miss, (0.95f - 1d) * miss);
            hedge.Observe(values[i]);
        }
        PredictorResult result = PredictorBenchmark.Run([new RecordedSeries("s", values)]);
        Assert.Equal(loss / 75, result.Learned.Pinball, 4);
    }

    [Fact]
    public void Series_count_equally_and_short_ones_are_counted_apart()
    {
        float[] quiet = [.. Enumerable.Repeat(10f, 100)];
        float[] loud = [.. Enumerable.Range(0, 20).Select(i => i % 2 == 0 ? 10f : 1000f)];
        PredictorResult both = PredictorBenchmark.Run([new("quiet", quiet), new("loud", loud), new("short", [1, 2])]);
        PredictorResult one = PredictorBenchmark.Run([new("loud", loud)]);
        Assert.Equal((2, 1, 110L), (both.Series, both.SeriesTooShort, both.Samples));
        Assert.Equal(one.Baselines.Ring100.Pinball / 2, both.Baselines.Ring100.Pinball, 6);
        Assert.Throws<PredictionInputException>(() => PredictorBenchmark.Run([new("short", [1, 2])]));
    }
}
