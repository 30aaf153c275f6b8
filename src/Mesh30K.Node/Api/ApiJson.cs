using System.Text.Json.Serialization;

namespace Mesh30K.Node.Api;

/// <summary>The JSON of the API's own plumbing, snake_case, generated at build time.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Problem))]
[JsonSerializable(typeof(Readiness))]
[JsonSerializable(typeof(Liveness))]
[JsonSerializable(typeof(NodeState))]
internal sealed partial class ApiJson : JsonSerializerContext;
