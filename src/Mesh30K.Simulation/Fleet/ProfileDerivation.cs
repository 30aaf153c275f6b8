using System.Globalization;

namespace Mesh30K.Simulation.Fleet;

/// <summary>
/// Derives <see cref="FleetProfiles"/> from the folder of recorded traces (<c>ripe_rtt</c>, <c>lambda_perf</c>, <c>llmperf</c>). The choices
/// and their figures are in docs/profiles.md; a test derives again and compares. Deterministic; pure but for reading the files.
/// </summary>
public static class ProfileDerivation
{
    /// <summary>Spread of a person's answer times: the standard deviation of their natural logarithm. Assumed, not recorded.</summary>
    public const double HumanLogDeviation = 1.0;

    private const int RunningHalfWidth = 50;
    private const int SegmentSamplesMin = 20;
    private const int LevelSamplesMin = 5;
    private const int GroupSamplesMin = 50;

    /// <summary>Runtimes whose functions start without a managed runtime: the nearest that was recorded to an edge function.</summary>
    private static readonly string[] NativeRuntimes = ["c++", "go", "llrt", "rust"];

    /// <param name="dataFolder">The folder that holds the three folders of traces.</param>
    /// <exception cref="FleetInputException">A file is missing or malformed.</exception>
    public static FleetProfiles Derive(string dataFolder)
    {
        IReadOnlyList<RecordedPath> paths = NetworkTrace.Load(Path.Combine(dataFolder, "ripe_rtt")).Paths;
        long samples = paths.Sum(p => (long)p.RttMs.Length);
        var lambda = new DelimitedFile(Path.Combine(dataFolder, "lambda_perf", "init_ms.csv"), ',');
        var calls = new DelimitedFile(Path.Combine(dataFolder, "llmperf", "requests.csv"), ',');
        int runtime = lambda.Column("runtime"), arch = lambda.Column("arch");
        bool IsNative(int row) => NativeRuntimes.Any(n => lambda.Text(row, runtime).StartsWith(n, StringComparison.Ordinal));
        return new FleetProfiles
        {
            ShiftRate = Rounded(paths.Sum(p => p.Shifts.Count) / (double)samples),
            LossRate = Rounded(paths.Sum(p => p.RttMs.LongCount(float.IsNaN)) / (double)samples),
            NetworkRatio = Law([.. paths.SelectMany(RunningRatios)]),
            PathLevel = Law([.. paths.SelectMany(LevelRatios)]),
            PathRttMs = Law([.. paths.Select(p => MedianOf([.. p.RttMs.Where(v => !float.IsNaN(v))]))]),
            ServiceRatio =
            [
                Law(StartRatios(lambda, IsNative)),
                Law(StartRatios(lambda, row => !IsNative(row))),
                Law(CallRatios(calls, "e2e_ms", outputTokensMin: 100)),
                Law(CallRatios(calls, "ttft_ms", outputTokensMin: 1)),
                Law(StartRatios(lambda, row => lambda.Text(row, arch) == "arm64")),
                LogNormal(HumanLogDeviation),
            ],
        };
    }

    /// <summary>Each round trip over the median of those within 50 samples in the same hand-labelled segment.</summary>
    private static IEnumerable<float> RunningRatios(RecordedPath path)
    {
        foreach (float[] segment in Segments(path).Where(s => s.Length >= SegmentSamplesMin))
        {
            for (int i = 0; i < segment.Length; i++)
            {
                int from = Math.Max(0, i - RunningHalfWidth), to = Math.Min(segment.Length, i + RunningHalfWidth + 1);
                yield return segment[i] / MedianOf(segment[from..to]);
            }
        }
    }

    /// <summary>The median of each hand-labelled segment over the median of its path.</summary>
    private static IEnumerable<float> LevelRatios(RecordedPath path)
    {
        float whole = MedianOf([.. path.RttMs.Where(v => !float.IsNaN(v))]);
        return Segments(path).Where(s => s.Length >= LevelSamplesMin).Select(s => MedianOf(s) / whole);
    }

    private static IEnumerable<float[]> Segments(RecordedPath path)
    {
        int from = 0;
        foreach (int to in path.Shifts.Append(path.RttMs.Length))
        {
            yield return [.. path.RttMs[from..to].Where(v => !float.IsNaN(v))];
            from = to;
        }
    }

    /// <summary>Each start-up time over the median of the ten of its row: one configuration on one day.</summary>
    private static float[] StartRatios(DelimitedFile table, Func<int, bool> takes)
    {
        int[] columns = table.Columns("init_ms_*");
        var ratios = new List<float>();
        for (int row = 0; row < table.RowCount; row++)
        {
            if (!takes(row)) continue;
            float[] starts = [.. columns.Select(c => table.Number(row, c)).Where(v => v > 0)];
            if (starts.Length < columns.Length) continue;
            float median = MedianOf([.. starts]);
            foreach (float start in starts) ratios.Add(start / median);
        }
        return [.. ratios];
    }

    /// <summary>Each duration over the median of its provider and model, of the calls that succeeded with enough output.</summary>
    private static float[] CallRatios(DelimitedFile table, string column, int outputTokensMin)
    {
        int duration = table.Column(column), provider = table.Column("provider_model");
        int error = table.Column("error_code"), tokens = table.Column("output_tokens");
        return
        [
            .. Enumerable.Range(0, table.RowCount)
                .Where(row => table.Text(row, error).Length == 0 && table.Number(row, tokens) >= outputTokensMin)
                .GroupBy(row => table.Text(row, provider), row => table.Number(row, duration))
                .Where(g => g.Count() >= GroupSamplesMin)
                .SelectMany(g =>
                {
                    float median = MedianOf([.. g]);
                    return g.Select(v => v / median);
                }),
        ];
    }

    private static float[] Law(float[] values)
    {
        Array.Sort(values);
        var law = new float[QuantileLaw.KnotCount];
        QuantileLaw.FromSorted(values, law);
        return [.. law.Select(v => (float)Rounded(v))];
    }

    /// <summary>A log-normal law with median 1, cut at one in ten thousand on each side.</summary>
    private static float[] LogNormal(double deviation)
    {
        var law = new float[QuantileLaw.KnotCount];
        for (int k = 0; k < law.Length; k++)
            law[k] = (float)Rounded(Math.Exp(deviation * NormalQuantile(Math.Clamp(QuantileLaw.Levels[k], 1e-4, 1 - 1e-4))));
        return law;
    }

    /// <summary>The standard normal quantile by bisection of its distribution function (Abramowitz and Stegun 7.1.26, error below 1.5e-7).</summary>
    private static double NormalQuantile(double level)
    {
        double low = -6, high = 6;
        for (int i = 0; i < 60; i++)
        {
            double middle = 0.5 * (low + high);
            if (NormalCdf(middle) < level) low = middle;
            else high = middle;
        }
        return 0.5 * (low + high);
    }

    private static double NormalCdf(double z)
    {
        double x = Math.Abs(z) / Math.Sqrt(2), t = 1 / (1 + (0.3275911 * x));
        double tail = t * (0.254829592 + (t * (-0.284496736 + (t * (1.421413741 + (t * (-1.453152027 + (t * 1.061405429)))))))) * Math.Exp(-x * x);
        return z >= 0 ? 1 - (0.5 * tail) : 0.5 * tail;
    }

    /// <summary>The median; sorts the array it is given, so hand over a copy.</summary>
    private static float MedianOf(float[] values)
    {
        Array.Sort(values);
        int half = values.Length / 2;
        return values.Length % 2 == 1 ? values[half] : 0.5f * (values[half - 1] + values[half]);
    }

    private static double Rounded(double value) => double.Parse(value.ToString("G6", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
}
