using System.Buffers;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Json;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Node.Links;

/// <summary>
/// The COORDINATE of one order, encoded once and shared by all agents that get it; only the agent's own compensation differs and stands last.
/// Immutable, thread-safe. Payloads with line breaks between their tokens are written anew without them, before the hash is taken. What is no JSON
/// that a peer could read (a stage's answer may be any text) travels as a JSON string.
/// </summary>
public sealed class OrderMessage
{
    private static readonly ConditionalWeakTable<OperationOrder, OrderMessage> Known = [];
    private static readonly ConditionalWeakTable<string, EncodedPayload> Payloads = [];

    private readonly byte[] _head;
    private readonly EncodedPayload _payload;
    private readonly byte[] _tail;

    private OrderMessage(OperationOrder order)
    {
        Id = order.MessageId;
        // Orders that differ in their quota only share the payload's bytes and its hash.
        _payload = Payloads.GetValue(order.Payload, static text => new EncodedPayload(text));
        _head = Encoding.ASCII.GetBytes(
            $$"""{"type":"COORDINATE","message_id":"{{Id}}","target_arrival_time":"{{order.Target}}","verb":"{{WireNames.Verbs.NameOf(order.Spec.Verb)}}","payload":""");
        double ttlMs = Math.Clamp(Math.Ceiling(order.ExpiresAt.MsSince(Instant.FromUnixMs(Id.TimestampMs))), 0, long.MaxValue / 2);
        _tail = Encoding.ASCII.GetBytes(string.Create(
            CultureInfo.InvariantCulture,
            $$""","payload_hash":"{{_payload.Hash}}","ttl_ms":{{(long)ttlMs}}{{(order.Spec.CollectAnswers ? ",\"collect\":true" : "")}},"compensation":{"""));
    }

    /// <summary>The order's message id: differs for each phase of an operation. Its time is the operation's, from which <c>ttl_ms</c> counts.</summary>
    public MessageId Id { get; }

    /// <summary>Bytes of an agent's copy, roughly: what a queue that holds it accounts for.</summary>
    public int BytesAbout => _head.Length + _payload.Utf8.Length + _tail.Length + 64;

    /// <summary>The message of an order; the same object for the same order while somebody holds it.</summary>
    public static OrderMessage Of(OperationOrder order) => Known.GetValue(order, static o => new OrderMessage(o));

    /// <summary>Writes the message for one agent, UTF-8 without line feeds.</summary>
    /// <param name="leadMs">The compensation in ms; what is no number of 0 or more counts as 0. Written to 0.001 ms.</param>
    public void WriteTo(IBufferWriter<byte> output, AgentId agent, double leadMs)
    {
        output.Write(_head);
        output.Write(_payload.Utf8);
        output.Write(_tail);
        Span<byte> rest = output.GetSpan(AgentId.LengthMax + 40);
        int at = 0;
        rest[at++] = (byte)'"';
        at += Encoding.ASCII.GetBytes(agent.Value, rest[at..]);
        rest[at++] = (byte)'"';
        rest[at++] = (byte)':';
        double lead = double.IsFinite(leadMs) && leadMs > 0 ? Math.Round(leadMs, 3) : 0;
        _ = lead.TryFormat(rest[at..], out int digits, provider: CultureInfo.InvariantCulture);
        at += digits;
        rest[at++] = (byte)'}';
        rest[at++] = (byte)'}';
        output.Advance(at);
    }

    /// <summary>A payload as it stands on the wire, and its hash.</summary>
    private sealed class EncodedPayload
    {
        public EncodedPayload(string text)
        {
            byte[] utf8 = Encoding.UTF8.GetBytes(text);
            // A line break can stand between tokens only: inside a string JSON writes it with an escape.
            int kept = 0;
            foreach (byte b in utf8)
                if (b is not ((byte)'\n' or (byte)'\r')) utf8[kept++] = b;
            Utf8 = RawJson.TryParse(utf8.AsSpan(0, kept), out RawJson json) && DepthOf(json.Utf8) < CodecLimits.Default.DepthMax
                ? json.Utf8.ToArray()
                : RawJson.Text(text).Utf8.ToArray();
            Hash = PayloadHash.Of(Utf8);
        }

        public byte[] Utf8 { get; }

        public PayloadHash Hash { get; }

        /// <summary>How deep well-formed JSON nests.</summary>
        private static int DepthOf(ReadOnlySpan<byte> utf8)
        {
            System.Text.Json.Utf8JsonReader reader = new(utf8, new System.Text.Json.JsonReaderOptions { MaxDepth = RawJson.DepthMax });
            int deepest = 0;
            while (reader.Read())
                if (reader.TokenType is System.Text.Json.JsonTokenType.StartObject or System.Text.Json.JsonTokenType.StartArray) deepest = Math.Max(deepest, reader.CurrentDepth + 1);
            return deepest;
        }
    }
}
