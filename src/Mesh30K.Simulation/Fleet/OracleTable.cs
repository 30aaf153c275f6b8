namespace Mesh30K.Simulation.Fleet;

/// <summary>
/// Quantiles of r·X + (1 − r)·Y·G for one class, on a grid of the mixing ratio r (the way out's part of the sum of both scales) and of
/// the levels of <see cref="QuantileLaw"/>. Agents of a class differ only in their two scales a and b, and
/// a·X + b·Y·G = (a + b)·(r·X + (1 − r)·Y·G) with r = a / (a + b): one table serves them all, and a lookup is two interpolations.
/// Immutable after construction; safe on any thread.
/// </summary>
internal sealed class OracleTable
{
    private const int RatioSteps = 32;

    private readonly float[] _quantiles;

    public OracleTable(ReadOnlySpan<float> x, ReadOnlySpan<float> y, SumQuantile.Straggler straggler)
    {
        ReadOnlySpan<double> levels = QuantileLaw.Levels;
        _quantiles = new float[(RatioSteps + 1) * levels.Length];
        for (int step = 0; step <= RatioSteps; step++)
        {
            // At the two ends one part vanishes; a scale of a billionth keeps the solver's divisions defined and changes no digit.
            double r = Math.Clamp(step / (double)RatioSteps, 1e-9, 1 - 1e-9);
            Span<float> row = _quantiles.AsSpan(step * levels.Length, levels.Length);
            for (int k = 0; k < levels.Length; k++)
            {
                double level = Math.Clamp(levels[k], 1e-5, 1 - 1e-5);
                row[k] = SumQuantile.Solve(x, r, 0, y, 1 - r, straggler, level);
                if (k > 0) row[k] = Math.Max(row[k], row[k - 1]);
            }
        }
    }

    /// <summary>The quantile of a·X + b·Y·G in the unit of the scales (ms); a + b must be positive.</summary>
    public float Quantile(float a, float b, float level)
    {
        float sum = a + b;
        float along = a / sum * RatioSteps;
        int step = Math.Min((int)along, RatioSteps - 1);
        along -= step;
        int knots = QuantileLaw.KnotCount;
        int k = QuantileLaw.KnotAtOrBelow(level);
        ReadOnlySpan<double> levels = QuantileLaw.Levels;
        float up = (float)((level - levels[k]) / (levels[k + 1] - levels[k]));
        ReadOnlySpan<float> low = _quantiles.AsSpan(step * knots, knots);
        ReadOnlySpan<float> high = _quantiles.AsSpan((step + 1) * knots, knots);
        float atLow = low[k] + (up * (low[k + 1] - low[k]));
        float atHigh = high[k] + (up * (high[k + 1] - high[k]));
        return sum * (atLow + (along * (atHigh - atLow)));
    }
}
