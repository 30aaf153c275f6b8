using System.Buffers;
using System.Buffers.Text;
using System.Security.Cryptography;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Node.Identity;

/// <summary>What a step comes to: what to write (null for nothing), and what to answer when that is durable.</summary>
internal readonly record struct Decision<T>(DirectoryChange? Change, T Answer);

/// <summary>The rules of the directory: from a state and a request to a <see cref="Decision{T}"/>. Pure.</summary>
internal static class DirectoryRules
{
    /// <summary>What a new agent's id must be beyond <see cref="AgentId.IsValid"/>; null when it may be.</summary>
    internal static string? WhyNotId(string? id) =>
        !AgentId.IsValid(id) ? $"an agent's id is 1 to {AgentId.LengthMax} characters of A-Z a-z 0-9 . _ : -"
        : id!.StartsWith("mesh", StringComparison.OrdinalIgnoreCase) ? "an agent's id must not begin with \"mesh\": that is the mesh itself"
        : null;

    /// <summary>Adds a token, and forgets those whose time is long over; a full house forgets the one that ends first.</summary>
    internal static Decision<bool> Issue(DirectoryState state, TokenState token, DirectoryOptions options, Instant now)
    {
        if (state.Tokens.Count < options.TokensMax && state.Tokens.Count % 64 != 63) return new(new DirectoryChange { Token = token }, true); // looking through all of them each time would make n tokens cost n²
        List<TokenState> kept = [.. state.Tokens.Values.OrderBy(t => t.Grant.ValidUntil)];
        int forget = kept.FindIndex(t => t.Grant.ValidUntil + options.KeepTokensFor >= now);
        forget = Math.Max(forget < 0 ? kept.Count : forget, kept.Count - options.TokensMax + 1);
        return new(new DirectoryChange { Token = token, Forgotten = [.. kept.Take(forget).Select(t => t.Name)] }, true);
    }

    /// <summary>Uses a token for a key. The request remembers whether its proof holds: the caller asks before the turn that others wait for.</summary>
    internal static Decision<EnrolResult> Enrol(DirectoryState state, EnrolRequest request, DirectoryOptions options, Instant now)
    {
        if (request.TokenHash is not { } hash || !state.Tokens.TryGetValue(EnrolToken.NameOf(hash), out TokenState? token) || !CryptographicOperations.FixedTimeEquals(token.Hash, hash))
            return Refused("token_unknown", "This mesh knows no such token.");
        AgentId? id = IdOf(token.Grant, request.Wanted, out string? why);
        EnrolledAgent? existing = id is { } some ? state.Agents.GetValueOrDefault(some) : null;
        bool isRepeat = existing is { RevokedAt: null } && request.Key is not null && existing.Keys.Any(k => k.Key.Equals(request.Key) && k.IsValidAt(now)) && request.Proves(existing.Id);
        if (isRepeat) return new(null, new EnrolResult(existing, null, null)); // the answer got lost, and the agent asks again: nobody else has this key
        if (token.Used >= token.Grant.Uses) return Refused("token_used", token.Grant.Uses == 1 ? "The token was used already; each works once." : $"The token was used {token.Grant.Uses} times already, as often as it allows.");
        if (now > token.Grant.ValidUntil) return Refused("token_expired", $"The token was valid until {token.Grant.ValidUntil}.");
        if (id is not { } agentId) return Refused("bad_agent_id", why!);
        if (existing is not null) return Refused("agent_exists", Exists(existing));
        if (request.Key is not { } key) return Refused("bad_public_key", $"The public key is not usable: {request.KeyError}.");
        if (!request.Proves(agentId)) return Refused("bad_proof", $"The proof is not the key's signature for agent {agentId} and mesh {request.MeshId}.");
        if (state.Agents.Count >= options.AgentsMax) return Refused("directory_full", $"{options.AgentsMax} agents are enrolled, as many as fit.");
        EnrolledAgent agent = new()
        {
            Id = agentId,
            Class = token.Grant.Class,
            Capabilities = token.Grant.Capabilities,
            Link = token.Grant.Webhook is null ? AgentLinkKind.WebSocket : AgentLinkKind.Webhook,
            Webhook = token.Grant.Webhook,
            Keys = [NewKey(key, options, now)],
            EnrolledAt = now,
        };
        return new(new DirectoryChange { Agent = agent, Token = token with { Used = token.Used + 1 } }, new EnrolResult(agent, null, null));
    }

    internal static Decision<EnrolResult> AddPerson(DirectoryState state, AgentId id, IReadOnlyList<string> capabilities, DirectoryOptions options, Instant now)
    {
        if (WhyNotId(id.Value) is { } why) return Refused("bad_agent_id", Sentence(why));
        if (state.Agents.TryGetValue(id, out EnrolledAgent? existing)) return Refused("agent_exists", Exists(existing));
        if (state.Agents.Count >= options.AgentsMax) return Refused("directory_full", $"{options.AgentsMax} agents are enrolled, as many as fit.");
        EnrolledAgent person = new() { Id = id, Class = ImpedanceClass.Human, Capabilities = capabilities, Link = AgentLinkKind.Person, EnrolledAt = now };
        return new(new DirectoryChange { Agent = person }, new EnrolResult(person, null, null));
    }

    /// <summary>Takes a new key from an agent whose frame <paramref name="signedBy"/> signed: looked at again here, as it may have been revoked since the frame was read.</summary>
    internal static Decision<EnrolResult> Rotate(DirectoryState state, AgentId id, KeyId signedBy, EnrolRequest request, DirectoryOptions options, Instant now)
    {
        if (!state.Agents.TryGetValue(id, out EnrolledAgent? agent)) return Refused("unknown_agent", $"There is no agent {id}.");
        if (agent.RevokedAt is not null || !agent.Keys.Any(k => k.Key.Id == signedBy && k.IsValidAt(now)))
            return Refused("revoked", $"Agent {id} or its key {signedBy} was revoked or is no longer valid.");
        if (request.Key is not { } key) return Refused("bad_public_key", $"The public key is not usable: {request.KeyError}.");
        if (!request.Proves(id)) return Refused("bad_proof", $"The proof is not the key's signature for agent {id} and mesh {request.MeshId}.");
        if (agent.Keys[^1].Key.Equals(key) && agent.Keys[^1].IsValidAt(now)) return new(null, new EnrolResult(agent, null, null)); // asked again
        if (agent.Keys.Any(k => k.Key.Equals(key))) return Refused("bad_public_key", $"The agent had the key {key.Id} before; a new one is needed.");
        List<EnrolledKey> keys = [.. agent.Keys.Select(k => k with { ValidUntil = Earlier(k.ValidUntil, now + options.Overlap) }), NewKey(key, options, now)];
        while (keys.Count > options.KeysMax)
        {
            int ended = keys.FindIndex(k => !k.IsValidAt(now));
            keys.RemoveAt(Math.Max(ended, 0));
        }
        EnrolledAgent changed = agent with { Keys = keys };
        return new(new DirectoryChange { Agent = changed }, new EnrolResult(changed, null, null));
    }

    internal static Decision<bool> Revoke(DirectoryState state, AgentId id, KeyId? key, Instant now)
    {
        if (!state.Agents.TryGetValue(id, out EnrolledAgent? agent)) return new(null, false);
        if (key is not { } one)
            return new(agent.RevokedAt is null ? new DirectoryChange { Agent = agent with { RevokedAt = now } } : null, true);
        if (agent.Keys.FirstOrDefault(k => k.Key.Id == one) is not { } known) return new(null, false);
        if (known.RevokedAt is not null) return new(null, true);
        EnrolledAgent changed = agent with { Keys = [.. agent.Keys.Select(k => k.Key.Id == one ? k with { RevokedAt = now } : k)] };
        return new(new DirectoryChange { Agent = changed }, true);
    }

    private static AgentId? IdOf(TokenGrant grant, AgentId? wanted, out string? why)
    {
        why = grant.AgentId is { } named && wanted is { } other && named != other ? $"The token is for agent {named}, not for {other}."
            : (grant.AgentId ?? wanted) is not { } id ? "The token leaves the agent's id open: agent_id is needed."
            : WhyNotId(id.Value) is { } wrong ? Sentence(wrong)
            : null;
        return why is null ? grant.AgentId ?? wanted : null;
    }

    private static EnrolledKey NewKey(Ed25519PublicKey key, DirectoryOptions options, Instant now)
    {
        Instant rotateBy = now + options.RotateEvery;
        return new EnrolledKey(key, now, rotateBy, rotateBy + options.Overlap, null);
    }

    private static string Exists(EnrolledAgent agent) => agent.RevokedAt is null
        ? $"There is an agent {agent.Id} already."
        : $"Agent {agent.Id} was revoked; its id is not given again. Choose another.";

    private static string Sentence(string clause) => char.ToUpperInvariant(clause[0]) + clause[1..] + ".";

    private static Instant Earlier(Instant a, Instant b) => a < b ? a : b;

    private static Decision<EnrolResult> Refused(string code, string why) => new(null, new EnrolResult(null, code, why));
}

/// <summary>What somebody brings in order to enrol or rotate, parsed. The proof is verified once for each id asked about.</summary>
internal sealed class EnrolRequest
{
    private readonly byte[] _proof;
    private readonly Dictionary<AgentId, bool> _proved = [];

    internal EnrolRequest(byte[]? tokenHash, AgentId? wanted, string publicKey, string proof, string meshId)
    {
        (TokenHash, Wanted, MeshId) = (tokenHash, wanted, meshId);
        KeyError = Ed25519PublicKey.TryParse(publicKey, out Ed25519PublicKey? key);
        Key = KeyError is null ? key : null;
        _proof = new byte[Ed25519PublicKey.SignatureBytes];
        if (Base64Url.DecodeFromChars(proof, _proof, out _, out int written) != OperationStatus.Done || written != _proof.Length) _proof = [];
    }

    internal byte[]? TokenHash { get; }

    internal AgentId? Wanted { get; }

    internal string MeshId { get; }

    internal Ed25519PublicKey? Key { get; }

    internal string? KeyError { get; }

    /// <summary>Whether the proof is the new key's signature for this agent.</summary>
    internal bool Proves(AgentId id)
    {
        if (Key is null) return false;
        if (!_proved.TryGetValue(id, out bool holds)) _proved[id] = holds = Key.Verify(KeyProof.BytesOf(id, MeshId, Key), _proof);
        return holds;
    }
}
