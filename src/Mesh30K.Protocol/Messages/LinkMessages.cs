using System.Text.Json.Serialization;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Protocol.Messages;

/// <summary>The first words of an agent on a WebSocket, unsigned and alone in a text message (ours): who wants in.</summary>
public sealed record HelloMessage : WireMessage
{
    public override MessageType Type => MessageType.Hello;

    /// <summary>The protocol's version: 1.</summary>
    public required int Version { get; init; }

    public required AgentId AgentId { get; init; }

    /// <summary>16 to 64 characters of base64url, fresh randomness: the mesh repeats it in CHALLENGE.</summary>
    public required string Nonce { get; init; }

    /// <summary>What the agent is made with, for people (optional).</summary>
    public string? Software { get; init; }
}

/// <summary>The mesh proves itself, opens the session's epoch and asks for proof (ours). The first signed frame, seq 1.</summary>
public sealed record ChallengeMessage : WireMessage
{
    public override MessageType Type => MessageType.Challenge;

    /// <summary>The agent's nonce.</summary>
    public required string Echo { get; init; }

    /// <summary>The mesh's nonce, 16 to 64 characters of base64url.</summary>
    public required string Nonce { get; init; }

    /// <summary>The mesh's clock now.</summary>
    public required Instant Time { get; init; }
}

/// <summary>The agent's answer to a challenge (ours), in its first signed frame.</summary>
public sealed record ProofMessage : WireMessage
{
    public override MessageType Type => MessageType.Proof;

    /// <summary>The mesh's nonce.</summary>
    public required string Echo { get; init; }
}

/// <summary>The agent is in (ours).</summary>
public sealed record WelcomeMessage : WireMessage
{
    public override MessageType Type => MessageType.Welcome;

    public required AgentId AgentId { get; init; }

    public required ImpedanceClass AgentClass { get; init; }

    public required ClusterId ClusterId { get; init; }

    public required IReadOnlyList<string> Capabilities { get; init; }

    /// <summary>How often the mesh wants a heartbeat, in ms.</summary>
    public required int HeartbeatMs { get; init; }

    /// <summary>Without a frame for so long the mesh closes the connection, in ms.</summary>
    public required int IdleMs { get; init; }

    /// <summary>How many deliveries follow that were sent before and not answered.</summary>
    public required int Redelivered { get; init; }

    /// <summary>Until when the agent should have rotated its key (optional: null when it need not).</summary>
    public Instant? RotateBy { get; init; }
}

/// <summary>The mesh will not do it (ours). A connection ends after it.</summary>
public sealed record RefusedMessage : WireMessage
{
    public override MessageType Type => MessageType.Refused;

    /// <summary>A word in snake_case: unknown_agent, revoked, connection_limit, malformed, wrong_address, wrong_epoch, expired, unknown_key, replayed, bad_signature, too_fast, stopping …</summary>
    public required string Code { get; init; }

    /// <summary>For people; at most 256 characters.</summary>
    public required string Message { get; init; }

    /// <summary>When to try again, in ms; null when trying again does not help.</summary>
    public int? RetryAfterMs { get; init; }
}

/// <summary>One side ends the session on purpose (ours: appendix B has no such message).</summary>
public sealed record ByeMessage : WireMessage
{
    public override MessageType Type => MessageType.Bye;

    /// <summary>For people; at most 256 characters.</summary>
    public required string Reason { get; init; }

    /// <summary>From an agent: it leaves the mesh, its place and its queue are given up. Otherwise it comes back.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Leave { get; init; }
}

/// <summary>The mesh no longer wants what it asked for (ours): another agent was faster, or an operator cancelled it. No answer is wanted.</summary>
public sealed record CancelMessage : WireMessage
{
    public override MessageType Type => MessageType.Cancel;

    /// <summary>The COORDINATE that is meant.</summary>
    public required MessageId MessageId { get; init; }

    public required string Reason { get; init; }
}

/// <summary>The mesh's answer to a heartbeat that asked for the time (ours): with it the agent knows four timestamps (RFC 5905).</summary>
public sealed record ClockMessage : WireMessage
{
    public override MessageType Type => MessageType.Clock;

    /// <summary>The heartbeat's timestamp, on the agent's clock.</summary>
    public required Instant Echo { get; init; }

    /// <summary>When the heartbeat came, on the mesh's clock.</summary>
    public required Instant ReceivedAt { get; init; }

    /// <summary>When this was written, on the mesh's clock.</summary>
    public required Instant SentAt { get; init; }
}

/// <summary>The freeze is over (ours): the counterpart of <see cref="FreezeMessage"/>.</summary>
public sealed record ThawMessage : WireMessage
{
    public override MessageType Type => MessageType.Thaw;

    public required MeshScope Scope { get; init; }

    /// <summary>The cluster or sector; null or <c>global</c> for the whole mesh.</summary>
    public string? TargetId { get; init; }
}

/// <summary>An agent brings a new key (ours). The frame is signed by the old one, the proof by the new one.</summary>
public sealed record RotateMessage : WireMessage
{
    public override MessageType Type => MessageType.Rotate;

    /// <summary>The new public key, base64url of 32 bytes.</summary>
    public required string PublicKey { get; init; }

    /// <summary>Base64url of the new key's signature over <see cref="Signing.KeyProof"/>'s bytes.</summary>
    public required string Proof { get; init; }
}

/// <summary>The new key is taken (ours); the old one stays valid until then, so that nothing in flight is lost.</summary>
public sealed record RotatedMessage : WireMessage
{
    public override MessageType Type => MessageType.Rotated;

    /// <summary>The new key's id.</summary>
    public required string KeyId { get; init; }

    public required Instant OldKeyValidUntil { get; init; }

    /// <summary>Until when the new key should be rotated.</summary>
    public required Instant RotateBy { get; init; }
}

/// <summary>The mesh brings its next key (ours), in a frame signed by the present one: agents take both from now on.</summary>
public sealed record MeshKeyMessage : WireMessage
{
    public override MessageType Type => MessageType.MeshKey;

    /// <summary>The public key, base64url of 32 bytes.</summary>
    public required string PublicKey { get; init; }
}
