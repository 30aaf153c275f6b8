using System.Net;
using System.Net.WebSockets;
using System.Text.Json;
using Mesh30K.Node.Links;
using Mesh30K.Node.Tests.Api;
using Mesh30K.Node.Tests.Ledger.Group;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Tests.Links;

/// <summary>What the link does when somebody is too many, too fast, too slow, silent or hostile.</summary>
public sealed class LinkLimitTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Past_the_limit_the_next_is_refused_before_the_upgrade_and_the_node_lives()
    {
        await using LinkFixture f = await LinkFixture.StartAsync(new AgentLinkOptions { AgentsMax = 2 });
        await using TestAgent a = await f.JoinAsync("a"), b = await f.JoinAsync("b");
        using HttpRequestMessage third = Upgrade(f);
        using HttpResponseMessage refused = await f.Client.SendAsync(third, Cancel);
        JsonElement problem = await ApiFixture.Problem(refused, HttpStatusCode.ServiceUnavailable);
        Assert.Equal("connection_limit", problem.GetProperty("code").GetString());
        Assert.NotNull(refused.Headers.RetryAfter);
        string id = f.Deliver(["a"]);
        Assert.Equal(id, (await a.ReadUntilAsync("COORDINATE")).GetProperty("message_id").GetString());
        a.Break();
        await f.UntilAsync(() => f.Links.Connections == 1, "a place is free");
        await using TestAgent c = await f.JoinAsync("c");
        Assert.Equal(1, f.Links.View().Refusals["connection_limit"]);
    }

    [Fact]
    public async Task Strangers_that_say_nothing_are_few_and_are_closed()
    {
        await using LinkFixture f = await LinkFixture.StartAsync(new AgentLinkOptions { HandshakesMax = 1, HandshakeWithin = TimeSpan.FromSeconds(2), SweepEvery = TimeSpan.FromMilliseconds(20) });
        await using TestAgent silent = new("silent", await f.EnrolAsync("silent"), f.Identity, f.Clock);
        await silent.OpenAsync(f.Host.BaseAddress);
        await f.UntilAsync(() => f.Links.View().Handshakes == 1, "the stranger is counted");
        using HttpRequestMessage next = Upgrade(f);
        using HttpResponseMessage refused = await f.Client.SendAsync(next, Cancel);
        Assert.Equal("busy", (await ApiFixture.Problem(refused, HttpStatusCode.ServiceUnavailable)).GetProperty("code").GetString());
        Assert.Equal("closed: handshake_timeout", await silent.ReadEndAsync());
        await f.UntilAsync(() => f.Links.View().Handshakes == 0, "its place is free");
        await using TestAgent quick = await f.JoinAsync("quick");
    }

    [Fact]
    public async Task An_agent_without_a_sign_of_life_is_closed_and_one_with_it_is_not()
    {
        AgentLinkOptions options = new() { HeartbeatEvery = TimeSpan.FromMilliseconds(500), SweepEvery = TimeSpan.FromMilliseconds(20) };
        await using LinkFixture f = await LinkFixture.StartAsync(options);
        await using TestAgent alive = await f.JoinAsync("alive"), silent = await f.JoinAsync("silent"); // were both taken for silent, it would be alive first
        using CancellationTokenSource ended = new();
        Task beating = Task.Run(
            async () =>
            {
                while (!ended.IsCancellationRequested)
                {
                    await alive.SendAsync("""{"type":"HEARTBEAT","agent_id":"alive","timestamp":"2020-01-01T00:00:00Z"}""");
                    await Task.Delay(50, Cancel);
                }
            },
            Cancel);
        Assert.StartsWith("bye: idle", await silent.ReadEndAsync(), StringComparison.Ordinal);
        await ended.CancelAsync();
        await beating;
        await f.UntilAsync(() => f.Links.View().AgentsConnected == 1, "the silent one is gone");
        await alive.SendAsync("""{"type":"HEARTBEAT","agent_id":"alive","timestamp":"2020-01-01T00:00:00Z","clock":true}""");
        await alive.ReadUntilAsync("CLOCK");
    }

    [Fact]
    public async Task Too_many_messages_end_the_session_and_coming_back_does_not_help()
    {
        await using LinkFixture f = await LinkFixture.StartAsync(new AgentLinkOptions { MessagesPerSecond = 0.5, MessagesBurst = 10 });
        await using TestAgent agent = await f.JoinAsync("edge-1");
        string beat = """{"type":"HEARTBEAT","agent_id":"edge-1","timestamp":"2020-01-01T00:00:00Z"}""";
        await agent.SendFrameAsync([.. Enumerable.Repeat(beat, 10)]);
        await agent.SendAsync(beat);
        Assert.Equal("too_fast", await agent.ReadEndAsync());
        Assert.Equal(10, f.Mesh.Heartbeats.Count);
        await using TestAgent again = new("edge-1", agent.Key, f.Identity, f.Clock);
        await again.ConnectAsync(f.Host.BaseAddress);
        await again.ReadUntilAsync("WELCOME");
        await again.SendFrameAsync([.. Enumerable.Repeat(beat, 9)]);
        await again.SendAsync(beat);
        Assert.Equal("too_fast", await again.ReadEndAsync());
    }

    [Fact]
    public async Task Who_does_not_read_does_not_stop_the_others_and_is_cut_off()
    {
        await using LinkFixture f = await LinkFixture.StartAsync(new AgentLinkOptions { SendWithin = TimeSpan.FromSeconds(3), OutboxMax = 16, SweepEvery = TimeSpan.FromMilliseconds(50) });
        await using TestAgent deaf = await f.JoinAsync("deaf"), other = await f.JoinAsync("other");
        string large = $"\"{new string('x', 900_000)}\"";
        // More than all buffers between here and there hold.
        for (int i = 0; i < 64; i++) f.Deliver(["deaf"], large);
        LinksView view = f.Links.View();
        Assert.InRange(view.Waiting + view.Unanswered, 1, 16);
        for (int i = 0; i < 5; i++)
        {
            string id = f.Deliver(["deaf", "other"]);
            Assert.Equal(id, (await other.ReadUntilAsync("COORDINATE")).GetProperty("message_id").GetString());
        }
        await f.UntilAsync(() => f.Links.View() is { SlowClosed: 1, AgentsConnected: 1 }, "the deaf one is cut off");
        Assert.Equal(0, f.Links.View().Refusals.Values.Sum());
        Assert.True(f.Links.View().Evicted > 0);
    }

    [Fact]
    public async Task Random_bytes_leave_the_node_alive()
    {
        await using LinkFixture f = await LinkFixture.StartAsync();
        await using TestAgent witness = await f.JoinAsync("witness");
        int seed = Environment.TickCount;
        Random random = new(seed);
        int sent = 0;
        for (int connection = 0; sent < 10_000; connection++)
        {
            await using TestAgent hostile = connection % 2 == 0 ? await f.JoinAsync($"h{connection}") : new TestAgent("nobody", witness.Key, f.Identity, f.Clock);
            if (connection % 2 == 1) await hostile.OpenAsync(f.Host.BaseAddress);
            try
            {
                for (int i = 0; i < 200; i++, sent++)
                {
                    byte[] bytes = new byte[random.Next(random.Next(10) == 0 ? 70_000 : 300)];
                    random.NextBytes(bytes);
                    if (random.Next(2) == 0)
                        for (int b = 0; b < bytes.Length; b++) bytes[b] = (byte)"{}[]\":,\n\\ntypeFRAMEfromsigseq0123"[bytes[b] % 33];
                    await hostile.SendBytesAsync(bytes, random.Next(8) == 0 ? WebSocketMessageType.Binary : WebSocketMessageType.Text);
                }
            }
            catch (WebSocketException)
            {
                sent += 100; // the mesh closed, as it should; what was left of the 200 counts half
            }
        }
        string id = f.Deliver(["witness"]);
        string came = (await witness.ReadUntilAsync("COORDINATE")).GetProperty("message_id").GetString()!;
        Assert.True(id == came && f.Links.NotReadyBecause is null, $"replay: seed {seed}");
        await f.UntilAsync(() => f.Links.Connections == 1, $"only the witness is left, seed {seed}");
        Assert.Empty(f.Mesh.Acks);
    }

    /// <summary>The sender comes to a session only when its request has ended, with an answer that the agent did not wait for: the request is nobody's then, and the sender has others to serve.</summary>
    [Fact]
    public async Task Who_closes_before_its_answer_leaves_the_sender_alive()
    {
        await using LinkFixture f = await LinkFixture.StartAsync();
        await using TestAgent first = await f.JoinAsync("first"), leaves = await f.JoinAsync("leaves");
        using SemaphoreSlim isHeld = new(0), goOn = new(0);
        Task<bool> holding = HostGroup.ApartAsync(() =>
        {
            lock (f.Links.AgentOf(f.Mesh.Of("first")).Gate)
            {
                isHeld.Release();
                return goOn.Wait(HostGroup.Generous);
            }
        });
        await isHeld.WaitAsync(Cancel);
        string Beat(string agent) => $$"""{"type":"HEARTBEAT","agent_id":"{{agent}}","timestamp":"2020-01-01T00:00:00Z","clock":true}""";
        // The sender waits for the lock, in the frame with the answer. That there is an answer is sure when the second has come in.
        for (int i = 1; i <= 2; i++)
        {
            await first.SendAsync(Beat("first"));
            await f.UntilAsync(() => f.Mesh.Heartbeats.Count == i, "the heartbeat");
        }
        await leaves.SendAsync(Beat("leaves"));
        await leaves.CloseAsync();
        await Assert.ThrowsAsync<WebSocketException>(leaves.ReadAsync);
        await f.UntilAsync(() => f.Links.Connections == 1, "the session has ended");
        goOn.Release();
        Assert.True(await holding);
        for (int i = 0; i < 2; i++) await first.ReadUntilAsync("CLOCK");
        string id = f.Deliver(["first"]);
        Assert.Equal(id, (await first.ReadUntilAsync("COORDINATE")).GetProperty("message_id").GetString());
        Assert.Null(f.Links.NotReadyBecause);
    }

    [Fact]
    public async Task At_the_nodes_end_all_hear_bye_and_nobody_gets_in()
    {
        await using LinkFixture f = await LinkFixture.StartAsync();
        await using TestAgent reads = await f.JoinAsync("reads"), deaf = await f.JoinAsync("deaf");
        Task<string> end = reads.ReadEndAsync();
        Instant from = f.Clock.Now;
        await f.Links.StopAsync(TimeSpan.FromSeconds(1));
        Assert.Equal("bye: stopping", await end);
        Assert.True(f.Clock.Now - from < TimeSpan.FromSeconds(20));
        await f.UntilAsync(() => f.Links.Connections == 0, "all sockets are closed");
        using HttpRequestMessage late = Upgrade(f);
        using HttpResponseMessage refused = await f.Client.SendAsync(late, Cancel);
        Assert.Equal("stopping", (await ApiFixture.Problem(refused, HttpStatusCode.ServiceUnavailable)).GetProperty("code").GetString());
    }

    [Theory]
    [InlineData(12_000, 20_000L, 12_000)]
    [InlineData(12_000, 4_096L, 3_584)]
    [InlineData(12_000, 100L, 1)]
    [InlineData(5, null, 5)]
    public void Connections_are_bounded_by_the_open_files(int wanted, long? openFiles, int most) => Assert.Equal(most, ProcessLimits.ConnectionsWithin(wanted, openFiles));

    [Fact]
    public void A_bucket_gives_its_burst_and_then_its_rate()
    {
        TokenBucket bucket = new(perSecond: 10, burst: 5);
        Instant now = Orders.Start;
        Assert.True(bucket.TryTake(7, now)); // one frame may go below nothing …
        Assert.False(bucket.TryTake(1, now));
        Assert.Equal(300, bucket.WaitMs); // … and is paid back first
        Assert.False(bucket.TryTake(1, now.PlusMs(299)));
        Assert.True(bucket.TryTake(1, now.PlusMs(301)));
        Assert.False(bucket.TryTake(1, now.PlusMs(301)));
        for (int i = 0; i < 5; i++) Assert.True(bucket.TryTake(1, now.PlusMs(100_000)));
        Assert.False(bucket.TryTake(1, now.PlusMs(100_000)));
    }

    private static HttpRequestMessage Upgrade(LinkFixture f)
    {
        HttpRequestMessage request = new(HttpMethod.Get, new Uri(f.Host.BaseAddress, "/v1/agents/connect"));
        request.Headers.TryAddWithoutValidation("Connection", "Upgrade");
        request.Headers.TryAddWithoutValidation("Upgrade", "websocket");
        request.Headers.TryAddWithoutValidation("Sec-WebSocket-Version", "13");
        request.Headers.TryAddWithoutValidation("Sec-WebSocket-Key", "AAECAwQFBgcICQoLDA0ODw==");
        return request;
    }
}
