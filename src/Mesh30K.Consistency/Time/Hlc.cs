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

    private const string MsFormat = "yyyy-MM-dd'T'HH:mm:ss.fff'Z'";
    private const string SecondsFormat = "yyyy-MM-dd'T'HH:mm:ss'Z'";

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
        ReadOnlySpan<char> format = text.Length == 20 ? SecondsFormat : MsFormat;
        if (!DateTime.TryParseExact(text, format, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out DateTime at0)) return false;
        stamp = new Hlc((at0.Ticks - DateTime.UnixEpoch.Ticks) / Instant.TicksPerMs, counter, replica);
        return stamp.Ms >= 0;
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
        string wall = DateTime.UnixEpoch.AddMilliseconds(Ms).ToString(MsFormat, CultureInfo.InvariantCulture);
        string counter = Counter == 0 ? "" : "/" + Counter.ToString(CultureInfo.InvariantCulture);
        return Replica.IsNone ? wall + counter : $"{wall}{counter}@{Replica}";
    }
}
