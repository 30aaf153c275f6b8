using Mesh30K.Consistency.Documents;
using Mesh30K.Node.Runtime;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Watch;

/// <summary>
/// One file of a watched folder: looks at it, judges what it finds, records that, and puts the merge into place. The record comes first, so that a crash
/// between the two is made good by the next look. Not thread-safe.
/// </summary>
internal sealed class WatchedFile
{
    private const int SwapsMax = 20;

    private readonly WatchTarget _target;
    private readonly string _path;
    private readonly WatchOptions _options;
    private readonly WatchJournal _journal;
    private readonly VersionHistory _history;
    private readonly Action<WatchEvent> _tell;
    private (DateTime Written, long Bytes) _stamp;
    private byte[]? _pending;
    private int _pendingPolls;
    private string? _told;
    private bool _resumed;

    public WatchedFile(WatchTarget target, WatchOptions options, WatchJournal journal, Action<WatchEvent> tell)
    {
        _target = target;
        _path = Path.GetFullPath(target.Name, options.Folder);
        _options = options;
        _journal = journal;
        _history = journal.HistoryOf(target);
        _tell = tell;
    }

    /// <summary>Writes that were merged.</summary>
    public int Merges { get; private set; }

    /// <summary>Writes from the version before.</summary>
    public int Ordinary { get; private set; }

    public long Version => _history.Last?.Number ?? 0;

    public string Name => _target.Name;

    /// <summary>Whether the last look did not settle it: the file is broken, or has to be seen a second time.</summary>
    public bool IsPending => _pendingPolls > 0;

    /// <summary>
    /// Looks at the file once. With <paramref name="readAlways"/> also when its time and size are those of the last look, which may hide a change
    /// within the resolution of the file system's time.
    /// </summary>
    public void Look(Instant now, bool readAlways)
    {
        FileInfo file = new(_path);
        if (!file.Exists)
        {
            if (_history.Last is not null) TellOnce(now, WatchEventKind.Vanished, "gone", new WriteVerdict(WriteKind.Unreadable));
            return;
        }
        (DateTime, long) stamp = (file.LastWriteTimeUtc, file.Length);
        bool fresh = now.ToDateTimeOffset().UtcDateTime - file.LastWriteTimeUtc < TimeSpan.FromSeconds(3);
        if (stamp == _stamp && !fresh && !readAlways && !IsPending) return;
        if (Read(file, now) is not { } content) return;
        _stamp = stamp;
        Found(content, now);
    }

    private byte[]? Read(FileInfo file, Instant now)
    {
        // Replacing a link would cut it off from its file, and writing through it would let whoever makes links choose what the watcher writes.
        if ((file.LinkTarget is null ? RegularFile.WhyNot(_path) : "a link") is { } special)
        {
            Broken(now, new DocumentFailure("not_a_file", MergeSide.Theirs, 0, $"it is {special}", "Put a file there."));
            return null;
        }
        if (file.Length > _options.FileBytesMax)
        {
            Broken(now, new DocumentFailure("too_large", MergeSide.Theirs, 0, $"it has {file.Length} bytes; at most {_options.FileBytesMax} are watched", "Split it."));
            return null;
        }
        try
        {
            return File.ReadAllBytes(_path);
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            Broken(now, new DocumentFailure("unreadable", MergeSide.Theirs, 0, gone.Message, "Let the watcher read it."));
            return null;
        }
    }

    private void Found(byte[] content, Instant now)
    {
        if (_history.Last is null)
        {
            Begin(content, now);
            return;
        }
        if (_pending is { } before && !content.AsSpan().SequenceEqual(before))
        {
            // What went on after the same beginning was being written. Anything else was a version of its own, which somebody has overwritten.
            if (!content.AsSpan().StartsWith(before)) Take(before, now, confirmed: true);
            _pending = null;
        }
        if (!_resumed && _history is { Versions.Count: > 1, Last.Origin: VersionOrigin.Merged } && content.AsSpan().SequenceEqual(_history.Versions[^2].Content.Span))
        {
            // An earlier watcher recorded this merge and ended before it was in place.
            _resumed = true;
            PutInPlace(content, now);
            return;
        }
        _resumed = true;
        bool settled = Take(content, now, confirmed: _pending is not null || _pendingPolls >= _options.PatiencePolls);
        if (settled) PutInPlace(content, now);
    }

    private void Begin(byte[] content, Instant now)
    {
        if (DocumentMerge.Check(_target.Type, content, Options(now)) is { } wrong)
        {
            Broken(now, wrong);
            return;
        }
        Settled();
        Record(now, 0, (content, VersionOrigin.Written));
        _tell(new WatchEvent(now.ToDateTimeOffset(), _target.Name, WatchEventKind.Found, Version));
    }

    /// <summary>Takes a version into the history, with its merge when it is stale. False: not yet, or not at all.</summary>
    private bool Take(byte[] content, Instant now, bool confirmed)
    {
        WriteVerdict verdict = StaleWrite.Judge(_history, content, now, _options.Grace, Options(now));
        if (verdict.Kind == WriteKind.Unreadable)
        {
            Broken(now, verdict.Failure!);
            return false;
        }
        if (verdict.TakesAway && !confirmed)
        {
            _pending = content;
            _pendingPolls++;
            return false;
        }
        Settled();
        switch (verdict.Kind)
        {
            case WriteKind.Ordinary:
                Record(now, verdict.Base, (content, VersionOrigin.Written));
                Ordinary++;
                if (verdict.IsRollback) _tell(WatchEvent.Of(now, _target.Name, WatchEventKind.TakenAway, Version, verdict));
                break;
            case WriteKind.Stale:
                Record(now, verdict.Base, (content, VersionOrigin.Stale), (verdict.Merged!, VersionOrigin.Merged));
                Merges++;
                _tell(WatchEvent.Of(now, _target.Name, WatchEventKind.Merged, Version, verdict));
                break;
            case WriteKind.Unmergeable:
                Record(now, verdict.Base, (content, VersionOrigin.Written));
                _tell(WatchEvent.Of(now, _target.Name, WatchEventKind.Unmergeable, Version, verdict));
                break;
        }
        return true;
    }

    /// <summary>
    /// Puts the last version into the file, where <paramref name="seen"/> was. Whatever the swap brings out instead was written since: it is taken, and
    /// the outcome is put into place again.
    /// </summary>
    private void PutInPlace(byte[] seen, Instant now)
    {
        for (int swap = 0; swap < SwapsMax; swap++)
        {
            ReadOnlyMemory<byte> wanted = _history.Last!.Content;
            if (wanted.Span.SequenceEqual(seen)) return;
            byte[]? replaced = AtomicFile.Swap(_path, wanted.Span);
            if (replaced is null || replaced.AsSpan().SequenceEqual(seen)) return;
            if (!Take(replaced, now, confirmed: true))
            {
                AtomicFile.Swap(_path, replaced);
                return;
            }
            seen = wanted.ToArray();
        }
    }

    private void Record(Instant now, long start, params (byte[] Content, VersionOrigin Origin)[] made)
    {
        SeenVersion? last = _history.Last;
        List<SeenVersion> versions = [];
        foreach ((byte[] content, VersionOrigin origin) in made)
        {
            bool restoresLast = origin == VersionOrigin.Merged && content.AsSpan().SequenceEqual(last!.Content.Span);
            versions.Add(new SeenVersion(Version + versions.Count + 1, content, restoresLast ? last!.SeenAt : now, origin, start));
            start = versions[^1].Number;
        }
        _journal.Add(_target, versions);
    }

    private void Broken(Instant now, DocumentFailure failure)
    {
        _pending = null;
        if (++_pendingPolls < _options.PatiencePolls) return;
        _pendingPolls = 0;
        TellOnce(now, WatchEventKind.Unreadable, failure.Code, new WriteVerdict(WriteKind.Unreadable) { Failure = failure });
    }

    private void TellOnce(Instant now, WatchEventKind kind, string what, WriteVerdict verdict)
    {
        if (_told == what) return;
        _told = what;
        _tell(WatchEvent.Of(now, _target.Name, kind, Version, verdict));
    }

    private void Settled()
    {
        _pending = null;
        _pendingPolls = 0;
        _told = null;
    }

    private static MergeOptions Options(Instant now) => new() { Now = now };
}
