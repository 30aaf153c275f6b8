using System.Buffers.Text;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using Mesh30K.Agent.Identity;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Agent.Effects;

/// <summary>A node's answer, whole.</summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="Body">At most 1 MiB.</param>
/// <param name="RetryAfter">When to try again, if the node says so.</param>
internal sealed record NodeAnswer(int Status, byte[] Body, TimeSpan? RetryAfter)
{
    internal bool IsSuccess => Status is >= 200 and < 300;
}

/// <summary>Calls a node's HTTP API as its operator, or as an agent that signs each request anew. Follows no redirect: who is called gets a secret, or a signature. Thread-safe.</summary>
internal sealed class NodeClient : IDisposable
{
    private const int AnswerBytesMax = 1 << 20;
    private const int NonceBytes = 16;
    private static readonly TimeSpan CallWithin = TimeSpan.FromSeconds(15);

    private readonly Uri _node;
    private readonly MeshAgent? _agent;
    private readonly HttpClient _http;

    internal NodeClient(MeshEffectsOptions options)
    {
        (_node, _agent) = (options.Node, options.Agent);
        _http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false, ConnectTimeout = CallWithin })
        {
            Timeout = CallWithin,
            MaxResponseContentBufferSize = AnswerBytesMax,
        };
        if (options.OperatorKey is { } key) _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key.Trim());
    }

    /// <summary>One call. Throws <see cref="HttpRequestException"/>, <see cref="OperationCanceledException"/> also when there was no answer in time, and <see cref="MeshAgentEndedException"/>.</summary>
    internal async Task<NodeAnswer> SendAsync(HttpMethod method, string target, byte[]? json, CancellationToken cancel)
    {
        using HttpRequestMessage request = new(method, new Uri(_node, target));
        if (json is not null)
        {
            request.Content = new ByteArrayContent(json);
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        }
        if (_agent is not null) Sign(request, json, _agent);
        using HttpResponseMessage response = await _http.SendAsync(request, cancel).ConfigureAwait(false);
        return new NodeAnswer((int)response.StatusCode, await response.Content.ReadAsByteArrayAsync(cancel).ConfigureAwait(false), response.Headers.RetryAfter?.Delta);
    }

    public void Dispose() => _http.Dispose();

    private static void Sign(HttpRequestMessage request, byte[]? body, MeshAgent agent)
    {
        string? digest = body is null ? null : ContentDigest.Of(body);
        if (digest is not null) request.Content!.Headers.TryAddWithoutValidation(AgentRequest.DigestField, digest);
        Uri to = request.RequestUri!;
        string host = to.HostNameType == UriHostNameType.IPv6 ? $"[{to.IdnHost}]" : to.IdnHost; // as HttpClient writes Host
        string authority = to.IsDefaultPort ? host : FormattableString.Invariant($"{host}:{to.Port}");
        HttpRequestHead head = new(request.Method.Method, to.Scheme, authority, to.PathAndQuery) { Field = name => name == AgentRequest.DigestField ? digest : null };
        HttpSignature signature;
        try
        {
            (AgentIdentity self, Instant now) = agent.Signing;
            signature = AgentRequest.Sign(head, self.Id, self.MeshId, self.Key, now, Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(NonceBytes)));
        }
        catch (ObjectDisposedException ended)
        {
            throw new MeshAgentEndedException(ended);
        }
        request.Headers.TryAddWithoutValidation("Signature-Input", signature.ToInputField());
        request.Headers.TryAddWithoutValidation("Signature", signature.ToSignatureField());
    }
}

/// <summary>The agent that was to sign has ended, and its key with it.</summary>
internal sealed class MeshAgentEndedException(Exception inner) : Exception("the agent has ended, and nobody can sign for it", inner);
