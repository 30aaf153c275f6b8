using Mesh30K.Coordination.Impedance.Estimation;

namespace Mesh30K.Simulation.Prediction;

/// <summary>What one predictor scored. Each figure is the mean over series of the mean over the series' scored samples.</summary>
/// <param name="Pinball">Mean pinball loss at the scored level, in the series' unit. The lower the better: the one figure to compare by.</param>
/// <param name="PinballRelative">The same with each series' loss divided by the mean of its scored values: no series counts more for its scale.</param>
/// <param name="Coverage">Share of values at or below the predicted quantile; right when it equals the level.</param>
/// <param name="WidthMs">Mean of predicted quantile − predicted median: what being this sure costs, in the series' unit.</param>
/// <param name="MaeMs">Mean absolute error of the predicted median, in the series' unit.</param>
public sealed record PredictorScore(double Pinball, double PinballRelative, double Coverage, double WidthMs, double MaeMs);

/// <summary>The baselines' scores.</summary>
/// <param name="Ring100">Empirical quantile of the last 100.</param>
/// <param name="Jacobson">SRTT + 4·RTTVAR.</param>
/// <param name="Spec">M 3.1: median + one standard deviation.</param>
public sealed record BaselineScores(PredictorScore Ring100, PredictorScore Jacobson, PredictorScore Spec);

/// <summary>The result of a benchmark: how many series and scored samples, and what each predictor scored on them.</summary>
/// <param name="Series">Series with at least one scored sample.</param>
/// <param name="Samples">Samples scored, over all series.</param>
/// <param name="SeriesTooShort">Series with no sample left after the cold start: not scored.</param>
/// <param name="Level">The quantile's level.</param>
/// <param name="Learned">The production estimator.</param>
/// <param name="Baselines">What it is compared with.</param>
public sealed record PredictorResult(
    int Series, long Samples, int SeriesTooShort, double Level, PredictorScore Learned, BaselineScores Baselines);

/// <summary>
/// Scores the production estimator and the baselines on recorded series, one step ahead: each predictor sees a series' values in order and
/// is asked before each one. Deterministic; no clock, no chance. Memory: a few KB beside the series.
/// </summary>
public static class PredictorBenchmark
{
    /// <summary>How many first values of a series are shown to every predictor and not scored, by default.</summary>
    public const int ColdStartDefault = 5;

    private const int Predictors = 4;

    /// <summary>Scores <paramref name="series"/> at <see cref="EstimatorOptions.LeadLevel"/>, leaving out each one's first <paramref name="coldStart"/> values.</summary>
    /// <exception cref="PredictionInputException">No series has more than <paramref name="coldStart"/> values.</exception>
    public static PredictorResult Run(IReadOnlyList<RecordedSeries> series, EstimatorOptions? options = null, int coldStart = ColdStartDefault)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(coldStart, 1);
        options ??= EstimatorOptions.Default;
        var totals = new Tally[Predictors];
        int scored = 0;
        long samples = 0;
        foreach (RecordedSeries one in series)
        {
            if (one.Values.Count <= coldStart) continue;
            scored++;
            samples += one.Values.Count - coldStart;
            AddSeries(one.Values, options, coldStart, totals);
        }
        if (scored == 0) throw new PredictionInputException("series", 0, "no series is long enough", $"more than {coldStart} values in one series");
        return new PredictorResult(scored, samples, series.Count - scored, Level(options), totals[0].Mean(scored),
            new BaselineScores(totals[1].Mean(scored), totals[2].Mean(scored), totals[3].Mean(scored)));
    }

    /// <summary>The level as it was written: 0.95, not the nearest float to it.</summary>
    private static double Level(EstimatorOptions options) => Math.Round((double)options.LeadLevel, 6);

    private static void AddSeries(IReadOnlyList<float> values, EstimatorOptions options, int coldStart, Tally[] totals)
    {
        double level = Level(options);
        IPredictor[] predictors = [new LearnedPredictor(options), new RingPredictor(level), new JacobsonPredictor(), new SpecPredictor()];
        var sums = new Tally[Predictors];
        for (int i = 0; i < values.Count; i++)
        {
            for (int p = 0; p < Predictors; p++)
            {
                if (i >= coldStart) sums[p].AddSample(values[i], predictors[p].Median, predictors[p].Lead, level);
                predictors[p].Observe(values[i]);
            }
        }
        int count = values.Count - coldStart;
        double total = 0;
        for (int i = coldStart; i < values.Count; i++) total += values[i];
        for (int p = 0; p < Predictors; p++) totals[p].AddSeries(sums[p], count, total);
    }

    /// <summary>Running sums of one predictor, over samples or over series.</summary>
    private struct Tally
    {
        private double _pinball;
        private double _relative;
        private double _covered;
        private double _width;
        private double _error;

        public void AddSample(double value, double median, double lead, double level)
        {
            double miss = value - lead;
            _pinball += Math.Max(level * miss, (level - 1) * miss);
            if (value <= lead) _covered++;
            _width += lead - median;
            _error += Math.Abs(value - median);
        }

        public void AddSeries(in Tally sums, int count, double total)
        {
            _pinball += sums._pinball / count;
            _relative += total > 0 ? sums._pinball / total : 0;
            _covered += sums._covered / count;
            _width += sums._width / count;
            _error += sums._error / count;
        }

        public readonly PredictorScore Mean(int series) =>
            new(_pinball / series, _relative / series, _covered / series, _width / series, _error / series);
    }
}
