using Mesh30K.Node.Api;
using Mesh30K.Node.Api.Callers;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Node.Tests.Api.Callers;

/// <summary>The gate under a clock of the test's own.</summary>
public sealed class SignatureGateTests : IDisposable
{
    private const string Mesh = "mesh:0123456789abcdef";
    private static readonly AgentId Ana = new("ana");
    private static readonly Instant Start = Instant.From(new DateTimeOffset(2026, 11, 21, 12, 0, 0, TimeSpan.Zero));
    private static readonly HttpRequestHead Request = new("GET", "http", "127.0.0.1:7300", "/v1/effects?limit=5");
    private readonly Ed25519PrivateKey _key = Ed25519PrivateKey.Generate();
    private bool _isRevoked;
    private int _nonces;

    public void Dispose() => _key.Dispose();

    private SignatureGate Gate(Instant startedAt) => new(Mesh, (agent, id, _) => agent == Ana && id == _key.PublicKey.Id && !_isRevoked ? _key.PublicKey : null, startedAt);

    private HttpSignature Signed(Instant at, Func<HttpSignatureInput, HttpSignatureInput>? change = null)
    {
        HttpSignature usual = AgentRequest.Sign(Request, Ana, Mesh, _key, at, $"nonce-{_nonces++:0000000000}");
        return change is null ? usual : HttpSignature.Sign(Request, change(usual.Input), _key);
    }

    private static string CodeOf(SignatureGate gate, HttpSignature signature, Instant now, HttpRequestHead? request = null)
    {
        (AgentId agent, HttpSignature? read, Problem? problem) = gate.Open(request ?? Request, signature.ToInputField(), signature.ToSignatureField(), now);
        Assert.Equal(problem is null, read is not null);
        if (problem is null) Assert.Equal(Ana, agent);
        return problem?.Code ?? "";
    }

    private static Instant At(double seconds) => Start.PlusMs(seconds * 1_000);

    [Fact]
    public void A_signature_counts_once()
    {
        SignatureGate gate = Gate(Start);
        HttpSignature signature = Signed(At(100));
        Assert.Equal("", CodeOf(gate, signature, At(100)));
        Assert.Equal("replayed", CodeOf(gate, signature, At(100)));
        Assert.Equal("replayed", CodeOf(gate, signature, At(160)));
        Assert.Equal("signature_expired", CodeOf(gate, signature, At(160.001)));
        Assert.Equal("", CodeOf(gate, Signed(At(160)), At(160)));
    }

    /// <summary>A copy that came just in time, and was overtaken between its look at the clock and its look at the nonces.</summary>
    [Fact]
    public void A_copy_that_is_overtaken_while_it_is_judged_does_not_count_either()
    {
        SignatureGate gate = Gate(Start);
        HttpSignature signature = Signed(At(100));
        Assert.Equal("", CodeOf(gate, signature, At(100)));
        Assert.Equal("", CodeOf(gate, Signed(At(160)), At(160.001)));
        Assert.Equal("signature_expired", CodeOf(gate, signature, At(159.999)));
    }

    [Theory]
    [InlineData(0, "")]
    [InlineData(60, "")]
    [InlineData(60.001, "signature_expired")]
    [InlineData(-5, "")]
    [InlineData(-5.001, "signature_expired")]
    [InlineData(1e9, "signature_expired")]
    [InlineData(-1e9, "signature_expired")]
    public void The_clock_may_be_so_far_off_and_the_problem_says_how_far(double age, string code)
    {
        SignatureGate gate = Gate(At(-2e9));
        HttpSignature signature = Signed(At(0));
        Assert.Equal(code, CodeOf(gate, signature, At(age)));
        if (code.Length == 0) return;
        string detail = gate.Open(Request, signature.ToInputField(), signature.ToSignatureField(), At(age)).Problem!.Detail;
        Assert.Contains(age > 0 ? $"{(long)age} s ago" : $"{(long)-age} s ahead", detail, StringComparison.Ordinal);
        Assert.Contains("clock", detail, StringComparison.Ordinal);
    }

    [Fact]
    public void Its_own_end_counts_too()
    {
        SignatureGate gate = Gate(Start);
        long end = At(110).Ticks / TimeSpan.TicksPerSecond;
        Assert.Equal("", CodeOf(gate, Signed(At(100), i => With(i, expires: end)), At(110)));
        Assert.Equal("signature_expired", CodeOf(gate, Signed(At(100), i => With(i, expires: end)), At(110.001)));
    }

    /// <summary>The nonces end with the run: whatever the earlier run could have accepted, the later one refuses.</summary>
    [Fact]
    public void No_request_counts_in_two_runs_of_a_node()
    {
        SignatureGate before = Gate(Start);
        for (double restart = 100; restart < 101; restart += 0.1)
        {
            SignatureGate after = Gate(At(restart));
            for (double made = restart - 70; made < restart + 10; made += 0.5)
            {
                HttpSignature signature = Signed(At(made));
                if (CodeOf(before, signature, At(Math.Min(restart - 0.0001, made + 20))) != "") continue; // it ended before the other began
                for (double again = restart; again < restart + 80; again += 5) Assert.NotEqual("", CodeOf(after, signature, At(again)));
            }
        }
        SignatureGate young = Gate(At(200));
        Assert.Equal("just_started", CodeOf(young, Signed(At(200)), At(200)));
        Assert.Equal("just_started", CodeOf(young, Signed(At(204)), At(204.9)));
        Assert.Equal("", CodeOf(young, Signed(At(205)), At(205)));
        Assert.Equal("signature_expired", CodeOf(young, Signed(At(204)), At(207)));
    }

    [Fact]
    public void What_has_to_be_said_and_covered_has_to_be()
    {
        SignatureGate gate = Gate(Start);
        Assert.Equal("", CodeOf(gate, Signed(At(100), i => With(i, components: ["@target-uri", "@method"])), At(100)));
        Assert.Equal("", CodeOf(gate, Signed(At(100), i => With(i, components: ["@query", "@path", "@authority", "@scheme", "@method"])), At(100)));
        string[][] tooFew = [["@method", "@authority", "@path"], ["@method", "@authority", "@query"], ["@method", "@path", "@query"], ["@authority", "@path", "@query"], ["@target-uri"], []];
        foreach (string[] components in tooFew) Assert.Equal("signature_incomplete", CodeOf(gate, Signed(At(100), i => With(i, components: components)), At(100)));
        Assert.Equal("signature_incomplete", CodeOf(gate, Signed(At(100), i => new() { Components = i.Components, Nonce = i.Nonce, KeyId = i.KeyId, Tag = i.Tag }), At(100)));
        Assert.Equal("signature_incomplete", CodeOf(gate, Signed(At(100), i => new() { Components = i.Components, Created = i.Created, KeyId = i.KeyId, Tag = i.Tag }), At(100)));
        Assert.Equal("signature_incomplete", CodeOf(gate, Signed(At(100), i => new() { Components = i.Components, Created = i.Created, Nonce = i.Nonce, Tag = i.Tag }), At(100)));
        Assert.Equal("signature_incomplete", CodeOf(gate, Signed(At(100), i => new() { Components = i.Components, Created = i.Created, Nonce = i.Nonce, KeyId = i.KeyId }), At(100)));
        Assert.Equal("signature_incomplete", CodeOf(gate, Signed(At(100), i => With(i, nonce: new string('n', 15))), At(100)));
        Assert.Equal("signature_incomplete", CodeOf(gate, Signed(At(100), i => With(i, nonce: new string('n', 65))), At(100)));
        Assert.Equal("signature_incomplete", CodeOf(gate, Signed(At(100), i => With(i, alg: "rsa-v1_5-sha256")), At(100)));
        Assert.Equal("wrong_mesh", CodeOf(gate, Signed(At(100), i => With(i, tag: "mesh:0123456789abcdee")), At(100)));
        foreach (string keyId in (string[])["ana", "ana/", "/" + _key.PublicKey.Id.Value, "ana/k-0", "an a/" + _key.PublicKey.Id.Value, "ana/x/" + _key.PublicKey.Id.Value])
            Assert.Equal("signature_malformed", CodeOf(gate, Signed(At(100), i => With(i, keyId: keyId)), At(100)));
        Assert.Equal("unknown_key", CodeOf(gate, Signed(At(100), i => With(i, keyId: "bob/" + _key.PublicKey.Id.Value)), At(100)));
        Assert.Equal("unknown_key", CodeOf(gate, Signed(At(100), i => With(i, keyId: "ana/k-0123456789abcdef")), At(100)));
    }

    [Fact]
    public void A_refused_request_takes_no_nonce_and_a_revoked_key_none_either()
    {
        SignatureGate gate = Gate(Start);
        HttpSignature signature = Signed(At(100));
        Assert.Equal("bad_signature", CodeOf(gate, signature, At(100), Request with { Method = "POST" }));
        _isRevoked = true;
        Assert.Equal("unknown_key", CodeOf(gate, signature, At(100)));
        _isRevoked = false;
        Assert.Equal("", CodeOf(gate, signature, At(100)));
    }

    [Fact]
    public void Bounds_are_told_as_429_and_503()
    {
        SignatureGate gate = new(Mesh, (_, _, _) => _key.PublicKey, Start, new SignatureOptions { NoncesPerAgentMax = 1, NoncesMax = 2 });
        Assert.Equal("", CodeOf(gate, Signed(At(100)), At(100)));
        HttpSignature more = Signed(At(100));
        Problem busy = gate.Open(Request, more.ToInputField(), more.ToSignatureField(), At(100)).Problem!;
        Assert.Equal((429, "too_many_requests", 5), (busy.Status, busy.Code, busy.RetryAfterSeconds));
        foreach ((string agent, int status) in ((string, int)[])[("bob", 0), ("eve", 503)])
        {
            HttpSignature other = AgentRequest.Sign(Request, new AgentId(agent), Mesh, _key, At(100), "nonce-of-another");
            Assert.Equal(status, gate.Open(Request, other.ToInputField(), other.ToSignatureField(), At(100)).Problem?.Status ?? 0);
        }
    }

    private static HttpSignatureInput With(HttpSignatureInput was, IReadOnlyList<string>? components = null, long? expires = null, string? nonce = null, string? alg = null, string? keyId = null, string? tag = null) =>
        was.With(components, null, expires, nonce, alg, keyId, tag);
}
