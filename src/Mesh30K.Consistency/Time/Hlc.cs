using System.Globalization;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Consistency.Time;

/// <summary>
/// A hybrid logical clock's timestamp: the wall clock's millisecond, a counter for events of one millisecond, and who wrote it
/// (Kulkarni et al., "Logical Physical Clocks", 2014). Ordered by these three, so two timestamps are equal only when they are one event's.
/// Written <c>2026-11-21T07:00:00.123Z/2@code-intel</c>; <c>/2</c> is left out for 0 and <c>@…</c> for a writer without a name.
/// </summary>
/// <param name="Ms">Milliseconds since 1970-01-01T00:00:00Z, 0 to the end of the year 9999.</param>
/// <param name="Counter">0 to 65,535.</param>
/// <param name="Replica">Who wrote it.</param>
public readonly record struct Hlc(long Ms, int Counter, ReplicaId Replica) : IComparable<Hlc>
{
    public const int CounterMax = ushort.MaxValue;

    /// <summary>9999-12-31T23:59:59.999Z.</summary>
    public const long MsMax = 253_402_300_799_999;

    /// <summary>The most characters that a timestamp takes.</summary>
    public const int CharsMax = WallChars + 7 + ReplicaId.CharsMax;

    private const int WallChars = 24; // 2026-11-21T07:00:00.123Z

    /// <summary>The wall clock's moment, without the counter.</summary>
    public Instant Wall => new(Ms * Instant.TicksPerMs);

    /// <summary>Reads the form above; the fraction of the second may be missing, as people write it.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out Hlc stamp)
    {
        stamp = default;
        ReplicaId replica = default;
        int counter = 0;
        if (text.IndexOf('@') is >= 0 and int at)
        {
            if (!ReplicaId.TryParse(text[(at + 1)..].ToString(), out replica)) return false;
            text = text[..at];
        }
        if (text.IndexOf('/') is >= 0 and int slash)
        {
            if (!int.TryParse(text[(slash + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out counter) || counter > CounterMax) return false;
            text = text[..slash];
        }
        if (!TryReadWall(text, out long ms)) return false;
        stamp = new Hlc(ms, counter, replica);
        return ms >= 0;
    }

    public int CompareTo(Hlc other)
    {
        if (Ms != other.Ms) return Ms.CompareTo(other.Ms);
        return Counter != other.Counter ? Counter.CompareTo(other.Counter) : Replica.CompareTo(other.Replica);
    }

    public static bool operator <(Hlc a, Hlc b) => a.CompareTo(b) < 0;

    public static bool operator >(Hlc a, Hlc b) => a.CompareTo(b) > 0;

    public static bool operator <=(Hlc a, Hlc b) => a.CompareTo(b) <= 0;

    public static bool operator >=(Hlc a, Hlc b) => a.CompareTo(b) >= 0;

    public override string ToString()
    {
        Span<char> text = stackalloc char[CharsMax];
        return text[..Format(text)].ToString();
    }

    /// <summary>Writes the form above into a span of at least <see cref="CharsMax"/>; returns how many characters it took.</summary>
    public int Format(Span<char> text)
    {
        DateTime wall = DateTime.UnixEpoch.AddMilliseconds(Ms);
        "0000-00-00T00:00:00.000Z".CopyTo(text);
        Write(text[..4], wall.Year);
        Write(text[5..7], wall.Month);
        Write(text[8..10], wall.Day);
        Write(text[11..13], wall.Hour);
        Write(text[14..16], wall.Minute);
        Write(text[17..19], wall.Second);
        Write(text[20..23], wall.Millisecond);
        int length = WallChars;
        if (Counter != 0)
        {
            text[length++] = '/';
            Counter.TryFormat(text[length..], out int digits, default, CultureInfo.InvariantCulture);
            length += digits;
        }
        if (Replica.IsNone) return length;
        text[length++] = '@';
        string name = Replica.ToString();
        name.CopyTo(text[length..]);
        return length + name.Length;
    }

    /// <summary>Digit by digit, because a facts document has tens of thousands of them and reading by a format takes ten times as long.</summary>
    private static bool TryReadWall(ReadOnlySpan<char> text, out long ms)
    {
        ms = 0;
        if (text.Length is not (WallChars or WallChars - 4) || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':' || text[^1] != 'Z') return false;
        if (!TryRead(text[..4], out int year) || !TryRead(text[5..7], out int month) || !TryRead(text[8..10], out int day)) return false;
        if (!TryRead(text[11..13], out int hour) || !TryRead(text[14..16], out int minute) || !TryRead(text[17..19], out int second)) return false;
        int fraction = 0;
        if (text.Length == WallChars && (text[19] != '.' || !TryRead(text[20..23], out fraction))) return false;
        if (year == 0 || month is 0 or > 12 || day == 0 || day > DateTime.DaysInMonth(year, month) || hour > 23 || minute > 59 || second > 59) return false;
        DateTime wall = new(year, month, day, hour, minute, second, fraction, DateTimeKind.Utc);
        ms = (wall - DateTime.UnixEpoch).Ticks / TimeSpan.TicksPerMillisecond;
        return true;
    }

    private static bool TryRead(ReadOnlySpan<char> digits, out int value)
    {
        value = 0;
        foreach (char digit in digits)
        {
            if (!char.IsAsciiDigit(digit)) return false;
            value = (value * 10) + digit - '0';
        }
        return true;
    }

    private static void Write(Span<char> digits, int value)
    {
        for (int i = digits.Length - 1; i >= 0; i--, value /= 10) digits[i] = (char)('0' + (value % 10));
    }
}
