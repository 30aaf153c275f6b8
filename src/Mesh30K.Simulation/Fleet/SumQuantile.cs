namespace Mesh30K.Simulation.Fleet;

/// <summary>
/// Quantiles of max(a·X, floor) + b·Y·G, by numeric convolution: X the shape of the way out, floor the backlog that must be worked off
/// first, Y the shape of the service, and G the straggler (its factor with a small probability, else 1), all independent.
/// X becomes some forty atoms (single knots' intervals in the tails, merged ones in the middle); Y stays piecewise linear, so the
/// distribution function of the sum is exact but for X's coarseness, and is inverted by a bracketed secant search (Illinois).
/// Pure; safe on any thread; allocates nothing.
/// </summary>
internal static class SumQuantile
{
    /// <summary>How near in probability an inverted quantile must come: far below what 100,000 draws can tell.</summary>
    private const double LevelTolerance = 2e-5;

    private const int IterationsMax = 60;
    private const int MiddleStep = 4;

    private static readonly (int From, int To, double Weight)[] Groups = BuildGroups();

    /// <summary>The straggler part of a service law.</summary>
    internal readonly record struct Straggler(double Rate, float Factor)
    {
        public static Straggler None => new(0, 1);
    }

    /// <summary>The quantile, in the unit of the scales, at <paramref name="level"/> in (0, 1).</summary>
    public static float Solve(
        ReadOnlySpan<float> x, double a, double floor, ReadOnlySpan<float> y, double b, Straggler straggler, double level)
    {
        Span<double> atoms = stackalloc double[Groups.Length];
        Span<double> weights = stackalloc double[Groups.Length];
        int count = Atoms(x, a, floor, atoms, weights);
        atoms = atoms[..count];
        weights = weights[..count];

        double low = atoms[0] + (b * y[0]);
        double high = atoms[^1] + (b * y[^1] * (straggler.Rate > 0 ? Math.Max(1, straggler.Factor) : 1));
        if (low >= high) return (float)high;
        double belowLow = -level, aboveHigh = 1 - level;
        double guess = atoms[count / 2] + (b * QuantileLaw.Quantile(y, level));
        int side = 0;
        for (int i = 0; i < IterationsMax; i++)
        {
            if (!(guess > low && guess < high)) guess = 0.5 * (low + high);
            double miss = Cdf(atoms, weights, y, b, straggler, guess) - level;
            if (Math.Abs(miss) <= LevelTolerance || high - low <= 1e-7 * high) break;
            if (miss < 0)
            {
                low = guess;
                belowLow = miss;
                if (side < 0) aboveHigh *= 0.5;
                side = -1;
            }
            else
            {
                high = guess;
                aboveHigh = miss;
                if (side > 0) belowLow *= 0.5;
                side = 1;
            }
            // Every fourth step halves the bracket, which bounds the search where the law has gaps or a far tail.
            guess = (i & 3) == 3 ? 0.5 * (low + high) : ((low * aboveHigh) - (high * belowLow)) / (aboveHigh - belowLow);
        }
        return (float)guess;
    }

    /// <summary>X as atoms, ascending; all that lie under the floor become one atom on it. Returns how many.</summary>
    private static int Atoms(ReadOnlySpan<float> x, double a, double floor, Span<double> atoms, Span<double> weights)
    {
        if (floor >= a * x[^1])
        {
            atoms[0] = floor;
            weights[0] = 1;
            return 1;
        }
        int count = 0;
        ReadOnlySpan<double> levels = QuantileLaw.Levels;
        foreach ((int from, int to, double weight) in Groups)
        {
            double mean = 0;
            for (int k = from; k < to; k++) mean += (levels[k + 1] - levels[k]) * 0.5 * (x[k] + (double)x[k + 1]);
            double at = Math.Max(floor, a * mean / weight);
            if (count > 0 && atoms[count - 1] >= at)
            {
                weights[count - 1] += weight;
                continue;
            }
            atoms[count] = at;
            weights[count] = weight;
            count++;
        }
        return count;
    }

    private static double Cdf(
        ReadOnlySpan<double> atoms, ReadOnlySpan<double> weights, ReadOnlySpan<float> y, double b, Straggler straggler, double at)
    {
        double usual = Weighted(atoms, weights, y, b, at);
        if (straggler.Rate <= 0) return usual;
        return ((1 - straggler.Rate) * usual) + (straggler.Rate * Weighted(atoms, weights, y, b * straggler.Factor, at));
    }

    /// <summary>P(atom + b·Y ≤ at). As the atoms ascend, the argument of Y's distribution falls, so one sweep finds every interval.</summary>
    private static double Weighted(ReadOnlySpan<double> atoms, ReadOnlySpan<double> weights, ReadOnlySpan<float> y, double b, double at)
    {
        ReadOnlySpan<double> levels = QuantileLaw.Levels;
        double inverse = 1 / b, sum = 0;
        int knot = LastAtOrBelow(y, (at - atoms[0]) * inverse);
        for (int k = 0; k < atoms.Length; k++)
        {
            double v = (at - atoms[k]) * inverse;
            while (knot >= 0 && y[knot] > v) knot--;
            if (knot < 0) break;
            double p = knot == y.Length - 1
                ? 1
                : levels[knot] + ((v - y[knot]) / (y[knot + 1] - (double)y[knot]) * (levels[knot + 1] - levels[knot]));
            sum += weights[k] * p;
        }
        return sum;
    }

    private static int LastAtOrBelow(ReadOnlySpan<float> y, double v)
    {
        int low = -1, high = y.Length;
        while (high - low > 1)
        {
            int middle = (low + high) >> 1;
            if (y[middle] <= v) low = middle;
            else high = middle;
        }
        return low;
    }

    private static (int From, int To, double Weight)[] BuildGroups()
    {
        ReadOnlySpan<double> levels = QuantileLaw.Levels;
        int last = levels.Length - 1;
        var groups = new List<(int, int, double)>();
        for (int from = 0; from < last;)
        {
            bool tail = levels[from] < 0.05 - 1e-9 || levels[from] > 0.93;
            int to = Math.Min(last, from + (tail ? 1 : MiddleStep));
            groups.Add((from, to, levels[to] - levels[from]));
            from = to;
        }
        return [.. groups];
    }
}
