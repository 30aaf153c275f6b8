using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Mesh30K.Protocol.Json;

/// <summary>
/// One JSON value kept as the bytes it came in, UTF-8, without spaces around it. The mesh carries it and hashes it; it never reads it.
/// </summary>
/// <remarks>
/// Always well-formed: it can be made only by <see cref="TryParse(ReadOnlySpan{byte}, out RawJson)"/>, <see cref="Text"/> and the codec.
/// Field names that occur twice inside it are not judged. <c>default</c> is the value <c>null</c>. Immutable, safe on any thread, owns its
/// bytes.
/// </remarks>
[JsonConverter(typeof(RawJsonConverter))]
public readonly struct RawJson : IEquatable<RawJson>
{
    /// <summary>How deep a value may nest by itself; the codec's own limit counts the message around it too.</summary>
    public const int DepthMax = 64;

    private readonly byte[]? _utf8;

    private RawJson(byte[] utf8) => _utf8 = utf8;

    /// <summary>The bytes of the value.</summary>
    public ReadOnlySpan<byte> Utf8 => _utf8 is null ? "null"u8 : _utf8;

    /// <summary>The bytes of the value.</summary>
    public ReadOnlyMemory<byte> Memory => _utf8 ?? NullBytes;

    private static readonly byte[] NullBytes = "null"u8.ToArray();

    /// <summary>Takes a copy of one JSON value; spaces around it are left out. False when it is not exactly one value. Never throws.</summary>
    public static bool TryParse(ReadOnlySpan<byte> utf8, out RawJson result)
    {
        result = default;
        if (!System.Text.Unicode.Utf8.IsValid(utf8)) return false;
        try
        {
            Utf8JsonReader reader = new(utf8, new JsonReaderOptions { MaxDepth = DepthMax });
            if (!reader.Read()) return false;
            int start = (int)reader.TokenStartIndex;
            reader.Skip();
            int end = (int)reader.BytesConsumed;
            if (reader.Read()) return false;
            result = new RawJson(utf8[start..end].ToArray());
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    /// <summary>As <see cref="TryParse(ReadOnlySpan{byte}, out RawJson)"/>, from text.</summary>
    public static bool TryParse(string text, out RawJson result) => TryParse(Encoding.UTF8.GetBytes(text), out result);

    /// <summary>Parses a value that the program itself wrote. Throws <see cref="FormatException"/> when it is not JSON.</summary>
    public static RawJson Parse(string text) => TryParse(text, out RawJson json) ? json : throw new FormatException("not one JSON value");

    /// <summary>A JSON string with this text.</summary>
    public static RawJson Text(string text) => new(JsonSerializer.SerializeToUtf8Bytes(text, JsonText.Default.String));

    /// <summary>Takes bytes that a JSON reader has already found to be one value; keeps the array.</summary>
    internal static RawJson FromChecked(byte[] utf8) => new(utf8);

    public static bool operator ==(RawJson a, RawJson b) => a.Equals(b);

    public static bool operator !=(RawJson a, RawJson b) => !a.Equals(b);

    /// <summary>Whether both have the same bytes: <c>1</c> and <c>1.0</c> differ.</summary>
    public bool Equals(RawJson other) => Utf8.SequenceEqual(other.Utf8);

    public override bool Equals([NotNullWhen(true)] object? obj) => obj is RawJson other && Equals(other);

    public override int GetHashCode()
    {
        HashCode hash = default;
        hash.AddBytes(Utf8);
        return hash.ToHashCode();
    }

    public override string ToString() => Encoding.UTF8.GetString(Utf8);
}

/// <summary>Writes plain strings.</summary>
[JsonSerializable(typeof(string))]
internal sealed partial class JsonText : JsonSerializerContext;
