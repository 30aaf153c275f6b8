using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Text.Unicode;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Protocol.Json;

/// <summary>
/// Turns messages into UTF-8 JSON and back. Whatever the bytes are, decoding returns a message or says why there is none: it never throws
/// and keeps no reference to the input.
/// </summary>
/// <remarks>
/// Intuition: one look for <c>type</c> (first in what we write, anywhere in what we read), then the generated serializer of that type, then
/// <see cref="MessageRules"/>. The serializer reports what is wrong by exceptions, which are caught here: a bad message costs some 10 µs,
/// so a link should be closed after a few of them. Unknown fields of a message are kept, unknown fields inside its records are dropped, a
/// field that is there twice is refused. Immutable after construction, safe on any thread. Wire: docs/protocol/messages.md; M 2.3, 2.4, 4,
/// appendix B.
/// </remarks>
public sealed class MeshCodec
{
    [ThreadStatic]
    private static (MeshCodec Owner, Utf8JsonWriter Writer)? s_threadWriter;

    private readonly MeshJsonContext _context;
    private readonly JsonWriterOptions _writerOptions;
    private readonly JsonReaderOptions _readerOptions;

    /// <summary>A codec with these limits. Throws when they are out of range: a bug in the configuration.</summary>
    public MeshCodec(CodecLimits? limits = null)
    {
        Limits = limits ?? CodecLimits.Default;
        Limits.Validate();
        JsonSerializerOptions options = new(MeshJsonContext.Default.Options)
        {
            MaxDepth = Limits.DepthMax,
            Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        };
        _context = new MeshJsonContext(options);
        _writerOptions = new JsonWriterOptions { Encoder = options.Encoder, MaxDepth = Limits.DepthMax, SkipValidation = true };
        _readerOptions = new JsonReaderOptions { MaxDepth = Limits.DepthMax };
    }

    /// <summary>A codec with the default limits.</summary>
    public static MeshCodec Default { get; } = new();

    public CodecLimits Limits { get; }

    /// <summary>
    /// Writes a message, without a line end, and returns its number of bytes. Throws <see cref="ArgumentException"/> when it breaks a rule of the
    /// protocol: a bug of the caller, since the peer would refuse it. A payload that may be too large is checked by who takes it in.
    /// </summary>
    public int Encode(IBufferWriter<byte> output, WireMessage message)
    {
        if (MessageRules.Check(message, Limits) is { } breach)
            throw new ArgumentException($"{breach.Path}: {breach.Message}", nameof(message));

        Utf8JsonWriter writer = ThreadWriter(output);
        Write(writer, message);
        writer.Flush();
        long bytes = writer.BytesCommitted;
        writer.Reset(Stream.Null);
        return bytes <= Limits.BytesMax
            ? (int)bytes
            : throw new ArgumentException($"a message of {bytes} bytes; at most {Limits.BytesMax} are allowed", nameof(message));
    }

    /// <summary>As <see cref="Encode(IBufferWriter{byte}, WireMessage)"/>, into an array of its own.</summary>
    public byte[] Encode(WireMessage message)
    {
        ArrayBufferWriter<byte> buffer = new(512);
        _ = Encode(buffer, message);
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>Reads one message. Never throws, whatever the bytes.</summary>
    public DecodeResult Decode(ReadOnlySpan<byte> utf8)
    {
        if (utf8.Length > Limits.BytesMax)
            return DecodeResult.Failed(DecodeErrorCode.TooLarge, $"{utf8.Length} bytes; at most {Limits.BytesMax} are allowed", "$", -1);
        if (!Utf8.IsValid(utf8)) return DecodeResult.Failed(DecodeErrorCode.NotUtf8, "not UTF-8", "$", -1);

        MessageType type = MessageType.Message;
        try
        {
            if (FindType(utf8, out type) is { } untyped) return untyped;
            WireMessage? message = JsonSerializer.Deserialize(utf8, TypeInfo(type)) as WireMessage;
            if (message is null) return DecodeResult.Failed(DecodeErrorCode.NotAnObject, "must be an object", "$", 0);
            return MessageRules.Check(message, Limits) is { } breach
                ? DecodeResult.Failed(breach.Code, breach.Message, breach.Path, -1)
                : DecodeResult.Ok(message);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException or ArgumentException or OverflowException)
        {
            return DecodeFailure.Explain(utf8, e, Limits);
        }
    }

    /// <summary>Finds the type; the failure when there is none to go on with.</summary>
    private DecodeResult? FindType(ReadOnlySpan<byte> utf8, out MessageType type)
    {
        type = MessageType.Message;
        Utf8JsonReader reader = new(utf8, _readerOptions);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            return DecodeResult.Failed(DecodeErrorCode.NotAnObject, "must be an object", "$", reader.TokenStartIndex);

        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (!reader.ValueTextEquals("type"u8))
            {
                reader.Skip();
                continue;
            }
            if (!reader.Read() || reader.TokenType != JsonTokenType.String)
                return DecodeResult.Failed(DecodeErrorCode.InvalidValue, "must be a string", "$.type", reader.TokenStartIndex);
            return TryReadType(ref reader, out type)
                ? null
                : DecodeResult.Failed(DecodeErrorCode.UnknownType, "not a type of message that is known here", "$.type", reader.TokenStartIndex);
        }
        return null;
    }

    private static bool TryReadType(ref Utf8JsonReader reader, out MessageType type)
    {
        IReadOnlyList<string> names = WireNames.MessageTypes.Names;
        for (int i = 0; i < names.Count; i++)
        {
            type = (MessageType)i;
            if (reader.ValueTextEquals(names[i])) return true;
        }
        type = default;
        return false;
    }

    private JsonTypeInfo TypeInfo(MessageType type) => type switch
    {
        MessageType.Message => _context.MeshMessage,
        MessageType.Heartbeat => _context.HeartbeatMessage,
        MessageType.Coordinate => _context.CoordinationMessage,
        MessageType.Ack => _context.AcknowledgeMessage,
        MessageType.Circuit => _context.CircuitBreakerMessage,
        MessageType.Freeze => _context.FreezeMessage,
        MessageType.ClusterSummary => _context.ClusterImpedanceSummary,
        MessageType.SectorSummary => _context.SectorImpedanceSummary,
        MessageType.GlobalStats => _context.GlobalImpedanceStats,
        MessageType.Hello => _context.HelloMessage,
        MessageType.Challenge => _context.ChallengeMessage,
        MessageType.Proof => _context.ProofMessage,
        MessageType.Welcome => _context.WelcomeMessage,
        MessageType.Refused => _context.RefusedMessage,
        MessageType.Bye => _context.ByeMessage,
        MessageType.Cancel => _context.CancelMessage,
        MessageType.Clock => _context.ClockMessage,
        MessageType.Thaw => _context.ThawMessage,
        MessageType.Rotate => _context.RotateMessage,
        MessageType.Rotated => _context.RotatedMessage,
        MessageType.MeshKey => _context.MeshKeyMessage,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "no such type"),
    };

    /// <summary>The writer that this thread uses again and again: nothing else of it outlives a call.</summary>
    private Utf8JsonWriter ThreadWriter(IBufferWriter<byte> output)
    {
        if (s_threadWriter is not { } kept || kept.Owner != this) s_threadWriter = kept = (this, new Utf8JsonWriter(output, _writerOptions));
        kept.Writer.Reset(output);
        return kept.Writer;
    }

    private void Write(Utf8JsonWriter writer, WireMessage message) => JsonSerializer.Serialize(writer, message, TypeInfo(message.Type));
}
