using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Node.Tests.Api.Callers;

/// <summary>Agents and their effects on the wire, against a real node.</summary>
public sealed class SignedEffectsTests
{
    private const string Hash = "sha256:9564aacca7f84d4d91b7d006dcef10a42282af0000947ad7d5964c3464946b5d";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static Task<MeshFixture> StartAsync() => MeshFixture.StartAsync(configure: o => o with { Signatures = SigningAgent.Soon });

    [Fact]
    public async Task An_agent_runs_an_effect_of_its_own_from_start_to_replay()
    {
        await using MeshFixture node = await StartAsync();
        using SigningAgent ana = await SigningAgent.EnrolAsync(node, "ana");
        JsonElement started = await OkAsync(ana, "start", Start(ana.Principal));
        Assert.Equal("ok", started.GetProperty("outcome").GetString());
        long epoch = started.GetProperty("effect").GetProperty("epoch").GetInt64();
        await OkAsync(ana, "renew", $$"""{"principal":"agent:ana","key":"k","epoch":{{epoch}},"lease_s":30}""");
        await OkAsync(ana, "finish", $$"""{"principal":"agent:ana","key":"k","epoch":{{epoch}},"report":"done","output":"aGVsbG8="}""");
        Assert.Equal("recorded", (await OkAsync(ana, "start", Start(ana.Principal))).GetProperty("outcome").GetString());
        using HttpResponseMessage one = await ana.SendAsync(ana.Signed("GET", "/v1/effects/one?principal=agent:ana&key=k"));
        Assert.Equal("aGVsbG8=", (await one.Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("output").GetString());
        Assert.Equal("done", (await node.GetAsync("/v1/effects/one?principal=agent:ana&key=k")).GetProperty("status").GetString());
    }

    [Fact]
    public async Task What_is_anothers_is_closed_to_it()
    {
        await using MeshFixture node = await StartAsync();
        using SigningAgent ana = await SigningAgent.EnrolAsync(node, "ana"), bob = await SigningAgent.EnrolAsync(node, "bob");
        long epoch = (await OkAsync(bob, "start", Start(bob.Principal))).GetProperty("effect").GetProperty("epoch").GetInt64();
        using (HttpResponseMessage made = await node.Client.PostAsync("/v1/effects/start", Json(Start("default")), Cancel)) Assert.True(made.IsSuccessStatusCode);
        await OkAsync(ana, "start", Start(ana.Principal));

        (string Verb, string Body)[] commands =
        [
            ("start", Start(bob.Principal)), ("start", Start("default")), ("start", Start("agent:Ana")), ("start", Start("ana")),
            ("renew", $$"""{"principal":"agent:bob","key":"k","epoch":{{epoch}},"lease_s":0.001}"""),
            ("finish", $$"""{"principal":"agent:bob","key":"k","epoch":{{epoch}},"report":"done"}"""),
        ];
        foreach ((string verb, string body) in commands) await RefusedAsync(ana, ana.Signed("POST", $"/v1/effects/{verb}", body), HttpStatusCode.Forbidden, "other_principal");
        string[] reads = ["/v1/effects/one?principal=agent:bob&key=k", "/v1/effects/one?principal=default&key=k", "/v1/effects/one?principal=default&key=none", "/v1/effects?principal=agent:bob", "/v1/effects?principal=agent:bob&after_principal=agent:bob&after_key=a"];
        foreach (string read in reads) await RefusedAsync(ana, ana.Signed("GET", read), HttpStatusCode.Forbidden, "other_principal");
        await RefusedAsync(ana, ana.Signed("POST", "/v1/effects/resolve", $$"""{"principal":"agent:ana","key":"k","epoch":1,"verdict":"not_done","by":"ana"}"""), HttpStatusCode.Unauthorized, "operator_only");
        using HttpResponseMessage crossed = await ana.SendAsync(ana.Signed("GET", "/v1/effects?after_principal=agent:bob&after_key=a"));
        Assert.Equal(HttpStatusCode.BadRequest, crossed.StatusCode);

        foreach (string list in (string[])["/v1/effects", "/v1/effects?status=executing", "/v1/effects?principal=agent:ana", "/v1/effects?after_principal=agent:ana&after_key=a"])
        {
            using HttpResponseMessage listed = await ana.SendAsync(ana.Signed("GET", list));
            JsonElement page = await listed.Content.ReadFromJsonAsync<JsonElement>(Cancel);
            Assert.Equal("agent:ana", Assert.Single(page.GetProperty("effects").EnumerateArray()).GetProperty("principal").GetString());
            Assert.Equal(JsonValueKind.Null, page.GetProperty("next_principal").ValueKind); // not even that there are others
        }
        Assert.Equal(3, (await node.GetAsync("/v1/effects")).GetProperty("effects").GetArrayLength());
        JsonElement untouched = await node.GetAsync("/v1/effects/one?principal=agent:bob&key=k");
        Assert.Equal((epoch, "executing"), (untouched.GetProperty("epoch").GetInt64(), untouched.GetProperty("status").GetString()));
    }

    [Fact]
    public async Task A_list_goes_through_the_pages_of_one_principal()
    {
        await using MeshFixture node = await StartAsync();
        using SigningAgent ana = await SigningAgent.EnrolAsync(node, "ana"), zoe = await SigningAgent.EnrolAsync(node, "zoe");
        foreach (SigningAgent agent in (SigningAgent[])[ana, zoe])
            foreach (string key in (string[])["a", "b", "c"]) await OkAsync(agent, "start", Start(agent.Principal, key));
        foreach (SigningAgent agent in (SigningAgent[])[ana, zoe])
        {
            List<string> keys = [];
            string more = "";
            do
            {
                using HttpResponseMessage listed = await agent.SendAsync(agent.Signed("GET", "/v1/effects?limit=2" + more));
                JsonElement page = await listed.Content.ReadFromJsonAsync<JsonElement>(Cancel);
                keys.AddRange(page.GetProperty("effects").EnumerateArray().Select(e => e.GetProperty("key").GetString()!));
                more = page.GetProperty("next_key").GetString() is { } next ? $"&after_principal={page.GetProperty("next_principal").GetString()}&after_key={next}" : "";
            }
            while (more.Length > 0 && keys.Count < 10);
            Assert.Equal(["a", "b", "c"], keys);
        }
        Assert.Equal(3, (await node.GetAsync("/v1/effects?principal=agent:ana")).GetProperty("effects").GetArrayLength());
    }

    /// <summary>Each covered part changed on its way, and each way to sign too little.</summary>
    [Fact]
    public async Task A_changed_request_is_refused_and_changes_nothing()
    {
        await using MeshFixture node = await StartAsync();
        using SigningAgent ana = await SigningAgent.EnrolAsync(node, "ana"), bob = await SigningAgent.EnrolAsync(node, "bob");
        await ana.CountsAsync(secondsAgo: 1); // a request whose second was changed is refused for that alone
        foreach ((string what, HttpRequestMessage request, string code) in Changes(ana, bob))
        {
            using HttpResponseMessage response = await ana.SendAsync(request);
            string text = await response.Content.ReadAsStringAsync(Cancel);
            if (code.Length == 0)
            {
                Assert.True(response.IsSuccessStatusCode, $"{what}: {text}");
                continue;
            }
            Assert.True(response.StatusCode == HttpStatusCode.Unauthorized && text.Contains($"\"{code}\"", StringComparison.Ordinal), $"{what}: {(int)response.StatusCode} {text}");
            Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
            if (code != "operator_only") Assert.Contains("\"content-digest\"", Assert.Single(response.Headers.GetValues("Accept-Signature")), StringComparison.Ordinal);
        }
        Assert.Single((await node.GetAsync("/v1/effects")).GetProperty("effects").EnumerateArray()); // the one with another label
    }

    [Fact]
    public async Task A_recorded_request_is_refused_the_second_time()
    {
        await using MeshFixture node = await StartAsync();
        using SigningAgent ana = await SigningAgent.EnrolAsync(node, "ana");
        HttpRequestMessage first = ana.Signed("POST", "/v1/effects/start", Start(ana.Principal));
        HttpRequestMessage Recorded()
        {
            HttpRequestMessage again = new(first.Method, first.RequestUri) { Content = WithDigest(Start(ana.Principal), ContentDigest.Of(Encoding.UTF8.GetBytes(Start(ana.Principal)))) };
            foreach (string name in (string[])["Signature-Input", "Signature"]) again.Headers.TryAddWithoutValidation(name, string.Join(',', first.Headers.GetValues(name)));
            return again;
        }
        HttpRequestMessage second = Recorded(), third = Recorded();
        using (HttpResponseMessage response = await ana.SendAsync(first)) Assert.True(response.IsSuccessStatusCode);
        await RefusedAsync(ana, second, HttpStatusCode.Unauthorized, "replayed");
        await RefusedAsync(ana, third, HttpStatusCode.Unauthorized, "replayed");
    }

    [Fact]
    public async Task Many_copies_at_once_count_once()
    {
        await using MeshFixture node = await StartAsync();
        using SigningAgent ana = await SigningAgent.EnrolAsync(node, "ana");
        HttpRequestMessage model = ana.Signed("GET", "/v1/effects");
        HttpResponseMessage[] answers = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ =>
        {
            HttpRequestMessage copy = new(HttpMethod.Get, model.RequestUri);
            foreach (string name in (string[])["Signature-Input", "Signature"]) copy.Headers.TryAddWithoutValidation(name, string.Join(',', model.Headers.GetValues(name)));
            return ana.SendAsync(copy);
        }));
        Assert.Single(answers, a => a.IsSuccessStatusCode);
        foreach (HttpResponseMessage answer in answers) answer.Dispose();
    }

    [Fact]
    public async Task A_revoked_agent_is_refused_and_so_is_a_revoked_key()
    {
        await using MeshFixture node = await StartAsync();
        using SigningAgent ana = await SigningAgent.EnrolAsync(node, "ana"), bob = await SigningAgent.EnrolAsync(node, "bob");
        Assert.True(await node.Server.Identity.Directory.RevokeAsync(ana.Id, null, node.Server.Identity.Now));
        Assert.True(await node.Server.Identity.Directory.RevokeAsync(bob.Id, bob.Key.PublicKey.Id, node.Server.Identity.Now));
        await RefusedAsync(ana, ana.Signed("GET", "/v1/effects"), HttpStatusCode.Unauthorized, "unknown_key");
        await RefusedAsync(bob, bob.Signed("GET", "/v1/effects"), HttpStatusCode.Unauthorized, "unknown_key");
    }

    /// <summary>A wrong operator key is no reason to look at something else: who sends both is not let in by the second.</summary>
    [Fact]
    public async Task With_an_operator_key_the_key_alone_counts()
    {
        await using MeshFixture node = await StartAsync();
        using SigningAgent ana = await SigningAgent.EnrolAsync(node, "ana");
        HttpRequestMessage both = ana.Signed("GET", "/v1/effects");
        both.Headers.Authorization = new("Bearer", new string('A', 43));
        using HttpResponseMessage refused = await ana.SendAsync(both);
        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        HttpRequestMessage operators = ana.Signed("GET", "/v1/status");
        operators.Headers.Authorization = node.Client.DefaultRequestHeaders.Authorization;
        using HttpResponseMessage taken = await ana.SendAsync(operators);
        Assert.Equal(HttpStatusCode.OK, taken.StatusCode);
    }

    [Fact]
    public async Task A_target_that_is_no_path_is_refused()
    {
        await using MeshFixture node = await StartAsync();
        using SigningAgent ana = await SigningAgent.EnrolAsync(node, "ana");
        HttpRequestMessage model = ana.Signed("GET", "/v1/effects");
        string host = node.Server.BaseAddress.Authority;
        string signature = string.Concat(((string[])["Signature-Input", "Signature"]).Select(name => $"{name}: {string.Join(',', model.Headers.GetValues(name))}\r\n"));
        using TcpClient client = new();
        await client.ConnectAsync(IPAddress.Loopback, node.Server.BaseAddress.Port, Cancel);
        await using NetworkStream stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"GET http://{host}/v1/effects HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{signature}\r\n"), Cancel);
        using StreamReader reader = new(stream);
        string answer = await reader.ReadToEndAsync(Cancel);
        Assert.StartsWith("HTTP/1.1 401", answer, StringComparison.Ordinal);
        Assert.Contains("signature_malformed", answer, StringComparison.Ordinal);
    }

    /// <summary>What becomes of a good request on its way, and what is signed wrongly; with the code of the refusal, empty for none.</summary>
    private static (string What, HttpRequestMessage Request, string Code)[] Changes(SigningAgent ana, SigningAgent bob)
    {
        string digest = ContentDigest.Of("{}"u8);
        HttpRequestMessage Good() => ana.Signed("POST", "/v1/effects/start", Start(ana.Principal));
        HttpRequestMessage Changed(Action<HttpRequestMessage> change)
        {
            HttpRequestMessage request = Good();
            change(request);
            return request;
        }
        return
        [
            ("method", Changed(r => r.Method = HttpMethod.Put), "operator_only"), // no such endpoint: closed as all that is unknown
            ("method", ana.Signed("GET", "/v1/effects/start", Start(ana.Principal)), "operator_only"),
            ("path", Changed(r => r.RequestUri = new Uri(r.RequestUri!, "/v1/effects/finish")), "bad_signature"),
            ("path", Changed(r => r.RequestUri = new Uri(r.RequestUri!, "/v1/effects/Start")), "bad_signature"),
            ("query", Changed(r => r.RequestUri = new Uri(r.RequestUri!, "/v1/effects/start?x=1")), "bad_signature"),
            ("authority", Changed(r => r.Headers.Host = "mesh.example"), "bad_signature"),
            ("authority", Changed(r => r.Headers.Host = "127.0.0.1"), "bad_signature"),
            ("body", Changed(r => r.Content = WithDigest(Start(ana.Principal, "other"), ContentDigest.Of(Encoding.UTF8.GetBytes(Start(ana.Principal))))), "digest_mismatch"),
            ("body and digest", Changed(r => r.Content = WithDigest("{}", digest)), "bad_signature"),
            ("digest", Changed(r => r.Content = WithDigest(Start(ana.Principal), digest)), "bad_signature"),
            ("no digest", Changed(r => r.Content = Json(Start(ana.Principal))), "signature_incomplete"),
            ("created", Changed(r => Input(r, t => Shifted(t, -1))), "bad_signature"),
            ("nonce", Changed(r => Input(r, t => t.Replace("nonce=\"", "nonce=\"0", StringComparison.Ordinal))), "bad_signature"),
            ("order", Changed(r => Input(r, t => t.Replace("\"@path\" \"@query\"", "\"@query\" \"@path\"", StringComparison.Ordinal))), "bad_signature"),
            ("label", Changed(r => { Input(r, t => "x" + t); Field(r, "Signature", t => "x" + t); }), ""), // a label is a name and signs nothing
            ("another agent's name", Changed(r => Input(r, t => t.Replace("keyid=\"ana/", "keyid=\"bob/", StringComparison.Ordinal))), "unknown_key"),
            ("another agent's key", ana.Signed("POST", "/v1/effects/start", Start(ana.Principal), bob.Key), "unknown_key"),
            ("another agent's key, as mine", ana.Signed("POST", "/v1/effects/start", Start(ana.Principal), bob.Key, i => i.With(keyId: AgentRequest.KeyIdOf(ana.Id, ana.Key.PublicKey.Id))), "bad_signature"),
            ("another mesh", ana.Signed("POST", "/v1/effects/start", Start(ana.Principal), input: i => i.With(tag: "mesh:0000000000000000")), "wrong_mesh"),
            ("body not covered", ana.Signed("POST", "/v1/effects/start", Start(ana.Principal), input: i => i.With(components: ["@method", "@target-uri"])), "signature_incomplete"),
            ("query not covered", ana.Signed("POST", "/v1/effects/start", Start(ana.Principal), input: i => i.With(components: ["@method", "@authority", "@path", "content-digest"])), "signature_incomplete"),
            ("old", ana.Signed("POST", "/v1/effects/start", Start(ana.Principal), input: i => i.With(created: i.Created - 70)), "signature_expired"),
            ("ahead", ana.Signed("POST", "/v1/effects/start", Start(ana.Principal), input: i => i.With(created: i.Created + 70)), "signature_expired"),
            ("over", ana.Signed("POST", "/v1/effects/start", Start(ana.Principal), input: i => i.With(expires: i.Created - 1)), "signature_expired"),
            ("no signature", Changed(r => r.Headers.Remove("Signature")), "signature_malformed"),
            ("no input", Changed(r => r.Headers.Remove("Signature-Input")), "signature_malformed"),
            ("two inputs", Changed(r => r.Headers.TryAddWithoutValidation("Signature-Input", "sig2=(\"@method\")")), "signature_malformed"),
            ("neither", Changed(r => { r.Headers.Remove("Signature"); r.Headers.Remove("Signature-Input"); }), "unsigned"),
        ];
    }

    private static void Field(HttpRequestMessage request, string name, Func<string, string> change)
    {
        string was = string.Join(',', request.Headers.GetValues(name));
        request.Headers.Remove(name);
        request.Headers.TryAddWithoutValidation(name, change(was));
    }

    private static void Input(HttpRequestMessage request, Func<string, string> change) => Field(request, "Signature-Input", change);

    private static string Start(string principal, string key = "k") => $$"""{"principal":"{{principal}}","key":"{{key}}","request":"{{Hash}}","executor":"e1"}""";

    private static StringContent Json(string body) => new(body, Encoding.UTF8, "application/json");

    private static StringContent WithDigest(string body, string digest)
    {
        StringContent content = Json(body);
        content.Headers.Add("Content-Digest", digest);
        return content;
    }

    /// <summary>The input with another second; 10 digits until 2286.</summary>
    private static string Shifted(string input, int by)
    {
        int at = input.IndexOf("created=", StringComparison.Ordinal) + "created=".Length;
        return input[..at] + (long.Parse(input.AsSpan(at, 10), CultureInfo.InvariantCulture) + by).ToString(CultureInfo.InvariantCulture) + input[(at + 10)..];
    }

    private static async Task<JsonElement> OkAsync(SigningAgent agent, string verb, string body)
    {
        using HttpResponseMessage response = await agent.SendAsync(agent.Signed("POST", $"/v1/effects/{verb}", body));
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(Cancel));
        return await response.Content.ReadFromJsonAsync<JsonElement>(Cancel);
    }

    private static async Task RefusedAsync(SigningAgent agent, HttpRequestMessage request, HttpStatusCode status, string code)
    {
        using HttpResponseMessage response = await agent.SendAsync(request);
        string text = await response.Content.ReadAsStringAsync(Cancel);
        Assert.True(response.StatusCode == status, $"{request.RequestUri}: {(int)response.StatusCode} {text}");
        Assert.Equal(code, (await ApiFixture.Problem(response, status)).GetProperty("code").GetString());
    }
}
