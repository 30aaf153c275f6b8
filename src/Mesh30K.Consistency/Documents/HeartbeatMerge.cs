using System.Text;

namespace Mesh30K.Consistency.Documents;

/// <summary>
/// The merge of heartbeats: an LWW-Map of cells. A cell has the timestamp of its row, unless the row lists another for it. A row or column that one side
/// removed is gone when the other left it alone, and stays otherwise.
/// </summary>
internal sealed class HeartbeatMerge
{
    private readonly HeartbeatTable? _start;
    private readonly HeartbeatTable _ours;
    private readonly HeartbeatTable _theirs;
    private readonly HashSet<string> _startColumns;

    private HeartbeatMerge(HeartbeatTable? start, HeartbeatTable ours, HeartbeatTable theirs)
    {
        (_start, _ours, _theirs) = (start, ours, theirs);
        _startColumns = [.. NamesOf(start)];
    }

    public static MergeReport Merge(DocumentText startText, DocumentText oursText, DocumentText theirsText, MergeOptions options)
    {
        HeartbeatDocument start = HeartbeatDocument.Parse(startText, MergeSide.Base, new MergeOptions());
        HeartbeatDocument ours = HeartbeatDocument.Parse(oursText, MergeSide.Ours, options);
        HeartbeatDocument theirs = HeartbeatDocument.Parse(theirsText, MergeSide.Theirs, options);
        ProseMerge prose = ProseMerge.Of(start.Prose, ours.Prose, theirs.Prose);
        DocumentFailure? failure = oursText.FindTruncation(MergeSide.Ours, startText, theirsText, start.Table is not null)
            ?? theirsText.FindTruncation(MergeSide.Theirs, startText, oursText, start.Table is not null)
            ?? ours.Failure
            ?? theirs.Failure
            ?? prose.Failure;
        if (failure is not null) return new MergeReport { Failure = failure };
        HeartbeatTable? table = JoinTables(start.Table, ours.Table, theirs.Table, prose);
        StringBuilder text = new();
        for (int gap = 0; gap <= prose.Lines.Count; gap++)
        {
            if (table?.Gap == gap) table.Print(text);
            if (gap < prose.Lines.Count) text.Append(prose.Lines[gap]).Append('\n');
        }
        return Count(ours.Elements(), table?.Elements() ?? [], DocumentText.Write(text, startText, oursText, theirsText));
    }

    /// <summary>Joins what two sides made of one row, or two rows of one key when there was none.</summary>
    public static HeartbeatRow JoinRows(HeartbeatRow? start, HeartbeatRow ours, HeartbeatRow theirs)
    {
        Dictionary<string, HeartbeatCell> cells = [];
        foreach (string column in ours.Cells.Keys.Union(theirs.Cells.Keys))
            cells[column] = HeartbeatCell.Join(start?[column] ?? default, ours[column], theirs[column]);
        return new HeartbeatRow(ours.Key, HeartbeatCell.Join(start?.Updated ?? default, ours.Updated, theirs.Updated), cells);
    }

    private static HeartbeatTable? JoinTables(HeartbeatTable? start, HeartbeatTable? ours, HeartbeatTable? theirs, ProseMerge prose)
    {
        if (ours is null && theirs is null) return null;
        HeartbeatTable one = (ours ?? theirs)!;
        int gap = theirs is null ? prose.GapOfOurs(one.Gap) : ours is null ? prose.GapOfTheirs(one.Gap) : prose.JoinGaps(start?.Gap ?? -1, ours.Gap, theirs.Gap);
        bool isRemoved = ours is null || theirs is null;
        HeartbeatTable none = new() { Key = one.Key, Columns = one.Columns };
        HeartbeatTable joined = new HeartbeatMerge(start, ours ?? none, theirs ?? none).Join(gap);
        return isRemoved && start is not null && joined.Rows.Count == 0 ? null : joined;
    }

    private HeartbeatTable Join(int gap)
    {
        List<HeartbeatColumn> columns = JoinColumns();
        HeartbeatTable joined = new() { Key = JoinColumn(_start?.Key, _ours.Key, _theirs.Key), Columns = columns, Gap = gap };
        int s = 0;
        int o = 0;
        int t = 0;
        while (o < _ours.Rows.Count || t < _theirs.Rows.Count)
        {
            int order = o == _ours.Rows.Count ? 1 : t == _theirs.Rows.Count ? -1 : string.CompareOrdinal(_ours.Rows[o].Key, _theirs.Rows[t].Key);
            HeartbeatRow row = Tidy(order <= 0 ? _ours.Rows[o] : _theirs.Rows[t]);
            while (_start is not null && s < _start.Rows.Count && string.CompareOrdinal(_start.Rows[s].Key, row.Key) < 0) s++;
            HeartbeatRow? was = _start is not null && s < _start.Rows.Count && _start.Rows[s].Key == row.Key ? _start.Rows[s] : null;
            if (order == 0) joined.Rows.Add(JoinRows(was, row, Tidy(_theirs.Rows[t])));
            else if (was is null || IsChanged(was, row)) joined.Rows.Add(row);
            if (order <= 0) o++;
            if (order >= 0) t++;
        }
        return joined;
    }

    /// <summary>An empty cell of a column that the base has not says nothing: it is there because the table needs it.</summary>
    private HeartbeatRow Tidy(HeartbeatRow row)
    {
        Dictionary<string, HeartbeatCell> cells = [];
        foreach ((string column, HeartbeatCell cell) in row.Cells)
        {
            if (cell.Value is not "" || _startColumns.Contains(column)) cells[column] = cell;
        }
        return row with { Cells = cells };
    }

    private static bool IsChanged(HeartbeatRow was, HeartbeatRow row) =>
        was.Updated != row.Updated || row.Cells.Any(cell => cell.Value != was[cell.Key]);

    private List<HeartbeatColumn> JoinColumns()
    {
        List<string> order = JoinOrder();
        List<HeartbeatColumn> columns = [];
        foreach (string name in order)
        {
            HeartbeatColumn? ours = Find(_ours, name);
            HeartbeatColumn? theirs = Find(_theirs, name);
            HeartbeatColumn? was = Find(_start, name);
            bool isKept = (ours is not null && theirs is not null) || was is null || HasChangedIn(ours is null ? _theirs : _ours, name);
            if (isKept) columns.Add(JoinColumn(was, ours ?? theirs!.Value, theirs ?? ours!.Value));
        }
        return columns;
    }

    private static HeartbeatColumn JoinColumn(HeartbeatColumn? was, HeartbeatColumn ours, HeartbeatColumn theirs) => new(
        ours.Name,
        ThreeWay.Join(was?.Title, ours.Title, theirs.Title)!,
        ThreeWay.Join(was?.Rule, ours.Rule, theirs.Rule)!);

    private static HeartbeatColumn? Find(HeartbeatTable? table, string name)
    {
        int at = table?.Columns.FindIndex(column => column.Name == name) ?? -1;
        return at < 0 ? null : table!.Columns[at];
    }

    /// <summary>Whether some cell of a column says something else than in the base.</summary>
    private bool HasChangedIn(HeartbeatTable table, string column)
    {
        Dictionary<string, HeartbeatRow> was = _start!.Rows.ToDictionary(row => row.Key);
        return table.Rows.Exists(row => (row[column].Value ?? "") != (was.GetValueOrDefault(row.Key)?[column].Value ?? ""));
    }

    /// <summary>The order of the side that changed it; when both did, that of the base and then what is new, by name.</summary>
    private List<string> JoinOrder()
    {
        List<string> start = NamesOf(_start);
        List<string> ours = NamesOf(_ours);
        List<string> theirs = NamesOf(_theirs);
        List<string> all = [.. ours.Union(theirs)];
        if (ours.Count == all.Count && (ours.SequenceEqual(theirs) || start.SequenceEqual(theirs))) return ours;
        if (theirs.Count == all.Count && start.SequenceEqual(ours)) return theirs;
        List<string> added = [.. all.Except(start)];
        added.Sort(string.CompareOrdinal);
        return [.. start.Where(all.Contains), .. added];
    }

    private static List<string> NamesOf(HeartbeatTable? table) => table?.Columns.ConvertAll(column => column.Name) ?? [];

    private static MergeReport Count(IReadOnlyList<DocumentElement> ours, IReadOnlyList<DocumentElement> merged, byte[] content)
    {
        Dictionary<string, string> was = ours.ToDictionary(element => element.Key, element => element.Value);
        int kept = merged.Count(element => was.ContainsKey(element.Key));
        int same = merged.Count(element => was.TryGetValue(element.Key, out string? value) && value == element.Value);
        return new MergeReport { Content = content, Added = merged.Count - kept, Changed = kept - same, Removed = ours.Count - kept };
    }
}
