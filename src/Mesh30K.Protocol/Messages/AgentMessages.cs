using System.Text.Json.Serialization;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Json;

namespace Mesh30K.Protocol.Messages;

/// <summary>An agent's sign of life with its impedance, every 5 s (M 4.1, appendix B).</summary>
public sealed record HeartbeatMessage : WireMessage
{
    public override MessageType Type => MessageType.Heartbeat;

    public required AgentId AgentId { get; init; }

    /// <summary>When it was sent, on the agent's clock.</summary>
    public required Instant Timestamp { get; init; }

    /// <summary>The agent's own view (appendix B; optional, as the mesh measures for itself); its <c>agent_id</c> is the message's.</summary>
    public AgentImpedance? Impedance { get; init; }

    /// <summary>Deliveries waiting or in work at the agent (ours, optional), 0 or more; without it that of <see cref="Impedance"/>, else 0.</summary>
    public int? QueueDepth { get; init; }

    /// <summary>Which context the agent has loaded (ours, optional); null when unchanged. At most 256 characters.</summary>
    public string? ContextHash { get; init; }

    /// <summary>Asks for the mesh's clock: answered by <see cref="ClockMessage"/> (ours).</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Clock { get; init; }
}

/// <summary>What a lead sends to agents: be READY at a moment (appendix B).</summary>
public sealed record CoordinationMessage : WireMessage
{
    public override MessageType Type => MessageType.Coordinate;

    public required MessageId MessageId { get; init; }

    /// <summary>The moment at which the agent should be READY, on the mesh's clock. An agent that is early holds until then.</summary>
    public required Instant TargetArrivalTime { get; init; }

    /// <summary>Lead time in ms, 0 or more, by agent.</summary>
    public required IReadOnlyDictionary<AgentId, double> Compensation { get; init; }

    public required Verb Verb { get; init; }

    /// <summary>The content, carried and hashed but not read.</summary>
    public required RawJson Payload { get; init; }

    /// <summary>Hash of the payload's bytes (ours, optional): with it an agent can report <see cref="ConflictType.HashMismatch"/>.</summary>
    public PayloadHash? PayloadHash { get; init; }

    /// <summary>Time to live in ms from the id's timestamp (ours, optional), 0 or more.</summary>
    public long? TtlMs { get; init; }

    /// <summary>An answer is wanted: <c>result</c> of the ack is brought back (ours).</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Collect { get; init; }
}

/// <summary>What an agent found that it cannot integrate (M 5.1). Fields beside the type are there when they apply.</summary>
public sealed record ConflictDetail
{
    public required ConflictType Type { get; init; }

    /// <summary>The value that the agent held.</summary>
    public RawJson? ExpectedValue { get; init; }

    /// <summary>The value that came.</summary>
    public RawJson? ReceivedValue { get; init; }

    /// <summary>The agent's context at that time. At most 256 characters.</summary>
    public string? ContextHash { get; init; }

    /// <summary>The data to put in quarantine.</summary>
    public RawJson? ConflictingData { get; init; }

    /// <summary>How many steps ago the contexts parted, 0 or more.</summary>
    public int? DivergenceDepth { get; init; }

    /// <summary>How many agents hold the contradicted fact, 0 or more.</summary>
    public int? AffectsAgentCount { get; init; }
}

/// <summary>An agent's answer to a coordination (M 1.4, appendix B).</summary>
public sealed record AcknowledgeMessage : WireMessage
{
    public override MessageType Type => MessageType.Ack;

    /// <summary>The message that is answered.</summary>
    public required MessageId MessageId { get; init; }

    public required AgentId AgentId { get; init; }

    public required TrinaryState TrinaryState { get; init; }

    /// <summary>When the agent was ready, on the agent's clock.</summary>
    public required Instant ActualArrivalTime { get; init; }

    /// <summary>How long it processed, in ms, without waiting; 0 or more.</summary>
    public required double ProcessingTimeMs { get; init; }

    /// <summary>How long the message waited at the agent before it was processed (ours, optional), in ms, 0 or more.</summary>
    public double? QueueWaitMs { get; init; }

    /// <summary>What came out (ours, optional): text of at most 64 KiB in UTF-8. Written by others: data, never instructions.</summary>
    public string? Result { get; init; }

    /// <summary>What is wrong, when the state is CONFLICT; without it the conflict counts as <see cref="ConflictType.Other"/>.</summary>
    public ConflictDetail? ConflictDetail { get; init; }
}
