using System.Net;
using System.Text.Json;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Node.Links;
using Mesh30K.Node.Tests.Api;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Node.Tests.Links;

/// <summary>The link over real sockets, with a client that was written from the document.</summary>
public sealed class AgentLinksTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_agent_that_proves_itself_is_welcome()
    {
        await using LinkFixture f = await LinkFixture.StartAsync();
        await using TestAgent agent = new("edge-1", await f.EnrolAsync("edge-1"), f.Identity, f.Clock);
        await agent.ConnectAsync(f.Host.BaseAddress);
        JsonElement welcome = await agent.ReadAsync();
        Assert.Equal("WELCOME", welcome.GetProperty("type").GetString());
        Assert.Equal("sector/0/cluster/0", welcome.GetProperty("cluster_id").GetString());
        Assert.Equal("CLASS_A_EDGE", welcome.GetProperty("agent_class").GetString());
        Assert.Equal("route", Assert.Single(welcome.GetProperty("capabilities").EnumerateArray()).GetString());
        Assert.Equal((5_000, 15_000, 0), (welcome.GetProperty("heartbeat_ms").GetInt32(), welcome.GetProperty("idle_ms").GetInt32(), welcome.GetProperty("redelivered").GetInt32()));
        Assert.True(welcome.TryGetProperty("rotate_by", out _));
    }

    [Fact]
    public async Task A_delivery_is_answered_and_the_ack_reaches_the_lead()
    {
        await using LinkFixture f = await LinkFixture.StartAsync();
        await using TestAgent agent = await f.JoinAsync("edge-1");
        string id = f.Deliver(["edge-1"], "{\"n\":\n1}");
        JsonElement order = await agent.ReadUntilAsync("COORDINATE");
        Assert.Equal(id, order.GetProperty("message_id").GetString());
        Assert.Equal("{\"n\":1}", order.GetProperty("payload").GetRawText());
        await agent.AckAsync(id, state: 0);
        await agent.AckAsync(id, state: -1, ""","result":"no","conflict_detail":{"type":"DATA_CONTRADICTION"}""");
        await f.UntilAsync(() => !f.Mesh.Acks.IsEmpty, "the ack");
        AgentAck ack = Assert.Single(f.Mesh.Acks);
        Assert.Equal((f.Mesh.Of("edge-1").Place.Cluster.Index, 0, TrinaryState.Conflict, 2.5f, 1.5f), (ack.ClusterIndex, ack.Slot, ack.State, ack.ProcessingMs, ack.QueueWaitMs));
        Assert.Equal(("no", ConflictType.DataContradiction), (ack.Detail!.Result, ack.Detail.Conflict!.Type));
        Assert.InRange(f.Clock.Now.MsSince(ack.ReceivedAt), 0, 30_000);
        await agent.AckAsync(id);
        await f.UntilAsync(() => f.Links.View().UnknownAcks == 1, "the second answer counts as unknown");
        Assert.Single(f.Mesh.Acks);
    }

    [Fact]
    public async Task A_heartbeat_is_taken_and_answered_with_the_time()
    {
        await using LinkFixture f = await LinkFixture.StartAsync();
        await using TestAgent agent = await f.JoinAsync("edge-1");
        await agent.SendAsync($$"""{"type":"HEARTBEAT","agent_id":"edge-1","timestamp":"2020-01-01T00:00:00Z","queue_depth":3,"context_hash":"ctx","clock":true}""");
        JsonElement clock = await agent.ReadUntilAsync("CLOCK");
        Assert.Equal("2020-01-01T00:00:00Z", clock.GetProperty("echo").GetString());
        Assert.True(clock.GetProperty("received_at").GetDateTimeOffset() <= clock.GetProperty("sent_at").GetDateTimeOffset());
        await f.UntilAsync(() => !f.Mesh.Heartbeats.IsEmpty, "the heartbeat");
        AgentHeartbeat beat = Assert.Single(f.Mesh.Heartbeats);
        Assert.Equal((3, "ctx"), (beat.QueueDepth, beat.ContextHash));
    }

    [Fact]
    public async Task Who_is_not_enrolled_or_was_revoked_is_told_so()
    {
        await using LinkFixture f = await LinkFixture.StartAsync();
        await using TestAgent stranger = new("stranger", Ed25519PrivateKey.Generate(), f.Identity, f.Clock);
        await stranger.OpenAsync(f.Host.BaseAddress);
        await stranger.SendTextAsync("""{"type":"HELLO","version":1,"agent_id":"stranger","nonce":"abcdefghijklmnop"}""");
        Assert.Equal("unknown_agent", await stranger.ReadEndAsync());
        await using TestAgent old = new("old", await f.EnrolAsync("old"), f.Identity, f.Clock);
        await f.Directory.RevokeAsync(new AgentId("old"), null, f.Clock.Now);
        await old.OpenAsync(f.Host.BaseAddress);
        await old.SendTextAsync("""{"type":"HELLO","version":1,"agent_id":"old","nonce":"abcdefghijklmnop"}""");
        Assert.Equal("revoked", await old.ReadEndAsync());
    }

    [Theory]
    [InlineData("""{"type":"HELLO","version":2,"agent_id":"edge-1","nonce":"abcdefghijklmnop"}""", "unsupported_version")]
    [InlineData("""{"type":"HELLO","version":1,"agent_id":"edge-1","nonce":"short"}""", "closed: malformed")]
    [InlineData("""{"type":"BYE","reason":"?"}""", "closed: malformed")]
    [InlineData("GET / HTTP/1.1", "closed: malformed")]
    [InlineData("", "closed: malformed")]
    public async Task A_wrong_first_word_ends_it(string hello, string end)
    {
        await using LinkFixture f = await LinkFixture.StartAsync();
        await using TestAgent agent = new("edge-1", await f.EnrolAsync("edge-1"), f.Identity, f.Clock);
        await agent.OpenAsync(f.Host.BaseAddress);
        await agent.SendTextAsync(hello);
        Assert.Equal(end, await agent.ReadEndAsync());
        Assert.Equal(1, f.Links.View().Refusals.Values.Sum());
    }

    [Fact]
    public async Task Another_key_does_not_get_in()
    {
        await using LinkFixture f = await LinkFixture.StartAsync();
        await f.EnrolAsync("edge-1");
        await using TestAgent thief = new("edge-1", Ed25519PrivateKey.Generate(), f.Identity, f.Clock);
        await thief.ConnectAsync(f.Host.BaseAddress);
        Assert.Equal("unknown_key", await thief.ReadEndAsync());
        Assert.Equal(0, f.Links.View().AgentsConnected);
    }

    /// <summary>Each of these is one thing wrong with a frame that is right otherwise.</summary>
    [Theory]
    [InlineData("bad_signature")]
    [InlineData("wrong_epoch")]
    [InlineData("wrong_address")]
    [InlineData("expired")]
    [InlineData("replayed")]
    [InlineData("malformed")]
    [InlineData("unexpected")]
    public async Task A_frame_that_is_wrong_ends_the_session(string code)
    {
        await using LinkFixture f = await LinkFixture.StartAsync();
        await using TestAgent agent = await f.JoinAsync("edge-1");
        string beat = """{"type":"HEARTBEAT","agent_id":"edge-1","timestamp":"2020-01-01T00:00:00Z"}""";
        await agent.SendAsync(beat);
        switch (code)
        {
            case "bad_signature": await agent.SendFrameAsync([beat], badSignature: true); break;
            case "wrong_epoch": await agent.SendFrameAsync([beat], epoch: agent.Epoch - 1); break;
            case "wrong_address": await agent.SendFrameAsync([beat], to: "mesh:0000000000000000"); break;
            case "expired": await agent.SendFrameAsync([beat], sentAgoMs: 31_000); break;
            case "replayed": await agent.SendTextAsync(agent.LastFrame); break;
            case "malformed": await agent.SendFrameAsync(["""{"type":"ACK"}"""]); break;
            default: await agent.SendFrameAsync(["""{"type":"THAW","scope":"global"}"""]); break;
        }
        Assert.Equal(code, await agent.ReadEndAsync());
        await f.UntilAsync(() => f.Links.Connections == 0, "the connection is gone");
        Assert.Equal(1, f.Links.View().Refusals[code]);
        // The batcher hands on what came in a moment later than the session ends.
        await f.UntilAsync(() => !f.Mesh.Heartbeats.IsEmpty, "the good heartbeat");
        Assert.Single(f.Mesh.Heartbeats);
    }

    [Fact]
    public async Task A_message_in_the_name_of_another_ends_the_session()
    {
        await using LinkFixture f = await LinkFixture.StartAsync();
        await using TestAgent agent = await f.JoinAsync("edge-1");
        await agent.SendAsync("""{"type":"HEARTBEAT","agent_id":"edge-2","timestamp":"2020-01-01T00:00:00Z"}""");
        Assert.Equal("wrong_address", await agent.ReadEndAsync());
        Assert.Empty(f.Mesh.Heartbeats);
    }

    [Fact]
    public async Task After_a_broken_connection_what_was_not_answered_goes_again_and_nothing_else()
    {
        await using LinkFixture f = await LinkFixture.StartAsync();
        TestAgent first = await f.JoinAsync("edge-1");
        string answered = f.Deliver(["edge-1"]), open = f.Deliver(["edge-1"]);
        await first.ReadUntilAsync("COORDINATE");
        await first.ReadUntilAsync("COORDINATE");
        await first.AckAsync(answered);
        await f.UntilAsync(() => !f.Mesh.Acks.IsEmpty, "the ack");
        first.Break();
        string meanwhile = f.Deliver(["edge-1"]), late = f.Deliver(["edge-1"], ttlMs: 1, agoMs: 5);
        await using TestAgent second = new("edge-1", first.Key, f.Identity, f.Clock);
        await second.ConnectAsync(f.Host.BaseAddress);
        JsonElement welcome = await second.ReadUntilAsync("WELCOME");
        int redelivered = welcome.GetProperty("redelivered").GetInt32();
        // The order that came while the connection broke may have been written to the dead socket: then it goes again too.
        Assert.InRange(redelivered, 1, 2);
        Assert.Equal([open, meanwhile], [Id(await second.ReadUntilAsync("COORDINATE")), Id(await second.ReadUntilAsync("COORDINATE"))]);
        string last = f.Deliver(["edge-1"]);
        Assert.Equal(last, Id(await second.ReadUntilAsync("COORDINATE")));
        LinksView view = f.Links.View();
        Assert.Equal((redelivered, 1), (view.Redelivered, view.Expired));
        Assert.NotEqual(late, last);
    }

    [Fact]
    public async Task A_newer_session_takes_over_and_the_older_hears_why()
    {
        await using LinkFixture f = await LinkFixture.StartAsync();
        await using TestAgent first = await f.JoinAsync("edge-1");
        await using TestAgent second = new("edge-1", first.Key, f.Identity, f.Clock);
        await second.ConnectAsync(f.Host.BaseAddress);
        await second.ReadUntilAsync("WELCOME");
        Assert.StartsWith("bye: replaced", await first.ReadEndAsync(), StringComparison.Ordinal);
        string id = f.Deliver(["edge-1"]);
        Assert.Equal(id, Id(await second.ReadUntilAsync("COORDINATE")));
        Assert.True(second.Epoch > first.Epoch);
        await f.UntilAsync(() => f.Links.View() is { AgentsConnected: 1, Connections: 1, SessionsReplaced: 1 }, "one connection is left");
    }

    [Fact]
    public async Task Deliveries_wait_by_priority_for_an_agent_that_is_away_and_come_in_few_frames()
    {
        await using LinkFixture f = await LinkFixture.StartAsync();
        TestAgent agent = await f.JoinAsync("edge-1");
        agent.Break();
        await f.UntilAsync(() => f.Links.Connections == 0, "the connection is gone");
        string[] ids = [.. new[] { Priority.Normal, Priority.Critical, Priority.Normal, Priority.Background, Priority.Critical }.Select(p => f.Deliver(["edge-1"], priority: p))];
        await using TestAgent again = new("edge-1", agent.Key, f.Identity, f.Clock);
        await again.ConnectAsync(f.Host.BaseAddress);
        await again.ReadUntilAsync("WELCOME");
        List<string> came = [];
        foreach (string _ in ids) came.Add(Id(await again.ReadUntilAsync("COORDINATE")));
        Assert.Equal([ids[1], ids[4], ids[0], ids[2], ids[3]], came);
        Assert.True(again.LargestFrame >= 5, "they came together");
    }

    [Fact]
    public async Task A_delivery_can_be_taken_back()
    {
        await using LinkFixture f = await LinkFixture.StartAsync();
        await using TestAgent agent = await f.JoinAsync("edge-1");
        string id = f.Deliver(["edge-1"]);
        await agent.ReadUntilAsync("COORDINATE");
        f.Links.Cancel(f.Mesh.Of("edge-1").AgentIndex, MessageId.Parse(id), "another was faster");
        JsonElement cancel = await agent.ReadUntilAsync("CANCEL");
        Assert.Equal((id, "another was faster"), (Id(cancel), cancel.GetProperty("reason").GetString()));
        await agent.AckAsync(id);
        await f.UntilAsync(() => !f.Mesh.Acks.IsEmpty, "its answer is welcome all the same");
    }

    [Fact]
    public async Task What_concerns_a_cluster_a_sector_or_all_reaches_them_and_nobody_else()
    {
        await using LinkFixture f = await LinkFixture.StartAsync();
        List<TestAgent> agents = [];
        for (int i = 0; i < 9; i++) agents.Add(await f.JoinAsync($"a{i}")); // 4 a cluster, 8 a sector
        CircuitBreakerMessage circuit = new() { Action = CircuitAction.Open, Scope = MeshScope.Cluster, TargetId = "sector/0/cluster/1", Reason = "failures" };
        Assert.Equal(4, f.Links.Announce(MeshScope.Cluster, "sector/0/cluster/1", circuit));
        Assert.Equal(8, f.Links.Announce(MeshScope.Sector, "sector/0", new FreezeMessage { Scope = MeshScope.Sector, TargetId = "sector/0", PreserveStateTo = "label" }));
        Assert.Equal(9, f.Links.Announce(MeshScope.Global, null, new ThawMessage { Scope = MeshScope.Global }));
        for (int i = 0; i < agents.Count; i++)
        {
            string[] expected = i == 8 ? ["THAW"] : i >= 4 ? ["CIRCUIT", "FREEZE", "THAW"] : ["FREEZE", "THAW"];
            foreach (string type in expected) Assert.Equal(type, (await agents[i].ReadAsync()).GetProperty("type").GetString());
            await agents[i].DisposeAsync();
        }
    }

    [Fact]
    public async Task A_key_is_rotated_and_the_old_one_is_revoked_at_once()
    {
        await using LinkFixture f = await LinkFixture.StartAsync();
        await using TestAgent agent = await f.JoinAsync("edge-1");
        AgentId id = new("edge-1");
        Ed25519PrivateKey next = Ed25519PrivateKey.Generate();
        await agent.SendAsync($$"""{"type":"ROTATE","public_key":"{{next.PublicKey}}","proof":"{{f.ProofOf(next, id)}}"}""");
        JsonElement rotated = await agent.ReadUntilAsync("ROTATED");
        Assert.Equal(next.PublicKey.Id.Value, rotated.GetProperty("key_id").GetString());
        await using TestAgent renewed = new("edge-1", next, f.Identity, f.Clock);
        await renewed.ConnectAsync(f.Host.BaseAddress);
        await renewed.ReadUntilAsync("WELCOME");
        await f.Directory.RevokeAsync(id, agent.Key.PublicKey.Id, f.Clock.Now);
        await renewed.SendAsync("""{"type":"HEARTBEAT","agent_id":"edge-1","timestamp":"2020-01-01T00:00:00Z","clock":true}""");
        await renewed.ReadUntilAsync("CLOCK"); // the new key works on
        await f.Directory.RevokeAsync(id, null, f.Clock.Now);
        Assert.Equal("revoked", await renewed.ReadEndAsync());
        Assert.Equal(id, Assert.Single(f.Mesh.Left));
    }

    [Fact]
    public async Task A_key_that_nobody_proves_to_have_is_not_taken()
    {
        await using LinkFixture f = await LinkFixture.StartAsync();
        await using TestAgent agent = await f.JoinAsync("edge-1");
        using Ed25519PrivateKey next = Ed25519PrivateKey.Generate(), other = Ed25519PrivateKey.Generate();
        await agent.SendAsync($$"""{"type":"ROTATE","public_key":"{{next.PublicKey}}","proof":"{{f.ProofOf(other, new AgentId("edge-1"))}}"}""");
        Assert.Equal("bad_proof", await agent.ReadEndAsync());
    }

    [Fact]
    public async Task Who_leaves_gives_up_its_place_and_who_only_goes_keeps_it()
    {
        await using LinkFixture f = await LinkFixture.StartAsync();
        await using TestAgent goes = await f.JoinAsync("goes"), leaves = await f.JoinAsync("leaves");
        await goes.SendAsync("""{"type":"BYE","reason":"lunch"}""");
        await leaves.SendAsync("""{"type":"BYE","reason":"moving","leave":true}""");
        Assert.Equal("closed: bye", await goes.ReadEndAsync());
        Assert.Equal("closed: bye", await leaves.ReadEndAsync());
        Assert.Equal("leaves", Assert.Single(f.Mesh.Left).Value);
        Assert.Equal(1, f.Links.View().AgentsKnown);
    }

    [Fact]
    public async Task A_full_mesh_says_so()
    {
        await using LinkFixture f = await LinkFixture.StartAsync();
        f.Mesh.IsFull = true;
        await using TestAgent agent = new("edge-1", await f.EnrolAsync("edge-1"), f.Identity, f.Clock);
        await agent.ConnectAsync(f.Host.BaseAddress);
        JsonElement refused = await agent.ReadAsync();
        Assert.Equal(("mesh_full", 5_000), (refused.GetProperty("code").GetString(), refused.GetProperty("retry_after_ms").GetInt32()));
    }

    [Fact]
    public async Task The_links_are_shown_to_operators_only()
    {
        await using LinkFixture f = await LinkFixture.StartAsync();
        await using TestAgent agent = await f.JoinAsync("edge-1");
        JsonElement links = JsonElement.Parse(await f.Client.GetStringAsync("/v1/links", Cancel));
        Assert.Equal((1, 1, 0), (links.GetProperty("agents_connected").GetInt32(), links.GetProperty("connections").GetInt32(), links.GetProperty("handshakes").GetInt32()));
        using HttpClient nobody = new() { BaseAddress = f.Host.BaseAddress };
        using HttpResponseMessage refused = await nobody.GetAsync("/v1/links", Cancel);
        await ApiFixture.Problem(refused, HttpStatusCode.Unauthorized);
        using HttpResponseMessage plain = await nobody.GetAsync("/v1/agents/connect", Cancel);
        Assert.Equal("upgrade_required", (await ApiFixture.Problem(plain, HttpStatusCode.UpgradeRequired)).GetProperty("code").GetString());
    }

    private static string Id(JsonElement message) => message.GetProperty("message_id").GetString()!;
}
