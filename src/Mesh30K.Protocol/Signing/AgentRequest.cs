using Mesh30K.Protocol.Identity;

namespace Mesh30K.Protocol.Signing;

/// <summary>How an agent signs a request to its node's HTTP API, and in whose name it then acts: docs/protocol/http-api.md, Signed requests.</summary>
public static class AgentRequest
{
    /// <summary>Characters of a nonce, at least.</summary>
    public const int NonceCharsMin = 16;

    /// <summary>Characters of a nonce, at most.</summary>
    public const int NonceCharsMax = 64;

    /// <summary>What <c>Accept-Signature</c> asks for, but for the tag.</summary>
    public const string Asked = "sig1=(\"@method\" \"@authority\" \"@path\" \"@query\" \"content-digest\");created;nonce;alg=\"ed25519\";keyid";

    /// <summary>The field that stands for the body.</summary>
    public const string DigestField = "content-digest";

    private static readonly string[] WithoutBody = ["@method", "@authority", "@path", "@query"];
    private static readonly string[] WithBody = [.. WithoutBody, DigestField];

    /// <summary>In whose name an agent does effects. No other agent has this name, and only the operator may use it beside the agent.</summary>
    public static string PrincipalOf(AgentId agent) => "agent:" + agent.Value;

    /// <summary>How a signature names agent and key: <c>AGENT/KEY</c>. An agent's id has no slash.</summary>
    public static string KeyIdOf(AgentId agent, KeyId key) => $"{agent.Value}/{key.Value}";

    /// <summary>Reads what <see cref="KeyIdOf"/> writes. Never throws.</summary>
    public static bool TryReadKeyId(string? text, out AgentId agent, out KeyId key)
    {
        int slash = text?.IndexOf('/', StringComparison.Ordinal) ?? -1;
        bool isRead = slash > 0 && AgentId.IsValid(text![..slash]) && KeyId.IsValid(text[(slash + 1)..]);
        (agent, key) = isRead ? (new AgentId(text![..slash]), new KeyId(text[(slash + 1)..])) : default;
        return isRead;
    }

    /// <summary>Signs a request; one with a body has the field <see cref="DigestField"/>.</summary>
    /// <param name="meshId">The mesh that the agent is enrolled at: the signature counts nowhere else.</param>
    /// <param name="now">The mesh's clock, as the agent knows it.</param>
    /// <param name="nonce">16 to 64 characters that no other request of this agent has; visible ASCII without quotes and backslashes.</param>
    public static HttpSignature Sign(HttpRequestHead request, AgentId agent, string meshId, Ed25519PrivateKey key, Instant now, string nonce)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(key);
        HttpSignatureInput input = new()
        {
            Components = request.Field(DigestField) is null ? WithoutBody : WithBody,
            Created = now.Ticks / TimeSpan.TicksPerSecond,
            Nonce = nonce,
            Algorithm = HttpSignature.Algorithm,
            KeyId = KeyIdOf(agent, key.PublicKey.Id),
            Tag = meshId,
        };
        return HttpSignature.Sign(request, input, key);
    }

    /// <summary>What a signature has to say or to cover and does not; null when it is enough. Whether there is a body is for the caller to see.</summary>
    public static string? Missing(HttpSignatureInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        bool Covers(string component) => input.Components.Contains(component, StringComparer.Ordinal);
        if (!Covers("@method")) return "it does not cover @method";
        if (!Covers("@target-uri") && !(Covers("@authority") && Covers("@path") && Covers("@query"))) return "it covers neither @target-uri nor all of @authority, @path and @query";
        if (input.Created is null) return "it does not say when it was created";
        if (input.KeyId is null) return "it has no keyid";
        if (input.Tag is null) return "it has no tag, which names the mesh";
        if (input.Nonce is not { Length: >= NonceCharsMin and <= NonceCharsMax }) return $"it has no nonce of {NonceCharsMin} to {NonceCharsMax} characters";
        return input.Algorithm is null or HttpSignature.Algorithm ? null : "its alg is not ed25519";
    }
}
