using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Mesh30K.Node.Api;

namespace Mesh30K.Node.Tests.Api.Effects;

public sealed class EffectsApiTests
{
    private const string Hash = "sha256:9564aacca7f84d4d91b7d006dcef10a42282af0000947ad7d5964c3464946b5d";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_effect_goes_from_start_to_its_replay()
    {
        await using MeshFixture node = await MeshFixture.StartAsync();
        JsonElement started = await OkAsync(node, "start", Start("e1"));
        Assert.Equal(("ok", "executing"), (started.GetProperty("outcome").GetString(), StatusOf(started)));
        long epoch = started.GetProperty("effect").GetProperty("epoch").GetInt64();
        Assert.Equal("held", (await OkAsync(node, "start", Start("e2"))).GetProperty("outcome").GetString());
        await OkAsync(node, "renew", $$"""{"principal":"ana","key":"k/1","epoch":{{epoch}},"lease_s":30}""");
        Assert.Equal("fenced", await CodeAsync(node, "renew", $$"""{"principal":"ana","key":"k/1","epoch":{{epoch + 1}}}""", HttpStatusCode.Conflict));
        await OkAsync(node, "finish", $$"""{"principal":"ana","key":"k/1","epoch":{{epoch}},"report":"done","output":"aGVsbG8="}""");
        JsonElement again = await OkAsync(node, "start", Start("e3"));
        Assert.Equal(("recorded", "aGVsbG8="), (again.GetProperty("outcome").GetString(), again.GetProperty("effect").GetProperty("output").GetString()));
        Assert.Equal("done", (await node.GetAsync("/v1/effects/one?principal=ana&key=k%2F1")).GetProperty("status").GetString());
        JsonElement page = await node.GetAsync("/v1/effects?status=done");
        Assert.Equal(JsonValueKind.Null, Assert.Single(page.GetProperty("effects").EnumerateArray()).GetProperty("output").ValueKind);
        Assert.Empty((await node.GetAsync("/v1/effects?status=in_doubt")).GetProperty("effects").EnumerateArray());
    }

    /// <summary>As the first answer, and as the hundredth: .NET changes its way of writing in between.</summary>
    [Fact]
    public async Task An_effect_without_output_says_null_every_time()
    {
        await using MeshFixture node = await MeshFixture.StartAsync();
        await OkAsync(node, "start", Start("e1"));
        for (int i = 0; i < 100; i++)
            Assert.Equal(JsonValueKind.Null, (await node.GetAsync("/v1/effects/one?principal=ana&key=k%2F1")).GetProperty("output").ValueKind);
    }

    [Fact]
    public async Task A_person_decides_over_http()
    {
        await using MeshFixture node = await MeshFixture.StartAsync();
        long epoch = (await OkAsync(node, "start", Start("e1"))).GetProperty("effect").GetProperty("epoch").GetInt64();
        string resolve = $$"""{"principal":"ana","key":"k/1","epoch":{{epoch}},"verdict":"not_done","by":"zoe"}""";
        Assert.Equal("wrong_state", await CodeAsync(node, "resolve", resolve, HttpStatusCode.Conflict));
        await OkAsync(node, "renew", $$"""{"principal":"ana","key":"k/1","epoch":{{epoch}},"lease_s":0.001}""");
        DateTime until = DateTime.UtcNow.AddSeconds(30);
        HttpResponseMessage decided = await PostAsync(node, "resolve", resolve);
        while (decided.StatusCode == HttpStatusCode.Conflict && DateTime.UtcNow < until)
        {
            decided.Dispose(); // the millisecond is not over
            decided = await PostAsync(node, "resolve", resolve);
        }
        using (decided) Assert.Equal("intended", StatusOf(await decided.Content.ReadFromJsonAsync<JsonElement>(TestContext.Current.CancellationToken)));
        Assert.Equal("ok", (await OkAsync(node, "start", Start("e2"))).GetProperty("outcome").GetString());
    }

    /// <summary>It takes no effect until it is started again: that is not ready, though the rest works.</summary>
    [Fact]
    public async Task A_ledger_that_has_stopped_makes_the_node_not_ready()
    {
        string folder = "";
        await using MeshFixture node = await MeshFixture.StartAsync(configure: o =>
        {
            folder = o.DataDirectory;
            return o;
        });
        await OkAsync(node, "start", Start("e1"));
        using (HttpResponseMessage before = await node.Client.GetAsync("/readyz", Cancel)) Assert.Equal(HttpStatusCode.OK, before.StatusCode);
        await File.WriteAllTextAsync(Path.Combine(NodeServer.LedgerFolder(folder), "journal", "manifest"), "not a manifest", Cancel);
        using (HttpResponseMessage stopped = await PostAsync(node, "start", Start("e1"))) Assert.Equal(HttpStatusCode.ServiceUnavailable, stopped.StatusCode);
        using HttpResponseMessage after = await node.Client.GetAsync("/readyz", Cancel);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, after.StatusCode);
        Assert.Contains("ledger", await after.Content.ReadAsStringAsync(Cancel), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("start", """{"principal":"ana","key":"k"}""", 400)]
    [InlineData("start", """{"principal":"ana","key":"k","request":"sha256:12","executor":"e"}""", 400)]
    [InlineData("start", """{"principal":"ana","key":"","request":"sha256:9564aacca7f84d4d91b7d006dcef10a42282af0000947ad7d5964c3464946b5d","executor":"e"}""", 400)]
    [InlineData("start", """{"principal":"ana","key":"k","request":"sha256:9564aacca7f84d4d91b7d006dcef10a42282af0000947ad7d5964c3464946b5d","executor":"e","lease_s":-1}""", 400)]
    [InlineData("start", """{"principal":"ana","key":"k","odd":1}""", 400)]
    [InlineData("finish", """{"principal":"ana","key":"k","epoch":1,"report":"odd"}""", 400)]
    [InlineData("finish", """{"principal":"ana","key":"k","epoch":1,"report":"done","output":"not base64!"}""", 400)]
    [InlineData("finish", """{"principal":"ana","key":"k","epoch":1,"report":"done"}""", 404)]
    public async Task Wrong_requests_are_problems(string verb, string body, int status)
    {
        await using MeshFixture node = await MeshFixture.StartAsync();
        using HttpResponseMessage response = await PostAsync(node, verb, body);
        await ApiFixture.Problem(response, (HttpStatusCode)status);
    }

    private static string Start(string executor) => $$"""{"principal":"ana","key":"k/1","request":"{{Hash}}","executor":"{{executor}}"}""";

    private static string? StatusOf(JsonElement reply) => reply.GetProperty("effect").GetProperty("status").GetString();

    private static async Task<JsonElement> OkAsync(MeshFixture node, string verb, string body)
    {
        using HttpResponseMessage response = await PostAsync(node, verb, body);
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(Cancel));
        return await response.Content.ReadFromJsonAsync<JsonElement>(Cancel);
    }

    private static async Task<string?> CodeAsync(MeshFixture node, string verb, string body, HttpStatusCode status)
    {
        using HttpResponseMessage response = await PostAsync(node, verb, body);
        return (await ApiFixture.Problem(response, status)).GetProperty("code").GetString();
    }

    private static Task<HttpResponseMessage> PostAsync(MeshFixture node, string verb, string body) =>
        node.Client.PostAsync($"/v1/effects/{verb}", new StringContent(body, Encoding.UTF8, "application/json"), Cancel);
}
