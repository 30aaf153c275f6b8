using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Protocol.Json;

/// <summary>A field has a value that it cannot have. The serializer adds the path; the codec turns it into a result.</summary>
internal sealed class WireFormatException(string message) : JsonException(message);

/// <summary>An enum by its names of <see cref="WireNames"/>.</summary>
internal abstract class NamedEnumConverter<T>(WireNames<T> names) : JsonConverter<T>
    where T : struct, Enum
{
    public override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType == JsonTokenType.String)
        {
            for (int i = 0; i < names.Names.Count; i++)
                if (reader.ValueTextEquals(names.Names[i])) return names.Values[i];
        }
        throw new WireFormatException("must be one of " + string.Join(", ", names.Names));
    }

    public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options) => writer.WriteStringValue(names.NameOf(value));
}

internal sealed class VerbConverter() : NamedEnumConverter<Verb>(WireNames.Verbs);

internal sealed class RoutingStrategyConverter() : NamedEnumConverter<RoutingStrategy>(WireNames.RoutingStrategies);

internal sealed class OperationalStateConverter() : NamedEnumConverter<OperationalState>(WireNames.OperationalStates);

internal sealed class ConflictTypeConverter() : NamedEnumConverter<ConflictType>(WireNames.ConflictTypes);

internal sealed class CircuitActionConverter() : NamedEnumConverter<CircuitAction>(WireNames.CircuitActions);

internal sealed class MeshScopeConverter() : NamedEnumConverter<MeshScope>(WireNames.MeshScopes);

internal sealed class MessageTypeConverter() : NamedEnumConverter<MessageType>(WireNames.MessageTypes);

internal sealed class ImpedanceClassConverter() : NamedEnumConverter<ImpedanceClass>(WireNames.Classes);

/// <summary>1, 0 or −1.</summary>
internal sealed class TrinaryStateConverter : JsonConverter<TrinaryState>
{
    public override TrinaryState Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.Number && reader.TryGetInt32(out int value) && value is >= -1 and <= 1
            ? (TrinaryState)value
            : throw new WireFormatException("must be 1, 0 or -1");

    public override void Write(Utf8JsonWriter writer, TrinaryState value, JsonSerializerOptions options) => writer.WriteNumberValue((sbyte)value);
}

/// <summary>0 to 3.</summary>
internal sealed class PriorityConverter : JsonConverter<Priority>
{
    public override Priority Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.Number && reader.TryGetInt32(out int value) && value is >= 0 and <= 3
            ? (Priority)value
            : throw new WireFormatException("must be 0, 1, 2 or 3");

    public override void Write(Utf8JsonWriter writer, Priority value, JsonSerializerOptions options) => writer.WriteNumberValue((byte)value);
}

/// <summary>ISO 8601: date, T, time, up to 7 digits of a second, and Z or an offset; a time without an offset is refused. Written in UTC.</summary>
internal sealed class InstantConverter : JsonConverter<Instant>
{
    private const string Rule = "must be an ISO 8601 time with Z or an offset, as 2026-01-02T03:04:05.678Z";

    private const int ShortestText = 17;
    private const int LongestInUtc = 28;
    private const int LongestWithOffset = 33;

    public override Instant Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType != JsonTokenType.String || reader.HasValueSequence || reader.ValueIsEscaped) throw new WireFormatException(Rule);
        if (!HasOffset(reader.ValueSpan) || !reader.TryGetDateTimeOffset(out DateTimeOffset at)) throw new WireFormatException(Rule);
        return Instant.From(at);
    }

    public override void Write(Utf8JsonWriter writer, Instant value, JsonSerializerOptions options) =>
        writer.WriteStringValue(new DateTime(value.Ticks + DateTime.UnixEpoch.Ticks, DateTimeKind.Utc));

    private static bool HasOffset(ReadOnlySpan<byte> text) =>
        text.Length >= ShortestText
        && ((text[^1] == 'Z' && text.Length <= LongestInUtc)
            || (text[^6] is (byte)'+' or (byte)'-' && text[^3] == ':' && text.Length <= LongestWithOffset));
}

internal sealed class AgentIdConverter : JsonConverter<AgentId>
{
    private const string Rule = "must be an agent id: 1 to 128 characters of A-Z a-z 0-9 . _ : -";

    public override AgentId Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.String ? Checked(ref reader) : throw new WireFormatException(Rule);

    public override AgentId ReadAsPropertyName(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => Checked(ref reader);

    public override void Write(Utf8JsonWriter writer, AgentId value, JsonSerializerOptions options) => writer.WriteStringValue(value.Value);

    public override void WriteAsPropertyName(Utf8JsonWriter writer, AgentId value, JsonSerializerOptions options) =>
        writer.WritePropertyName(value.Value);

    private static AgentId Checked(ref Utf8JsonReader reader)
    {
        string? text = reader.ValueSpan.Length <= AgentId.LengthMax * 6 ? reader.GetString() : null;
        return AgentId.IsValid(text) ? new AgentId(text!) : throw new WireFormatException(Rule);
    }
}

/// <summary>A value with a short text of bounded length, read and written without a string in between.</summary>
internal abstract class ShortTextConverter<T>(int lengthMax, string rule) : JsonConverter<T>
    where T : struct, IUtf8SpanFormattable
{
    private const int ScratchBytes = 512;

    public override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType != JsonTokenType.String || reader.HasValueSequence) throw new WireFormatException(rule);
        if (!reader.ValueIsEscaped) return TryParse(reader.ValueSpan, out T value) ? value : throw new WireFormatException(rule);

        // What is written with escapes is at most six times as long as what it stands for.
        if (reader.ValueSpan.Length > ScratchBytes) throw new WireFormatException(rule);
        Span<byte> scratch = stackalloc byte[ScratchBytes];
        int length = reader.CopyString(scratch);
        return TryParse(scratch[..length], out T unescaped) ? unescaped : throw new WireFormatException(rule);
    }

    public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options)
    {
        Span<byte> text = stackalloc byte[lengthMax];
        if (!value.TryFormat(text, out int written, default, null)) throw new ArgumentException(rule, nameof(value));
        writer.WriteStringValue(text[..written]);
    }

    protected abstract bool TryParse(ReadOnlySpan<byte> text, out T value);
}

internal sealed class MessageIdConverter() : ShortTextConverter<MessageId>(
    MessageId.TextLength, "must be a message id: 26 characters of Crockford's base 32, upper case")
{
    protected override bool TryParse(ReadOnlySpan<byte> text, out MessageId value) => MessageId.TryParse(text, out value);
}

internal sealed class SectorIdConverter() : ShortTextConverter<SectorId>(SectorId.TextLengthMax, "must be a sector, as sector/7")
{
    protected override bool TryParse(ReadOnlySpan<byte> text, out SectorId value) => SectorId.TryParse(text, out value);
}

internal sealed class ClusterIdConverter() : ShortTextConverter<ClusterId>(ClusterId.TextLengthMax, "must be a cluster, as sector/7/cluster/4")
{
    protected override bool TryParse(ReadOnlySpan<byte> text, out ClusterId value) => ClusterId.TryParse(text, out value);
}

internal sealed class PayloadHashConverter() : ShortTextConverter<PayloadHash>(
    PayloadHash.TextLength, "must be sha256: and 64 hexadecimal digits in lower case")
{
    protected override bool TryParse(ReadOnlySpan<byte> text, out PayloadHash value) => PayloadHash.TryParse(text, out value);
}

/// <summary>Keeps a value as its bytes.</summary>
internal sealed class RawJsonConverter : JsonConverter<RawJson>
{
    /// <summary>A payload may be <c>null</c>.</summary>
    public override bool HandleNull => true;

    public override RawJson Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType == JsonTokenType.Null) return default;
        using JsonDocument document = JsonDocument.ParseValue(ref reader);
        return RawJson.FromChecked(JsonMarshal.GetRawUtf8Value(document.RootElement).ToArray());
    }

    public override void Write(Utf8JsonWriter writer, RawJson value, JsonSerializerOptions options) =>
        writer.WriteRawValue(value.Utf8, skipInputValidation: true);
}
