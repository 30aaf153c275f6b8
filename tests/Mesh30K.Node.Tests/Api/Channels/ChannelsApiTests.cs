using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Mesh30K.Consistency.Causal;
using Mesh30K.Consistency.Time;
using Mesh30K.Node.Api;
using Mesh30K.Node.Api.Channels;

namespace Mesh30K.Node.Tests.Api.Channels;

public sealed class ChannelsApiTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_chain_goes_from_push_to_done()
    {
        await using MeshFixture node = await MeshFixture.StartAsync();
        JsonElement pushed = await OkAsync(node, "tasks/push", """{"entries":[{"text":"build","key":"b"},{"text":"test","depends_on":["#0"],"attempts":2},{"text":"deploy","depends_on":["#1"],"agent":"ops"}]}""");
        Assert.Equal(["1", "2", "3"], Ids(pushed));
        Assert.Equal("waiting", pushed.GetProperty("entries")[2].GetProperty("status").GetString());
        Assert.Equal(["1"], Ids(await OkAsync(node, "tasks/push", """{"entries":[{"text":"build","key":"b"}]}""")));

        JsonElement claimed = (await OkAsync(node, "tasks/claim", """{"agent":"ana","lease_ms":60000}""")).GetProperty("entries")[0];
        long token = claimed.GetProperty("token").GetInt64();
        Assert.Equal(("1", "claimed", "ana"), (claimed.GetProperty("id").GetString(), claimed.GetProperty("status").GetString(), claimed.GetProperty("claimed_by").GetString()));
        Assert.Equal("empty", (await OkAsync(node, "tasks/claim", """{"agent":"bob","wait_ms":1}""")).GetProperty("outcome").GetString());
        await OkAsync(node, "tasks/renew", $$"""{"id":"1","token":{{token}},"lease_ms":90000}""");
        await OkAsync(node, "tasks/checkpoint", $$"""{"id":"1","token":{{token}},"data":"half"}""");
        JsonElement both = await OkAsync(node, "tasks/complete", $$"""{"id":"1","token":{{token}},"result":"ok","claim_next":true,"agent":"ana"}""");
        Assert.Equal(["1", "2"], Ids(both));
        long second = both.GetProperty("entries")[1].GetProperty("token").GetInt64();
        JsonElement failed = await OkAsync(node, "tasks/fail", $$"""{"id":"2","token":{{second}},"reason":"broke"}""");
        Assert.Equal("failed", failed.GetProperty("entries")[0].GetProperty("status").GetString());
        await OkAsync(node, "tasks/reopen", """{"id":"2"}""");
        JsonElement again = (await OkAsync(node, "tasks/claim", """{"agent":"ana"}""")).GetProperty("entries")[0];
        await OkAsync(node, "tasks/release", $$"""{"id":"2","token":{{again.GetProperty("token").GetInt64()}}}""");
        Assert.Equal(["2", "3"], Ids(await OkAsync(node, "tasks/cancel", """{"id":"2","dependents":true,"reason":"not now"}""")));

        JsonElement page = await node.GetAsync("/v1/channels/tasks/entries?limit=1");
        Assert.Equal((3, "1"), (page.GetProperty("total").GetInt32(), page.GetProperty("next_after").GetString()));
        Assert.Equal(["2"], Ids(await node.GetAsync("/v1/channels/tasks/entries?limit=1&after=1")));
        Assert.Equal(2, (await node.GetAsync("/v1/channels/tasks/entries?status=cancelled")).GetProperty("total").GetInt32());
        Assert.Equal(["1", "2", "3"], [.. (await node.GetAsync("/v1/channels/tasks/graph")).GetProperty("nodes").EnumerateArray().Select(n => n.GetProperty("id").GetString()!)]);
        JsonElement listed = Assert.Single((await node.GetAsync("/v1/channels")).GetProperty("channels").EnumerateArray());
        Assert.Equal(("tasks", 2), (listed.GetProperty("channel").GetString(), listed.GetProperty("counts").GetProperty("cancelled").GetInt32()));
    }

    [Fact]
    public async Task A_claim_waits_for_a_push()
    {
        await using MeshFixture node = await MeshFixture.StartAsync();
        await OkAsync(node, "tasks/push", """{"entries":[{"text":"bob's","agent":"bob"}]}"""); // only a push makes the channel
        Task<HttpResponseMessage> waiting = PostAsync(node, "tasks/claim", """{"agent":"ana","wait_ms":30000}""");
        await OkAsync(node, "tasks/push", """{"entries":[{"text":"build"}]}""");
        using HttpResponseMessage reply = await waiting;
        Assert.Equal(["2"], Ids(await reply.Content.ReadFromJsonAsync<JsonElement>(Cancel)));
    }

    [Theory]
    [InlineData("tasks/push", "{}", "entries is needed")]
    [InlineData("tasks/push", """{"entries":[]}""", "entries is needed")]
    [InlineData("tasks/push", """{"entries":[{}]}""", "entries[0].text is needed")]
    [InlineData("tasks/push", """{"entries":[{"text":""}]}""", "blank")]
    [InlineData("tasks/push", """{"entries":[{"text":"a\nb"}]}""", "line break")]
    [InlineData("tasks/push", """{"entries":[{"text":"a\ud800"}]}""", "half a surrogate pair")]
    [InlineData("tasks/push", """{"entries":[{"text":"a","depends_on":["\ud800"]}]}""", "half a surrogate pair")]
    [InlineData("tasks/push", """{"entries":[{"text":"a","depends_on":["#0"]}]}""", "entries[0].depends_on")]
    [InlineData("tasks/push", """{"entries":[{"text":"a","depends_on":["x"]}]}""", "entries[0].depends_on")]
    [InlineData("tasks/push", """{"entries":[{"text":"a","depends_on":["99"]}]}""", "99")]
    [InlineData("tasks/push", """{"entries":[{"text":"a","depends_on":["#1"]},{"text":"b","depends_on":["#0"]}]}""", "circle")]
    [InlineData("tasks/push", """{"entries":[{"text":"a","colour":1}]}""", "colour is not a known field")]
    [InlineData("tasks/push", """{"entries":[{"text":"a","ended":"open"}]}""", "must be done, failed or cancelled")]
    [InlineData("tasks/push", """{"entries":[{"text":"a"}],"writer":"a b"}""", "writer")]
    [InlineData("tasks/claim", """{"agent":7}""", "agent must be a text")]
    [InlineData("tasks/claim", """{"agent":"a","lease_ms":-1}""", "lease_ms")]
    [InlineData("tasks/claim", """{"agent":"a","lease_ms":0}""", "lease")]
    [InlineData("tasks/claim", """{"agent":"a","wait_ms":60001}""", "wait_ms must be 0 to 60000")]
    [InlineData("tasks/complete", """{"id":"1"}""", "token is needed")]
    [InlineData("tasks/complete", """{"id":"01","token":1}""", "must be an id")]
    [InlineData("tasks/cancel", "[]", "must be an object")]
    [InlineData("tasks/cancel", "{", "")]
    [InlineData(".x/push", """{"entries":[{"text":"a"}]}""", "a channel's name is")]
    public async Task What_is_wrong_is_named(string path, string json, string detail)
    {
        await using MeshFixture node = await MeshFixture.StartAsync();
        await OkAsync(node, "tasks/push", """{"entries":[{"text":"first"}]}"""); // a channel that does not exist would be a 404
        using HttpResponseMessage response = await PostAsync(node, path, json);
        JsonElement problem = await ApiFixture.Problem(response, HttpStatusCode.BadRequest);
        Assert.Contains(detail, ApiFixture.Detail(problem), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refusals_have_a_status_and_a_code()
    {
        await using MeshFixture node = await MeshFixture.StartAsync();
        await IsRefusedAsync(node, "none/reopen", """{"id":"1"}""", HttpStatusCode.NotFound, "no_channel");
        await OkAsync(node, "tasks/push", """{"entries":[{"text":"a","key":"k"}],"writer":"ana"}""");
        await IsRefusedAsync(node, "tasks/reopen", """{"id":"7"}""", HttpStatusCode.NotFound, "not_found");
        await IsRefusedAsync(node, "tasks/complete", """{"id":"1@ana","token":5}""", HttpStatusCode.Conflict, "not_held");
        await IsRefusedAsync(node, "tasks/push", """{"entries":[{"text":"b","key":"k"}]}""", HttpStatusCode.Conflict, "taken");
        await IsRefusedAsync(node, "tasks/push", """{"entries":[{"text":"b"}],"writer":"bob"}""", HttpStatusCode.Conflict, "writer_differs");
        using HttpResponseMessage unknown = await node.Client.GetAsync("/v1/channels/tasks/entries?colour=red", Cancel);
        await ApiFixture.Problem(unknown, HttpStatusCode.BadRequest);
        using HttpClient stranger = new() { BaseAddress = node.Server.BaseAddress };
        Assert.Equal(HttpStatusCode.Unauthorized, (await stranger.GetAsync("/v1/channels", Cancel)).StatusCode);
    }

    [Fact]
    public async Task A_claim_that_waits_ends_when_the_node_stops()
    {
        await using MeshFixture node = await MeshFixture.StartAsync();
        await OkAsync(node, "tasks/push", """{"entries":[{"text":"a"}]}""");
        await OkAsync(node, "tasks/claim", """{"agent":"ana","wait_ms":30000}""");
        Task<HttpResponseMessage> second = PostAsync(node, "tasks/claim", """{"agent":"bob","wait_ms":30000}""");
        await node.Server.StopAsync(TimeSpan.Zero);
        try
        {
            using HttpResponseMessage refused = await second.WaitAsync(TimeSpan.FromSeconds(20), Cancel);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        }
        catch (HttpRequestException)
        {
            // The node stopped before it had read the request: nothing tells the client that it has.
        }
    }

    [Fact]
    public void Requests_are_read_as_they_were_written()
    {
        Dot id = new(7, ReplicaId.Parse("ana"));
        TimeSpan lease = TimeSpan.FromMilliseconds(1_500);
        ChannelCommand[] commands =
        [
            new ChannelCommand.Claim("ana", lease, 3), new ChannelCommand.Renew(id, 4, lease), new ChannelCommand.Checkpoint(id, 4, "half", lease), new ChannelCommand.Complete(id, 4, null),
            new ChannelCommand.Complete(id, 4, "ok"), new ChannelCommand.Fail(id, 4, "broke", null), new ChannelCommand.Fail(id, 4, "broke", lease), new ChannelCommand.Release(id, 4),
            new ChannelCommand.Cancel(id, "no", true), new ChannelCommand.Reopen(id),
        ];
        foreach (ChannelCommand command in commands) Assert.Equal(command, Back(new ChannelRequest(command)).Command);
        Assert.Equal(TimeSpan.FromSeconds(9), Back(new ChannelRequest(commands[0], TimeSpan.FromSeconds(9))).Wait);
        ChannelCommand.Push push = new("text", [ChannelCommand.PushAll.Entry(1), id], "bob", "key", id, 9, VectorClock.Empty.With(id), EntryStatus.Failed);
        ChannelRequest batch = Back(new ChannelRequest(new ChannelCommand.PushAll([push, new ChannelCommand.Push("other", [])]), Writer: ReplicaId.Parse("ana")));
        ChannelCommand.Push read = Assert.IsType<ChannelCommand.PushAll>(batch.Command).Entries[0];
        Assert.Equal(push.DependsOn, read.DependsOn);
        Assert.Equal(push with { DependsOn = read.DependsOn }, read);
        Assert.Equal("ana", batch.Writer.ToString());
    }

    private static ChannelRequest Back(ChannelRequest request)
    {
        (string verb, byte[] json) = request.ToJson();
        List<FieldProblem> errors = [];
        using JsonDocument document = JsonDocument.Parse(json);
        ChannelRequest? read = ChannelRequest.Read(verb, document.RootElement, errors);
        Assert.Empty(errors);
        return read!;
    }

    private static Task<HttpResponseMessage> PostAsync(MeshFixture node, string path, string json) =>
        node.Client.PostAsync("/v1/channels/" + path, new StringContent(json, Encoding.UTF8, "application/json"), Cancel);

    private static async Task<JsonElement> OkAsync(MeshFixture node, string path, string json)
    {
        using HttpResponseMessage response = await PostAsync(node, path, json);
        string text = await response.Content.ReadAsStringAsync(Cancel);
        Assert.True(response.StatusCode == HttpStatusCode.OK, text);
        return JsonSerializer.Deserialize<JsonElement>(text);
    }

    private static async Task IsRefusedAsync(MeshFixture node, string path, string json, HttpStatusCode status, string code)
    {
        using HttpResponseMessage response = await PostAsync(node, path, json);
        Assert.Equal(code, (await ApiFixture.Problem(response, status)).GetProperty("code").GetString());
    }

    private static string[] Ids(JsonElement reply) => [.. reply.GetProperty("entries").EnumerateArray().Select(e => e.GetProperty("id").GetString()!)];
}
