using System.Net.Http.Headers;
using System.Text;
using Mesh30K.Node.Api.Callers;
using Mesh30K.Node.Identity;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Node.Tests.Api.Callers;

/// <summary>An enrolled agent that signs requests, right or wrong as a test wants it. Its HTTP client knows no key.</summary>
internal sealed class SigningAgent : IDisposable
{
    private readonly NodeIdentity _node;
    private readonly Uri _address;
    private readonly HttpClient _http;

    private SigningAgent(NodeIdentity node, Uri address, AgentId id, Ed25519PrivateKey key)
    {
        (_node, _address, Id, Key) = (node, address, id, key);
        _http = new HttpClient { BaseAddress = address, Timeout = ApiFixture.Generous };
    }

    /// <summary>Signed requests count from the next second of the node's life on, and not after 5.</summary>
    public static SignatureOptions Soon { get; } = new() { AheadMax = TimeSpan.Zero };

    public AgentId Id { get; }

    public string Principal => $"agent:{Id}";

    public Ed25519PrivateKey Key { get; }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Enrols at a node, and waits until its first signature counts: a second at most where <see cref="Soon"/> is used.</summary>
    public static async Task<SigningAgent> EnrolAsync(MeshFixture node, string name)
    {
        NodeIdentity identity = node.Server.Identity;
        AgentId id = new(name);
        Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        string token = await identity.Directory.IssueTokenAsync(new TokenGrant { AgentId = id, Class = ImpedanceClass.Edge, ValidUntil = identity.Now.PlusMs(60_000) }, identity.Mesh, identity.Now);
        byte[] proof = new byte[64];
        key.Sign(KeyProof.BytesOf(id, identity.Mesh.MeshId, key.PublicKey), proof);
        Assert.Null((await identity.Directory.EnrolAsync(token, id, key.PublicKey.ToString(), System.Buffers.Text.Base64Url.EncodeToString(proof), identity.Mesh, identity.Now)).Code);
        SigningAgent agent = new(identity, node.Server.BaseAddress, id, key);
        await agent.CountsAsync(secondsAgo: 0);
        return agent;
    }

    /// <summary>Waits until a request that was made so many seconds ago counts: one from before the node's start does not.</summary>
    public async Task CountsAsync(int secondsAgo)
    {
        DateTime until = DateTime.UtcNow.AddSeconds(30);
        while (true)
        {
            using HttpResponseMessage first = await SendAsync(Signed("GET", "/v1/effects", input: i => i.With(created: i.Created - secondsAgo)));
            if (first.IsSuccessStatusCode) return;
            string text = await first.Content.ReadAsStringAsync(Cancel);
            Assert.True((text.Contains("just_started", StringComparison.Ordinal) || text.Contains("before this node started", StringComparison.Ordinal)) && DateTime.UtcNow < until, text);
            await Task.Delay(50, Cancel);
        }
    }

    /// <summary>A request with a good signature, to be sent as it is or changed first.</summary>
    /// <param name="input">Makes another input of the usual one: <c>null</c> signs as the contract says.</param>
    public HttpRequestMessage Signed(string method, string target, string? body = null, Ed25519PrivateKey? key = null, Func<HttpSignatureInput, HttpSignatureInput>? input = null)
    {
        HttpRequestMessage request = new(new HttpMethod(method), new Uri(_address, target));
        string? digest = null;
        if (body is not null)
        {
            request.Content = new StringContent(body, Encoding.UTF8, new MediaTypeHeaderValue("application/json"));
            digest = ContentDigest.Of(Encoding.UTF8.GetBytes(body));
            request.Content.Headers.Add("Content-Digest", digest);
        }
        HttpRequestHead head = new(method, "http", _address.Authority, target) { Field = name => name == "content-digest" ? digest : null };
        HttpSignature signature = AgentRequest.Sign(head, Id, _node.Mesh.MeshId, key ?? Key, _node.Now, Guid.NewGuid().ToString("N"));
        if (input is not null) signature = HttpSignature.Sign(head, input(signature.Input), key ?? Key);
        request.Headers.TryAddWithoutValidation("Signature-Input", signature.ToInputField());
        request.Headers.TryAddWithoutValidation("Signature", signature.ToSignatureField());
        return request;
    }

    public Task<HttpResponseMessage> SendAsync(HttpRequestMessage request) => _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancel); // an endless answer must not be waited for

    public void Dispose()
    {
        _http.Dispose();
        Key.Dispose();
    }
}

internal static class Inputs
{
    /// <summary>The same with something changed: an input has no copies of its own, so that its text cannot go stale.</summary>
    public static HttpSignatureInput With(
        this HttpSignatureInput was, IReadOnlyList<string>? components = null, long? created = null, long? expires = null, string? nonce = null, string? alg = null, string? keyId = null, string? tag = null) => new()
        {
            Components = components ?? was.Components,
            Created = created ?? was.Created,
            Expires = expires ?? was.Expires,
            Nonce = nonce ?? was.Nonce,
            Algorithm = alg ?? was.Algorithm,
            KeyId = keyId ?? was.KeyId,
            Tag = tag ?? was.Tag,
        };
}
