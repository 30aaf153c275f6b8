using System.Text;
using Mesh30K.Consistency.Time;

namespace Mesh30K.Consistency.Documents;

/// <summary>A cell of a table. The default is a cell that is not there.</summary>
internal readonly record struct HeartbeatCell(string? Value, Hlc? Stamp)
{
    /// <summary>The later timestamp wins, none being the earliest; of one timestamp the side that changed it, and of two changes the larger text.</summary>
    public static HeartbeatCell Join(HeartbeatCell start, HeartbeatCell ours, HeartbeatCell theirs)
    {
        int order = Nullable.Compare(ours.Stamp, theirs.Stamp);
        if (order != 0) return order > 0 ? ours : theirs;
        if (ours == start) return theirs;
        return theirs == start || string.CompareOrdinal(ours.Value, theirs.Value) > 0 ? ours : theirs;
    }
}

/// <summary>A row of a table.</summary>
/// <param name="Key">Its first cell.</param>
/// <param name="Updated">The cell that is named <c>updated</c>, of which the timestamp is that of the whole row.</param>
/// <param name="Cells">The other cells by column.</param>
internal sealed record HeartbeatRow(string Key, HeartbeatCell Updated, Dictionary<string, HeartbeatCell> Cells)
{
    public HeartbeatCell this[string column] => Cells.GetValueOrDefault(column);
}

/// <summary>A column of a table: what its header and the line below say.</summary>
/// <param name="Name">Its header, by which it is known; for the column of timestamps <see cref="HeartbeatTable.Updated"/>.</param>
/// <param name="Title">Its header as it is written.</param>
/// <param name="Rule">Three dashes, with colons for the alignment.</param>
internal readonly record struct HeartbeatColumn(string Name, string Title, string Rule);

/// <summary>A table whose first column is the key.</summary>
internal sealed class HeartbeatTable
{
    /// <summary>The name of the column of timestamps, however it is capitalised.</summary>
    public const string Updated = "updated";

    public required HeartbeatColumn Key { get; init; }

    /// <summary>The columns after the key.</summary>
    public required List<HeartbeatColumn> Columns { get; init; }

    /// <summary>Ascending by key.</summary>
    public List<HeartbeatRow> Rows { get; init; } = [];

    /// <summary>The gap of the prose in which it stands.</summary>
    public int Gap { get; init; }

    /// <summary>Reads the two lines with which a table of heartbeats begins; null when they are not.</summary>
    public static HeartbeatTable? TryReadHead(ReadOnlySpan<char> header, ReadOnlySpan<char> rules, int gap)
    {
        if (!header.TrimStart().StartsWith('|')) return null;
        List<string> titles = Split(header);
        List<string> dashes = Split(rules);
        if (titles.Count < 2 || titles.Count != dashes.Count) return null;
        List<HeartbeatColumn> columns = [];
        for (int i = 0; i < titles.Count; i++)
        {
            if (dashes[i].Length == 0 || dashes[i].Trim(':').AsSpan().ContainsAnyExcept('-') || !dashes[i].Contains('-') || titles[i].Contains(';')) return null;
            bool isUpdated = i > 0 && titles[i].Equals(Updated, StringComparison.OrdinalIgnoreCase);
            string name = isUpdated ? Updated : titles[i];
            if (i > 0 && columns.FindIndex(1, column => column.Name == name) >= 0) return null;
            columns.Add(new HeartbeatColumn(name, titles[i], $"{(dashes[i][0] == ':' ? ":" : "")}---{(dashes[i][^1] == ':' ? ":" : "")}"));
        }
        if (columns.FindIndex(1, column => column.Name == Updated) < 0) return null;
        return new HeartbeatTable { Key = columns[0], Columns = columns[1..], Gap = gap };
    }

    /// <summary>Cells between unescaped bars, trimmed; <c>\|</c> stays as it is written.</summary>
    public static List<string> Split(ReadOnlySpan<char> line)
    {
        line = line.Trim();
        if (line.StartsWith('|')) line = line[1..];
        if (line.EndsWith('|') && !line.EndsWith("\\|", StringComparison.Ordinal)) line = line[..^1];
        List<string> cells = [];
        int from = 0;
        for (int i = 0; i <= line.Length; i++)
        {
            if (i < line.Length && (line[i] != '|' || (i > 0 && line[i - 1] == '\\'))) continue;
            cells.Add(line[from..i].Trim().ToString());
            from = i + 1;
        }
        return cells;
    }

    public HeartbeatRow ReadRow(List<string> cells)
    {
        int at = Columns.FindIndex(column => column.Name == Updated);
        string updated = at + 1 < cells.Count ? cells[at + 1] : "";
        bool isStamped = TryReadStamps(updated, out Hlc stamp, out Dictionary<string, Hlc?> own);
        Dictionary<string, HeartbeatCell> read = new(Columns.Count);
        for (int i = 0; i < Columns.Count; i++)
        {
            if (i == at) continue;
            string name = Columns[i].Name;
            Hlc? of = !isStamped ? null : own.TryGetValue(name, out Hlc? other) ? other : stamp;
            read[name] = new HeartbeatCell(i + 1 < cells.Count ? cells[i + 1] : "", of);
        }
        return new HeartbeatRow(cells[0], isStamped ? new HeartbeatCell("", stamp) : new HeartbeatCell(updated, null), read);
    }

    /// <summary>The text of a row's timestamps: that of the row, then each that differs: <c>; status=…</c>, or <c>; status=-</c> for none.</summary>
    public string PrintStamps(HeartbeatRow row)
    {
        if (row.Updated.Stamp is not Hlc stamp) return row.Updated.Value ?? "";
        StringBuilder text = new(stamp.ToString());
        foreach (HeartbeatColumn column in Columns)
        {
            HeartbeatCell cell = row[column.Name];
            if (cell.Value is null || cell.Stamp == stamp || column.Name == Updated) continue;
            text.Append("; ").Append(column.Name).Append('=').Append(cell.Stamp?.ToString() ?? "-");
        }
        return text.ToString();
    }

    public void Print(StringBuilder text)
    {
        text.Append("| ").Append(Key.Title);
        foreach (HeartbeatColumn column in Columns) text.Append(" | ").Append(column.Title);
        text.Append(" |\n| ").Append(Key.Rule);
        foreach (HeartbeatColumn column in Columns) text.Append(" | ").Append(column.Rule);
        text.Append(" |\n");
        foreach (HeartbeatRow row in Rows)
        {
            text.Append("| ").Append(row.Key);
            foreach (HeartbeatColumn column in Columns) text.Append(" | ").Append(column.Name == Updated ? PrintStamps(row) : row[column.Name].Value);
            text.Append(" |\n");
        }
    }

    public List<DocumentElement> Elements()
    {
        List<DocumentElement> elements = [];
        foreach (HeartbeatRow row in Rows)
        {
            foreach (HeartbeatColumn column in Columns)
                elements.Add(new DocumentElement($"{row.Key} | {column.Name}", column.Name == Updated ? PrintStamps(row) : row[column.Name].Value ?? ""));
        }
        return elements;
    }

    private static bool TryReadStamps(string text, out Hlc stamp, out Dictionary<string, Hlc?> own)
    {
        own = [];
        string[] parts = text.Split(';');
        if (!Hlc.TryParse(parts[0].AsSpan().Trim(), out stamp)) return false;
        foreach (string part in parts.AsSpan(1))
        {
            int equals = part.LastIndexOf('=');
            if (equals < 0) return false;
            ReadOnlySpan<char> value = part.AsSpan(equals + 1).Trim();
            Hlc other = default;
            if (value is not "-" && !Hlc.TryParse(value, out other)) return false;
            own[part.AsSpan(0, equals).Trim().ToString()] = value is "-" ? null : other;
        }
        return true;
    }
}

/// <summary>A heartbeats document: prose, and a table in one of its gaps.</summary>
internal sealed class HeartbeatDocument
{
    public Prose Prose { get; } = new();

    /// <summary>The first table that has a column <c>updated</c>; others are prose.</summary>
    public HeartbeatTable? Table { get; private set; }

    public DocumentFailure? Failure { get; private set; }

    public static HeartbeatDocument Parse(DocumentText text, MergeSide side, MergeOptions options)
    {
        HeartbeatDocument document = new();
        for (int i = 0; i < text.Count; i++)
        {
            if (document.Table is null && i + 1 < text.Count)
            {
                document.Table = HeartbeatTable.TryReadHead(text[i], text[i + 1], document.Prose.Gap);
                if (document.Table is not null)
                {
                    i = document.ReadRows(text, i + 2, side, options) - 1;
                    continue;
                }
            }
            document.Prose.Add(text[i], i + 1);
        }
        return document;
    }

    public IReadOnlyList<DocumentElement> Elements() => Table is null ? [] : Table.Elements();

    private int ReadRows(DocumentText text, int line, MergeSide side, MergeOptions options)
    {
        Dictionary<string, HeartbeatRow> rows = [];
        for (; line < text.Count && text[line].Contains('|') && !text[line].IsWhiteSpace(); line++)
        {
            List<string> cells = HeartbeatTable.Split(text[line]);
            Failure ??= FindBadCells(cells.Count, isCut: line == text.Count - 1 && !text.IsComplete, side, line + 1);
            HeartbeatRow row = Table!.ReadRow(cells);
            if (row.Updated.Stamp is Hlc stamp) Failure ??= Stamps.FindAhead(stamp, options, side, line + 1);
            rows[row.Key] = rows.TryGetValue(row.Key, out HeartbeatRow? twin) ? HeartbeatMerge.JoinRows(null, twin, row) : row;
        }
        Table!.Rows.AddRange(rows.Values);
        Table.Rows.Sort((a, b) => string.CompareOrdinal(a.Key, b.Key));
        return line;
    }

    private DocumentFailure? FindBadCells(int count, bool isCut, MergeSide side, int line)
    {
        int columns = Table!.Columns.Count + 1;
        if (count < columns && isCut) return new DocumentFailure("truncated", side, line, $"the last row has no ending and {count} of {columns} cells", "restore the file");
        return count > columns
            ? new DocumentFailure("bad_row", side, line, $"the row has {count} cells and the table {columns} columns", @"write a bar inside of a cell as \|")
            : null;
    }
}
