using System.Text;
using Mesh30K.Node.Storage;
using Mesh30K.Node.Tests.Ledger.Group;

namespace Mesh30K.Node.Tests.Storage;

public sealed class GroupCommitTests : IDisposable
{
    private readonly JournalBox _box = new();

    public void Dispose() => _box.Dispose();

    [Fact]
    public async Task Many_callers_are_told_when_their_record_is_durable_and_order_is_that_of_the_calls()
    {
        const int Callers = 16, Each = 50;
        GroupCommit commit = GroupCommit.Start(_box.Locked(new Heard()));
        await Task.WhenAll(Enumerable.Range(0, Callers).Select(caller => Task.Run(async () =>
        {
            for (int i = 0; i < Each; i++)
            {
                long sequence = commit.Enqueue(1, Encoding.UTF8.GetBytes($"{caller}:{i}"));
                await commit.WhenDurableAsync(sequence);
                Assert.True(commit.Durable >= sequence);
            }
        })));
        await commit.DisposeAsync();
        Heard heard = _box.ReadAll();
        Assert.Equal(Callers * Each, heard.Records.Count);
        foreach (int caller in Enumerable.Range(0, Callers))
            Assert.Equal(Enumerable.Range(0, Each).Select(i => $"{caller}:{i}"), heard.Records.Where(r => r.StartsWith($"{caller}:", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Compaction_runs_between_records_and_keeps_sequences()
    {
        GroupCommit commit = GroupCommit.Start(_box.Locked(new Heard()));
        commit.Enqueue(1, "one"u8);
        commit.Enqueue(1, "two"u8);
        Task compacted = commit.ExclusiveAsync(j => j.Compact(JournalBox.Snapshot("one, two")));
        Assert.Equal(3, commit.Enqueue(1, "three"u8));
        await compacted;
        await commit.WhenDurableAsync(3);
        await commit.DisposeAsync();
        Heard heard = _box.ReadAll();
        Assert.Equal(["one, two", "three"], heard.Records);
        Assert.Equal([2, 3], heard.Sequences);
    }

    [Fact]
    public async Task Dispose_commits_what_is_in_line_and_then_nothing_more_is_taken()
    {
        GroupCommit commit = GroupCommit.Start(_box.Locked(new Heard()));
        for (int i = 0; i < 1_000; i++) commit.Enqueue(1, "x"u8);
        await commit.DisposeAsync();
        Assert.Equal(1_000, commit.Durable);
        Assert.Equal("closed", Assert.Throws<JournalException>(() => commit.Enqueue(1, "x"u8)).Code);
        Assert.Equal(1_000, _box.ReadAll().Records.Count);
    }

    [Fact]
    public async Task A_caller_that_commits_itself_has_it_durable_and_told_on_its_own_thread()
    {
        Watcher watcher = new();
        GroupCommit commit = GroupCommit.Start(_box.Locked(new Heard()), watcher: watcher);
        await UntilAsync(() => commit.IsIdle);
        Assert.False(commit.TryCommitHere(1_000), "there was nothing in line");
        commit.Enqueue(1, "one"u8, begin: false);
        commit.Enqueue(1, "two"u8, begin: false);
        Assert.False(commit.TryCommitHere(bytesMax: 6), "both payloads are 6 bytes, and their frames more");
        Assert.Equal(0, commit.Durable);
        Assert.True(commit.TryCommitHere(bytesMax: 1_000));
        Assert.Equal((2, 1), (commit.Durable, commit.Batches));
        Assert.Equal([(2, Environment.CurrentManagedThreadId)], watcher.Told);
        Assert.True(commit.LastTook > TimeSpan.Zero);
        commit.Enqueue(1, "three"u8, begin: false);
        Assert.True(commit.HasInLine);
        commit.Begin();
        await commit.WhenDurableAsync(3);
        await commit.DisposeAsync();
        Assert.Equal(["one", "two", "three"], _box.ReadAll().Records);
    }

    [Fact]
    public async Task One_at_a_time_is_at_the_disk_and_what_comes_meanwhile_is_the_threads()
    {
        TestDisk disk = new();
        GroupCommit commit = GroupCommit.Start(_box.Locked(new Heard(), files: disk));
        disk.Block();
        commit.Enqueue(1, "the thread's"u8);
        await UntilAsync(() => disk.Waiting > 0);
        commit.Enqueue(1, "in line"u8, begin: false);
        Assert.False(commit.TryCommitHere(1_000), "the thread is at the disk");
        disk.Unblock();
        await commit.WhenDurableAsync(2);
        await UntilAsync(() => commit.IsIdle);
        disk.Block();
        commit.Enqueue(1, "a caller's"u8, begin: false);
        Task<bool> here = HostGroup.ApartAsync(() => commit.TryCommitHere(1_000));
        await UntilAsync(() => disk.Waiting > 0);
        commit.Enqueue(1, "meanwhile"u8);
        Task compaction = commit.ExclusiveAsync(_ => { });
        ValueTask closed = commit.DisposeAsync();
        Assert.Equal(2, commit.Durable);
        disk.Unblock();
        Assert.True(await here);
        await compaction;
        await closed;
        Assert.Equal(["the thread's", "in line", "a caller's", "meanwhile"], _box.ReadAll().Records);
    }

    /// <summary>Nobody has begun with what fills the line: who waits for room in it would wait for itself.</summary>
    [Fact]
    public async Task Who_waits_for_room_has_the_thread_begin()
    {
        GroupCommit commit = GroupCommit.Start(_box.Locked(new Heard()), new GroupCommitOptions { QueueBytesMax = 100, WaitAtMost = TimeSpan.FromSeconds(10) });
        await UntilAsync(() => commit.IsIdle);
        for (int i = 1; i <= 5; i++) Assert.Equal(i, await HostGroup.ApartAsync(() => commit.Enqueue(1, new byte[60], begin: false)));
        commit.Begin();
        await commit.WhenDurableAsync(5);
        await commit.DisposeAsync();
        Assert.Equal(5, _box.ReadAll().Records.Count);
    }

    [Fact]
    public async Task A_failure_in_a_callers_hands_ends_the_journal_for_everybody()
    {
        TestDisk disk = new();
        Watcher watcher = new();
        GroupCommit commit = GroupCommit.Start(_box.Locked(new Heard(), files: disk), watcher: watcher);
        await commit.WhenDurableAsync(commit.Enqueue(1, "one"u8));
        await UntilAsync(() => commit.IsIdle);
        disk.Fails = true;
        ValueTask waiter = commit.WhenDurableAsync(commit.Enqueue(1, "two"u8, begin: false));
        Assert.True(commit.TryCommitHere(1_000));
        Assert.Equal("io_failed", (await Assert.ThrowsAsync<JournalException>(() => waiter.AsTask())).Code);
        Assert.Equal("io_failed", Assert.Throws<JournalException>(() => commit.Enqueue(1, "three"u8)).Code);
        Assert.False(commit.TryCommitHere(1_000));
        await commit.DisposeAsync();
        Assert.Equal("io_failed", watcher.Ended?.Code);
        Assert.Equal(1, commit.Durable);
        Assert.Equal(["one"], _box.ReadAll().Records);
    }

    /// <summary>Records of many callers, some of whom commit themselves: every one is durable, none twice.</summary>
    [Fact]
    public async Task Callers_that_commit_and_callers_that_wait_share_one_journal()
    {
        const int Callers = 8, Each = 200;
        GroupCommit commit = GroupCommit.Start(_box.Locked(new Heard()));
        await Task.WhenAll(Enumerable.Range(0, Callers).Select(caller => Task.Run(async () =>
        {
            for (int i = 0; i < Each; i++)
            {
                long sequence = commit.Enqueue(1, Encoding.UTF8.GetBytes($"{caller}:{i}"), begin: caller % 2 == 0);
                if (caller % 2 == 1 && !commit.TryCommitHere(200)) commit.Begin();
                await commit.WhenDurableAsync(sequence).AsTask().WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
            }
        })));
        await commit.DisposeAsync();
        List<string> records = _box.ReadAll().Records;
        Assert.Equal(Callers * Each, records.Count);
        Assert.Equal(Callers * Each, records.Distinct().Count());
    }

    private static async Task UntilAsync(Func<bool> holds)
    {
        using CancellationTokenSource late = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        late.CancelAfter(TimeSpan.FromSeconds(30));
        while (!holds()) await Task.Delay(1, late.Token);
    }

    private sealed class Watcher : IGroupCommitWatcher
    {
        internal List<(long Sequence, int Thread)> Told { get; } = [];

        internal JournalException? Ended { get; private set; }

        public void IsDurable(long sequence) => Told.Add((sequence, Environment.CurrentManagedThreadId));

        public void HasEnded(JournalException error) => Ended ??= error;
    }
}
