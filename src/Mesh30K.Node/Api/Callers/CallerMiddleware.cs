using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Mesh30K.Node.Api.Callers;

/// <summary>Who may call: the operator all, agents by their signatures what is open to them.</summary>
/// <param name="Key">The operator's key.</param>
/// <param name="Signatures">Judges agents' signatures; null where there are no agents.</param>
/// <param name="Now">The mesh's clock.</param>
internal sealed record CallerRules(OperatorKey Key, SignatureGate? Signatures, Func<Instant> Now);

/// <summary>
/// Asks who calls for everything under /v1, known or not: a stranger does not learn which paths exist. Closed unless it is said otherwise: an endpoint without a mark is the operator's alone, and the signature of an agent is
/// not even looked at there.
/// </summary>
internal sealed class CallerMiddleware(RequestDelegate next, CallerRules rules)
{
    private const string Scheme = "Bearer ";
    private const string InputField = "Signature-Input";
    private const string SignatureField = "Signature";

    public Task InvokeAsync(HttpContext context)
    {
        HttpRequest request = context.Request;
        bool asks = request.Path.StartsWithSegments("/v1", StringComparison.OrdinalIgnoreCase)
            && context.GetEndpoint()?.Metadata.GetMetadata<WithoutOperatorKeyAttribute>() is null;
        if (!asks || IsOperator(request)) return next(context);
        bool isSigned = request.Headers.ContainsKey(InputField) || request.Headers.ContainsKey(SignatureField);
        if (rules.Signatures is null || context.GetEndpoint()?.Metadata.GetMetadata<OpenToAgentsAttribute>() is null)
            return (isSigned ? Problem.ForOperators() : Problem.Unauthorized()).ExecuteAsync(context);
        if (!isSigned || request.Headers.Authorization.Count > 0) return RefuseAsync(context, isSigned ? Problem.Unauthorized() : Problem.Unsigned());
        return AsAgentAsync(context, rules.Signatures);
    }

    private bool IsOperator(HttpRequest request)
    {
        if (request.Headers.Authorization is not [{ } header]) return false;
        return header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) && rules.Key.Matches(header.AsSpan(Scheme.Length).Trim());
    }

    private Task RefuseAsync(HttpContext context, Problem problem)
    {
        if (problem.Status == StatusCodes.Status401Unauthorized) context.Response.Headers["Accept-Signature"] = rules.Signatures!.Asked;
        return problem.ExecuteAsync(context);
    }

    private async Task AsAgentAsync(HttpContext context, SignatureGate signatures)
    {
        HttpRequest request = context.Request;
        string target = context.Features.Get<IHttpRequestFeature>()?.RawTarget ?? "";
        if (!target.StartsWith('/'))
        {
            await RefuseAsync(context, SignatureGate.Refusal("signature_malformed", "A signed request has a path as its target.")).ConfigureAwait(false);
            return;
        }
        HttpRequestHead head = new(request.Method, request.Scheme, request.Host.Value ?? "", target) { Field = name => FieldOf(request, name) };
        (AgentId agent, HttpSignature? signature, Problem? problem) = signatures.Open(head, FieldOf(request, InputField), FieldOf(request, SignatureField), rules.Now());
        problem ??= await WhyNotBodyAsync(context, signature!).ConfigureAwait(false);
        if (problem is not null)
        {
            await RefuseAsync(context, problem).ConfigureAwait(false);
            return;
        }
        context.Features.Set(new AgentCaller(agent));
        await next(context).ConfigureAwait(false);
    }

    /// <summary>Reads the body, at most <see cref="JsonBody.BytesMax"/> as the server allows, and leaves it to be read again. One that is not covered has to be empty.</summary>
    private static async Task<Problem?> WhyNotBodyAsync(HttpContext context, HttpSignature signature)
    {
        HttpRequest request = context.Request;
        bool isCovered = signature.Input.Components.Contains(AgentRequest.DigestField, StringComparer.Ordinal);
        using MemoryStream body = new();
        byte[] buffer = new byte[4_096];
        while (await request.Body.ReadAsync(buffer, context.RequestAborted).ConfigureAwait(false) is > 0 and int read)
        {
            if (!isCovered) return SignatureGate.Refusal("signature_incomplete", "The signature is not enough: it does not cover content-digest, and the request has a body.");
            body.Write(buffer, 0, read);
        }
        if (!isCovered) return null;
        byte[] bytes = body.ToArray();
        string? said = FieldOf(request, AgentRequest.DigestField);
        if (!ContentDigest.IsValid(said)) return SignatureGate.Refusal("digest_mismatch", "Content-Digest must be sha-256=:…: with the base64 of the body's SHA-256, and nothing else.");
        if (said != ContentDigest.Of(bytes)) return SignatureGate.Refusal("digest_mismatch", $"The body of {bytes.Length} bytes is not the one that was signed: its SHA-256 is not that of Content-Digest.");
        request.Body = new MemoryStream(bytes, writable: false);
        return null;
    }

    /// <summary>A field as RFC 9421 reads it (section 2.1); null when it is not there.</summary>
    private static string? FieldOf(HttpRequest request, string name) =>
        request.Headers.TryGetValue(name, out var lines) ? string.Join(", ", lines.Select(line => line?.Trim(' ', '\t'))) : null;
}
