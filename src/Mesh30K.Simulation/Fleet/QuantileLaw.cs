namespace Mesh30K.Simulation.Fleet;

/// <summary>
/// A law of one positive quantity as its quantiles at one common grid of levels: fine in both tails (down to 0.0005 and up to 0.9995,
/// with the recorded minimum and maximum at 0 and 1) and a hundredth apart between. Between two knots the quantile is linear in the
/// level, that is, the law is uniform there; sampling, the oracle and the derivation all share this reading, so that the oracle knows
/// exactly what is sampled. Pure; safe on any thread.
/// </summary>
public static class QuantileLaw
{
    private const int TailCount = 5;
    private const int MiddleFirst = TailCount;

    private static readonly double[] Grid = BuildGrid();

    /// <summary>How many knots a law has.</summary>
    public static int KnotCount => Grid.Length;

    /// <summary>The levels of the knots, ascending from 0 to 1.</summary>
    public static ReadOnlySpan<double> Levels => Grid;

    /// <summary>The greatest knot whose level is at most <paramref name="level"/>, and never the last knot.</summary>
    public static int KnotAtOrBelow(double level)
    {
        if (level is >= 0.01 and < 0.99)
        {
            int i = MiddleFirst + (int)((level - 0.01) * 100);
            if (Grid[i] > level) i--;
            else if (Grid[i + 1] <= level) i++;
            return i;
        }
        int from = level < 0.01 ? 0 : Grid.Length - 1 - TailCount;
        while (from < Grid.Length - 2 && Grid[from + 1] <= level) from++;
        return from;
    }

    /// <summary>The quantile of <paramref name="law"/> (one value a knot) at <paramref name="level"/> in [0, 1].</summary>
    public static float Quantile(ReadOnlySpan<float> law, double level)
    {
        int i = KnotAtOrBelow(level);
        double along = (level - Grid[i]) / (Grid[i + 1] - Grid[i]);
        return (float)(law[i] + (along * (law[i + 1] - law[i])));
    }

    /// <summary>
    /// Writes the quantiles of a sample into <paramref name="law"/>: the sample's order statistics with linear interpolation
    /// (Hyndman and Fan 1996, type 7), but in the outer hundredths without it (type 1), so that one wild sample stays as rare as it was
    /// instead of being smeared over the knots beside it. <paramref name="sorted"/> must be ascending and not empty.
    /// </summary>
    public static void FromSorted(ReadOnlySpan<float> sorted, Span<float> law)
    {
        ArgumentOutOfRangeException.ThrowIfZero(sorted.Length);
        for (int k = 0; k < Grid.Length; k++)
        {
            double at = PlaceOf(Grid[k], sorted.Length);
            int i = Math.Min((int)at, sorted.Length - 1);
            int j = Math.Min(i + 1, sorted.Length - 1);
            law[k] = (float)(sorted[i] + ((at - i) * (sorted[j] - (double)sorted[i])));
        }
    }

    /// <summary>Where among the order statistics (from 0) a level lies; a whole number in the outer hundredths.</summary>
    private static double PlaceOf(double level, int count)
    {
        if (level < 0.01) return Math.Floor(level * count);
        if (level > 0.99) return Math.Ceiling(level * count) - 1;
        return level * (count - 1);
    }

    private static double[] BuildGrid()
    {
        double[] tail = [0, 0.0005, 0.001, 0.0025, 0.005];
        var grid = new List<double>(tail);
        for (int percent = 1; percent <= 99; percent++) grid.Add(percent / 100.0);
        for (int i = tail.Length - 1; i >= 0; i--) grid.Add(1 - tail[i]);
        return [.. grid];
    }
}
