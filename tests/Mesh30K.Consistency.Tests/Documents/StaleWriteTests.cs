using System.Text;
using Mesh30K.Consistency.Documents;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Consistency.Tests.Documents;

/// <summary>Each test is a transcript: versions that the watcher saw, what is there now, what it says.</summary>
public sealed class StaleWriteTests
{
    private const string A = "- [ ] [seq:1@ana] a\n";
    private const string B = "- [ ] [seq:2@bob] b\n";
    private const string C = "- [ ] [seq:3@cleo] c\n";
    private const string D = "- [ ] [seq:4@dan] d\n";
    private const string ADone = "- [x] [seq:1@ana] a\n";
    private const string AClaimed = "- [/] [seq:1@ana] a\n";

    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(30);

    [Fact]
    public void What_is_there_already_is_no_write() => Assert.Equal(WriteKind.Unchanged, Judge(1, A + B, A, A + B).Kind);

    [Theory]
    [InlineData(A + B + C, 1)] // adds
    [InlineData(ADone + B, 1)] // changes
    [InlineData(B, 1000)] // removes
    [InlineData("# Tasks\n" + A + B, 1)] // prose
    public void A_write_from_the_last_version_is_ordinary(string now, int ageSeconds) =>
        Assert.Equal(WriteKind.Ordinary, Judge(ageSeconds, now, "", A, A + B).Kind);

    [Theory]
    [InlineData(1)]
    [InlineData(100_000)]
    public void A_write_from_the_version_before_is_merged_however_late_it_comes(int ageSeconds)
    {
        WriteVerdict verdict = Judge(ageSeconds, A + C, A, A + B);
        AssertMerged(verdict, A, B, C);
        Assert.Equal(1, verdict.Base);
        Assert.Contains("b", Assert.Single(verdict.Overwritten).Key, StringComparison.Ordinal);
        Assert.Contains("b", Assert.Single(verdict.Restored).Key, StringComparison.Ordinal);
        Assert.False(verdict.IsRollback);
    }

    [Fact]
    public void A_write_from_a_much_older_version_is_merged() => AssertMerged(Judge(1, A + D, "", A, A + B, A + B + C, ADone + B + C), ADone, B, C, D);

    [Fact]
    public void A_base_that_lived_too_short_to_be_seen_is_made_up_for() => AssertMerged(Judge(1, A + B + D, A, A + B + C), A, B, C, D);

    [Fact]
    public void A_removal_by_a_stale_writer_is_kept_as_far_as_it_had_read() => AssertMerged(Judge(1, B + D, A + B, A + B + C), B, C, D);

    [Fact]
    public void A_done_mark_that_a_stale_writer_wiped_is_back() => AssertMerged(Judge(1, A + C, A, ADone), ADone, C);

    [Fact]
    public void Of_two_changes_of_one_task_the_further_one_stays()
    {
        AssertMerged(Judge(1, AClaimed, A, ADone), ADone);
        AssertMerged(Judge(1000, AClaimed, A, ADone), ADone);
        Assert.Equal(WriteKind.Ordinary, Judge(1, ADone, A, AClaimed).Kind);
    }

    [Fact]
    public void A_removal_among_many_later_entries_is_meant_at_once() => Assert.Equal(WriteKind.Ordinary, Judge(1, B + C + D, A, A + B, A + B + C, A + B + C + D).Kind);

    [Theory]
    [InlineData(A)] // an older version exactly
    [InlineData("")] // cannot be told from a file that is being written
    public void Taking_away_only_is_stale_within_the_grace_period(string now)
    {
        WriteVerdict young = Judge(29, now, A, A + B);
        if (now.Length == 0)
        {
            Assert.Equal(WriteKind.Unreadable, young.Kind);
            return;
        }
        AssertMerged(young, A, B);
        Assert.True(young.IsRollback);
        WriteVerdict old = Judge(31, now, A, A + B);
        Assert.Equal(WriteKind.Ordinary, old.Kind);
        Assert.True(old.IsRollback && old.TakesAway);
    }

    [Fact]
    public void Who_insists_after_the_grace_period_has_it()
    {
        VersionHistory history = History(A, A + B);
        history.Add(new SeenVersion(3, Bytes(A), At(1), VersionOrigin.Stale, 1));
        history.Add(new SeenVersion(4, Bytes(A + B), At(0), VersionOrigin.Merged, 3));
        Assert.Equal(WriteKind.Stale, StaleWrite.Judge(history, Bytes(A), At(29), Grace, new MergeOptions()).Kind);
        Assert.Equal(WriteKind.Ordinary, StaleWrite.Judge(history, Bytes(A), At(31), Grace, new MergeOptions()).Kind);
    }

    [Fact]
    public void Two_stale_writers_in_turn_lose_nothing()
    {
        VersionHistory history = History(A, A + B);
        Take(history, A + C); // stale: from version 1
        WriteVerdict second = StaleWrite.Judge(history, Bytes(A + D), At(2), Grace, new MergeOptions());
        AssertMerged(second, A, B, C, D);
        Assert.Equal(1, second.Base);
    }

    [Fact]
    public void A_writer_that_read_the_stale_version_before_it_was_merged_loses_nothing()
    {
        VersionHistory history = History(A, A + B);
        Take(history, A + C);
        WriteVerdict second = StaleWrite.Judge(history, Bytes(A + C + D), At(2), Grace, new MergeOptions());
        AssertMerged(second, A, B, C, D);
        Assert.Equal(3, second.Base);
    }

    [Fact]
    public void Reformatting_is_no_stale_write()
    {
        const string loose = "* [ ]  [seq:1@ana]   a\n* [ ]  [seq:2@bob]   b\n* [ ]  [seq:3@cleo]   c\n";
        Assert.Equal(WriteKind.Ordinary, Judge(1, loose, A, A + B, A + B + C).Kind);
    }

    [Fact]
    public void Broken_files_are_told_apart()
    {
        WriteVerdict verdict = Judge(1, "<<<<<<< HEAD\n" + A + "=======\n" + B + ">>>>>>> x\n", A, A + B);
        Assert.Equal(WriteKind.Unreadable, verdict.Kind);
        Assert.Equal("conflict_markers", verdict.Failure!.Code);
    }

    [Fact]
    public void Heartbeats_of_two_agents_cross_without_loss()
    {
        const string head = "| agent | status | updated |\n| --- | --- | --- |\n";
        const string ana = "| ana | idle | 2026-11-21T07:00:00.000Z |\n";
        const string bob = "| bob | idle | 2026-11-21T07:00:00.000Z |\n";
        const string anaBusy = "| ana | busy | 2026-11-21T07:00:05.000Z |\n";
        const string bobBusy = "| bob | busy | 2026-11-21T07:00:06.000Z |\n";
        WriteVerdict verdict = Judge(DocumentType.Heartbeats, 1, head + ana + bobBusy, head + ana + bob, head + anaBusy + bob);
        Assert.Equal(WriteKind.Stale, verdict.Kind);
        Assert.Contains("busy", Encoding.UTF8.GetString(verdict.Merged!).Split('\n')[2], StringComparison.Ordinal);
        Assert.Contains("busy", Encoding.UTF8.GetString(verdict.Merged!).Split('\n')[3], StringComparison.Ordinal);
    }

    [Fact]
    public void History_is_bounded_and_the_last_version_stays()
    {
        VersionHistory history = new(DocumentType.Queue, new HistoryOptions { VersionsMax = 3, BytesMax = 100 });
        for (int i = 1; i <= 10; i++) history.Add(new SeenVersion(i, Bytes(A), At(i), VersionOrigin.Written, i - 1));
        Assert.Equal([8, 9, 10], history.Versions.Select(v => v.Number));
        history.Add(new SeenVersion(11, Bytes(string.Concat(Enumerable.Repeat(B, 20))), At(11), VersionOrigin.Written, 10));
        Assert.Equal(11, Assert.Single(history.Versions).Number);
    }

    private static WriteVerdict Judge(int ageSeconds, string now, params string[] seen) => Judge(DocumentType.Queue, ageSeconds, now, seen);

    private static WriteVerdict Judge(DocumentType type, int ageSeconds, string now, params string[] seen)
    {
        VersionHistory history = new(type, new HistoryOptions());
        foreach (string version in seen) history.Add(new SeenVersion(history.Versions.Count + 1, Bytes(version), At(0), VersionOrigin.Written, history.Versions.Count));
        return StaleWrite.Judge(history, Bytes(now), At(ageSeconds), Grace, new MergeOptions());
    }

    private static VersionHistory History(params string[] seen)
    {
        VersionHistory history = new(DocumentType.Queue, new HistoryOptions());
        foreach (string version in seen) history.Add(new SeenVersion(history.Versions.Count + 1, Bytes(version), At(0), VersionOrigin.Written, history.Versions.Count));
        return history;
    }

    private static void Take(VersionHistory history, string content)
    {
        WriteVerdict verdict = StaleWrite.Judge(history, Bytes(content), At(1), Grace, new MergeOptions());
        Assert.Equal(WriteKind.Stale, verdict.Kind);
        history.Add(new SeenVersion(history.Last!.Number + 1, Bytes(content), At(1), VersionOrigin.Stale, verdict.Base));
        history.Add(new SeenVersion(history.Last.Number + 1, verdict.Merged, At(1), VersionOrigin.Merged, history.Last.Number));
    }

    private static void AssertMerged(WriteVerdict verdict, params string[] lines)
    {
        Assert.Equal(WriteKind.Stale, verdict.Kind);
        Assert.Equal(lines.Order(StringComparer.Ordinal), Encoding.UTF8.GetString(verdict.Merged!).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l + "\n").Order(StringComparer.Ordinal));
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static Instant At(int seconds) => Instant.FromUnixMs(1_800_000_000_000 + (seconds * 1000.0));
}
