using System.Globalization;

namespace Mesh30K.Protocol.Identity;

/// <summary>
/// A moment on the mesh's own clock, in ticks of 100 ns since 1970-01-01T00:00:00Z. Comparable only with instants of the same clock:
/// an agent's clock is another clock. Written as ISO 8601 UTC on the wire.
/// </summary>
public readonly record struct Instant(long Ticks) : IComparable<Instant>
{
    public const long TicksPerMs = TimeSpan.TicksPerMillisecond;

    public static readonly Instant MaxValue = new(long.MaxValue);

    public static Instant FromUnixMs(double ms) => new((long)(ms * TicksPerMs));

    public static Instant From(DateTimeOffset at) => new(at.UtcTicks - DateTimeOffset.UnixEpoch.Ticks);

    public DateTimeOffset ToDateTimeOffset() => new(Ticks + DateTimeOffset.UnixEpoch.Ticks, TimeSpan.Zero);

    public static Instant operator +(Instant at, TimeSpan by) => new(at.Ticks + by.Ticks);

    public static Instant operator -(Instant at, TimeSpan by) => new(at.Ticks - by.Ticks);

    public static TimeSpan operator -(Instant a, Instant b) => new(a.Ticks - b.Ticks);

    public static bool operator <(Instant a, Instant b) => a.Ticks < b.Ticks;

    public static bool operator >(Instant a, Instant b) => a.Ticks > b.Ticks;

    public static bool operator <=(Instant a, Instant b) => a.Ticks <= b.Ticks;

    public static bool operator >=(Instant a, Instant b) => a.Ticks >= b.Ticks;

    /// <summary>This moment moved by a number of milliseconds (fractions kept to 100 ns).</summary>
    public Instant PlusMs(double ms) => new(Ticks + (long)(ms * TicksPerMs));

    /// <summary>Milliseconds from <paramref name="earlier"/> to this moment; negative when it is later.</summary>
    public double MsSince(Instant earlier) => (Ticks - earlier.Ticks) / (double)TicksPerMs;

    public int CompareTo(Instant other) => Ticks.CompareTo(other.Ticks);

    public override string ToString() => ToDateTimeOffset().ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture);
}
