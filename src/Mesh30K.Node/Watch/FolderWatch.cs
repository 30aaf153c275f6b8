using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Watch;

/// <summary>What a watcher did so far with one file.</summary>
public sealed record WatchedFileState(string File, long Version, int OrdinaryWrites, int MergedWrites, bool Pending);

/// <summary>
/// Watches documents on a file system that several writers share without a lock: finds writes that were made from a stale base, and merges them with
/// what they overwrote. It polls, since a network file system tells nobody what other machines write. A version that lives for less than the time
/// between two polls is not seen, and is lost when it is overwritten. Not thread-safe: one loop owns it.
/// </summary>
public sealed class FolderWatch : IDisposable
{
    /// <summary>Every so many polls a file is read although its time and size are the same.</summary>
    private const int ReadAlwaysEveryPolls = 20;

    private readonly WatchJournal _journal;
    private readonly string _home;
    private readonly List<WatchedFile> _files;
    private long _polls;

    private FolderWatch(WatchOptions options, WatchJournal journal, string home, Action<WatchEvent> tell)
    {
        _journal = journal;
        _home = home;
        WatchEventLog log = new(home, options.EventBytesMax);
        _files = [.. options.Targets.Select(t => new WatchedFile(t, options, journal, news =>
        {
            log.Add(news);
            tell(news);
        }))];
    }

    /// <summary>Whether a file has to be looked at again before it is settled.</summary>
    public bool IsPending => _files.Exists(f => f.IsPending);

    public IReadOnlyList<WatchedFileState> Files => [.. _files.Select(f => new WatchedFileState(f.Name, f.Version, f.Ordinary, f.Merges, f.IsPending))];

    /// <summary>
    /// Starts to watch, with the history of earlier watchers; null when another one watches this folder.
    /// Errors: <see cref="IOException"/>, with <see cref="Storage.JournalException"/> for a damaged history; <see cref="UnauthorizedAccessException"/>.
    /// </summary>
    /// <param name="options">What to watch, and how.</param>
    /// <param name="tell">Gets each event, on the thread that polls, after it is in the event log.</param>
    /// <param name="lockWait">How long to wait for another watcher to end.</param>
    public static FolderWatch? TryStart(WatchOptions options, Action<WatchEvent> tell, TimeSpan lockWait)
    {
        string home = Path.Combine(options.Folder, ".mesh", "watch");
        Directory.CreateDirectory(home);
        string ignore = Path.Combine(home, ".gitignore");
        if (!File.Exists(ignore)) File.WriteAllText(ignore, "*\n");
        return WatchJournal.TryOpen(Path.Combine(home, "history"), options.History, lockWait) is { } journal ? new FolderWatch(options, journal, home, tell) : null;
    }

    /// <summary>
    /// Looks at every file once. <paramref name="now"/> is the wall clock's: it is held against the files' times.
    /// Errors: <see cref="IOException"/>, also when the folder or its history is gone; <see cref="UnauthorizedAccessException"/>.
    /// </summary>
    public void Poll(Instant now)
    {
        if (!Directory.Exists(_home)) throw new DirectoryNotFoundException($"{_home} is gone: the watched folder, or the history in it, was removed");
        bool readAlways = _polls++ % ReadAlwaysEveryPolls == 0;
        foreach (WatchedFile file in _files) file.Look(now, readAlways);
    }

    /// <summary>The versions of a file that are kept, oldest first.</summary>
    public IReadOnlyList<Consistency.Documents.SeenVersion> VersionsOf(WatchTarget target) => _journal.HistoryOf(target).Versions;

    public void Dispose() => _journal.Dispose();
}
