using System.Runtime.CompilerServices;
using System.Text;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Protocol.Tests.Signing;

/// <summary>The signed request of docs/protocol/http-api.md, whose signature OpenSSL made: what somebody who writes a client compares with.</summary>
public sealed class DocumentedRequestTests
{
    private static readonly Instant Created = Instant.From(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));
    private readonly string _page = File.ReadAllText(Document());

    [Fact]
    public void Every_step_of_the_signed_request_is_right()
    {
        string body = Block("json body"), signed = Block("text signature-base");
        string[] fields = Block("text fields").Split('\n');
        string digest = ContentDigest.Of(Encoding.UTF8.GetBytes(body));
        using Ed25519PrivateKey key = Ed25519PrivateKey.FromSeed([.. Enumerable.Range(0, 32).Select(i => (byte)i)]);
        HttpRequestHead request = new("POST", "http", "127.0.0.1:7300", "/v1/effects/renew") { Field = name => name == "content-digest" ? digest : null };
        HttpSignature made = AgentRequest.Sign(request, new AgentId("edge-0017"), "mesh:0123456789abcdef", key, Created, "AAECAwQFBgcICQoLDA0ODw");
        Assert.Equal([$"Content-Digest: {digest}", $"Signature-Input: {made.ToInputField()}", $"Signature: {made.ToSignatureField()}"], fields);
        Assert.Null(HttpSignature.TryBase(request, made.Input, out byte[] bytes));
        Assert.Equal(signed, Encoding.ASCII.GetString(bytes));
        Assert.Contains("\"principal\":\"" + AgentRequest.PrincipalOf(new AgentId("edge-0017")) + "\"", body, StringComparison.Ordinal);

        Assert.Null(HttpSignature.TryParse(made.ToInputField(), made.ToSignatureField(), out HttpSignature? read));
        Assert.Null(AgentRequest.Missing(read!.Input));
        Assert.True(AgentRequest.TryReadKeyId(read.Input.KeyId, out AgentId agent, out KeyId keyId));
        Assert.Equal(("edge-0017", key.PublicKey.Id), (agent.Value, keyId));
        Assert.True(read.Verify(request, key.PublicKey));
    }

    private string Block(string kind)
    {
        int from = _page.IndexOf($"```{kind}\n", StringComparison.Ordinal) + kind.Length + 4;
        return _page[from.._page.IndexOf("\n```", from, StringComparison.Ordinal)];
    }

    private static string Document([CallerFilePath] string here = "")
    {
        string? folder = Path.GetDirectoryName(here);
        while (folder is not null && !File.Exists(Path.Combine(folder, "Mesh30K.slnx"))) folder = Path.GetDirectoryName(folder);
        return Path.Combine(folder!, "docs", "protocol", "http-api.md");
    }
}
