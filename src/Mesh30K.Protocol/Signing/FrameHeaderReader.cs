using System.Buffers;
using System.Text.Json;

namespace Mesh30K.Protocol.Signing;

/// <summary>
/// A header as it stands in a frame: texts are parts of the frame's own bytes, so that reading one allocates nothing. Strict: a field twice, a field that is not known, an escape, a number that is not plain
/// decimal, base64url that is not the only text of its bytes are refused, so that two readers never understand a signed frame differently.
/// </summary>
internal ref struct RawHeader
{
    internal ReadOnlySpan<byte> From;
    internal ReadOnlySpan<byte> To;
    internal ReadOnlySpan<byte> SentAt;
    internal ReadOnlySpan<byte> ExpiresAt;
    internal ReadOnlySpan<byte> Key;
    internal long Epoch;
    internal long Seq;

    /// <summary>Entries of the path: each a side and 32 bytes, in the buffer that the caller gave.</summary>
    internal int PathEntries;

    internal const int PathEntryBytes = 1 + SigningString.HashBytes;

    private const int All = 0b11_1111_1111;
    private const int PathBit = 0b01_0000_0000;

    private static readonly SearchValues<byte> IdBytes = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-"u8);

    /// <summary>Reads one; says what is wrong, without repeating it, or null.</summary>
    /// <param name="line">The header's line, valid UTF-8.</param>
    /// <param name="path">Room for <see cref="FrameLimits.PathMax"/> entries.</param>
    /// <param name="signature">64 bytes.</param>
    internal static string? Read(ReadOnlySpan<byte> line, Span<byte> path, Span<byte> signature, out RawHeader header)
    {
        header = default;
        if (line.Length < 2 || line[0] != '{' || line[^1] != '}') return "the header is not a JSON object alone on its line";
        try
        {
            return header.ReadObject(line, path, signature);
        }
        catch (JsonException)
        {
            return "the header is not JSON";
        }
    }

    private string? ReadObject(ReadOnlySpan<byte> line, Span<byte> path, Span<byte> signature)
    {
        Utf8JsonReader reader = new(line, new JsonReaderOptions { MaxDepth = 2 });
        _ = reader.Read();
        int seen = 0;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueIsEscaped) return "a field's name in the header has an escape";
            int field = FieldOf(reader.ValueSpan);
            if (field < 0) return "the header has a field that is not known";
            if ((seen & (1 << field)) != 0) return "a field is twice in the header";
            seen |= 1 << field;
            _ = reader.Read();
            if (ReadField(field, ref reader, path, signature) is { } fault) return fault;
        }
        // What follows the object is found here: reading on throws.
        while (reader.Read()) { }
        return (seen | PathBit) == All ? null : "a field of the header is missing";
    }

    private static int FieldOf(ReadOnlySpan<byte> name) => name switch
    {
        _ when name.SequenceEqual("type"u8) => 0,
        _ when name.SequenceEqual("from"u8) => 1,
        _ when name.SequenceEqual("to"u8) => 2,
        _ when name.SequenceEqual("epoch"u8) => 3,
        _ when name.SequenceEqual("seq"u8) => 4,
        _ when name.SequenceEqual("sent_at"u8) => 5,
        _ when name.SequenceEqual("expires_at"u8) => 6,
        _ when name.SequenceEqual("key"u8) => 7,
        _ when name.SequenceEqual("path"u8) => 8,
        _ when name.SequenceEqual("sig"u8) => 9,
        _ => -1,
    };

    private string? ReadField(int field, ref Utf8JsonReader reader, Span<byte> path, Span<byte> signature)
    {
        switch (field)
        {
            case 3: return TryNumber(ref reader, out Epoch) ? null : "epoch must be a whole number in plain digits, 1 to 2^53 - 1";
            case 4: return TryNumber(ref reader, out Seq) ? null : "seq must be a whole number in plain digits, 1 to 2^53 - 1";
            case 8: return ReadPath(ref reader, path);
            default: break;
        }
        if (reader.TokenType != JsonTokenType.String || reader.ValueIsEscaped) return "a text of the header is none, or has an escape";
        ReadOnlySpan<byte> text = reader.ValueSpan;
        switch (field)
        {
            case 0: return text.SequenceEqual("FRAME"u8) ? null : "the header's type must be FRAME";
            case 1: From = text; return IsId(text) ? null : "from must be an agent id or a mesh id";
            case 2: To = text; return IsId(text) ? null : "to must be an agent id or a mesh id";
            case 5: SentAt = text; return FrameTime.TryParse(text, out _) ? null : "sent_at must be a time in UTC as 2026-01-02T03:04:05.678Z";
            case 6: ExpiresAt = text; return FrameTime.TryParse(text, out _) ? null : "expires_at must be a time in UTC as 2026-01-02T03:04:05.678Z";
            case 7: Key = text; return IsKeyId(text) ? null : "key must be k- and 16 hexadecimal digits in lower case";
            default: return StrictBase64Url.TryDecode(text, signature) ? null : "sig must be 86 characters of base64url without padding";
        }
    }

    private string? ReadPath(ref Utf8JsonReader reader, Span<byte> path)
    {
        if (reader.TokenType != JsonTokenType.StartArray) return "path must be a list";
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (PathEntries == FrameLimits.PathMax) return "path has more than 16 entries";
            if (reader.TokenType != JsonTokenType.String || reader.ValueIsEscaped || reader.ValueSpan is not [(byte)'l' or (byte)'r', .. var hash])
                return "an entry of path must be l or r and 43 characters of base64url";
            Span<byte> entry = path.Slice(PathEntries * PathEntryBytes, PathEntryBytes);
            entry[0] = reader.ValueSpan[0];
            if (!StrictBase64Url.TryDecode(hash, entry[1..])) return "an entry of path must be l or r and 43 characters of base64url";
            PathEntries++;
        }
        return null;
    }

    /// <summary>Digits alone: no sign, no leading zero, no fraction, no exponent.</summary>
    private static bool TryNumber(ref Utf8JsonReader reader, out long number)
    {
        number = 0;
        return reader.TokenType == JsonTokenType.Number && !reader.ValueSpan.ContainsAnyExceptInRange((byte)'0', (byte)'9')
            && reader.TryGetInt64(out number) && number is >= 1 and <= FrameLimits.NumberMax;
    }

    private static bool IsId(ReadOnlySpan<byte> text) =>
        text.Length is >= 1 and <= Identity.AgentId.LengthMax && !text.ContainsAnyExcept(IdBytes);

    private static bool IsKeyId(ReadOnlySpan<byte> text) =>
        text.Length == KeyId.Length && text.StartsWith("k-"u8) && !text[2..].ContainsAnyExcept("0123456789abcdef"u8);
}
