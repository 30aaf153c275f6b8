using System.Globalization;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Node.Api.Callers;

/// <summary>How long an agent's signed request counts, and how many are remembered so that none counts twice.</summary>
public sealed record SignatureOptions
{
    /// <summary>A request counts for so long after the second in which it was made. Default 60 s. Longer: the agent's clock may be further behind, and more nonces are remembered.</summary>
    public TimeSpan AgeMax { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>
    /// How far ahead of the mesh's clock a request may say it was made. Default 5 s. Longer: the agent's clock may be further ahead, and for so long after its start the node takes none (docs/adr/0019).
    /// </summary>
    public TimeSpan AheadMax { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Requests of one agent that are remembered. Default 8,192: 126 a second, without end. Policy <c>refuse-newest</c> (429).</summary>
    public int NoncesPerAgentMax { get; init; } = 8_192;

    /// <summary>Requests of all agents that are remembered, some 50 bytes each. Default 262,144. Policy <c>refuse-newest</c> (503).</summary>
    public int NoncesMax { get; init; } = 262_144;
}

/// <summary>
/// Judges an agent's signature of a request: form, coverage, mesh, time, key, signature, and that it is the first time. The body comes after that, so that the bodies of strangers are not read. Thread-safe.
/// </summary>
/// <param name="meshId">Whose node this is.</param>
/// <param name="keyOf">An agent's key by its id, when it is valid at that moment; null otherwise.</param>
/// <param name="startedAt">When this run of the node began: what an earlier one may have accepted is refused.</param>
public sealed class SignatureGate(string meshId, Func<AgentId, KeyId, Instant, Ed25519PublicKey?> keyOf, Instant startedAt, SignatureOptions? options = null)
{
    private const int RetryAfterS = 5;

    private readonly SignatureOptions _options = options ?? new SignatureOptions();
    private readonly NonceMemory _nonces = new(options ?? new SignatureOptions());

    /// <summary>What to ask agents for: the field <c>Accept-Signature</c> (RFC 9421, section 5.1).</summary>
    public string Asked { get; } = $"{AgentRequest.Asked};tag=\"{meshId}\"";

    /// <summary>Who signed, with what; or why it does not count. An accepted one counts as seen.</summary>
    public (AgentId Agent, HttpSignature? Signature, Problem? Problem) Open(HttpRequestHead request, string? signatureInput, string? signature, Instant now)
    {
        if (HttpSignature.TryParse(signatureInput, signature, out HttpSignature? read) is { } malformed) return Refused("signature_malformed", malformed + ".");
        HttpSignatureInput input = read!.Input;
        if (AgentRequest.Missing(input) is { } missing) return Refused("signature_incomplete", $"The signature is not enough: {missing}.");
        if (input.Tag != meshId) return Refused("wrong_mesh", $"The signature is for another mesh; this one is {meshId}.");
        if (!AgentRequest.TryReadKeyId(input.KeyId, out AgentId agent, out KeyId keyId)) return Refused("signature_malformed", "The keyid must be an agent's id, a slash and the id of its key.");
        if (WrongTime(input, now) is { } late) return (agent, null, late);
        if (keyOf(agent, keyId, now) is not { } key) return Refused("unknown_key", $"The key {keyId} is not known for {agent}, not valid now, or revoked.");
        if (HttpSignature.TryBase(request, input, out _) is { } absent) return Refused("signature_incomplete", absent + ".");
        if (!read.Verify(request, key)) return Refused("bad_signature", "The signature does not hold: it was made by another key, or over another method, address or field than this request has.");
        return _nonces.Take(agent, input.Nonce!, input.Created!.Value, now) switch
        {
            NonceVerdict.New => (agent, read, null),
            NonceVerdict.Seen => Refused("replayed", "This signed request was here before. Sign anew for each try, with a nonce of its own."),
            NonceVerdict.TooOld => Refused("signature_expired", $"The signature was made more than {Seconds(_options.AgeMax)} s ago. Sign anew."),
            NonceVerdict.AgentFull => (agent, null, Problem.TooManyRequests($"{agent} has signed {_options.NoncesPerAgentMax} requests in the last {Seconds(_options.AgeMax)} s.", RetryAfterS) with { Code = "too_many_requests" }),
            _ => (agent, null, Problem.Unavailable("Too many signed requests came in the last minute.", "Try again in a moment.", RetryAfterS) with { Code = "too_many_signatures" }),
        };
    }

    internal static Instant InstantOf(long seconds) => new(seconds * TimeSpan.TicksPerSecond);

    internal static Problem Refusal(string code, string detail) => new(
        401, "The agent's signature does not count", char.ToUpperInvariant(detail[0]) + detail[1..], "docs/protocol/http-api.md, Signed requests, says how agents sign; the package Mesh30K.Agent does it.")
    { Code = code };

    private static (AgentId Agent, HttpSignature? Signature, Problem? Problem) Refused(string code, string detail) => (default, null, Refusal(code, detail));

    private Problem? WrongTime(HttpSignatureInput input, Instant now)
    {
        Instant created = InstantOf(input.Created!.Value);
        TimeSpan age = now - created;
        if (age > _options.AgeMax)
            return Refusal("signature_expired", $"The signature was made {Seconds(age)} s ago by the mesh's clock, which is {now}; at most {Seconds(_options.AgeMax)} s count. Is the agent's clock behind?");
        if (-age > _options.AheadMax)
            return Refusal("signature_expired", $"The signature was made {Seconds(-age)} s ahead of the mesh's clock, which is {now}; at most {Seconds(_options.AheadMax)} s count. Is the agent's clock ahead?");
        if (input.Expires is { } expires && now > InstantOf(expires))
            return Refusal("signature_expired", $"The signature says itself that it is over, {Seconds(now - InstantOf(expires))} s ago by the mesh's clock, which is {now}.");
        // A run before this one took requests of up to AheadMax after its end, and their nonces ended with it.
        Instant from = startedAt + _options.AheadMax;
        if (created >= from) return null;
        int wait = (int)Math.Ceiling((from - now).TotalSeconds) + 1;
        return wait > 0
            ? Problem.Unavailable("The node has just started, and cannot tell yet whether it took this request before its start.", $"Sign anew in {wait} s.", wait) with { Code = "just_started" }
            : Refusal("signature_expired", "The signature was made before this node started. Sign anew.");
    }

    private static string Seconds(TimeSpan span) => span.TotalSeconds.ToString("0.#", CultureInfo.InvariantCulture);
}
