using Mesh30K.Consistency.Journal;
using Mesh30K.Protocol;
using Microsoft.Win32.SafeHandles;

namespace Mesh30K.Node.Storage;

/// <summary>Whoever is built from a journal's records.</summary>
public interface IJournalReader
{
    /// <summary>Forget everything: the journal was compacted, and what follows starts from its snapshot.</summary>
    void Reset();

    /// <summary>Takes the next record.</summary>
    void Apply(in JournalRecord record);
}

/// <summary>
/// One process's handle on a journal: a folder of append-only segments that several processes may share, one at a time by a lock.
/// DUTIES OF THE CALLER: <see cref="CatchUp"/> after every <see cref="TryLock"/> and before <see cref="Append"/>; nothing is acknowledged before
/// <see cref="Commit"/> has returned, nor is anything that <see cref="CatchUp"/> handed over before it has returned; after a
/// <see cref="JournalException"/> other than <c>too_large</c> from <see cref="Commit"/>, <see cref="CatchUp"/> or <see cref="Compact"/> the handle is dead.
/// Not thread-safe. Format and promises: docs/protocol/journal.md.
/// </summary>
public sealed class JournalFolder : IDisposable
{
    private readonly string _path;
    private readonly JournalOptions _options;
    private readonly JournalFiles _files;
    private readonly FolderLock _lock;
    private readonly JournalCursor _cursor;
    private readonly JournalLayout _layout;

    private SafeFileHandle? _writer;
    private uint _writerSegment;

    /// <summary>Up to where the file was seen to reach; what is below needs no allocation. <see cref="long.MaxValue"/>: the system refused to allocate.</summary>
    private long _allocated;

    /// <summary>The manifest under which the folder was synced and cleared; what was read without the lock says nothing of that.</summary>
    private JournalManifest? _settled;

    private bool _caughtUp;
    private JournalException? _failed;

    private byte[] _pending = [];
    private int _pendingBytes;
    private int _pendingRecords;
    private int _pendingLastBytes;

    private JournalFolder(string path, JournalOptions options, JournalFiles files)
    {
        (_path, _options, _files) = (path, options, files);
        _lock = new FolderLock(Path.Combine(path, JournalLayout.LockName));
        _cursor = new JournalCursor(path, options);
        _layout = new JournalLayout(path, files);
    }

    /// <summary>Opens or makes the folder (mode 0700). Reads nothing yet. <c>not_a_journal</c> when it holds other things and no journal.</summary>
    public static JournalFolder Open(string path, JournalOptions? options = null) => Open(path, options ?? new JournalOptions(), JournalFiles.OfSystem);

    /// <summary>As above, with calls of its own for changes of the folder.</summary>
    public static JournalFolder Open(string path, JournalOptions options, JournalFiles files)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(files);
        options.Check();
        path = Path.GetFullPath(path);
        JournalLayout.MakeFolder(path);
        return new JournalFolder(path, options, files);
    }

    /// <summary>Bytes of records since the last snapshot, as far as this handle has read: when this is large, <see cref="Compact"/>.</summary>
    public long BytesSinceSnapshot => _cursor.BytesSinceSnapshot;

    /// <summary>Sequence of the last record that this handle has handed over or committed; 0 before any.</summary>
    public long LastSequence => _cursor.Scanner is { } scanner ? scanner.NextSequence - 1 : 0;

    internal JournalOptions Options => _options;

    internal bool IsReadyToAppend => _failed is null && _lock.IsHeld && _caughtUp;

    internal bool IsDead => _failed is not null;

    internal bool HasPending => _pendingRecords > 0;

    /// <summary>Takes the lock between processes; false when another process held it all this time.</summary>
    public bool TryLock(TimeSpan atMost, CancellationToken cancel = default)
    {
        ThrowIfFailed();
        Invariant.Check(!_lock.IsHeld);
        _caughtUp = false;
        Guarded("taking the lock", () => _ = _lock.TryTake(atMost, cancel));
        return _lock.IsHeld;
    }

    /// <summary>Gives the lock back; what was appended and not committed is forgotten.</summary>
    public void Unlock()
    {
        Discard();
        _caughtUp = false;
        _lock.Release();
    }

    /// <summary>
    /// Hands over every record that this handle has not handed over yet, or all from the snapshot on after an <see cref="IJournalReader.Reset"/>. Under
    /// the lock it makes a journal where there is none, cuts a torn tail, and syncs what another process may have written and not synced.
    /// Without the lock it changes nothing, a torn tail ends the reading, and the last records may not be durable yet: should their writer fail, the
    /// next call starts again with a Reset. <c>damaged</c> otherwise.
    /// </summary>
    public void CatchUp(IJournalReader reader)
    {
        ThrowIfFailed();
        Invariant.Check(_pendingRecords == 0);
        _caughtUp = false;
        if (_lock.IsHeld) FailingForGood("catching up", () => CatchUpLocked(reader));
        else Guarded("reading", () => CatchUpUnlocked(reader));
    }

    /// <summary>
    /// Adds a record to what <see cref="Commit"/> will write; returns its sequence. The first after a commit may close a full segment and begin another.
    /// </summary>
    public long Append(byte kind, ReadOnlySpan<byte> payload)
    {
        ThrowIfFailed();
        Invariant.Check(_lock.IsHeld && _caughtUp);
        if (payload.Length > _options.PayloadBytesMax)
            throw new JournalException("too_large", $"{_path}: a payload of {payload.Length} bytes; at most {_options.PayloadBytesMax} are allowed");
        int bytes = RecordFrame.OverheadBytes + payload.Length;
        if (_pendingBytes > 0 && (long)_pendingBytes + bytes > _options.BatchBytesMax)
            throw new JournalException("too_large", $"{_path}: more than {_options.BatchBytesMax} bytes between two commits");
        if (_pendingRecords == 0 && _cursor.Scanner!.Offset > _options.SegmentBytes && _cursor.Scanner.NextSequence > _cursor.Header.FirstSequence)
            FailingForGood("beginning a segment", BeginSegment);
        SegmentScanner at = _cursor.Scanner!;
        long sequence = at.NextSequence + _pendingRecords;
        if (_pending.Length < _pendingBytes + bytes) Array.Resize(ref _pending, Math.Max(_pendingBytes + bytes, Math.Min(2 * _pending.Length, _options.BatchBytesMax)));
        RecordFrame frame = new(payload.Length, sequence, at.Durable, _cursor.Header.Segment, kind, 0);
        RecordFrame.Write(_pending.AsSpan(_pendingBytes), frame, payload, at.Offset + _pendingBytes, at.SegmentChecksum);
        (_pendingBytes, _pendingRecords, _pendingLastBytes) = (_pendingBytes + bytes, _pendingRecords + 1, bytes);
        return sequence;
    }

    /// <summary>
    /// Writes what was appended and syncs it. When it returns, all of it is durable. When it throws, none of it is acknowledged: it is cut back as
    /// far as the disk lets it, this handle is dead, and the sequences may be given to other records.
    /// </summary>
    public void Commit()
    {
        ThrowIfFailed();
        if (_pendingRecords == 0) return;
        Invariant.Check(_lock.IsHeld && _caughtUp);
        long from = _cursor.Scanner!.Offset;
        ReadOnlyMemory<byte> batch = _pending.AsMemory(0, _pendingBytes);
        bool isWritten = false;
        try
        {
            FailingForGood("allocating", () => Allocate(from + batch.Length));
            FailingForGood("appending", () => _files.Write(_writer!, batch.Span, from));
            isWritten = true;
            FailingForGood("syncing", () => _files.Sync(_writer!));
        }
        catch (JournalException)
        {
            CutBack(from, syncs: !isWritten);
            throw;
        }
        _cursor.Advance(batch.Span, _pendingRecords, _pendingLastBytes);
        Discard();
    }

    /// <summary>Forgets what was appended and not committed.</summary>
    public void Discard()
    {
        (_pendingBytes, _pendingRecords) = (0, 0);
        if (_pending.Length > 1 << 20) _pending = [];
    }

    /// <summary>
    /// Replaces everything so far by these records, atomically and durably: a crash leaves the old or the new. Other processes' handles get
    /// <see cref="IJournalReader.Reset"/> at their next <see cref="CatchUp"/>; this one goes on behind the snapshot. The snapshot's records take no
    /// sequences of their own: each is handed over with the sequence of the last record that it stands for.
    /// </summary>
    public void Compact(IEnumerable<(byte Kind, ReadOnlyMemory<byte> Payload)> snapshot)
    {
        ThrowIfFailed();
        Invariant.Check(_lock.IsHeld && _caughtUp && _pendingRecords == 0);
        FailingForGood("compacting", () =>
        {
            JournalManifest old = _cursor.Manifest!;
            SegmentHeader header = new(old.Journal, old.Generation + 1, old.LastSegment + 1, _cursor.Scanner!.NextSequence);
            SafeFileHandle file = _layout.BeginSegment(header);
            try
            {
                (long records, long bytes) = SnapshotWriter.Write(_files, file, header, snapshot, _options.PayloadBytesMax);
                _files.Sync(file);
                _files.SyncFolder(_path);
                JournalManifest manifest = new(old.Journal, header.Generation, header.Segment, header.Segment, header.FirstSequence - 1, records);
                _layout.Replace(manifest);
                _settled = manifest;
                _cursor.EnterNew(manifest, header, bytes);
                TakeWriter(file, header.Segment);
                _layout.Clean(manifest);
            }
            catch
            {
                if (_writer != file) file.Dispose();
                throw;
            }
        });
    }

    /// <summary>Gives the lock back. What was allocated and not used is given back when this handle holds the lock and has not failed.</summary>
    public void Dispose()
    {
        if (IsReadyToAppend) CutBack(_cursor.Scanner!.Offset, syncs: false);
        _writer?.Dispose();
        _cursor.Dispose();
        _lock.Dispose();
    }

    private void CatchUpLocked(IJournalReader reader)
    {
        JournalManifest now = _layout.ReadManifest() ?? _layout.Create();
        if (_settled != now)
        {
            _files.SyncFolder(_path); // whoever renamed the manifest may have been killed before it did
            _layout.Clean(now);
            _settled = now;
        }
        string? torn = _cursor.ReadOn(reader, now);
        SegmentScanner at = _cursor.Scanner!;
        bool isNew = _writer is null || _writerSegment != _cursor.Header.Segment;
        if (isNew) TakeWriter(_files.Open(JournalCursor.SegmentPath(_path, _cursor.Header.Segment), create: false), _cursor.Header.Segment);
        if (torn is not null) _files.SetLength(_writer!, at.Offset);
        if (isNew || torn is not null || _cursor.IsUnsure)
        {
            _cursor.WriteAgain(_files, _writer!);
            _files.Sync(_writer!);
        }
        at.MarkDurable();
        _allocated = RandomAccess.GetLength(_writer!);
        _caughtUp = true;
    }

    /// <summary>
    /// Reads beside a writer. What looks like damage can be two states of the file seen together, or a segment that a compaction took away: only what
    /// is still there after reading again for a fifth of a second is damage.
    /// </summary>
    private void CatchUpUnlocked(IJournalReader reader)
    {
        const int TriesMax = 10;
        for (int tries = 1; ; tries++)
        {
            try
            {
                if (_layout.ReadManifest() is { } now) _ = _cursor.ReadOn(reader, now);
                else _layout.RefuseRecords();
                return;
            }
            catch (JournalException error) when (error.Code == "damaged" && tries < TriesMax)
            {
                Thread.Sleep(20);
            }
        }
    }

    /// <summary>Closes the segment: another is made and synced, then named by the manifest.</summary>
    private void BeginSegment()
    {
        CutUnused(_cursor.Scanner!.Offset);
        JournalManifest now = _cursor.Manifest! with { LastSegment = _cursor.Manifest!.LastSegment + 1 };
        SegmentHeader header = new(now.Journal, now.Generation, now.LastSegment, _cursor.Scanner!.NextSequence);
        SafeFileHandle file = _layout.BeginSegment(header);
        TakeWriter(file, header.Segment);
        _files.Sync(file);
        _files.SyncFolder(_path);
        _layout.Replace(now);
        _settled = now;
        _cursor.EnterNew(now, header, SegmentHeader.Bytes);
    }

    private void TakeWriter(SafeFileHandle file, uint segment)
    {
        _writer?.Dispose();
        (_writer, _writerSegment, _allocated) = (file, segment, RandomAccess.GetLength(file));
    }

    /// <summary>
    /// Makes room ahead of a write that would make the file longer: then most syncs have no new length to write. Where there is no room, or the system
    /// does not know how, the write grows the file by itself, and its own error counts.
    /// </summary>
    private void Allocate(long needed)
    {
        long length = Math.Min(needed + _options.PreallocateBytes, _options.SegmentBytes);
        if (needed <= _allocated || length <= needed) return;
        _allocated = _files.TryAllocate(_writer!, length) ? length : long.MaxValue;
    }

    /// <summary>Not synced: when it is lost, the file ends in zeros again, which is an end too.</summary>
    private void CutUnused(long length)
    {
        if (RandomAccess.GetLength(_writer!) > length) _files.SetLength(_writer!, length);
    }

    /// <summary>
    /// After a failed write or sync, and at the end. Cutting takes what may not be on the disk out of the page cache too, so that nobody reads it from there and
    /// takes it for durable. When this fails as well, the next process finds a torn tail, whole records that nobody acknowledged, or zeros.
    /// </summary>
    /// <param name="syncs">After a failed write: else a power loss in the next batch can show its bytes between those of that batch.</param>
    private void CutBack(long length, bool syncs)
    {
        try
        {
            CutUnused(length);
            if (syncs) _files.Sync(_writer!);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // The first error is the one that is told; at the end nothing depends on it.
        }
    }

    private void ThrowIfFailed()
    {
        if (_failed is not null) throw new JournalException(_failed.Code, _failed.Message, _failed);
    }

    private void FailingForGood(string doing, Action action)
    {
        try
        {
            Guarded(doing, action);
        }
        catch (JournalException error) when (error.Code != "too_large")
        {
            _failed = error;
            throw;
        }
    }

    private void Guarded(string doing, Action action)
    {
        try
        {
            action();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw JournalException.Of(error, _path, doing);
        }
    }
}
