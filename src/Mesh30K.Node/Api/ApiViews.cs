using System.Text.Json;
using System.Text.Json.Serialization;
using Mesh30K.Node.Api.Operations;
using Mesh30K.Node.Api.Status;
using Mesh30K.Node.Links;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Api;

/// <summary>The JSON of the operator's API, snake_case, generated at build time; for the node that writes it and for clients that read it.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    AllowDuplicateProperties = false,
    Converters = [typeof(IsoInstantConverter)])]
[JsonSerializable(typeof(JsonDocument))]
[JsonSerializable(typeof(OperationRequest))]
[JsonSerializable(typeof(OperationView))]
[JsonSerializable(typeof(OperationPage))]
[JsonSerializable(typeof(RosterPage))]
[JsonSerializable(typeof(AnswerPage))]
[JsonSerializable(typeof(DryRunView))]
[JsonSerializable(typeof(StatusView))]
[JsonSerializable(typeof(AgentView))]
[JsonSerializable(typeof(AgentPage))]
[JsonSerializable(typeof(SectorList))]
[JsonSerializable(typeof(SectorDetail))]
[JsonSerializable(typeof(LinksView))]
[JsonSerializable(typeof(Links.Webhook.WebhooksView))]
[JsonSerializable(typeof(Problem))]
public sealed partial class ApiViews : JsonSerializerContext;

/// <summary>An instant as ISO 8601 in UTC with Z.</summary>
internal sealed class IsoInstantConverter : JsonConverter<Instant>
{
    public override Instant Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => Instant.From(reader.GetDateTimeOffset());

    public override void Write(Utf8JsonWriter writer, Instant value, JsonSerializerOptions options) =>
        writer.WriteStringValue(new DateTime(value.Ticks + DateTime.UnixEpoch.Ticks, DateTimeKind.Utc));
}
