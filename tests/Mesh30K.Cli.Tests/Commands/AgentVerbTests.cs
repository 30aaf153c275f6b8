using System.Buffers.Text;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Cli.Tests.Commands;

public sealed class AgentVerbTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_agent_enrols_with_the_token_of_the_verb_is_listed_and_revoked()
    {
        await using RunningNode node = await RunningNode.StartAsync();
        JsonElement token = (await node.RunAsync("agent", "enrol", "counter", "--class", "serverless", "--capability", "count", "--capability", "hash", "--json")).Json();
        Assert.Equal(("counter", 1, "CLASS_B_SERVERLESS"), (token.GetProperty("agent_id").GetString(), token.GetProperty("uses").GetInt32(), token.GetProperty("agent_class").GetString()));
        string meshId = token.GetProperty("mesh_id").GetString()!, text = token.GetProperty("token").GetString()!;
        using HttpClient stranger = new() { BaseAddress = new Uri(node.Address) };
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        Assert.Equal((HttpStatusCode.BadRequest, "bad_proof"), await TryEnrolAsync(stranger, text, key, "mesh:0000000000000000"));
        using (HttpResponseMessage enrolled = await EnrolAsync(stranger, text, key, meshId))
        {
            Assert.Equal(HttpStatusCode.Created, enrolled.StatusCode);
            JsonElement answer = await enrolled.Content.ReadFromJsonAsync<JsonElement>(Cancel);
            Assert.Equal((key.PublicKey.Id.Value, meshId), (answer.GetProperty("key").GetString(), answer.GetProperty("mesh_id").GetString()));
            Assert.Contains(text.Split('.')[2], answer.GetProperty("mesh_keys")[0].GetProperty("key").GetString(), StringComparison.Ordinal);
            Assert.Equal(["count", "hash"], answer.GetProperty("capabilities").EnumerateArray().Select(c => c.GetString()));
        }
        using Ed25519PrivateKey second = Ed25519PrivateKey.Generate();
        Assert.Equal((HttpStatusCode.Forbidden, "token_used"), await TryEnrolAsync(stranger, text, second, meshId));
        Assert.Equal((HttpStatusCode.Forbidden, "token_unknown"), await TryEnrolAsync(stranger, text[..^3] + "AAA", second, meshId));
        Assert.Equal(HttpStatusCode.Unauthorized, (await stranger.GetAsync("/v1/identities", Cancel)).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await stranger.PostAsync("/v1/tokens", null, Cancel)).StatusCode);

        Assert.Contains($"{key.PublicKey.Id} valid", (await node.RunAsync("agent", "list")).Out, StringComparison.Ordinal);
        Assert.Equal("would revoke counter as a whole; its id is never given again:", (await node.RunAsync("agent", "revoke", "counter", "--dry-run")).Out.Split('\n')[0]);
        Assert.Equal((ExitCode.Usage, "confirmation_needed"), await ErrorOf(node, "agent", "revoke", "counter"));
        Assert.Equal((ExitCode.Usage, "no_key"), await ErrorOf(node, "agent", "revoke", "counter", "--key", "k-0000000000000000", "--yes"));
        JsonElement revoked = (await node.RunAsync("agent", "revoke", "counter", "--key", key.PublicKey.Id.Value, "--yes", "--json")).Json();
        Assert.Equal(("expired", "revoked"), (revoked.GetProperty("state").GetString(), revoked.GetProperty("keys")[0].GetProperty("state").GetString()));
        Assert.Equal("revoked", (await node.RunAsync("agent", "revoke", "counter", "--yes", "--json")).Json().GetProperty("state").GetString());
        Assert.Equal(1, (await node.RunAsync("agent", "list", "--state", "revoked", "--json")).Json().GetProperty("total").GetInt32());
        Assert.Equal((ExitCode.Usage, "agent_exists"), await ErrorOf(node, "agent", "enrol", "counter", "--class", "edge"));
        Assert.Equal((ExitCode.Usage, "unknown_agent"), await ErrorOf(node, "agent", "revoke", "nobody", "--yes"));
    }

    [Fact]
    public async Task The_token_stands_alone_on_its_line_once()
    {
        await using RunningNode node = await RunningNode.StartAsync();
        CommandLineRun run = await node.RunAsync("agent", "enrol", "--class", "edge", "--uses", "3", "--valid", "2h");
        string line = Assert.Single(run.Out.Split('\n'), l => l.Contains("mt1.", StringComparison.Ordinal));
        Assert.Equal(line.Trim(), line);
        Assert.Contains("works 3 times", run.Out, StringComparison.Ordinal);
        Assert.DoesNotContain("mt1.", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_token_for_a_webhook_is_given_only_for_an_allowed_address()
    {
        await using RunningNode node = await RunningNode.StartEmptyAsync("--allow-webhook", "http://127.0.0.1:9000/hooks/");
        foreach (string address in (string[])["http://127.0.0.1:9000/other", "http://127.0.0.1:9001/hooks/a", "http://169.254.169.254/hooks/"])
        {
            CommandLineRun refused = await node.RunAsync("agent", "enrol", "hasher", "--class", "edge", "--webhook", address, "--json");
            Assert.NotEqual(ExitCode.Ok, refused.Exit);
            Assert.Equal("webhook_not_allowed", refused.Json().GetProperty("error").GetProperty("code").GetString());
        }
        JsonElement token = (await node.RunAsync("agent", "enrol", "hasher", "--class", "edge", "--webhook", "http://127.0.0.1:9000/hooks/a", "--json")).Json();
        Assert.StartsWith("mt1.", token.GetProperty("token").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_comes_next_fits_how_the_agent_is_reached()
    {
        await using RunningNode node = await RunningNode.StartEmptyAsync("--allow-webhook", "http://127.0.0.1:9/");
        Assert.Contains("mesh agent run --node", (await node.RunAsync("agent", "enrol", "caller", "--class", "edge")).Out, StringComparison.Ordinal);
        string webhook = (await node.RunAsync("agent", "enrol", "called", "--class", "edge", "--webhook", "http://127.0.0.1:9/")).Out;
        Assert.Contains("start the server behind http://127.0.0.1:9/", webhook, StringComparison.Ordinal);
        Assert.DoesNotContain("mesh agent run", webhook, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("usage", "agent", "enrol", "x")]
    [InlineData("usage", "agent", "enrol", "--person")]
    [InlineData("usage", "agent", "enrol", "ana", "--person", "--uses", "2")]
    [InlineData("usage", "agent", "enrol", "ana", "--person", "--class", "gpu")]
    [InlineData("usage", "agent", "enrol", "ana", "--person", "--bare")]
    [InlineData("usage", "inbox", "answer", "k7f3q")]
    [InlineData("usage", "inbox", "answer", "k7f3q", "--ready", "--conflict", "no")]
    [InlineData("usage", "inbox", "--watch")]
    public async Task What_does_not_go_together_is_refused_without_a_node(string code, params string[] args) => Assert.Equal(code, (await CommandLineRun.OfAsync([.. args, "--json"])).Json().GetProperty("error").GetProperty("code").GetString());

    [Fact]
    public async Task Wrong_values_are_named_by_the_node()
    {
        await using RunningNode node = await RunningNode.StartAsync();
        foreach ((string[] args, string names) in ((string[], string)[])
        [
            (["agent", "enrol", "meshed", "--class", "edge"], "mesh"), (["agent", "enrol", "a b", "--class", "edge"], "agent_id"), (["agent", "enrol", "a", "--class", "gpux"], "gpux"),
            (["agent", "enrol", "a", "--class", "edge", "--uses", "2"], "uses"), (["agent", "enrol", "a", "--class", "edge", "--webhook", "ftp://x"], "webhook"),
            (["agent", "enrol", "a", "--class", "edge", "--webhook", "http://user:word@x/"], "webhook"), (["agent", "enrol", "--class", "edge", "--uses", "0"], "uses"),
            (["agent", "enrol", "a", "--class", "edge", "--capability", "two words"], "capabilities"), (["inbox", "--as", "nobody"], "person"),
        ])
        {
            CommandLineRun run = await node.RunAsync(args);
            Assert.Equal(ExitCode.Usage, run.Exit);
            Assert.Contains(names, run.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task The_next_mesh_key_is_announced_once()
    {
        await using RunningNode node = await RunningNode.StartAsync();
        JsonElement first = (await node.RunAsync("agent", "rotate-mesh-key", "--json")).Json();
        Assert.Equal((true, 2), (first.GetProperty("announced").GetBoolean(), first.GetProperty("mesh_keys").GetArrayLength()));
        JsonElement again = (await node.RunAsync("agent", "rotate-mesh-key", "--json")).Json();
        Assert.False(again.GetProperty("announced").GetBoolean());
        Assert.Equal(first.GetProperty("mesh_keys").GetRawText(), again.GetProperty("mesh_keys").GetRawText());
    }

    [Fact]
    public async Task A_cascade_on_a_person_waits_for_the_inbox()
    {
        await using RunningNode node = await RunningNode.StartAsync();
        Assert.Equal(ExitCode.Ok, (await node.RunAsync("agent", "enrol", "ana", "--person", "--capability", "approve")).Exit);
        await UntilAsync(async () => (await node.RunAsync("agents", "ana", "--json")).Exit == ExitCode.Ok);
        Assert.Equal("Nothing waits.", (await node.RunAsync("inbox", "--as", "ana")).Out.Trim());
        Task<CommandLineRun> asked = node.RunAsync("cascade", "--strategy", "parallel", "--capability", "approve", "--planner", "fire-now", "--window", "20000", "--timeout", "60000", "--ttl", "60000", "--payload", "{\"ask\":\"pay?\"}", "--json");
        JsonElement item = default;
        await UntilAsync(async () => (await node.RunAsync("inbox", "--as", "ana", "--json")).Json().GetProperty("items") is { } items && items.GetArrayLength() == 1 && (item = items[0]).ValueKind == JsonValueKind.Object, asked);
        string id = item.GetProperty("id").GetString()!;
        Assert.Contains("{\"ask\":\"pay?\"}", (await node.RunAsync("inbox")).Out, StringComparison.Ordinal);
        Assert.Equal((ExitCode.Usage, "unknown_item"), await ErrorOf(node, "inbox", "answer", "zzzzz", "--ready"));
        CommandLineRun answered = await node.RunAsync("inbox", "answer", id, "--ready", "approved\u001b[2J\u202e", "--json");
        Assert.Equal(("answered", "READY"), (answered.Json().GetProperty("state").GetString(), answered.Json().GetProperty("answer").GetString()));
        JsonElement operation = (await asked).Json();
        Assert.Equal((1, 1), (operation.GetProperty("counts").GetProperty("sent").GetInt32(), operation.GetProperty("counts").GetProperty("ready").GetInt32()));
        Assert.Equal((ExitCode.Usage, "answered"), await ErrorOf(node, "inbox", "answer", id, "--conflict", "no"));
        foreach (string shown in (string[])[(await node.RunAsync("inbox", "--all")).Out, (await node.RunAsync("inbox", "show", id)).Out])
            Assert.Contains("READY: approved\\u001b[2J\\u202e", shown, StringComparison.Ordinal);
    }

    private static async Task<(ExitCode, string?)> ErrorOf(RunningNode node, params string[] args)
    {
        CommandLineRun run = await node.RunAsync([.. args, "--json"]);
        return (run.Exit, run.Json().GetProperty("error").GetProperty("code").GetString());
    }

    private static Task<HttpResponseMessage> EnrolAsync(HttpClient client, string token, Ed25519PrivateKey key, string meshId)
    {
        byte[] signature = new byte[Ed25519PublicKey.SignatureBytes];
        key.Sign(KeyProof.BytesOf(new AgentId("counter"), meshId, key.PublicKey), signature);
        return client.PostAsJsonAsync("/v1/agents/enrol", new { token, public_key = key.PublicKey.ToString(), proof = Base64Url.EncodeToString(signature) }, Cancel);
    }

    private static async Task<(HttpStatusCode, string?)> TryEnrolAsync(HttpClient client, string token, Ed25519PrivateKey key, string meshId)
    {
        using HttpResponseMessage response = await EnrolAsync(client, token, key, meshId);
        return (response.StatusCode, (await response.Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("code").GetString());
    }

    private static async Task UntilAsync(Func<Task<bool>> holds, Task<CommandLineRun>? unless = null)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        limit.CancelAfter(TimeSpan.FromSeconds(30));
        while (!await holds())
        {
            if (unless is { IsCompleted: true }) Assert.Fail($"ended before: {(await unless).Out}");
            await Task.Delay(50, limit.Token);
        }
    }
}
