using Mesh30K.Consistency.Documents;
using Mesh30K.Node.Watch;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Tests.Watch;

/// <summary>A watcher over real files, polled by the test on a clock of its own.</summary>
public sealed class FolderWatchTests : IDisposable
{
    private const string A = "- [ ] [seq:1@ana] a\n";
    private const string B = "- [ ] [seq:2@bob] b\n";
    private const string C = "- [ ] [seq:3@cleo] c\n";

    private readonly string _folder = Directory.CreateTempSubdirectory("mesh-watch-").FullName;
    private readonly List<WatchEvent> _events = [];
    private Instant _now = Instant.From(DateTimeOffset.UtcNow);

    private string Queue => Path.Combine(_folder, "QUEUE.md");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_stale_write_is_merged_and_told_and_the_file_keeps_its_mode()
    {
        using FolderWatch watch = Start();
        Write(watch, A);
        Write(watch, A + B);
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(Queue, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite);
        Write(watch, A + C);
        Assert.Equal(A + B + C, Sorted());
        if (!OperatingSystem.IsWindows()) Assert.True(File.GetUnixFileMode(Queue).HasFlag(UnixFileMode.GroupWrite));
        WatchEvent merged = _events[^1];
        Assert.Equal((WatchEventKind.Merged, 1L, 1, 1), (merged.Event, merged.Base, merged.OverwrittenCount, merged.RestoredCount));
        Assert.Equal(_events.Count, File.ReadAllLines(Path.Combine(_folder, ".mesh", "watch", "events.jsonl")).Length);

        int before = _events.Count;
        Poll(watch, 3);
        Assert.Equal(before, _events.Count); // its own write is no foreign one
    }

    [Fact]
    public void A_link_is_told_and_left_alone()
    {
        using FolderWatch watch = Start();
        Write(watch, A);
        Write(watch, A + B);
        string elsewhere = Path.Combine(_folder, "elsewhere");
        File.WriteAllText(elsewhere, A + C);
        File.Delete(Queue);
        File.CreateSymbolicLink(Queue, elsewhere);
        Poll(watch, 20);
        Assert.Equal(WatchEventKind.Unreadable, _events[^1].Event);
        Assert.Equal((elsewhere, A + C), (new FileInfo(Queue).LinkTarget, File.ReadAllText(elsewhere)));
    }

    [Fact]
    public void A_folder_that_was_removed_and_made_again_ends_the_watcher()
    {
        using FolderWatch watch = Start();
        Poll(watch, 1);
        Directory.Delete(_folder, recursive: true);
        Directory.CreateDirectory(_folder);
        Assert.Contains("gone", Assert.Throws<DirectoryNotFoundException>(() => watch.Poll(_now)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void History_survives_the_watcher()
    {
        using (FolderWatch watch = Start())
        {
            Write(watch, A);
            Write(watch, A + B);
        }
        using FolderWatch again = Start();
        Write(again, A + C);
        Assert.Equal(A + B + C, Sorted());
    }

    [Fact]
    public void A_merge_that_was_recorded_and_not_put_in_place_is_put_in_place_later()
    {
        using (FolderWatch watch = Start())
        {
            Write(watch, A);
            Write(watch, A + B);
            Write(watch, A + C);
        }
        File.WriteAllText(Queue, A + C); // as if the watcher had ended between the record and the file
        _now += TimeSpan.FromHours(1);
        using FolderWatch again = Start();
        Poll(again, 1);
        Assert.Equal(A + B + C, Sorted());
    }

    /// <summary>A batch that a crash broke off may leave its first record: the stale version, without the merge.</summary>
    [Fact]
    public void A_merge_of_which_a_crash_left_only_the_stale_version_is_made_again()
    {
        using (FolderWatch watch = Start())
        {
            Write(watch, A);
            Write(watch, A + B);
            Write(watch, A + C);
        }
        string segment = Directory.EnumerateFiles(Path.Combine(_folder, ".mesh", "watch", "history"), "*.segment").Single();
        using (FileStream torn = File.OpenWrite(segment)) torn.SetLength(torn.Length - 1);
        File.WriteAllText(Queue, A + C);
        for (int again = 0; again < 2; again++)
        {
            using FolderWatch watch = Start();
            Poll(watch, 2);
            Assert.Equal(A + B + C, Sorted());
            Assert.Equal([1, 2, 3, 4], watch.VersionsOf(new WatchTarget("QUEUE.md", DocumentType.Queue)).Select(v => v.Number));
        }
    }

    [Fact]
    public void A_second_watcher_of_a_folder_is_refused()
    {
        using FolderWatch watch = Start();
        Assert.Null(FolderWatch.TryStart(Options(), _events.Add, TimeSpan.FromMilliseconds(20)));
    }

    [Fact]
    public void A_half_written_file_is_waited_for()
    {
        using FolderWatch watch = Start();
        Write(watch, A + B);
        Write(watch, "");
        Write(watch, "<<<<<<< x\n");
        Write(watch, A); // takes away: looked at twice
        Write(watch, A + B + C);
        Assert.Equal(A + B + C, Sorted());
        Assert.Equal(WatchEventKind.Found, Assert.Single(_events).Event);
    }

    [Fact]
    public void A_broken_file_is_told_once_and_left_alone()
    {
        using FolderWatch watch = Start();
        Write(watch, A + B);
        File.WriteAllText(Queue, "<<<<<<< x\n");
        Poll(watch, 40);
        Assert.Equal("<<<<<<< x\n", File.ReadAllText(Queue));
        Assert.Equal([WatchEventKind.Found, WatchEventKind.Unreadable], _events.Select(e => e.Event));
        Write(watch, A + B + C);
        Assert.Equal(A + B + C, Sorted());
    }

    [Fact]
    public void Taking_away_is_undone_at_first_and_accepted_later()
    {
        using FolderWatch watch = Start();
        Write(watch, A);
        Write(watch, A + B);
        Write(watch, A);
        Poll(watch, 1);
        Assert.Equal(A + B, Sorted());
        _now += TimeSpan.FromMinutes(1);
        Write(watch, A);
        Poll(watch, 1);
        Assert.Equal(A, Sorted());
        Assert.Equal(WatchEventKind.TakenAway, _events[^1].Event);
    }

    [Fact]
    public void A_file_that_vanished_keeps_its_history()
    {
        using FolderWatch watch = Start();
        Write(watch, A);
        Write(watch, A + B);
        File.Delete(Queue);
        Poll(watch, 3);
        Assert.Equal([WatchEventKind.Found, WatchEventKind.Vanished], _events.Select(e => e.Event));
        Write(watch, A + C);
        Assert.Equal(A + B + C, Sorted());
    }

    [Fact]
    public void History_is_bounded_also_on_disk()
    {
        using FolderWatch watch = FolderWatch.TryStart(Options() with { History = new HistoryOptions { VersionsMax = 3 } }, _events.Add, TimeSpan.Zero)!;
        string padding = string.Concat(Enumerable.Range(0, 5_000).Select(i => $"- [ ] [seq:{i + 10}@pad] padding of this queue\n"));
        for (int i = 0; i < 40; i++) Write(watch, padding + $"- [x] [seq:{i + 1}@ana] a\n");
        Assert.Equal(3, watch.VersionsOf(new WatchTarget("QUEUE.md", DocumentType.Queue)).Count);
        Assert.True(Directory.EnumerateFiles(Path.Combine(_folder, ".mesh", "watch", "history"), "*", SearchOption.AllDirectories).Sum(f => new FileInfo(f).Length) < 9_000_000);
    }

    private WatchOptions Options() => new() { Folder = _folder, Targets = [new WatchTarget("QUEUE.md", DocumentType.Queue)] };

    private FolderWatch Start() => FolderWatch.TryStart(Options(), _events.Add, TimeSpan.FromSeconds(5))!;

    private void Write(FolderWatch watch, string content)
    {
        File.WriteAllText(Queue, content);
        Poll(watch, 1);
    }

    private void Poll(FolderWatch watch, int times)
    {
        for (int i = 0; i < times; i++)
        {
            _now += TimeSpan.FromMilliseconds(500);
            watch.Poll(_now);
        }
    }

    private string Sorted() => string.Concat(File.ReadAllLines(Queue).Order(StringComparer.Ordinal).Select(l => l + "\n"));
}
