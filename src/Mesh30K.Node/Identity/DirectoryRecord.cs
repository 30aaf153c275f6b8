using System.Text.Json;
using System.Text.Json.Serialization;
using Mesh30K.Consistency.Journal;
using Mesh30K.Node.Storage;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Node.Identity;

/// <summary>A <see cref="DirectoryChange"/> as JSON, one to a record of the journal. Moments are ticks of <see cref="Instant"/>.</summary>
internal sealed record DirectoryRecord(AgentRecord? Agent, TokenRecord? Token, IReadOnlyList<string>? Forgotten, long? Epochs)
{
    internal const byte Kind = 1;

    internal static byte[] Encode(DirectoryChange change)
    {
        DirectoryRecord record = new(
            change.Agent is { } agent ? AgentRecord.Of(agent) : null,
            change.Token is { } token ? TokenRecord.Of(token) : null,
            change.Forgotten.Count == 0 ? null : change.Forgotten,
            change.EpochsUpTo);
        return JsonSerializer.SerializeToUtf8Bytes(record, DirectoryJson.Default.DirectoryRecord);
    }

    /// <summary>Reads one record. Throws <see cref="JournalException"/> (<c>damaged</c>) for what no version of this program wrote.</summary>
    internal static DirectoryChange Decode(in JournalRecord record)
    {
        try
        {
            if (record.Kind == Kind && JsonSerializer.Deserialize(record.Payload.Span, DirectoryJson.Default.DirectoryRecord) is { } read)
                return new DirectoryChange { Agent = read.Agent?.ToAgent(), Token = read.Token?.ToToken(), Forgotten = read.Forgotten ?? [], EpochsUpTo = read.Epochs };
        }
        catch (Exception error) when (error is JsonException or FormatException)
        {
            throw Unknown(record.Sequence, error);
        }
        throw Unknown(record.Sequence, null);
    }

    private static JournalException Unknown(long sequence, Exception? inner) => new(
        "damaged", $"record {sequence} of the directory of agents (identity/) is none that this version knows; was it written by a newer one? Nothing was changed", inner);
}

internal sealed record AgentRecord(string Id, string Class, IReadOnlyList<string> Capabilities, string Link, string? Webhook, long EnrolledAt, long? RevokedAt, IReadOnlyList<KeyRecord> Keys)
{
    private static readonly string[] LinkNames = ["websocket", "webhook", "person"];

    internal static string NameOf(AgentLinkKind link) => LinkNames[(int)link];

    internal static AgentRecord Of(EnrolledAgent a) => new(
        a.Id.Value, a.Class.WireName(), a.Capabilities, NameOf(a.Link), a.Webhook?.AbsoluteUri, a.EnrolledAt.Ticks, a.RevokedAt?.Ticks, [.. a.Keys.Select(KeyRecord.Of)]);

    internal EnrolledAgent ToAgent()
    {
        int link = Array.IndexOf(LinkNames, Link);
        if (link < 0 || !AgentId.IsValid(Id)) throw new FormatException("an agent's link or id");
        return new EnrolledAgent
        {
            Id = new AgentId(Id),
            Class = TokenRecord.ClassOf(Class),
            Capabilities = Capabilities,
            Link = (AgentLinkKind)link,
            Webhook = Webhook is null ? null : new Uri(Webhook),
            Keys = [.. Keys.Select(k => k.ToKey())],
            RevokedAt = TokenRecord.InstantOf(RevokedAt),
            EnrolledAt = new Instant(EnrolledAt),
        };
    }
}

internal sealed record KeyRecord(string Key, long AddedAt, long RotateBy, long ValidUntil, long? RevokedAt)
{
    internal static KeyRecord Of(EnrolledKey k) => new(k.Key.ToString(), k.AddedAt.Ticks, k.RotateBy.Ticks, k.ValidUntil.Ticks, k.RevokedAt?.Ticks);

    internal EnrolledKey ToKey() => Ed25519PublicKey.TryParse(Key, out Ed25519PublicKey? key) is { } why
        ? throw new FormatException(why)
        : new EnrolledKey(key!, new Instant(AddedAt), new Instant(RotateBy), new Instant(ValidUntil), TokenRecord.InstantOf(RevokedAt));
}

internal sealed record TokenRecord(string Hash, string? AgentId, string Class, IReadOnlyList<string> Capabilities, string? Webhook, int Uses, int Used, long ValidUntil)
{
    internal static TokenRecord Of(TokenState t) => new(
        Convert.ToHexStringLower(t.Hash), t.Grant.AgentId?.Value, t.Grant.Class.WireName(), t.Grant.Capabilities, t.Grant.Webhook?.AbsoluteUri, t.Grant.Uses, t.Used, t.Grant.ValidUntil.Ticks);

    internal static Instant? InstantOf(long? ticks) => ticks is { } t ? new Instant(t) : null;

    internal static ImpedanceClass ClassOf(string name) => ImpedanceClasses.TryParse(name, out ImpedanceClass c) ? c : throw new FormatException("a class");

    internal TokenState ToToken() => new(
        Convert.FromHexString(Hash) is { Length: 32 } hash ? hash : throw new FormatException("a hash"),
        new TokenGrant
        {
            AgentId = AgentId is null ? null : new AgentId(AgentId),
            Class = ClassOf(Class),
            Capabilities = Capabilities,
            Webhook = Webhook is null ? null : new Uri(Webhook),
            Uses = Uses,
            ValidUntil = new Instant(ValidUntil),
        },
        Used);
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = false)]
[JsonSerializable(typeof(DirectoryRecord))]
internal sealed partial class DirectoryJson : JsonSerializerContext;

/// <summary>Builds the state from the journal.</summary>
internal sealed class DirectoryReader : IJournalReader
{
    internal DirectoryState State { get; private set; } = DirectoryState.Empty;

    internal long Bytes { get; private set; }

    public void Reset() => (State, Bytes) = (DirectoryState.Empty, 0);

    public void Apply(in JournalRecord record)
    {
        State = State.With(DirectoryRecord.Decode(record));
        Bytes += record.Payload.Length;
    }
}
