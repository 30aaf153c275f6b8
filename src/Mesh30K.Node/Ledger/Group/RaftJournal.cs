using Mesh30K.Consistency.Journal;
using Mesh30K.Consistency.Strong.Raft;
using Mesh30K.Node.Storage;
using Mesh30K.Protocol;

namespace Mesh30K.Node.Ledger.Group;

/// <summary>What a journal tells its host; called on the journal's thread, or within <see cref="RaftJournal.TryCommitHere"/>.</summary>
internal interface IRaftJournalWatcher
{
    /// <summary>Everything up to that persist is durable.</summary>
    /// <param name="isIdle">Whether the thread has nothing else to do now.</param>
    void Persisted(long sequence, bool isIdle);

    /// <summary>The journal failed, for good.</summary>
    void Failed(Exception error);
}

/// <summary>
/// A server's changes on their way to its journal: those that come while the disk works become durable together (<see cref="GroupCommit"/>). The host's rounds persist, the journal's thread
/// tells it what is durable. After the first failure nothing more becomes durable.
/// </summary>
internal sealed class RaftJournal : IGroupCommitWatcher, IAsyncDisposable
{
    private readonly GroupCommit _commit;
    private readonly IRaftJournalWatcher _watcher;

    /// <summary>What the host's thread commits itself: two or three small writes, on a disk that has just been quick. More is worth another thread: meanwhile more comes for the next batch.</summary>
    private const long HereBytesMax = 1_024;
    private static readonly TimeSpan HereWithin = TimeSpan.FromMilliseconds(1);

    /// <summary>Guards the line between the host and the journal's thread.</summary>
    private readonly Lock _gate = new();
    private readonly Queue<(long Persist, long Journal)> _line = new();
    private long _journal;
    private long _bytes;
    private long _compacting;
    private volatile bool _closing;

    private RaftJournal(JournalFolder folder, IRaftJournalWatcher watcher)
    {
        _watcher = watcher;
        _bytes = folder.BytesSinceSnapshot;
        _journal = folder.LastSequence;
        _commit = GroupCommit.Start(folder, watcher: this);
    }

    /// <summary>Batches written and synced since it was opened.</summary>
    public long Syncs => _commit.Batches;

    /// <summary>Bytes of records since the last snapshot.</summary>
    public long Bytes => Volatile.Read(ref _bytes);

    /// <summary>
    /// Opens a server's journal and reads it; a new one begins with <paramref name="first"/>. What was read is durable. Throws <see cref="JournalException"/> (<c>damaged</c>: the server is to be
    /// removed and another added; <c>busy</c>: another process runs on it) and <see cref="RaftRecordException"/>.
    /// </summary>
    internal static (JournalFolder Folder, RaftDurable Durable) Open(string path, RaftMembership? first, JournalFiles? files = null)
    {
        JournalFolder folder = JournalFolder.Open(path, new JournalOptions { PreallocateBytes = 4 << 20 }, files ?? JournalFiles.OfSystem);
        try
        {
            if (!folder.TryLock(TimeSpan.FromSeconds(1))) throw new JournalException("busy", $"{path} is in use by another process: a coordinator that runs already?");
            Reader reader = new();
            folder.CatchUp(reader);
            RaftDurable? durable = reader.Recovery.Finish();
            if (durable is not null) return (folder, durable);
            if (first is null)
            {
                throw new JournalException(
                    "forgotten", $"{path} is empty, and this server has run before: without its log it has forgotten what it promised, and would break the group. Bring its data back, or remove it from the group and add another server under a new number");
            }
            folder.Compact(RaftRecords.OfNewServer(first).Select(r => ((byte)r.Kind, (ReadOnlyMemory<byte>)r.Payload)));
            RaftRecovery begun = new();
            foreach ((RaftRecordKind kind, byte[] payload) in RaftRecords.OfNewServer(first)) begun.Apply((byte)kind, payload);
            return (folder, begun.Finish()!);
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>Takes an open journal over.</summary>
    internal static RaftJournal Start(JournalFolder folder, IRaftJournalWatcher watcher) => new(folder, watcher);

    /// <summary>Puts a change in line; <see cref="Begin"/> or <see cref="TryCommitHere"/> comes after. Throws <see cref="JournalException"/> when the journal has failed.</summary>
    internal void Persist(long sequence, RaftChange change)
    {
        (RaftRecordKind kind, byte[] payload) = RaftRecords.Of(change);
        lock (_gate) _line.Enqueue((sequence, ++_journal));
        long given = _commit.Enqueue((byte)kind, payload, begin: false);
        Invariant.Check(given == _journal);
        Volatile.Write(ref _bytes, _bytes + RecordFrame.OverheadBytes + payload.Length);
    }

    /// <summary>What is in line goes to the disk, on the journal's thread.</summary>
    internal void Begin() => _commit.Begin();

    /// <summary>What is in line goes to the disk on this thread, if that is likely to be quick; false when nothing was done.</summary>
    internal bool TryCommitHere() => _commit.LastTook <= HereWithin && _commit.TryCommitHere(HereBytesMax);

    /// <summary>Replaces the journal, in its place in the line.</summary>
    internal void Compact(long sequence, RaftChange.Compact change, ReadOnlyMemory<byte> image)
    {
        lock (_gate) _line.Enqueue((sequence, long.MaxValue));
        Volatile.Write(ref _bytes, 0);
        Task done = _commit.ExclusiveAsync(folder =>
        {
            try
            {
                folder.Compact(RaftRecords.OfSnapshot(change, image).Select(r => ((byte)r.Kind, (ReadOnlyMemory<byte>)r.Payload)));
            }
            catch (Exception error)
            {
                _watcher.Failed(error);
                throw;
            }
            Tell(sequence, journal: 0, isIdle: false);
        });
        // What went wrong was told; the journal's own end is told too.
        _ = done.ContinueWith(static t => _ = t.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
    }

    public void IsDurable(long sequence) => Tell(persist: 0, sequence, isIdle: !_commit.HasInLine);

    public void HasEnded(JournalException error)
    {
        if (!_closing) _watcher.Failed(error);
    }

    public ValueTask DisposeAsync()
    {
        _closing = true;
        return _commit.DisposeAsync();
    }

    /// <summary>Everything up to a compaction is durable, or everything up to a record of the journal.</summary>
    private void Tell(long persist, long journal, bool isIdle)
    {
        long last = 0;
        lock (_gate)
        {
            _compacting = Math.Max(_compacting, persist);
            while (_line.TryPeek(out (long Persist, long Journal) next) && (next.Persist <= _compacting || next.Journal <= journal)) last = _line.Dequeue().Persist;
        }
        if (last > 0) _watcher.Persisted(last, isIdle);
    }

    private sealed class Reader : IJournalReader
    {
        internal RaftRecovery Recovery { get; private set; } = new();

        public void Reset() => Recovery = new RaftRecovery();

        public void Apply(in JournalRecord record) => Recovery.Apply(record.Kind, record.Payload.Span);
    }
}
