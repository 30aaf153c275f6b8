namespace Mesh30K.Cli.Bench;

/// <summary>What a bench measured. All series are of this one process.</summary>
internal sealed record BenchReport
{
    public required string Bench { get; init; }

    /// <summary>The unit of <see cref="Values"/>, of the limit and of the aim.</summary>
    public required string Unit { get; init; }

    /// <summary>Exactly what is inside a value.</summary>
    public required string What { get; init; }

    public required double[] Values { get; init; }

    public required string LimitWhat { get; init; }

    public required double[] LimitValues { get; init; }

    /// <summary>The figure to reach, in <see cref="Unit"/> (design section 11).</summary>
    public required double Aim { get; init; }

    /// <summary>Whether a larger value is better.</summary>
    public bool LargerIsBetter { get; init; }

    /// <summary>What is worth knowing beside it, by snake_case name.</summary>
    public IReadOnlyList<(string Name, object? Value)> Extra { get; init; } = [];

    public double Median => Quantile(Values, 0.5);

    /// <summary>Median ÷ the limit's median: 1 would be perfect, from above where smaller is better, from below where larger is.</summary>
    public double RatioToLimit => Quantile(LimitValues, 0.5) is var limit && limit == 0 ? 0 : Median / limit;

    public bool AimReached => LargerIsBetter ? Median >= Aim : Median <= Aim;

    /// <summary>The object of <c>--json</c>, in this order.</summary>
    public Dictionary<string, object?> ToJson()
    {
        Dictionary<string, object?> json = new(StringComparer.Ordinal)
        {
            ["bench"] = Bench,
            ["unit"] = Unit,
            ["runs"] = Values.Length,
            ["min"] = Round(Values.Min()),
            ["median"] = Round(Median),
            ["max"] = Round(Values.Max()),
            ["limit"] = new Dictionary<string, object?>(StringComparer.Ordinal) { ["what"] = LimitWhat, ["median"] = Round(Quantile(LimitValues, 0.5)) },
            ["ratio_to_limit"] = Round(RatioToLimit),
            ["aim"] = Aim,
            ["aim_reached"] = AimReached,
            ["what"] = What,
            ["values"] = Values.Select(Round).ToArray(),
        };
        foreach ((string name, object? value) in Extra) json[name] = value is double d ? Round(d) : value;
        return json;
    }

    /// <summary>The quantile between the two nearest ranks; 0 of nothing.</summary>
    public static double Quantile(IReadOnlyCollection<double> values, double share)
    {
        if (values.Count == 0) return 0;
        double[] sorted = [.. values.Order()];
        double at = share * (sorted.Length - 1);
        int below = (int)at;
        return below + 1 >= sorted.Length ? sorted[^1] : sorted[below] + ((at - below) * (sorted[below + 1] - sorted[below]));
    }

    /// <summary>Six significant digits: more would be noise.</summary>
    private static double Round(double value)
    {
        if (value == 0 || !double.IsFinite(value)) return value;
        int digits = 6 - (int)Math.Ceiling(Math.Log10(Math.Abs(value)));
        return digits is >= 0 and <= 15 ? Math.Round(value, digits) : value;
    }
}
