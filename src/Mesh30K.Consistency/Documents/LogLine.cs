using System.Globalization;
using System.Runtime.InteropServices;

namespace Mesh30K.Consistency.Documents;

/// <summary>A line of a log: a record with the lines below it, or one of these.</summary>
/// <param name="Ticks">Its time in ticks of 100 ns since the year 1; 0 for a line without one; -1 for what stands before the first record.</param>
/// <param name="Text">The line.</param>
/// <param name="Nth">How many times the same line stands before it: in the file for a record, below its record for another.</param>
internal sealed record LogLine(long Ticks, string Text, int Nth) : IComparable<LogLine>
{
    /// <summary>The lines without a time below a record.</summary>
    public List<LogLine>? Below { get; init; }

    public bool IsPreamble => Ticks < 0;

    /// <summary>By time, text and occurrence: equal for the same element.</summary>
    public int CompareTo(LogLine? other)
    {
        if (other is null) return 1;
        int order = Ticks.CompareTo(other.Ticks);
        if (order == 0) order = string.CompareOrdinal(Text, other.Text);
        return order == 0 ? Nth.CompareTo(other.Nth) : order;
    }

    /// <summary>The records of a file in its order; the first stands for what is before them.</summary>
    public static List<LogLine> Parse(DocumentText text)
    {
        List<LogLine> records = new(text.Count + 1);
        Dictionary<string, int> seen = new(text.Count);
        LogLine record = new(-1, "", 0);
        List<LogLine>? below = null;
        Dictionary<string, int>? seenBelow = null;
        for (int i = 0; i < text.Count; i++)
        {
            ReadOnlySpan<char> line = text[i];
            string own = line.ToString();
            long ticks = ReadTime(line);
            if (ticks == 0)
            {
                (below ??= []).Add(new LogLine(0, own, Next(seenBelow ??= [], own)));
                continue;
            }
            records.Add(below is null ? record : record with { Below = below });
            record = new LogLine(ticks, own, Next(seen, own));
            (below, seenBelow) = (null, null);
        }
        records.Add(below is null ? record : record with { Below = below });
        return records;
    }

    public static List<DocumentElement> Elements(DocumentText text)
    {
        List<DocumentElement> elements = new(text.Count);
        for (int i = 0; i < text.Count; i++) elements.Add(new DocumentElement(text[i].ToString(), ""));
        return elements;
    }

    private static int Next(Dictionary<string, int> seen, string line)
    {
        ref int count = ref CollectionsMarshal.GetValueRefOrAddDefault(seen, line, out _);
        return count++;
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
