using System.Text.Json.Serialization;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Protocol.Json;

/// <summary>
/// The generated serializers of all messages: snake_case, strict. Use <see cref="MeshCodec"/>, which adds the limits and the rules.
/// </summary>
[JsonSourceGenerationOptions(
    GenerationMode = JsonSourceGenerationMode.Metadata,
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true,
    AllowDuplicateProperties = false,
    Converters =
    [
        typeof(VerbConverter), typeof(RoutingStrategyConverter), typeof(OperationalStateConverter), typeof(ConflictTypeConverter),
        typeof(CircuitActionConverter), typeof(MeshScopeConverter), typeof(MessageTypeConverter), typeof(ImpedanceClassConverter),
        typeof(TrinaryStateConverter), typeof(PriorityConverter), typeof(InstantConverter), typeof(AgentIdConverter),
        typeof(MessageIdConverter), typeof(SectorIdConverter), typeof(ClusterIdConverter), typeof(PayloadHashConverter),
        typeof(RawJsonConverter),
    ])]
[JsonSerializable(typeof(MeshMessage))]
[JsonSerializable(typeof(HeartbeatMessage))]
[JsonSerializable(typeof(CoordinationMessage))]
[JsonSerializable(typeof(AcknowledgeMessage))]
[JsonSerializable(typeof(CircuitBreakerMessage))]
[JsonSerializable(typeof(FreezeMessage))]
[JsonSerializable(typeof(ClusterImpedanceSummary))]
[JsonSerializable(typeof(SectorImpedanceSummary))]
[JsonSerializable(typeof(GlobalImpedanceStats))]
[JsonSerializable(typeof(HelloMessage))]
[JsonSerializable(typeof(ChallengeMessage))]
[JsonSerializable(typeof(ProofMessage))]
[JsonSerializable(typeof(WelcomeMessage))]
[JsonSerializable(typeof(RefusedMessage))]
[JsonSerializable(typeof(ByeMessage))]
[JsonSerializable(typeof(CancelMessage))]
[JsonSerializable(typeof(ClockMessage))]
[JsonSerializable(typeof(ThawMessage))]
[JsonSerializable(typeof(RotateMessage))]
[JsonSerializable(typeof(RotatedMessage))]
[JsonSerializable(typeof(MeshKeyMessage))]
public sealed partial class MeshJsonContext : JsonSerializerContext;
