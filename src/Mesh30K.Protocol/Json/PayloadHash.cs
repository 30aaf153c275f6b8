using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Unicode;

namespace Mesh30K.Protocol.Json;

/// <summary>
/// The integrity check of a payload: SHA-256 (FIPS 180-4) over the raw bytes of its JSON value as they stand on the wire, from the first
/// byte of the value to its last, without the spaces around it and without any re-writing in between. Text: <c>sha256:</c> and 64 digits
/// of hexadecimal in lower case.
/// </summary>
/// <remarks>
/// No canonical form of JSON is needed, because every party passes the bytes on as they came (<see cref="RawJson"/>). The prefix names the
/// algorithm, so that another can follow. 32 bytes held in place; immutable, safe on any thread. Source: M 2.4 (<c>payload_hash</c>).
/// </remarks>
public readonly record struct PayloadHash(ulong A, ulong B, ulong C, ulong D) : IUtf8SpanFormattable
{
    /// <summary>Characters of the text form.</summary>
    public const int TextLength = 71;

    private static ReadOnlySpan<byte> Prefix => "sha256:"u8;

    /// <summary>The hash of some bytes.</summary>
    public static PayloadHash Of(ReadOnlySpan<byte> payload)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(payload, hash);
        return FromBytes(hash);
    }

    /// <summary>The hash whose 32 bytes are given. Throws when there are fewer.</summary>
    public static PayloadHash FromBytes(ReadOnlySpan<byte> hash) => new(
        BinaryPrimitives.ReadUInt64BigEndian(hash),
        BinaryPrimitives.ReadUInt64BigEndian(hash[8..]),
        BinaryPrimitives.ReadUInt64BigEndian(hash[16..]),
        BinaryPrimitives.ReadUInt64BigEndian(hash[24..]));

    /// <summary>Writes the 32 bytes of the hash. Throws when there is less room.</summary>
    public void WriteBytes(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64BigEndian(destination, A);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], B);
        BinaryPrimitives.WriteUInt64BigEndian(destination[16..], C);
        BinaryPrimitives.WriteUInt64BigEndian(destination[24..], D);
    }

    /// <summary>Whether <paramref name="payload"/> has this hash.</summary>
    public bool Matches(ReadOnlySpan<byte> payload) => Of(payload) == this;

    /// <summary>Parses the text in UTF-8. Upper-case digits are refused: one hash has one text. Never throws, allocates nothing.</summary>
    public static bool TryParse(ReadOnlySpan<byte> utf8Text, out PayloadHash result)
    {
        result = default;
        if (utf8Text.Length != TextLength || !utf8Text.StartsWith(Prefix)) return false;
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        ReadOnlySpan<byte> digits = utf8Text[Prefix.Length..];
        for (int i = 0; i < hash.Length; i++)
        {
            int high = DigitValue(digits[2 * i]), low = DigitValue(digits[(2 * i) + 1]);
            if ((high | low) < 0) return false;
            hash[i] = (byte)((high << 4) | low);
        }
        result = FromBytes(hash);
        return true;
    }

    /// <summary>Parses the text. Never throws.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out PayloadHash result)
    {
        result = default;
        Span<byte> utf8 = stackalloc byte[TextLength];
        return Utf8.FromUtf16(text, utf8, out _, out int written) == System.Buffers.OperationStatus.Done && TryParse(utf8[..written], out result);
    }

    /// <summary>Writes the text in UTF-8. False when there is less room than <see cref="TextLength"/>.</summary>
    public bool TryFormat(Span<byte> utf8Destination, out int bytesWritten, ReadOnlySpan<char> format, IFormatProvider? provider)
    {
        bytesWritten = 0;
        if (utf8Destination.Length < TextLength) return false;
        Prefix.CopyTo(utf8Destination);
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        WriteBytes(hash);
        _ = Convert.TryToHexStringLower(hash, utf8Destination[Prefix.Length..], out _);
        bytesWritten = TextLength;
        return true;
    }

    public string ToString(string? format, IFormatProvider? formatProvider) => ToString();

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"sha256:{A:x16}{B:x16}{C:x16}{D:x16}");

    private static int DigitValue(byte c) => c switch
    {
        >= (byte)'0' and <= (byte)'9' => c - '0',
        >= (byte)'a' and <= (byte)'f' => c - 'a' + 10,
        _ => -1,
    };
}
