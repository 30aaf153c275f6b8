using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Json;

namespace Mesh30K.Protocol.Messages;

/// <summary>How a message was adjusted for one target (M 2.4, <c>compensation_applied</c>).</summary>
/// <param name="LeadTimeMs">How long before the arrival target it was sent, in ms, 0 or more.</param>
/// <param name="ExpectedProcessingMs">How long the agent is expected to process, in ms, 0 or more.</param>
/// <param name="Confidence">How sure the estimate is, 0 to 1.</param>
public sealed record Compensation(double LeadTimeMs, double ExpectedProcessingMs, double Confidence);

/// <summary>
/// An operation on its way through the mesh, with its coordination metadata (M 2.4). On the wire <c>"type":"MESSAGE"</c>, which M does not
/// have: an object without <c>type</c> is taken as this message too.
/// </summary>
public sealed record MeshMessage : WireMessage
{
    public override MessageType Type => MessageType.Message;

    public required MessageId MessageId { get; init; }

    /// <summary>The first message of the group that this one belongs to; its own id when it starts one.</summary>
    public required MessageId CorrelationId { get; init; }

    /// <summary>The message that caused this one; null when an operator did.</summary>
    public MessageId? CausationId { get; init; }

    /// <summary>Who sent it: an agent id, <c>orchestrator</c>, or the text of a sector or a cluster.</summary>
    public required string SourceAgentId { get; init; }

    /// <summary>Whom it is for; at most <see cref="CodecLimits.TargetsMax"/>.</summary>
    public required IReadOnlyList<AgentId> TargetAgentIds { get; init; }

    public required RoutingStrategy RoutingStrategy { get; init; }

    public required Instant CreatedAt { get; init; }

    /// <summary>The moment at which the receivers should be READY, on the mesh's clock.</summary>
    public required Instant TargetArrivalTime { get; init; }

    /// <summary>Time to live in ms from <see cref="CreatedAt"/>, 0 or more; dropped after it.</summary>
    public required long TtlMs { get; init; }

    public required Priority Priority { get; init; }

    /// <summary>How heavy the payload is, 0 or more; 1 is a standard payload.</summary>
    public required double PayloadWeight { get; init; }

    /// <summary>What an agent must be able to do to receive it.</summary>
    public required IReadOnlyList<string> RequiresCapabilities { get; init; }

    /// <summary>The adjustment for each target.</summary>
    public required IReadOnlyDictionary<AgentId, Compensation> CompensationApplied { get; init; }

    public required Verb Verb { get; init; }

    /// <summary>The content, carried and hashed but not read.</summary>
    public required RawJson Payload { get; init; }

    /// <summary>Hash of the payload's bytes. Decoding does not check it: a mismatch is a conflict to report, not a broken message.</summary>
    public required PayloadHash PayloadHash { get; init; }

    /// <summary>The outcome that the sender expects.</summary>
    public required TrinaryState TrinaryExpectation { get; init; }

    /// <summary>Whether the payload is the one that the sender hashed.</summary>
    public bool PayloadIsIntact() => PayloadHash.Matches(Payload.Utf8);
}
