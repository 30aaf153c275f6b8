using System.Globalization;
using System.Text.Unicode;

namespace Mesh30K.Protocol.Identity;

/// <summary>
/// A sector: the clusters under one coordinator (M 2.1). Text: <c>sector/7</c>. The index is 0 to <see cref="IndexMax"/>.
/// </summary>
/// <remarks>One sector has one text: signs, spaces and leading zeros are refused. Immutable, safe on any thread.</remarks>
public readonly record struct SectorId(int Index) : IComparable<SectorId>, IUtf8SpanFormattable
{
    /// <summary>The largest index of a sector, and of a cluster within its sector.</summary>
    public const int IndexMax = 999_999;

    /// <summary>The longest text, in bytes and in characters.</summary>
    public const int TextLengthMax = 13;

    internal static ReadOnlySpan<byte> Prefix => "sector/"u8;

    public static bool operator <(SectorId a, SectorId b) => a.Index < b.Index;

    public static bool operator >(SectorId a, SectorId b) => a.Index > b.Index;

    public static bool operator <=(SectorId a, SectorId b) => a.Index <= b.Index;

    public static bool operator >=(SectorId a, SectorId b) => a.Index >= b.Index;

    public int CompareTo(SectorId other) => Index.CompareTo(other.Index);

    /// <summary>Parses <c>sector/7</c> in UTF-8. Never throws, allocates nothing.</summary>
    public static bool TryParse(ReadOnlySpan<byte> utf8Text, out SectorId result)
    {
        result = default;
        if (!utf8Text.StartsWith(Prefix)) return false;
        if (!TryReadIndex(utf8Text[Prefix.Length..], out int index, out int read) || Prefix.Length + read != utf8Text.Length) return false;
        result = new SectorId(index);
        return true;
    }

    /// <summary>Parses <c>sector/7</c>. Never throws.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out SectorId result)
    {
        result = default;
        Span<byte> utf8 = stackalloc byte[TextLengthMax];
        return Utf8.FromUtf16(text, utf8, out _, out int written) == System.Buffers.OperationStatus.Done && TryParse(utf8[..written], out result);
    }

    /// <summary>Writes the text in UTF-8. False when there is too little room (<see cref="TextLengthMax"/> is always enough).</summary>
    public bool TryFormat(Span<byte> utf8Destination, out int bytesWritten, ReadOnlySpan<char> format, IFormatProvider? provider)
    {
        bytesWritten = 0;
        if (!Prefix.TryCopyTo(utf8Destination)) return false;
        if (!Index.TryFormat(utf8Destination[Prefix.Length..], out int digits, default, CultureInfo.InvariantCulture)) return false;
        bytesWritten = Prefix.Length + digits;
        return true;
    }

    public string ToString(string? format, IFormatProvider? formatProvider) => ToString();

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"sector/{Index}");

    /// <summary>Reads decimal digits without a leading zero, up to <see cref="IndexMax"/>.</summary>
    internal static bool TryReadIndex(ReadOnlySpan<byte> text, out int index, out int read)
    {
        index = 0;
        read = 0;
        while (read < text.Length && text[read] is >= (byte)'0' and <= (byte)'9')
        {
            index = (index * 10) + (text[read] - '0');
            read++;
            if (index > IndexMax) return false;
        }
        return read == 1 || (read > 1 && text[0] != '0');
    }
}
