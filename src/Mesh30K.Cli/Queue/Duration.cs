using System.Globalization;

namespace Mesh30K.Cli.Queue;

/// <summary>Spans as people write them: <c>250ms</c>, <c>30s</c>, <c>5m</c>, <c>2h</c>, <c>1d</c>; a bare number is seconds.</summary>
internal static class Duration
{
    private static readonly (string Unit, double Ms)[] Units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

    /// <summary>Reads an option's value. Throws a <see cref="CliException"/> when it is no span, or not from <paramref name="least"/> to 30 days.</summary>
    public static TimeSpan Of(string option, string text, TimeSpan least)
    {
        (string number, double ms) = (text, 1_000);
        foreach ((string unit, double unitMs) in Units)
        {
            if (!text.EndsWith(unit, StringComparison.Ordinal) || text.Length == unit.Length) continue;
            (number, ms) = (text[..^unit.Length], unitMs);
            break;
        }
        bool read = double.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double value);
        double total = value * ms;
        if (read && total >= least.TotalMilliseconds && total <= TimeSpan.FromDays(30).TotalMilliseconds) return TimeSpan.FromMilliseconds(total);
        throw new CliException(new CliError(ExitCode.Usage, "bad_value", $"{option} must be a time such as 250ms, 30s, 5m or 2h, at most 30d, was {text}"));
    }
}
