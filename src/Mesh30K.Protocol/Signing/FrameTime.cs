using System.Buffers.Text;
using System.Globalization;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Protocol.Signing;

/// <summary>Times in a header: <c>2026-01-02T03:04:05Z</c>, with 1 to 7 digits of a second or none, always Z. Stricter than in messages, so that every reader agrees.</summary>
internal static class FrameTime
{
    internal const int LengthMax = 28;

    private const int LengthMin = 20;
    private const int FractionAt = 20;
    private const int Digits = 7;

    internal static bool TryParse(ReadOnlySpan<byte> text, out Instant at)
    {
        at = default;
        if (text.Length is < LengthMin or > LengthMax || text[^1] != 'Z') return false;
        if (text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':') return false;
        int year = Number(text[..4]), month = Number(text[5..7]), day = Number(text[8..10]);
        int hour = Number(text[11..13]), minute = Number(text[14..16]), second = Number(text[17..19]);
        if ((year | month | day | hour | minute | second) < 0) return false;
        if (year is < 1970 || month is < 1 or > 12 || day < 1 || day > DateTime.DaysInMonth(year, month) || hour > 23 || minute > 59 || second > 59) return false;
        int fraction = 0;
        if (text.Length > LengthMin)
        {
            if (text.Length == LengthMin + 1 || text[LengthMin - 1] != '.') return false;
            ReadOnlySpan<byte> digits = text[FractionAt..^1];
            fraction = Number(digits);
            if (fraction < 0) return false;
            for (int i = digits.Length; i < Digits; i++) fraction *= 10;
        }
        at = new Instant(new DateTime(year, month, day, hour, minute, second, DateTimeKind.Utc).Ticks - DateTime.UnixEpoch.Ticks + fraction);
        return true;
    }

    /// <summary>Writes 28 bytes. Throws for a time that the wire cannot say: a bug.</summary>
    internal static int Write(Instant at, Span<byte> destination)
    {
        if (at.Ticks < 0 || !Utf8Formatter.TryFormat(new DateTime(at.Ticks + DateTime.UnixEpoch.Ticks, DateTimeKind.Utc), destination, out int written, 'O'))
            throw new ArgumentOutOfRangeException(nameof(at), at.Ticks.ToString(CultureInfo.InvariantCulture), "not a time of a frame");
        return written;
    }

    /// <summary>At most 7 digits; −1 when one is none.</summary>
    private static int Number(ReadOnlySpan<byte> digits)
    {
        int value = 0;
        foreach (byte c in digits)
        {
            if (c is < (byte)'0' or > (byte)'9') return -1;
            value = (value * 10) + (c - '0');
        }
        return value;
    }
}
