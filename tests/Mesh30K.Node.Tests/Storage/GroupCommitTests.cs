using System.Text;
using Mesh30K.Node.Storage;

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
}
