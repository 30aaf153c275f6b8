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

    /// <summary>Newest last; revoked and expired ones are kept for the record.</summary>
    public IReadOnlyList<EnrolledKey> Keys { get; init; } = [];

    /// <summary>Removed or revoked as a whole: no key of it is valid.</summary>
    public Instant? RevokedAt { get; init; }

    public required Instant EnrolledAt { get; init; }
}

/// <summary>A public key of an agent and when it is valid.</summary>
public sealed record EnrolledKey(Ed25519PublicKey Key, Instant AddedAt, Instant RotateBy, Instant ValidUntil, Instant? RevokedAt);

/// <summary>What a token allows. The secret is kept as its SHA-256 only.</summary>
public sealed record TokenGrant
{
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

/// <summary>
/// Who may join: agents, their keys, tokens and revocations, durable in a journal (`identity/` of the data directory) before any answer; reads are lock-free from immutable snapshots.
/// Also gives the sessions' epochs, which rise over restarts (reserved ahead in blocks, so a crash skips some and repeats none). Thread-safe.
/// </summary>
public sealed class AgentDirectory : IAsyncDisposable
{
    /// <summary>Opens or makes it. Errors: <see cref="Storage.JournalException"/>.</summary>
    public static AgentDirectory Open(string dataDirectory, DirectoryOptions? options = null) => throw new NotSupportedException("contract");

    public EnrolledAgent? Find(AgentId id) => throw new NotSupportedException("contract");

    public IReadOnlyCollection<EnrolledAgent> All => throw new NotSupportedException("contract");

    /// <summary>The agent's key when it is valid at that moment: known, not expired, neither it nor the agent revoked.</summary>
    public Ed25519PublicKey? KeyOf(AgentId agent, KeyId key, Instant now) => throw new NotSupportedException("contract");

    /// <summary>Makes a token; the text is shown once and kept nowhere.</summary>
    public Task<string> IssueTokenAsync(TokenGrant grant, MeshIdentity mesh, Instant now) => throw new NotSupportedException("contract");

    /// <summary>Uses a token. Refusals: token_unknown, token_used, token_expired, agent_exists, bad_public_key, bad_proof.</summary>
    public Task<EnrolResult> EnrolAsync(string token, AgentId? wanted, string publicKey, string proof, MeshIdentity mesh, Instant now) => throw new NotSupportedException("contract");

    /// <summary>Enrols a person (class F, no key). Refusal: agent_exists.</summary>
    public Task<EnrolResult> AddPersonAsync(AgentId id, IReadOnlyList<string> capabilities, Instant now) => throw new NotSupportedException("contract");

    /// <summary>Takes a new key; the old one stays valid for the overlap. Refusals: bad_public_key, bad_proof, revoked.</summary>
    public Task<EnrolResult> RotateAsync(AgentId id, string publicKey, string proof, MeshIdentity mesh, Instant now) => throw new NotSupportedException("contract");

    /// <summary>Revokes one key, or with null the agent. False when there is no such. Revocation wins over everything; it is durable when this returns.</summary>
    public Task<bool> RevokeAsync(AgentId id, KeyId? key, Instant now) => throw new NotSupportedException("contract");

    /// <summary>A session's epoch: above every one given before, in this run or an earlier one.</summary>
    public long NextEpoch() => throw new NotSupportedException("contract");

    /// <summary>Called after a revocation is durable, with the agent; on the caller's thread.</summary>
    public Action<AgentId>? Revoked { get; set; }

    /// <summary>Called after an enrolment is durable (webhooks and persons then join at once).</summary>
    public Action<EnrolledAgent>? Enrolled { get; set; }

    /// <summary>Why nothing can be written any more (a failed sync), or null.</summary>
    public string? NotReadyBecause => throw new NotSupportedException("contract");

    public ValueTask DisposeAsync() => throw new NotSupportedException("contract");
}

/// <summary>How long keys live.</summary>
public sealed record DirectoryOptions
{
    /// <summary>An agent's key is to be rotated after so long (M 9.1). Default 30 days.</summary>
    public TimeSpan RotateEvery { get; init; } = TimeSpan.FromDays(30);

    /// <summary>For how long the old key stays valid beside the new one, and for how long a key that was not rotated in time still works. Default 2 days.</summary>
    public TimeSpan Overlap { get; init; } = TimeSpan.FromDays(2);
}

/// <summary>
/// The mesh's own id and key (`mesh.key` in the data directory, mode 0600, made at first start): what it signs with. A rotated key overlaps with the next. Thread-safe.
/// </summary>
public sealed class MeshIdentity : IDisposable
{
    /// <summary>Errors: <see cref="Api.OperatorKeyException"/>-like, one line, never the key: readable by others, damaged.</summary>
    public static MeshIdentity LoadOrCreate(string dataDirectory, Instant now) => throw new NotSupportedException("contract");

    /// <summary><c>mesh:</c> and 16 digits.</summary>
    public string MeshId => throw new NotSupportedException("contract");

    /// <summary>The key that signs now.</summary>
    public Ed25519PrivateKey Signing => throw new NotSupportedException("contract");

    /// <summary>All public keys that agents should trust now: the signing one and, in an overlap, the next.</summary>
    public IReadOnlyList<Ed25519PublicKey> Trusted => throw new NotSupportedException("contract");

    public void Dispose() => throw new NotSupportedException("contract");
}
