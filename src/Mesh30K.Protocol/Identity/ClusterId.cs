using System.Globalization;
using System.Text.Unicode;

namespace Mesh30K.Protocol.Identity;

/// <summary>
/// A cluster: the agents under one lead (M 2.1), named by its sector and its index in it. Text: <c>sector/7/cluster/4</c>.
/// Both indices are 0 to <see cref="SectorId.IndexMax"/>.
/// </summary>
/// <remarks>One cluster has one text: signs, spaces and leading zeros are refused. Sorts by sector, then by index. Safe on any thread.</remarks>
public readonly record struct ClusterId(SectorId Sector, int Index) : IComparable<ClusterId>, IUtf8SpanFormattable
{
    /// <summary>The longest text, in bytes and in characters.</summary>
    public const int TextLengthMax = SectorId.TextLengthMax + 15;

    private static ReadOnlySpan<byte> Infix => "/cluster/"u8;

    public ClusterId(int sector, int index)
        : this(new SectorId(sector), index)
    {
    }

    public static bool operator <(ClusterId a, ClusterId b) => a.CompareTo(b) < 0;

    public static bool operator >(ClusterId a, ClusterId b) => a.CompareTo(b) > 0;

    public static bool operator <=(ClusterId a, ClusterId b) => a.CompareTo(b) <= 0;

    public static bool operator >=(ClusterId a, ClusterId b) => a.CompareTo(b) >= 0;

    public int CompareTo(ClusterId other)
    {
        int bySector = Sector.CompareTo(other.Sector);
        return bySector != 0 ? bySector : Index.CompareTo(other.Index);
    }

    /// <summary>Parses <c>sector/7/cluster/4</c> in UTF-8. Never throws, allocates nothing.</summary>
    public static bool TryParse(ReadOnlySpan<byte> utf8Text, out ClusterId result)
    {
        result = default;
        if (!utf8Text.StartsWith(SectorId.Prefix)) return false;
        ReadOnlySpan<byte> rest = utf8Text[SectorId.Prefix.Length..];
        if (!SectorId.TryReadIndex(rest, out int sector, out int read)) return false;
        rest = rest[read..];
        if (!rest.StartsWith(Infix)) return false;
        rest = rest[Infix.Length..];
        if (!SectorId.TryReadIndex(rest, out int index, out read) || read != rest.Length) return false;
        result = new ClusterId(sector, index);
        return true;
    }

    /// <summary>Parses <c>sector/7/cluster/4</c>. Never throws.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out ClusterId result)
    {
        result = default;
        Span<byte> utf8 = stackalloc byte[TextLengthMax];
        return Utf8.FromUtf16(text, utf8, out _, out int written) == System.Buffers.OperationStatus.Done && TryParse(utf8[..written], out result);
    }

    /// <summary>Writes the text in UTF-8. False when there is too little room (<see cref="TextLengthMax"/> is always enough).</summary>
    public bool TryFormat(Span<byte> utf8Destination, out int bytesWritten, ReadOnlySpan<char> format, IFormatProvider? provider)
    {
        bytesWritten = 0;
        if (!Sector.TryFormat(utf8Destination, out int sector, default, provider)) return false;
        if (!Infix.TryCopyTo(utf8Destination[sector..])) return false;
        int start = sector + Infix.Length;
        if (!Index.TryFormat(utf8Destination[start..], out int digits, default, CultureInfo.InvariantCulture)) return false;
        bytesWritten = start + digits;
        return true;
    }

    public string ToString(string? format, IFormatProvider? formatProvider) => ToString();

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"sector/{Sector.Index}/cluster/{Index}");
}
