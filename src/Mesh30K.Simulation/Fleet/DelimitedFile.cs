using System.Globalization;

namespace Mesh30K.Simulation.Fleet;

/// <summary>
/// Reads the plain delimited text files of recorded traces: a header row, then rows with as many fields, no quoting.
/// Every fault becomes a <see cref="FleetInputException"/> that names the line. Reads the file when constructed; immutable afterwards.
/// </summary>
internal sealed class DelimitedFile
{
    private readonly string[][] _rows;

    public DelimitedFile(string path, char separator)
    {
        Path = path;
        string[] lines;
        try
        {
            lines = File.ReadAllLines(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new FleetInputException(path, 0, "cannot be read (" + e.Message + ")", "a readable text file");
        }
        if (lines.Length < 2) throw new FleetInputException(path, 0, "has no data rows", "a header row and at least one row of values");
        Header = lines[0].TrimEnd('\r').Split(separator, StringSplitOptions.TrimEntries);
        var rows = new List<string[]>(lines.Length - 1);
        for (int i = 1; i < lines.Length; i++)
        {
            if (string.IsNullOrWhiteSpace(lines[i]) && i == lines.Length - 1) break;
            string[] fields = lines[i].Split(separator, StringSplitOptions.TrimEntries);
            if (fields.Length != Header.Length)
                throw new FleetInputException(
                    path, i + 1, $"{fields.Length} fields", $"{Header.Length} fields separated by '{separator}', as in the header");
            rows.Add(fields);
        }
        _rows = [.. rows];
    }

    public string Path { get; }

    public string[] Header { get; }

    public int RowCount => _rows.Length;

    /// <summary>The trimmed text of a cell.</summary>
    public string Text(int row, int column) => _rows[row][column];

    /// <summary>The index of a column, or an error that lists the columns there are.</summary>
    public int Column(string name)
    {
        int at = Array.IndexOf(Header, name);
        return at >= 0 ? at : throw new FleetInputException(Path, 1, $"no column '{name}'", "one of " + string.Join(", ", Header));
    }

    /// <summary>The columns a name stands for: itself, or with a trailing <c>*</c> all that begin so, in the header's order.</summary>
    public int[] Columns(string pattern)
    {
        if (!pattern.EndsWith('*')) return [Column(pattern)];
        string prefix = pattern[..^1];
        int[] found = [.. Enumerable.Range(0, Header.Length).Where(i => Header[i].StartsWith(prefix, StringComparison.Ordinal))];
        return found.Length > 0
            ? found
            : throw new FleetInputException(Path, 1, $"no column begins with '{prefix}'", "one of " + string.Join(", ", Header));
    }

    /// <summary>A finite number in a cell, or an error.</summary>
    public float Number(int row, int column) =>
        float.TryParse(Text(row, column), NumberStyles.Float, CultureInfo.InvariantCulture, out float value) && float.IsFinite(value)
            ? value
            : throw new FleetInputException(
                Path, row + 2, $"'{Text(row, column)}' in column '{Header[column]}'", "a number of milliseconds with a decimal point");
}
