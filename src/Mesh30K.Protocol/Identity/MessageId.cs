using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Unicode;

namespace Mesh30K.Protocol.Identity;

/// <summary>
/// The id of a message: 128 bits in the ULID form, 48 bits of milliseconds since 1970 and 80 bits of randomness. Sorts by time as a
/// value, as 16 big-endian bytes and as its text of 26 characters in Crockford's base 32 (upper case).
/// </summary>
/// <remarks>
/// One id has one text: lower case, look-alike letters (I, L, O, U) and padding are refused, so that a replay cannot be disguised by
/// spelling. Immutable, safe on any thread; parsing and formatting into a span allocate nothing. Source: M 2.4 ("unique, includes
/// timestamp component"), https://github.com/ulid/spec.
/// </remarks>
public readonly record struct MessageId(ulong High, ulong Low)
    : IComparable<MessageId>, ISpanFormattable, IUtf8SpanFormattable, ISpanParsable<MessageId>, IUtf8SpanParsable<MessageId>
{
    /// <summary>Characters of the text form.</summary>
    public const int TextLength = 26;

    /// <summary>Bytes of the binary form.</summary>
    public const int BytesLength = 16;

    /// <summary>The largest timestamp that fits, in ms since 1970: the year 10889.</summary>
    public const long TimestampMsMax = (1L << 48) - 1;

    private const int BitsPerDigit = 5;

    private static ReadOnlySpan<byte> Digits => "0123456789ABCDEFGHJKMNPQRSTVWXYZ"u8;

    /// <summary>The value of each ASCII character as a digit; 255 where it is none.</summary>
    private static readonly byte[] DigitValues = BuildDigitValues();

    /// <summary>Milliseconds since 1970-01-01T00:00:00Z on the clock of the node that made the id.</summary>
    public long TimestampMs => (long)(High >> 16);

    /// <summary>Puts an id together. Throws when the timestamp is out of range or the randomness has more than 80 bits: a bug.</summary>
    public static MessageId From(long timestampMs, UInt128 randomness)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(timestampMs);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(timestampMs, TimestampMsMax);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(randomness, (UInt128.One << 80) - 1);
        return new MessageId(((ulong)timestampMs << 16) | (ulong)(randomness >> 64), (ulong)randomness);
    }

    public static bool operator <(MessageId a, MessageId b) => a.CompareTo(b) < 0;

    public static bool operator >(MessageId a, MessageId b) => a.CompareTo(b) > 0;

    public static bool operator <=(MessageId a, MessageId b) => a.CompareTo(b) <= 0;

    public static bool operator >=(MessageId a, MessageId b) => a.CompareTo(b) >= 0;

    public int CompareTo(MessageId other)
    {
        int byHigh = High.CompareTo(other.High);
        return byHigh != 0 ? byHigh : Low.CompareTo(other.Low);
    }

    /// <summary>Writes the 16 big-endian bytes. Throws when <paramref name="destination"/> is shorter.</summary>
    public void WriteBytes(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64BigEndian(destination, High);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], Low);
    }

    /// <summary>Reads 16 big-endian bytes. Throws when <paramref name="source"/> is shorter.</summary>
    public static MessageId ReadBytes(ReadOnlySpan<byte> source) =>
        new(BinaryPrimitives.ReadUInt64BigEndian(source), BinaryPrimitives.ReadUInt64BigEndian(source[8..]));

    /// <summary>Parses the 26 ASCII characters of a text in UTF-8. Never throws, allocates nothing.</summary>
    public static bool TryParse(ReadOnlySpan<byte> utf8Text, out MessageId result)
    {
        result = default;
        if (utf8Text.Length != TextLength) return false;
        UInt128 value = 0;
        for (int i = 0; i < TextLength; i++)
        {
            byte c = utf8Text[i];
            byte digit = c < 128 ? DigitValues[c] : byte.MaxValue;
            // 26 digits hold 130 bits: the first one may carry only three.
            if (digit == byte.MaxValue || (i == 0 && digit > 7)) return false;
            value = (value << BitsPerDigit) | digit;
        }
        result = new MessageId((ulong)(value >> 64), (ulong)value);
        return true;
    }

    /// <summary>As <see cref="TryParse(ReadOnlySpan{byte}, out MessageId)"/>, from UTF-16.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out MessageId result)
    {
        result = default;
        Span<byte> utf8 = stackalloc byte[TextLength];
        return text.Length == TextLength && Ascii.FromUtf16(text, utf8, out _) == System.Buffers.OperationStatus.Done && TryParse(utf8, out result);
    }

    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out MessageId result) => TryParse(s.AsSpan(), out result);

    public static bool TryParse(ReadOnlySpan<char> s, IFormatProvider? provider, out MessageId result) => TryParse(s, out result);

    public static bool TryParse(ReadOnlySpan<byte> utf8Text, IFormatProvider? provider, out MessageId result) => TryParse(utf8Text, out result);

    /// <summary>Parses text that the program itself wrote. Throws <see cref="FormatException"/> when it is not an id.</summary>
    public static MessageId Parse(string s) => Parse(s.AsSpan(), null);

    public static MessageId Parse(string s, IFormatProvider? provider) => Parse(s.AsSpan(), provider);

    public static MessageId Parse(ReadOnlySpan<char> s, IFormatProvider? provider) =>
        TryParse(s, out MessageId id) ? id : throw new FormatException("not a message id (26 characters of Crockford's base 32)");

    public static MessageId Parse(ReadOnlySpan<byte> utf8Text, IFormatProvider? provider) =>
        TryParse(utf8Text, out MessageId id) ? id : throw new FormatException("not a message id (26 characters of Crockford's base 32)");

    /// <summary>Writes the text in UTF-8. False, and nothing written, when there is less room than 26 bytes.</summary>
    public bool TryFormat(Span<byte> utf8Destination, out int bytesWritten, ReadOnlySpan<char> format, IFormatProvider? provider)
    {
        bytesWritten = 0;
        if (utf8Destination.Length < TextLength) return false;
        UInt128 rest = new(High, Low);
        for (int i = TextLength - 1; i >= 0; i--)
        {
            utf8Destination[i] = Digits[(int)((ulong)rest & 31)];
            rest >>= BitsPerDigit;
        }
        bytesWritten = TextLength;
        return true;
    }

    public bool TryFormat(Span<char> destination, out int charsWritten, ReadOnlySpan<char> format, IFormatProvider? provider)
    {
        charsWritten = 0;
        Span<byte> utf8 = stackalloc byte[TextLength];
        return destination.Length >= TextLength
            && TryFormat(utf8, out _, default, provider)
            && Utf8.ToUtf16(utf8, destination, out _, out charsWritten) == System.Buffers.OperationStatus.Done;
    }

    public override string ToString() =>
        string.Create(TextLength, this, static (span, id) => id.TryFormat(span, out _, default, null));

    public string ToString(string? format, IFormatProvider? formatProvider) => ToString();

    private static byte[] BuildDigitValues()
    {
        byte[] values = new byte[128];
        values.AsSpan().Fill(byte.MaxValue);
        for (byte i = 0; i < 32; i++) values[Digits[i]] = i;
        return values;
    }
}
