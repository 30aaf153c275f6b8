using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Consistency.Strong.Raft;
using Mesh30K.Node.Ledger;
using Mesh30K.Node.Ledger.Group;
using Mesh30K.Node.Storage;

namespace Mesh30K.Node.Tests.Ledger.Group;

public sealed class RaftHostTests
{
    [Fact]
    public async Task A_group_of_one_answers_and_knows_it_after_a_restart()
    {
        await using HostGroup group = new(1);
        await group.LeaderAsync();
        Assert.Equal(LedgerOutcome.Ok, Assert.IsType<LedgerReply>(await group.PutAsync(1, "a", "1")).Outcome);
        Assert.Equal(LedgerOutcome.Ok, Assert.IsType<LedgerReply>(await group.PutAsync(1, "a", "2")).Outcome);
        await group.StopAsync(1);
        group.Start(1);
        Assert.Equal("2", await group.GetAsync("a"));
    }

    [Fact]
    public async Task A_follower_names_the_leader_and_takes_nothing()
    {
        await using HostGroup group = new(3);
        int leader = await group.LeaderAsync();
        int follower = group.Servers.First(s => s != leader);
        await HostGroup.UntilAsync(async () => (await group.StatusAsync(follower)).Leader == leader, "the follower knows who leads");
        LedgerRefusal refusal = Assert.IsType<LedgerRefusal>(await group.PutAsync(follower, "a", "1"));
        Assert.Equal((LedgerCertainty.NotTaken, leader), (refusal.Certainty, refusal.Leader.Number));
        Assert.Null(await group.GetAsync("a"));
    }

    [Fact]
    public async Task Many_commands_at_once_are_all_answered_in_their_order_and_share_syncs()
    {
        await using HostGroup group = new(3);
        int leader = await group.LeaderAsync();
        long syncs = (await group.StatusAsync(leader)).Syncs;
        group.Disks[leader].Block();
        Task<object>[] asked = [.. Enumerable.Range(1, 500).Select(i => group.PutAsync(leader, "k", $"{i}"))];
        group.Disks[leader].Unblock();
        object[] answers = await Task.WhenAll(asked);
        long[] versions = [.. answers.Select(a => Assert.IsType<LedgerValue>(Assert.IsType<LedgerReply>(a).Entry).Version)];
        Assert.Equal(versions.Order(), versions);
        Assert.Equal("500", await group.GetAsync("k"));
        Assert.InRange((await group.StatusAsync(leader)).Syncs - syncs, 1, 250);
    }

    /// <summary>A send leaves when what it says is durable: without a majority of disks nothing is committed.</summary>
    [Fact]
    public async Task What_a_follower_has_not_synced_it_has_not_acknowledged()
    {
        await using HostGroup group = new(3);
        int leader = await group.LeaderAsync();
        _ = await group.PutAsync(leader, "a", "0");
        int[] followers = [.. group.Servers.Where(s => s != leader)];
        foreach (int follower in followers) group.Disks[follower].Block();
        Task<object> put = group.PutAsync(leader, "a", "1");
        await HostGroup.UntilAsync(() => Task.FromResult(followers.All(f => group.Disks[f].Waiting > 0)), "both followers are syncing");
        CoordinatorStatus status = await group.StatusAsync(leader);
        await HostGroup.UntilAsync(async () => (status = await group.StatusAsync(leader)).Durable == status.Last, "the leader's own disk has it");
        Assert.True(status.Commit < status.Last, $"committed {status.Commit} of {status.Last} with one disk of three");
        Assert.False(put.IsCompleted);
        group.Disks[followers[0]].Unblock();
        Assert.IsType<LedgerReply>(await put);
    }

    [Fact]
    public async Task A_leader_that_is_cut_off_answers_nothing_and_the_rest_goes_on()
    {
        await using HostGroup group = new(3);
        int old = await group.LeaderAsync();
        _ = await group.PutAsync(old, "a", "before");
        group.Cut(old);
        Task<object> lost = group.PutAsync(old, "a", "lost");
        int next = await group.LeaderAsync([.. group.Servers.Where(s => s != old)]);
        Assert.IsType<LedgerReply>(await group.PutAsync(next, "a", "after"));
        Assert.False(lost.IsCompleted && await lost is LedgerReply, "a leader without a majority said that a write was taken");
        group.Heal();
        // Its place in the log was taken by another leader's entry, so it surely never was done.
        Assert.Equal(LedgerCertainty.NotTaken, Assert.IsType<LedgerRefusal>(await lost).Certainty);
        Assert.Equal("after", await group.GetAsync("a"));
    }

    [Fact]
    public async Task Who_missed_a_lot_gets_a_snapshot_in_parts_and_starts_from_it()
    {
        await using HostGroup group = new(3, HostGroup.Options(r => r with { SnapshotEvery = 40, KeepBehindSnapshot = 0, ChunkBytes = 20 }));
        int leader = await group.LeaderAsync();
        int away = group.Servers.First(s => s != leader);
        group.Cut(away);
        for (int i = 0; i < 150; i++) Assert.IsType<LedgerReply>(await group.PutAsync(leader, $"key-{i % 30}", $"{i}"));
        await HostGroup.UntilAsync(async () => (await group.StatusAsync(leader)).Snapshot > 100, "the leader has a snapshot and forgot what was before");
        group.Heal();
        leader = await group.LeaderAsync();
        await HostGroup.UntilAsync(async () => (await group.StatusAsync(away)).Applied >= 150, "the one that was away has all");
        Assert.True(group.Sent.Where(s => s.Key.Type == nameof(SnapshotChunk)).Sum(s => s.Value) > 5, "it came in parts");
        await group.StopAsync(away);
        group.Start(away);
        Assert.True((await group.StatusAsync(away)).Applied >= 40, "it starts from the snapshot");
        foreach (int other in group.Servers.Where(s => s != away).ToArray()[..1]) await group.StopAsync(other);
        Assert.Equal("149", await group.GetAsync("key-29"));
    }

    [Fact]
    public async Task A_broken_disk_ends_a_server_for_good_and_what_was_under_way_is_unknown()
    {
        await using HostGroup group = new(3);
        int broken = await group.LeaderAsync();
        _ = await group.PutAsync(broken, "a", "0");
        group.Disks[broken].Block();
        Task<object> put = group.PutAsync(broken, "a", "1");
        await HostGroup.UntilAsync(() => Task.FromResult(group.Disks[broken].Waiting > 0), "the leader is syncing");
        // The two others commit it without the leader's disk; or they do not, when the leader is gone before it hears of them.
        group.Disks[broken].Fails = true;
        group.Disks[broken].Unblock();
        Assert.IsType<JournalException>(await group[broken].Stopped.WaitAsync(HostGroup.Generous, TestContext.Current.CancellationToken));
        object answer = await put;
        Assert.True(answer is LedgerReply or LedgerRefusal { Certainty: LedgerCertainty.Unknown }, $"{answer}");
        Assert.Equal(LedgerCertainty.NotTaken, Assert.IsType<LedgerRefusal>(await group.PutAsync(broken, "a", "2")).Certainty);
        int next = await group.LeaderAsync([.. group.Servers.Where(s => s != broken)]);
        Assert.IsType<LedgerReply>(await group.PutAsync(next, "a", "3"));
    }

    [Fact]
    public async Task A_damaged_journal_is_refused()
    {
        await using HostGroup group = new(1);
        await group.LeaderAsync();
        for (int i = 0; i < 50; i++) _ = await group.PutAsync(1, "a", $"{i}");
        await group.StopAsync(1);
        string segment = Directory.GetFiles(group.FolderOf(1), "*.segment").Single();
        byte[] bytes = await File.ReadAllBytesAsync(segment, TestContext.Current.CancellationToken);
        bytes[bytes.Length / 2] ^= 1;
        await File.WriteAllBytesAsync(segment, bytes, TestContext.Current.CancellationToken);
        Assert.Equal("damaged", Assert.Throws<JournalException>(() => group.Start(1)).Code);
    }

    [Fact]
    public void A_server_that_has_run_does_not_begin_anew()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("mesh-hosts-");
        try
        {
            JournalException refused = Assert.Throws<JournalException>(() => RaftJournal.Open(folder.FullName, first: null));
            Assert.Equal("forgotten", refused.Code);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task A_lease_ends_though_nobody_asks_anything()
    {
        await using HostGroup group = new(3);
        int leader = await group.LeaderAsync();
        Assert.IsType<LedgerReply>(await group.AskAsync(leader, new LedgerCommand.AcquireLease("lock", "ana", TimeSpan.FromSeconds(2))));
        Assert.Equal(1, (await group.StatusAsync(leader)).Counts.Leases);
        foreach (int server in group.Servers)
            await HostGroup.UntilAsync(async () => (await group.StatusAsync(server)).Counts.Leases == 0, $"the lease has ended at {server}");
        long last = (await group.StatusAsync(leader)).Last;
        Assert.InRange(last, 3, 10); // a noop, the lease, and few ticks: not one each round
    }

    [Fact]
    public async Task A_leader_whose_clock_is_off_gives_no_log_time_and_hands_over()
    {
        await using HostGroup group = new(3);
        int off = await group.LeaderAsync();
        _ = await group.PutAsync(off, "a", "0");
        DateTimeOffset before = (await group.StatusAsync(off)).LogTime;
        group.Clocks[off].Jump(TimeSpan.FromHours(5));
        await HostGroup.UntilAsync(async () => (await group.StatusAsync(off)).Role != RaftRole.Leader, "the lead is handed over");
        // The new leader may know the wrong clock alone at first: of two that differ neither gives log time.
        int next = 0;
        await HostGroup.UntilAsync(
            async () => await group.PutAsync(next = await group.LeaderAsync([.. group.Servers.Where(s => s != off)]), "a", "1") is LedgerReply, "the new leader has heard the third clock");
        Assert.InRange((await group.StatusAsync(next)).LogTime, before, before + TimeSpan.FromMinutes(2));
    }

    /// <summary>Of two clocks that differ nobody can tell which is wrong: neither server gives log time, and that lasts.</summary>
    [Fact]
    public async Task A_leader_that_may_give_no_log_time_waits_for_that_and_takes_no_member_either()
    {
        await using HostGroup group = new(1);
        await group.LeaderAsync();
        TestClock clock = group.Clocks[1];
        Assert.IsType<LedgerReply>(await group.AskAsync(1, new LedgerCommand.AcquireLease("lock", "ana", TimeSpan.FromMilliseconds(200))));
        DateTimeOffset over = clock.GetUtcNow() + TimeSpan.FromMilliseconds(200);
        group[1].HearClock(new ServerId(2), group[1].WallNow + TimeSpan.FromHours(1));
        await HostGroup.UntilAsync(async () => clock.GetUtcNow() > over && (await group.StatusAsync(1)).ClockAheadMs is not null, "the lease is over, and the other clock is heard");
        long before = clock.Readings;
        await Task.Delay(500, TestContext.Current.CancellationToken);
        Assert.InRange(clock.Readings - before, 1, 2_000); // a heartbeat each 40 ms, and not rounds without end
        CoordinatorStatus status = await group.StatusAsync(1);
        Assert.Equal(1, status.Counts.Leases);
        object added = await group.AskAsync(1, (caller, due) => new HostRequest.Change(caller, 1, due, MemberStep.AddLearner, new ServerId(4), new ServerAddress("10.0.0.4", 7411)));
        Assert.Contains("clock", Assert.IsType<LedgerRefusal>(added).Why, StringComparison.Ordinal);
        Assert.Equal(status.LogTime, (await group.StatusAsync(1)).LogTime);
    }

    [Fact]
    public async Task What_finds_no_room_in_line_is_refused_at_once()
    {
        await using HostGroup group = new(1, HostGroup.Options() with { RequestsMax = 2 });
        await group.LeaderAsync();
        TestCaller[] callers = [.. Enumerable.Range(0, 5).Select(_ => new TestCaller())];
        group[1].Submit([.. callers.Select(c => new HostRequest.Ask(c, 1, group[1].Now + HostGroup.Generous, new LedgerCommand.Tick()))]);
        object[] answers = await Task.WhenAll(callers.Select(c => c.Answered)).WaitAsync(HostGroup.Generous, TestContext.Current.CancellationToken);
        Assert.Equal([false, false, true, true, true], answers.Select(a => a is LedgerRefusal { Certainty: LedgerCertainty.NotTaken }));
    }

    [Fact]
    public async Task A_server_is_added_where_the_ledger_says_and_promoted()
    {
        await using HostGroup group = new(1);
        await group.LeaderAsync();
        group.Start(2, RaftMembership.Empty);
        ServerAddress place = new("10.0.0.2", 7412);
        Assert.Equal(true, await group.AskAsync(1, (caller, due) => new HostRequest.Change(caller, 1, due, MemberStep.AddLearner, new ServerId(2), place)));
        await HostGroup.UntilAsync(() => Task.FromResult(group[2].Added.GetValueOrDefault(2) == place), "the learner knows the addresses too");
        Assert.Equal(true, await group.AskAsync(1, (caller, due) => new HostRequest.Change(caller, 1, due, MemberStep.Promote, new ServerId(2), null)));
        CoordinatorStatus status = await group.StatusAsync(1);
        Assert.Equal([1, 2], status.Voters);
        Assert.Equal([new GroupServer(2, "10.0.0.2", 7412)], status.Added);
        LedgerReply reply = Assert.IsType<LedgerReply>(await group.PutAsync(1, RaftHost.AddressPrefix + "2", "evil:1"));
        Assert.Equal(LedgerOutcome.Invalid, reply.Outcome);
    }

    [Fact]
    public async Task The_lead_is_handed_over()
    {
        await using HostGroup group = new(3);
        int old = await group.LeaderAsync();
        int next = group.Servers.First(s => s != old);
        _ = await group.PutAsync(old, "a", "1");
        Assert.Equal(true, await group.AskAsync(old, (caller, due) => new HostRequest.Transfer(caller, 1, due, new ServerId(next))));
        await HostGroup.UntilAsync(async () => (await group.StatusAsync(next)).Role == RaftRole.Leader, $"server {next} leads");
        Assert.Equal("1", await group.GetAsync("a"));
    }

    [Fact]
    public async Task A_snapshot_is_made_when_it_is_asked_for_and_the_log_is_short()
    {
        await using HostGroup group = new(1, HostGroup.Options(r => r with { KeepBehindSnapshot = 0 }));
        await group.LeaderAsync();
        for (int i = 0; i < 100; i++) _ = await group.PutAsync(1, "a", $"{i}");
        CoordinatorStatus before = await group.StatusAsync(1);
        Assert.Equal(true, await group.AskAsync(1, (caller, due) => new HostRequest.Snapshot(caller, 1, due)));
        CoordinatorStatus after = await group.StatusAsync(1);
        Assert.Equal(before.Applied, after.Snapshot);
        Assert.True(after.LogBytes < before.LogBytes);
        await group.StopAsync(1);
        group.Start(1);
        Assert.Equal("99", await group.GetAsync("a"));
    }

    /// <summary>The thread that brought the request waits for the disk: neither the others nor the end of the server wait for that thread.</summary>
    [Fact]
    public async Task A_disk_that_hangs_keeps_a_group_of_one_neither_from_saying_so_nor_from_stopping()
    {
        await using HostGroup group = new(1);
        await group.LeaderAsync();
        _ = await group.PutAsync(1, "a", "0");
        group.Disks[1].Block();
        Task<object> first = HostGroup.ApartAsync(() => group.PutAsync(1, "a", "1")).Unwrap(); // this thread must not be the one at the disk
        await HostGroup.UntilAsync(() => Task.FromResult(group.Disks[1].Waiting > 0), "a sync");
        Task<object> second = group.PutAsync(1, "a", "2");
        Task stopped = group.StopAsync(1);
        Assert.Equal(LedgerCertainty.NotTaken, Assert.IsType<LedgerRefusal>(await second).Certainty);
        group.Disks[1].Unblock();
        await stopped.WaitAsync(HostGroup.Generous, TestContext.Current.CancellationToken);
        Assert.Equal(LedgerCertainty.Unknown, Assert.IsType<LedgerRefusal>(await first).Certainty);
        group.Start(1);
        Assert.Contains(await group.GetAsync("a"), (string?[])["0", "1"]);
    }
}
