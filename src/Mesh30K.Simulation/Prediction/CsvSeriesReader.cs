using System.Text;

namespace Mesh30K.Simulation.Prediction;

/// <summary>Reads columns of a comma-separated file with a header row (RFC 4180 quoting within a line) into series by group.</summary>
internal static class CsvSeriesReader
{
    public static void Read(string file, string? columns, string? groups, SeriesCollector into)
    {
        string[] lines = SeriesText.Lines(file);
        if (lines.Length == 0) throw new PredictionInputException(file, 0, "an empty file", "a header row with column names");
        string[] header = Cells(lines[0], file, 1);
        int[] values = Resolve(header, columns, file, "column");
        int[] keys = groups is null ? [] : Resolve(header, groups, file, "group");
        string fileName = Path.GetFileNameWithoutExtension(file);
        var name = new StringBuilder();
        for (int i = 1; i < lines.Length; i++)
        {
            if (lines[i].Length == 0) continue;
            string[] cells = Cells(lines[i], file, i + 1);
            if (cells.Length != header.Length)
                throw new PredictionInputException(file, i + 1, $"{cells.Length} fields", $"{header.Length} fields as in the header");
            string series = keys.Length == 0 ? fileName : Name(name, cells, keys);
            AddRow(cells, header, values, series, new Place(file, i + 1), into);
        }
    }

    private readonly record struct Place(string File, int Line);

    private static void AddRow(string[] cells, string[] header, int[] values, string series, Place at, SeriesCollector into)
    {
        foreach (int column in values)
        {
            if (string.IsNullOrWhiteSpace(cells[column])) continue;
            float value = SeriesText.Number(cells[column], at.File, at.Line, header[column]);
            if (value < 0f) throw new PredictionInputException(at.File, at.Line, $"{cells[column]} in column {header[column]}", "a delay of 0 or more");
            into.Add(series, value);
        }
    }

    private static string Name(StringBuilder name, string[] cells, int[] keys)
    {
        name.Clear();
        foreach (int key in keys)
        {
            if (name.Length > 0) name.Append('|');
            name.Append(cells[key]);
        }
        return name.ToString();
    }

    /// <summary>The indexes of the columns that a comma-separated list of names and patterns means, in the header's order within a pattern.</summary>
    private static int[] Resolve(string[] header, string? wanted, string file, string what)
    {
        string known = "one of " + string.Join(", ", header);
        if (string.IsNullOrWhiteSpace(wanted)) throw new PredictionInputException(file, 1, $"no {what} was asked for", known);
        var found = new List<int>();
        foreach (string pattern in wanted.Split(',', StringSplitOptions.TrimEntries))
        {
            int before = found.Count;
            for (int i = 0; i < header.Length; i++)
                if (Matches(pattern, header[i]) && !found.Contains(i)) found.Add(i);
            if (found.Count == before) throw new PredictionInputException(file, 1, $"no {what} '{SeriesText.Shorten(pattern)}'", known);
        }
        return [.. found];
    }

    /// <summary>Whether <paramref name="text"/> is <paramref name="pattern"/>, in which each <c>*</c> stands for any text. Linear backtracking.</summary>
    private static bool Matches(string pattern, string text)
    {
        int p = 0;
        int t = 0;
        int star = -1;
        int mark = 0;
        while (t < text.Length)
        {
            if (p < pattern.Length && pattern[p] == '*')
            {
                star = p++;
                mark = t;
            }
            else if (p < pattern.Length && pattern[p] == text[t])
            {
                p++;
                t++;
            }
            else if (star >= 0)
            {
                p = star + 1;
                t = ++mark;
            }
            else
            {
                return false;
            }
        }
        while (p < pattern.Length && pattern[p] == '*') p++;
        return p == pattern.Length;
    }

    private static string[] Cells(string line, string file, int number)
    {
        if (!line.Contains('"', StringComparison.Ordinal)) return line.Split(',');
        var cells = new List<string>();
        var cell = new StringBuilder();
        bool quoted = false;
        for (int i = 0; i < line.Length; i++)
        {
            char c = line[i];
            if (c == '"' && quoted && i + 1 < line.Length && line[i + 1] == '"')
            {
                cell.Append('"');
                i++;
            }
            else if (c == '"')
            {
                quoted = !quoted;
            }
            else if (c == ',' && !quoted)
            {
                cells.Add(cell.ToString());
                cell.Clear();
            }
            else
            {
                cell.Append(c);
            }
        }
        if (quoted) throw new PredictionInputException(file, number, "a quote that is not closed", "a closing \" on the same line");
        cells.Add(cell.ToString());
        return [.. cells];
    }
}
