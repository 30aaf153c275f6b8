using System.Net.WebSockets;
using System.Security.Cryptography.X509Certificates;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Consistency.Strong.Raft;
using Mesh30K.Node.Ledger;
using Mesh30K.Node.Ledger.Group;
using Mesh30K.Node.Ledger.Links;
using Mesh30K.Node.Tests.Runtime;
using Mesh30K.Protocol.Identity;
using static Mesh30K.Node.Tests.Ledger.Links.CoordinatorFixture;

namespace Mesh30K.Node.Tests.Ledger.Links;

public sealed class CoordinatorServerTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Three_take_commands_of_many_callers_and_go_on_without_their_leader()
    {
        await using CoordinatorFixture group = await CoordinatorFixture.StartAsync(3);
        await using LedgerClient client = group.Client();
        LedgerAnswer[] answers = await Task.WhenAll(Enumerable.Range(0, 300).Select(i => client.AskAsync(Put($"k{i}", $"{i}"), Generous, Cancel)));
        Assert.All(answers, a => Assert.Equal(LedgerOutcome.Ok, a.Reply?.Outcome));
        Assert.Equal(300, answers.Select(a => ((LedgerValue)a.Reply!.Entry!).Version).Distinct().Count());
        int leader = 0;
        foreach (int n in group.Running)
            if ((await client.StatusAsync(n, Generous, Cancel)).Role == RaftRole.Leader) leader = n;
        await group.StopAsync(leader);
        Assert.Equal("299", await GetAsync(client, "k299"));
        // A lease may be asked for again, so this one is answered however many tries it takes.
        Assert.Equal(LedgerCertainty.Answered, (await client.AskAsync(new LedgerCommand.AcquireLease("lock", "ana", TimeSpan.FromMinutes(1)), Generous, Cancel)).Certainty);
        LedgerUnavailableException gone = await Assert.ThrowsAsync<LedgerUnavailableException>(() => client.StatusAsync(leader, TimeSpan.FromSeconds(5), Cancel));
        Assert.NotEmpty(gone.Message);
    }

    [Fact]
    public async Task Without_a_majority_nothing_is_answered_and_what_was_not_sent_is_not_taken()
    {
        await using CoordinatorFixture group = new(3);
        await using LedgerClient client = group.Client(new LedgerClientOptions { Clock = new PacedClock() });
        Assert.Equal(LedgerCertainty.NotTaken, (await client.AskAsync(Put("a", "1"), TimeSpan.FromSeconds(1), Cancel)).Certainty);
        await group.StartAsync(1, listen: null);
        Assert.Equal(LedgerCertainty.NotTaken, (await client.AskAsync(Put("a", "1"), TimeSpan.FromSeconds(1), Cancel)).Certainty);
        await Assert.ThrowsAsync<LedgerUnavailableException>(() => client.ReadAsync(new LedgerQuery.List(LedgerEntryKind.Value), TimeSpan.FromSeconds(1), Cancel));
    }

    [Fact]
    public async Task The_lead_is_handed_over_before_the_end()
    {
        await using CoordinatorFixture group = await CoordinatorFixture.StartAsync(3);
        await using LedgerClient client = group.Client();
        Assert.Equal(LedgerCertainty.Answered, (await client.AskAsync(Put("a", "1"), Generous, Cancel)).Certainty);
        // A stall breaks links, and there is nobody to take the lead until they are back.
        foreach (int n in group.Running) await Group.HostGroup.UntilAsync(() => group[n].HandOverAsync(Generous), $"server {n} does not lead");
    }

    [Fact]
    public async Task Somebody_of_another_group_is_refused_by_both_sides()
    {
        await using CoordinatorFixture group = await CoordinatorFixture.StartAsync(1);
        await using CoordinatorFixture other = new(1);
        GroupServer place = group.Group.Servers[0];
        using GroupIdentity stranger = GroupFolder.Open(other.Folder, GroupRole.Client);
        LinkFormatException refused = await Assert.ThrowsAsync<LinkFormatException>(() => new LinkDialer(stranger).DialAsync(place, Generous, Generous, Cancel));
        Assert.Contains("no coordinator of the group", refused.Message, StringComparison.Ordinal);
        // One that looks away when the server shows its certificate is refused by the server.
        await Assert.ThrowsAnyAsync<WebSocketException>(() => DialBlindlyAsync(stranger.Own, place, LinkDialer.ClientPath));
        using GroupIdentity friend = GroupFolder.Open(group.Folder, GroupRole.Client);
        using WebSocket link = await new LinkDialer(friend).DialAsync(place, Generous, Generous, Cancel);
        Assert.Equal(WebSocketState.Open, link.State);
    }

    [Fact]
    public async Task A_client_cannot_speak_as_a_server()
    {
        await using CoordinatorFixture group = await CoordinatorFixture.StartAsync(1);
        using GroupIdentity client = GroupFolder.Open(group.Folder, GroupRole.Client);
        await Assert.ThrowsAnyAsync<WebSocketException>(() => DialBlindlyAsync(client.Own, group.Group.Servers[0], LinkDialer.PeerPath));
    }

    [Fact]
    public async Task A_server_at_the_address_of_another_is_refused()
    {
        await using CoordinatorFixture group = new(2);
        await group.StartAsync(1, listen: group.Group.Servers[1]);
        using GroupIdentity client = GroupFolder.Open(group.Folder, GroupRole.Client);
        LinkFormatException refused = await Assert.ThrowsAsync<LinkFormatException>(() => new LinkDialer(client).DialAsync(group.Group.Servers[1], Generous, Generous, Cancel));
        Assert.Contains("is server-1 and not server-2", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nonsense_closes_the_link_and_not_the_server()
    {
        await using CoordinatorFixture group = await CoordinatorFixture.StartAsync(1);
        await using LedgerClient good = group.Client();
        Assert.Equal(LedgerCertainty.Answered, (await good.AskAsync(Put("a", "1"), Generous, Cancel)).Certainty);
        using GroupIdentity client = GroupFolder.Open(group.Folder, GroupRole.Client);
        for (int seed = 0; seed < 30; seed++)
        {
            Random random = new(seed);
            byte[] bytes = new byte[random.Next(1, 60)];
            random.NextBytes(bytes);
            if (seed % 2 == 0) BitConverter.TryWriteBytes(bytes.AsSpan(0, Math.Min(4, bytes.Length)), bytes.Length - 4);
            using WebSocket link = await new LinkDialer(client).DialAsync(group.Group.Servers[0], Generous, Generous, Cancel);
            await link.SendAsync(bytes, WebSocketMessageType.Binary, true, Cancel);
            Assert.Null(await new LinkSocket(link, 4_096).ReceiveAsync(Cancel));
            Assert.Equal((seed, WebSocketCloseStatus.PolicyViolation), (seed, link.CloseStatus));
        }
        Assert.Equal("1", await GetAsync(good, "a"));
    }

    [Fact]
    public void Random_requests_are_read_or_refused_and_never_more()
    {
        int refused = 0;
        for (int seed = 0; seed < 20_000; seed++)
        {
            Random random = new(seed);
            LinkBuffer buffer = new();
            if (random.Next(2) == 0) ClientFrames.Change(5, 100, MemberStep.AddLearner, new ServerId(4), new ServerAddress("host", 1), buffer);
            else ClientFrames.Ask(5, 100, Put("key", "value"), buffer);
            byte[] bytes = buffer.Written.ToArray();
            if (random.Next(2) == 0) random.NextBytes(bytes.AsSpan(random.Next(bytes.Length)));
            else bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
            try
            {
                LinkReader reader = new(bytes);
                (byte kind, _) = reader.Item(out LinkReader fields);
                _ = ClientFrames.ReadRequest(kind, fields, new OneAnswer(), new Instant(0));
            }
            catch (Exception wrong) when (wrong is LinkFormatException or LedgerFormatException)
            {
                refused++;
            }
        }
        Assert.InRange(refused, 8_000, 19_999);
    }

    [Theory]
    [InlineData("no host")]
    [InlineData("a/b")]
    [InlineData("host:7411")]
    public async Task A_place_that_nobody_can_dial_is_refused_on_both_sides(string host)
    {
        LinkBuffer buffer = new();
        ClientFrames.Change(5, 100, MemberStep.AddLearner, new ServerId(4), new ServerAddress(host, 1), buffer);
        byte[] bytes = buffer.Written.ToArray();
        Assert.Contains(host, Assert.Throws<LinkFormatException>(() => Read(bytes)).Message, StringComparison.Ordinal);
        ScriptedServers servers = new((_, _, _) => throw new InvalidOperationException("nothing is to be sent"));
        await using LedgerClient client = servers.Client();
        await Assert.ThrowsAsync<ArgumentException>(() => client.ChangeAsync(MemberStep.AddLearner, 4, new GroupServer(4, host, 1), Generous, Cancel));

        static HostRequest Read(byte[] message)
        {
            LinkReader reader = new(message);
            (byte kind, _) = reader.Item(out LinkReader fields);
            return ClientFrames.ReadRequest(kind, fields, new OneAnswer(), new Instant(0));
        }
    }

    [Fact]
    public async Task A_server_is_added_over_the_network_and_a_dead_one_removed()
    {
        await using CoordinatorFixture group = await CoordinatorFixture.StartAsync(1);
        await using LedgerClient client = group.Client();
        Assert.Equal(LedgerCertainty.Answered, (await client.AskAsync(Put("a", "1"), Generous, Cancel)).Certainty);
        GroupServer place = new(2, "127.0.0.1", FreePorts(1)[0]);
        GroupFolder.AddServer(group.Folder, 2);
        await group.StartAsync(2, place);
        Assert.Null(await client.ChangeAsync(MemberStep.AddLearner, 2, place, Generous, Cancel));
        client.Know(place);
        await Group.HostGroup.UntilAsync(async () => (await client.StatusAsync(2, Generous, Cancel)).Applied > 2, "the learner has the log");
        Assert.Null(await client.ChangeAsync(MemberStep.Promote, 2, null, Generous, Cancel));
        Assert.Null(await client.TransferAsync(2, Generous, Cancel));
        // The address of the new leader came with the group's ledger, not with its file.
        await using LedgerClient fresh = group.Client();
        await Group.HostGroup.UntilAsync(async () => (await fresh.StatusAsync(1, Generous, Cancel)).Leader == 2, "server 2 leads");
        Assert.Equal("1", await GetAsync(fresh, "a"));
        Assert.Null(await fresh.ChangeAsync(MemberStep.Remove, 1, null, Generous, Cancel));
        await group.StopAsync(1);
        Assert.Equal(LedgerCertainty.Answered, (await fresh.AskAsync(new LedgerCommand.Tick(), Generous, Cancel)).Certainty);
    }

    private static async Task<WebSocket> DialBlindlyAsync(X509Certificate2 own, GroupServer to, string path)
    {
        using SocketsHttpHandler handler = new() { UseProxy = false };
        handler.SslOptions.ClientCertificates = [own];
        handler.SslOptions.RemoteCertificateValidationCallback = static (_, _, _, _) => true;
        using HttpMessageInvoker invoker = new(handler, disposeHandler: false);
        ClientWebSocket socket = new();
        await socket.ConnectAsync(new Uri($"wss://{to.Host}:{to.Port}{path}"), invoker, Cancel);
        return socket;
    }
}
