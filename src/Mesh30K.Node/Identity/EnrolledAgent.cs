using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Node.Identity;

/// <summary>How an enrolled agent is reached.</summary>
public enum AgentLinkKind : byte
{
    /// <summary>It opens a WebSocket.</summary>
    WebSocket,

    /// <summary>The mesh posts to its address.</summary>
    Webhook,

    /// <summary>A person with an inbox: no key, answers come through the operator's API.</summary>
    Person,
}

/// <summary>One enrolled agent, as of now. Immutable.</summary>
public sealed record EnrolledAgent
{
    public required AgentId Id { get; init; }
    public required ImpedanceClass Class { get; init; }
    public required IReadOnlyList<string> Capabilities { get; init; }
    public required AgentLinkKind Link { get; init; }

    /// <summary>Where the webhook is; null for others.</summary>
    public Uri? Webhook { get; init; }

    /// <summary>Newest last, at most <see cref="DirectoryOptions.KeysMax"/>; revoked and expired ones are kept for the record until newer ones need their room.</summary>
    public IReadOnlyList<EnrolledKey> Keys { get; init; } = [];

    /// <summary>Revoked as a whole: no key of it is valid, and its id is never given again.</summary>
    public Instant? RevokedAt { get; init; }

    public required Instant EnrolledAt { get; init; }
}

/// <summary>A public key of an agent and when it is valid.</summary>
public sealed record EnrolledKey(Ed25519PublicKey Key, Instant AddedAt, Instant RotateBy, Instant ValidUntil, Instant? RevokedAt)
{
    /// <summary>Whether it counts at that moment, as far as the key itself says: the agent may be revoked.</summary>
    public bool IsValidAt(Instant now) => RevokedAt is null && now <= ValidUntil;
}

/// <summary>What a token allows. The secret is kept as its SHA-256 only.</summary>
public sealed record TokenGrant
{
    /// <summary>How often a token may be used, at most.</summary>
    public const int UsesMax = 100_000;

    /// <summary>The agent's id; null lets the agent choose (only ids that do not exist).</summary>
    public AgentId? AgentId { get; init; }
    public required ImpedanceClass Class { get; init; }
    public IReadOnlyList<string> Capabilities { get; init; } = [];
    public Uri? Webhook { get; init; }

    /// <summary>How often it may be used, 1 to 100,000; default 1.</summary>
    public int Uses { get; init; } = 1;
    public required Instant ValidUntil { get; init; }
}

/// <summary>The outcome of an enrolment or rotation; <see cref="Code"/> is the wire's word of the refusal, null when it went well.</summary>
public sealed record EnrolResult(EnrolledAgent? Agent, string? Code, string? Why);

/// <summary>How long keys live, and the bounds of the directory.</summary>
public sealed record DirectoryOptions
{
    /// <summary>An agent's key is to be rotated after so long (M 9.1). Default 30 days.</summary>
    public TimeSpan RotateEvery { get; init; } = TimeSpan.FromDays(30);

    /// <summary>For how long the old key stays valid beside the new one, and for how long a key that was not rotated in time still works. Default 2 days.</summary>
    public TimeSpan Overlap { get; init; } = TimeSpan.FromDays(2);

    /// <summary>Keys kept for each agent, 2 or more. Default 8. Policy: those no longer valid go first, then the oldest.</summary>
    public int KeysMax { get; init; } = 8;

    /// <summary>Agents, revoked ones counted. Default 100,000; one more is refused with <c>directory_full</c>.</summary>
    public int AgentsMax { get; init; } = 100_000;

    /// <summary>Tokens kept. Default 10,000. Policy <c>soonest-to-expire</c>: a new one pushes out the one that ends first.</summary>
    public int TokensMax { get; init; } = 10_000;

    /// <summary>For how long a token is kept after its end, so that late comers hear <c>token_expired</c> and not <c>token_unknown</c>. Default 7 days.</summary>
    public TimeSpan KeepTokensFor { get; init; } = TimeSpan.FromDays(7);

    /// <summary>Epochs reserved ahead by one write, 2 or more. Default 4,096: what a restart skips at most.</summary>
    public int EpochBlock { get; init; } = 4_096;

    /// <summary>Journal written since the snapshot, in bytes, before it is compacted. Default 4 MiB, and at least twice the snapshot.</summary>
    public long CompactBytes { get; init; } = 4 << 20;
}
