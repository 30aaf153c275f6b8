using System.Net.WebSockets;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Consistency.Strong.Raft;
using Mesh30K.Node.Ledger;
using Mesh30K.Node.Ledger.Group;
using Mesh30K.Node.Ledger.Links;
using static Mesh30K.Node.Tests.Ledger.Links.CoordinatorFixture;

namespace Mesh30K.Node.Tests.Ledger.Links;

/// <summary>Links on which more gathers than goes into one message, and a host that does not come to its requests.</summary>
public sealed class LinkLoadTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Of keys that are set: what a broken link leaves unknown is not asked again.</summary>
    [Fact]
    public async Task Many_large_requests_at_once_are_all_answered()
    {
        await using CoordinatorFixture group = await CoordinatorFixture.StartAsync(1);
        await using LedgerClient client = group.Client();
        Assert.Equal(LedgerCertainty.Answered, (await client.AskAsync(Put("a", "1"), Generous, Cancel)).Certainty);
        LedgerCommand large = new LedgerCommand.SetKey("large", new byte[LedgerLimits.ValueBytesMax], null);
        LedgerAnswer[] answers = await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => client.AskAsync(large, Generous, Cancel)));
        Assert.Equal([], answers.Where(a => a.Certainty != LedgerCertainty.Answered).Select(a => a.Why).Distinct());
    }

    [Fact]
    public async Task Who_is_many_MiB_behind_catches_up_over_one_link()
    {
        await using CoordinatorFixture group = await CoordinatorFixture.StartAsync(3);
        await using LedgerClient client = group.Client();
        Assert.Equal(LedgerCertainty.Answered, (await client.AskAsync(Put("a", "1"), Generous, Cancel)).Certainty);
        int behind = 0;
        foreach (int n in group.Running)
            if ((await client.StatusAsync(n, Generous, Cancel)).Role == RaftRole.Follower) behind = n;
        await group.StopAsync(behind);
        LedgerCommand large = new LedgerCommand.SetKey("large", new byte[LedgerLimits.ValueBytesMax], null);
        for (int i = 0; i < 400; i++) Assert.Equal(LedgerCertainty.Answered, (await client.AskAsync(large, Generous, Cancel)).Certainty);
        await group.StartAsync(behind, listen: null);
        await Group.HostGroup.UntilAsync(async () => (await client.StatusAsync(behind, Generous, Cancel)).Applied >= 400, "it has caught up");
        lock (group.Notes) Assert.DoesNotContain(group.Notes, n => n.Contains("a message of more than", StringComparison.Ordinal));
    }

    /// <summary>What has gathered at the leader while the link was busy comes as one message: it is one round, and one sync.</summary>
    [Fact]
    public async Task Many_entries_in_one_message_of_a_link_share_a_sync()
    {
        await using CoordinatorFixture group = new(3);
        await group.StartAsync(1, listen: null);
        using GroupIdentity leader = GroupFolder.Open(group.Folder, GroupRole.Server(2));
        using WebSocket link = await new LinkDialer(leader).DialAsync(group.Group.Servers[0], Generous, Generous, Cancel);
        await using LedgerClient client = group.Client();
        RaftMessageCodec codec = new();
        const int Messages = 20, Entries = 20;
        CoordinatorStatus? status = null;
        for (int last = 0; last < Messages * Entries; last += Entries)
        {
            LinkBuffer message = new();
            for (int i = last + 1; i <= last + Entries; i++)
            {
                message.Begin(PeerFrames.Message);
                codec.Encode(new AppendRequest(new ServerId(2), new ServerId(1), 9, i == 1 ? default : new LogPlace(i - 1, 9), [new RaftEntry(i, 9, RaftEntryKind.Noop, default)], 0, 0), message);
                message.End();
            }
            await link.SendAsync(message.Written, WebSocketMessageType.Binary, endOfMessage: true, Cancel);
            await Group.HostGroup.UntilAsync(async () => (status = await client.StatusAsync(1, Generous, Cancel)).Durable == last + Entries, "all are durable");
        }
        Assert.InRange(status!.Syncs, Messages, 2 * Messages); // some for terms and votes, while nobody leads
    }

    [Fact]
    public void A_message_ends_before_the_item_that_would_make_it_too_long_and_a_long_item_goes_alone()
    {
        LinkBuffer items = new();
        foreach (int bytes in (int[])[10, 20, 100, 1, 1])
        {
            items.Begin(1);
            items.GetSpan(bytes)[..bytes].Clear();
            items.Advance(bytes);
            items.End();
        }
        List<int> lengths = [];
        for (ReadOnlyMemory<byte> rest = items.Written; !rest.IsEmpty; rest = rest[lengths[^1]..]) lengths.Add(LinkReader.ItemsWithin(rest.Span, 40));
        Assert.Equal([15 + 25, 105, 6 + 6], lengths);
    }

    [Fact]
    public async Task Handing_over_ends_in_time_though_the_host_does_not_answer()
    {
        await using CoordinatorFixture group = new(1);
        StuckClock clock = new();
        string data = Path.Combine(Path.GetDirectoryName(group.Folder)!, "data-stuck");
        await using CoordinatorServer server = await CoordinatorServer.StartAsync(
            1, new CoordinatorOptions { GroupDirectory = group.Folder, DataDirectory = data, Host = new RaftHostOptions { Clock = clock } }, Cancel);
        clock.Goes.Reset();
        try
        {
            Task<bool> handing = Task.Run(() => server.HandOverAsync(TimeSpan.FromMilliseconds(300)), Cancel);
            Assert.False(await handing.WaitAsync(Generous, Cancel));
        }
        finally
        {
            clock.Goes.Set();
        }
    }

    /// <summary>A round asks it for the date and has no answer while it is stuck.</summary>
    private sealed class StuckClock : TimeProvider
    {
        internal ManualResetEventSlim Goes { get; } = new(initialState: true);

        public override DateTimeOffset GetUtcNow()
        {
            Goes.Wait();
            return base.GetUtcNow();
        }
    }
}
