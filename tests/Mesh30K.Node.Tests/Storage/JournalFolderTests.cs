using System.Diagnostics;
using Mesh30K.Node.Storage;
using Mesh30K.Protocol;

namespace Mesh30K.Node.Tests.Storage;

/// <summary>What a journal does when nothing is wrong: order, turns between handles, rotation, compaction.</summary>
public sealed class JournalFolderTests : IDisposable
{
    private readonly JournalBox _box = new();

    public void Dispose() => _box.Dispose();

    [Fact]
    public void What_was_committed_is_read_in_order_and_what_was_discarded_is_not()
    {
        using (JournalFolder journal = _box.Locked(new Heard()))
        {
            JournalBox.Append(journal, "one", "two");
            Assert.Equal(3, journal.Append(1, "forgotten"u8));
            journal.Discard();
            Assert.Equal(3, journal.Append(1, "three"u8));
            journal.Commit();
            journal.Append(1, "never committed"u8);
        }
        Heard heard = _box.ReadAll();
        Assert.Equal(["one", "two", "three"], heard.Records);
        Assert.Equal([1, 2, 3], heard.Sequences);
    }

    [Fact]
    public void Files_are_private()
    {
        if (OperatingSystem.IsWindows()) return;
        _box.ReadAll();
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(_box.Folder));
        foreach (string file in Directory.GetFiles(_box.Folder)) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
    }

    [Fact]
    public void Two_handles_append_in_turns_and_each_hears_the_other()
    {
        Heard a = new(), b = new();
        using JournalFolder first = JournalFolder.Open(_box.Folder), second = JournalFolder.Open(_box.Folder);
        for (int i = 0; i < 20; i++)
        {
            (JournalFolder journal, Heard heard) = i % 2 == 0 ? (first, a) : (second, b);
            Assert.True(JournalBox.Lock(journal));
            journal.CatchUp(heard);
            JournalBox.Append(journal, $"{i}");
            journal.Unlock();
        }
        first.CatchUp(a);
        Assert.Equal(Enumerable.Range(0, 10).Select(i => $"{(2 * i) + 1}"), a.Records);
        Assert.Equal(Enumerable.Range(0, 10).Select(i => $"{2 * i}"), b.Records);
        Assert.Equal(20, first.LastSequence);
    }

    [Fact]
    public void The_lock_is_held_by_one_handle_at_a_time_and_freed_by_dispose()
    {
        using JournalFolder waiting = JournalFolder.Open(_box.Folder);
        using (_box.Locked(new Heard())) Assert.False(JournalBox.Lock(waiting, 5));
        Assert.True(JournalBox.Lock(waiting, 0));
        waiting.Unlock();
        using JournalFolder other = JournalFolder.Open(_box.Folder);
        Assert.True(JournalBox.Lock(other, 0));
    }

    [Fact]
    public void A_child_process_that_lives_on_does_not_keep_the_lock()
    {
        if (!OperatingSystem.IsLinux()) return;
        JournalFolder journal = _box.Locked(new Heard());
        using Process child = Process.Start("sleep", "60");
        try
        {
            journal.Dispose();
            using JournalFolder other = JournalFolder.Open(_box.Folder);
            Assert.True(JournalBox.Lock(other, 0));
            Assert.False(child.HasExited);
        }
        finally
        {
            child.Kill();
        }
    }

    [Fact]
    public void Appending_without_lock_or_catching_up_is_a_bug()
    {
        using JournalFolder journal = JournalFolder.Open(_box.Folder);
        Assert.Throws<InvariantException>(() => journal.Append(1, "x"u8));
        Assert.True(JournalBox.Lock(journal, 0));
        Assert.Throws<InvariantException>(() => journal.Append(1, "x"u8));
    }

    [Fact]
    public void A_full_segment_is_followed_by_another()
    {
        JournalOptions small = new() { SegmentBytes = 300 };
        using (JournalFolder journal = _box.Locked(new Heard(), small))
            for (int i = 0; i < 30; i++) JournalBox.Append(journal, $"record {i}");
        Assert.Equal(6, Directory.GetFiles(_box.Folder, "*.segment").Length);
        Assert.Equal(Enumerable.Range(0, 30).Select(i => $"record {i}"), _box.ReadAll().Records);
    }

    [Fact]
    public void Compaction_replaces_the_past_and_others_start_again_from_the_snapshot()
    {
        Heard mine = new(), theirs = new();
        using JournalFolder other = JournalFolder.Open(_box.Folder);
        using JournalFolder journal = _box.Locked(mine);
        JournalBox.Append(journal, "one", "two", "three");
        other.CatchUp(theirs);
        journal.Compact(JournalBox.Snapshot("one to three", "more of it"));
        Assert.Equal(0, journal.BytesSinceSnapshot);
        JournalBox.Append(journal, "four");
        Assert.Equal(0, mine.Resets);
        other.CatchUp(theirs);
        Assert.Equal(1, theirs.Resets);
        Assert.Equal(["one to three", "more of it", "four"], theirs.Records);
        Assert.Equal([3, 3, 4], theirs.Sequences);
        Assert.Equal(journal.BytesSinceSnapshot, other.BytesSinceSnapshot);
        Assert.Equal("0000000002.segment", Path.GetFileName(Assert.Single(Directory.GetFiles(_box.Folder, "*.segment"))));
        journal.Compact([]);
        journal.Dispose();
        Assert.Empty(_box.ReadAll().Records);
        using JournalFolder again = _box.Locked(new Heard());
        Assert.Equal(5, again.Append(1, "five"u8));
    }

    [Fact]
    public void Large_payloads_go_through_and_too_large_ones_are_refused_without_harm()
    {
        string large = new('x', 1 << 20);
        using (JournalFolder journal = _box.Locked(new Heard(), new JournalOptions { PayloadBytesMax = 1 << 20 }))
        {
            JournalBox.Append(journal, large, "", large);
            Assert.Equal("too_large", Assert.Throws<JournalException>(() => journal.Append(1, new byte[(1 << 20) + 1])).Code);
            JournalBox.Append(journal, "after");
        }
        using (JournalFolder journal = _box.Locked(new Heard(), new JournalOptions { PayloadBytesMax = 1 << 20 }))
        {
            Assert.Equal("too_large", Assert.Throws<JournalException>(() => journal.Compact(JournalBox.Snapshot("fits", large + "x"))).Code);
            JournalBox.Append(journal, "still here");
        }
        Assert.Equal([large, "", large, "after", "still here"], _box.ReadAll().Records);
        Assert.Contains("at most 1000", _box.Refused(new JournalOptions { PayloadBytesMax = 1000 }).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_with_other_things_is_left_alone()
    {
        Directory.CreateDirectory(_box.Folder);
        File.WriteAllText(Path.Combine(_box.Folder, "thesis.txt"), "mine");
        Assert.Equal("not_a_journal", Assert.Throws<JournalException>(() => JournalFolder.Open(_box.Folder)).Code);
        Assert.Single(Directory.GetFiles(_box.Folder));
    }
}
