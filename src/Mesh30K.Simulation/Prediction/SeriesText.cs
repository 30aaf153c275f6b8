using System.Globalization;
using System.Text;

namespace Mesh30K.Simulation.Prediction;

/// <summary>What the readers share: lines with their numbers and numbers with their mistakes named.</summary>
internal static class SeriesText
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>All lines of a file of UTF-8 text; line n is element n − 1.</summary>
    public static string[] Lines(string file)
    {
        try
        {
            return File.ReadAllLines(file, StrictUtf8);
        }
        catch (DecoderFallbackException)
        {
            throw new PredictionInputException(file, 0, "bytes that are not UTF-8", "a UTF-8 text file");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PredictionInputException(file, 0, "cannot be opened: " + e.Message, "a readable file");
        }
    }

    /// <summary>A finite decimal number with a point, or the mistake named.</summary>
    public static float Number(string text, string file, int line, string column)
    {
        bool isNumber = float.TryParse(text.AsSpan().Trim(), NumberStyles.Float, CultureInfo.InvariantCulture, out float value);
        if (!isNumber || !float.IsFinite(value))
            throw new PredictionInputException(file, line, $"'{Shorten(text)}' in column {column}", "a finite decimal number such as 12.5");
        return value;
    }

    /// <summary>Text of a file as it may be shown in one line of a message.</summary>
    public static string Shorten(string text) => text.Length <= 40 ? text : string.Concat(text.AsSpan(0, 40), "…");
}

/// <summary>Reads <c>epoch;rtt;cp</c> (WenqinSHAO/rtt): one series a file, named after it.</summary>
internal static class RipeReader
{
    /// <summary>The value that stands for a lost probe, in ms.</summary>
    private const float LossMs = 1000f;

    public static void Read(string file, SeriesCollector into)
    {
        string[] lines = SeriesText.Lines(file);
        string[] header = lines.Length > 0 ? lines[0].Split(';') : [];
        if (header.Length < 2 || !string.Equals(header[0].Trim(), "epoch", StringComparison.Ordinal) || !string.Equals(header[1].Trim(), "rtt", StringComparison.Ordinal))
            throw new PredictionInputException(file, lines.Length > 0 ? 1 : 0, lines.Length > 0 ? $"header '{SeriesText.Shorten(lines[0])}'" : "an empty file", "the header epoch;rtt;cp");
        string name = Path.GetFileNameWithoutExtension(file);
        for (int i = 1; i < lines.Length; i++)
        {
            if (lines[i].Length == 0) continue;
            string[] cells = lines[i].Split(';');
            if (cells.Length != header.Length)
                throw new PredictionInputException(file, i + 1, $"{cells.Length} fields", $"{header.Length} fields separated by ';'");
            float rtt = SeriesText.Number(cells[1], file, i + 1, "rtt");
            if (rtt >= 0f && rtt < LossMs) into.Add(name, rtt);
        }
    }
}
