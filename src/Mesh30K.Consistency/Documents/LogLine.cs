using System.Globalization;

namespace Mesh30K.Consistency.Documents;

/// <summary>A line of a log: a record with the lines below it, or one of these. Its parent is the nearest line before it that is larger.</summary>
/// <param name="ticks">Its time in ticks of 100 ns since the year 1; 0 for a line without one; -1 for what stands before the first record.</param>
internal sealed class LogLine(long ticks, string text)
{
    public long Ticks => ticks;

    public string Text => text;

    /// <summary>Which of the lines with this text it is, counted from 0 by parent (none first, then the smaller), then by place.</summary>
    public int Nth { get; private set; }

    /// <summary>Null for none.</summary>
    public LogLine? Parent { get; set; }

    /// <summary>The lines without a time below a record.</summary>
    public List<LogLine> Below { get; set; } = NoLines;

    private static readonly List<LogLine> NoLines = [];

    /// <summary>By time, text and count: equal for the same element.</summary>
    public static int Compare(LogLine a, LogLine b)
    {
        int order = CompareText(a, b);
        return order == 0 ? a.Nth.CompareTo(b.Nth) : order;
    }

    /// <summary>None is the smallest.</summary>
    public static int CompareParents(LogLine a, LogLine b) =>
        a.Parent is null || b.Parent is null ? (a.Parent is not null).CompareTo(b.Parent is not null) : Compare(a.Parent, b.Parent);

    /// <summary>The records of a file in its order; the first stands for what is before them.</summary>
    public static List<LogLine> Parse(DocumentText text)
    {
        List<LogLine> records = new(text.Count + 1) { new LogLine(-1, "") };
        for (int i = 0; i < text.Count; i++)
        {
            long ticks = ReadTime(text[i]);
            LogLine line = new(ticks, text[i].ToString());
            if (ticks != 0) records.Add(line);
            else if (records[^1].Below.Count == 0) records[^1].Below = [line];
            else records[^1].Below.Add(line);
        }
        foreach (LogLine record in records) Hang(record.Below);
        Hang(records);
        return records;
    }

    /// <summary>Finds the parents with a stack of what is not yet followed by something as large, and then counts lines of one text.</summary>
    private static void Hang(List<LogLine> lines)
    {
        bool isAscending = true;
        for (int i = 1; i < lines.Count && isAscending; i++) isAscending = CompareText(lines[i - 1], lines[i]) < 0;
        if (isAscending) return;
        Stack<LogLine> larger = new();
        foreach (LogLine line in lines)
        {
            while (larger.TryPeek(out LogLine? top) && CompareText(top, line) <= 0) larger.Pop();
            line.Parent = larger.TryPeek(out LogLine? parent) ? parent : null;
            larger.Push(line);
        }
        LogLine[] sorted = [.. lines.OrderDescending(Comparer<LogLine>.Create(CompareText))]; // stable; parents, being larger, are counted first
        for (int from = 0, to; from < sorted.Length; from = to)
        {
            for (to = from + 1; to < sorted.Length && CompareText(sorted[from], sorted[to]) == 0; to++)
            {
            }
            if (to - from == 1) continue;
            LogLine[] copies = [.. sorted[from..to].Order(Comparer<LogLine>.Create(CompareParents))];
            for (int n = 0; n < copies.Length; n++) copies[n].Nth = n;
        }
    }

    private static int CompareText(LogLine a, LogLine b) => a.Ticks != b.Ticks ? a.Ticks.CompareTo(b.Ticks) : string.CompareOrdinal(a.Text, b.Text);

    public static List<DocumentElement> Elements(DocumentText text)
    {
        List<DocumentElement> elements = new(text.Count);
        for (int i = 0; i < text.Count; i++) elements.Add(new DocumentElement(text[i].ToString(), ""));
        return elements;
    }

    /// <summary>
    /// The time in ISO 8601 at the beginning, which may follow a list bullet or <c>[</c>: a date, or a date with the time of day, its fraction and its
    /// zone; without a zone it is UTC. 0: there is none.
    /// </summary>
    private static long ReadTime(ReadOnlySpan<char> line)
    {
        if (line.Length > 2 && line[0] is '-' or '*' && line[1] == ' ') line = line[2..];
        if (line.Length > 0 && line[0] == '[') line = line[1..];
        if (line.Length < 10 || line[4] != '-' || line[7] != '-') return 0;
        if (!TryRead(line[..4], out int year) || !TryRead(line[5..7], out int month) || !TryRead(line[8..10], out int day)) return 0;
        if (year == 0 || month is 0 or > 12 || day == 0 || day > DateTime.DaysInMonth(year, month)) return 0;
        long date = new DateTime(year, month, day, 0, 0, 0, DateTimeKind.Utc).Ticks;
        line = line[10..];
        bool hasTime = line.Length >= 6 && line[0] is 'T' or ' ' && line[3] == ':';
        if (!hasTime || !TryRead(line[1..3], out int hour) || !TryRead(line[4..6], out int minute) || hour > 23 || minute > 59) return Math.Max(date, 1);
        long ticks = date + (hour * TimeSpan.TicksPerHour) + (minute * TimeSpan.TicksPerMinute);
        line = line[6..];
        if (line.Length >= 3 && line[0] == ':' && TryRead(line[1..3], out int second) && second <= 60)
        {
            ticks += second * TimeSpan.TicksPerSecond;
            line = line[3..];
            ticks += ReadFraction(ref line);
        }
        return Math.Max(ticks - ReadZone(line), 1);
    }

    private static long ReadFraction(ref ReadOnlySpan<char> line)
    {
        if (line.Length < 2 || line[0] is not ('.' or ',')) return 0;
        line = line[1..];
        long fraction = 0;
        long unit = TimeSpan.TicksPerSecond;
        while (line.Length > 0 && char.IsAsciiDigit(line[0]))
        {
            unit /= 10;
            fraction += (line[0] - '0') * unit;
            line = line[1..];
        }
        return fraction;
    }

    /// <summary>How far local time is ahead of UTC: <c>+01:00</c>, <c>-0530</c>; 0 for anything else.</summary>
    private static long ReadZone(ReadOnlySpan<char> line)
    {
        if (line.Length < 5 || line[0] is not ('+' or '-')) return 0;
        int minutesAt = line[3] == ':' ? 4 : 3;
        if (line.Length < minutesAt + 2 || !TryRead(line[1..3], out int hours) || !TryRead(line.Slice(minutesAt, 2), out int minutes)) return 0;
        long ahead = (hours * TimeSpan.TicksPerHour) + (minutes * TimeSpan.TicksPerMinute);
        return line[0] == '-' ? -ahead : ahead;
    }

    private static bool TryRead(ReadOnlySpan<char> digits, out int value) => int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out value);
}
