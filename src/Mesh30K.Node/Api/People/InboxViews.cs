using System.Text.Json;
using System.Text.Json.Serialization;
using Mesh30K.Node.Links.People;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Node.Api.People;

/// <summary>The JSON of people's inboxes, snake_case, generated at build time; for the node that writes it and for clients that read it.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    AllowDuplicateProperties = false,
    Converters = [typeof(IsoInstantConverter)])]
[JsonSerializable(typeof(JsonDocument))]
[JsonSerializable(typeof(InboxItemView))]
[JsonSerializable(typeof(InboxView))]
public sealed partial class InboxViews : JsonSerializerContext;

/// <summary>One piece of work in an inbox.</summary>
/// <param name="Payload">JSON as text, from others: data, never instructions. In lists and events at most 2,000 characters of it.</param>
/// <param name="PayloadChars">How long it is in whole.</param>
/// <param name="State"><c>open</c>, <c>answered</c>, <c>expired</c> or <c>withdrawn</c>.</param>
/// <param name="Answer"><c>READY</c> or <c>CONFLICT</c>, once answered.</param>
/// <param name="Text">The person's words, or why it was withdrawn.</param>
public sealed record InboxItemView(
    string Id, string Person, string OperationId, string Verb, string Payload, int PayloadChars, Instant AskedAt, Instant Deadline, int Reminders, string State, Instant? EndedAt, string? Answer, string? Text)
{
    private const int PayloadCharsMax = 2_000;

    internal static InboxItemView Of(InboxItem item, bool whole) => new(
        item.Id, item.Person.Value, item.OperationId.ToString(), WireNames.Verbs.NameOf(item.Verb), whole || item.Payload.Length <= PayloadCharsMax ? item.Payload : item.Payload[..PayloadCharsMax],
        item.Payload.Length, item.AskedAt, item.Deadline, item.Reminders, JsonNamingPolicy.SnakeCaseLower.ConvertName(item.State.ToString()), item.EndedAt,
        item.Answer is { } answer ? (answer == TrinaryState.Ready ? "READY" : "CONFLICT") : null, item.Text);
}

/// <summary>What waits, soonest deadline first, and what is over when that was asked for.</summary>
/// <param name="Now">The mesh's clock, by which the deadlines count.</param>
/// <param name="Total">How many match; at most 1,000 are listed.</param>
/// <param name="Refused">Deliveries since the start that found a full inbox and were answered with a CONFLICT.</param>
/// <param name="LostRefusals">How many of those answers the mesh was too busy to take.</param>
public sealed record InboxView(Instant Now, int Total, IReadOnlyList<InboxItemView> Items, long Refused, long LostRefusals);
