using System.Diagnostics;
using Mesh30K.Consistency.Journal;
using Mesh30K.Protocol;

namespace Mesh30K.Node.Storage;

/// <summary>
/// Group commit: many callers append, one thread writes and syncs what has gathered meanwhile, and all of them are told at once.
/// Owns a journal that is locked and caught up, until it is disposed. Thread-safe.
/// </summary>
/// <remarks>
/// While one batch is written and synced the next one fills. A caller that would only wait for the thread may commit a small batch itself (<see cref="TryCommitHere"/>): that saves the way to
/// another thread and back, about as long as a sync of a fast disk. Once the journal has failed, every waiter and every later caller gets its
/// <see cref="JournalException"/>; the lock between processes is given back.
/// </remarks>
public sealed class GroupCommit : IAsyncDisposable
{
    private const int SpareBytesMax = 4 << 20;

    private readonly JournalFolder _journal;
    private readonly GroupCommitOptions _options;
    private readonly IGroupCommitWatcher? _watcher;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The thread waits here. Set outside the gate: a thread that is woken into a lock that its waker holds costs both several switches.</summary>
    private readonly AutoResetEvent _wake = new(false);

    /// <summary>Guards all below. Held for a copy of a payload at most, never while the disk works.</summary>
    private readonly object _gate = new();
    private Batch _filling = new([]);
    private Batch? _committing;
    private long _committingLast;
    private bool _isAtDisk;
    private bool _idle;
    private int _waitForRoom;
    private long _last;
    private long _durable;
    private long _batches;
    private long _tookTicks;
    private byte[] _spare = [];
    private bool _closing;
    private JournalException? _failed;

    private GroupCommit(JournalFolder journal, GroupCommitOptions options, IGroupCommitWatcher? watcher)
    {
        (_journal, _options, _watcher) = (journal, options, watcher);
        _last = _durable = journal.LastSequence;
    }

    /// <summary>Takes the journal over, with its lock, and starts the thread.</summary>
    public static GroupCommit Start(JournalFolder journal, GroupCommitOptions? options = null, IGroupCommitWatcher? watcher = null)
    {
        options ??= new GroupCommitOptions();
        Invariant.Check(journal.IsReadyToAppend);
        Invariant.Check(options.QueueBytesMax >= 1 && options.QueueBytesMax <= journal.Options.BatchBytesMax);
        GroupCommit commit = new(journal, options, watcher);
        new Thread(commit.Run) { Name = "mesh-journal", IsBackground = true }.Start();
        return commit;
    }

    /// <summary>Sequence up to which everything is durable.</summary>
    public long Durable => Volatile.Read(ref _durable);

    /// <summary>Batches written and synced so far.</summary>
    public long Batches => Volatile.Read(ref _batches);

    /// <summary>How long the last batch took to be written and synced; zero before any.</summary>
    public TimeSpan LastTook => Stopwatch.GetElapsedTime(0, Volatile.Read(ref _tookTicks));

    /// <summary>Whether the thread has found nothing to do and waits to be woken: until then it may take what was enqueued for somebody else to begin with.</summary>
    internal bool IsIdle
    {
        get
        {
            lock (_gate) return _idle;
        }
    }

    /// <summary>Whether records wait for the batch that is being committed, or for <see cref="Begin"/>.</summary>
    public bool HasInLine
    {
        get
        {
            lock (_gate) return !_filling.IsEmpty;
        }
    }

    /// <summary>
    /// Puts a record in line; returns its sequence. The order of calls is the order in the journal. Waits for room when too many bytes are in line
    /// (backpressure), at most <see cref="GroupCommitOptions.WaitAtMost"/>, then <c>busy</c>. <c>too_large</c> for a payload over the journal's bound,
    /// <c>closed</c> after <see cref="DisposeAsync"/>, else the <see cref="JournalException"/> that ended the journal.
    /// </summary>
    /// <param name="begin">Whether the thread is to begin with it at once if it is idle; otherwise whoever enqueued says so: <see cref="Begin"/> or <see cref="TryCommitHere"/>.</param>
    public long Enqueue(byte kind, ReadOnlySpan<byte> payload, bool begin = true)
    {
        if (payload.Length > _journal.Options.PayloadBytesMax)
            throw new JournalException("too_large", $"a payload of {payload.Length} bytes; at most {_journal.Options.PayloadBytesMax} are allowed");
        long sequence;
        lock (_gate)
        {
            WaitForRoom_NeedsLock(RecordFrame.OverheadBytes + payload.Length);
            _filling.Add(kind, payload);
            sequence = ++_last;
            if (!begin || !MustWake_NeedsLock()) return sequence;
        }
        _wake.Set();
        return sequence;
    }

    /// <summary>The thread commits what is in line.</summary>
    public void Begin()
    {
        lock (_gate)
        {
            if (_filling.IsEmpty || !MustWake_NeedsLock()) return;
        }
        _wake.Set();
    }

    /// <summary>
    /// Commits what is in line on the calling thread, if nothing is being committed and it is at most so many bytes, framing included; false when it did nothing. A failure ends the journal as
    /// one on its own thread does, and is not thrown here.
    /// </summary>
    public bool TryCommitHere(long bytesMax)
    {
        Batch batch;
        lock (_gate)
        {
            bool may = !_isAtDisk && !_closing && _failed is null && !_filling.IsEmpty && _filling.Actions.Count == 0 && _filling.FramedBytes <= bytesMax;
            if (!may) return false;
            batch = TakeFilling_NeedsLock();
        }
        try
        {
            Commit(batch);
        }
        catch (Exception error)
        {
            Fail(error);
        }
        lock (_gate)
        {
            // What came meanwhile is the thread's.
            if ((_filling.IsEmpty && !_closing && _failed is null) || !MustWake_NeedsLock()) return true;
        }
        _wake.Set();
        return true;
    }

    /// <summary>Completes when that record, and so every record before it, is durable; fails when the journal failed. Never on the committing thread.</summary>
    public ValueTask WhenDurableAsync(long sequence)
    {
        if (sequence <= Durable) return ValueTask.CompletedTask;
        lock (_gate)
        {
            Invariant.Check(sequence <= _last);
            if (sequence <= _durable) return ValueTask.CompletedTask;
            if (_failed is not null) return ValueTask.FromException(_failed);
            return new ValueTask(_committing is not null && sequence <= _committingLast ? _committing.Done.Task : _filling.Done.Task);
        }
    }

    /// <summary>
    /// Commits what is in line, then runs the action on the journal on the committing thread: compaction. Callers may go on to
    /// <see cref="Enqueue"/>; their records come after it, so a snapshot has to be of the state after the last record enqueued before this call.
    /// The action must not append, and must not wait for anything of this object.
    /// </summary>
    public Task ExclusiveAsync(Action<JournalFolder> action)
    {
        TaskCompletionSource done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            ThrowIfOver_NeedsLock();
            _filling.Actions.Add((_filling.Records.Count, action, done));
            if (!MustWake_NeedsLock()) return done.Task;
        }
        _wake.Set();
        return done.Task;
    }

    /// <summary>
    /// Takes no more, commits what is in line, gives the journal back. When the disk does not end that within
    /// <see cref="GroupCommitOptions.WaitAtMost"/>, whoever still waits fails with <c>closed</c>.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        bool wake;
        lock (_gate)
        {
            _closing = true;
            Monitor.PulseAll(_gate);
            wake = MustWake_NeedsLock();
        }
        if (wake) _wake.Set();
        try
        {
            await _ended.Task.WaitAsync(_options.WaitAtMost).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            FailAll(Closed());
        }
    }

    private void Run()
    {
        try
        {
            while (Take() is { } batch) Commit(batch);
            FailAll(Closed());
        }
        catch (Exception error)
        {
            Fail(error);
        }
        _journal.Dispose();
        _wake.Dispose();
        _ended.SetResult();
    }

    /// <summary>A commit went wrong; all errors, bugs too: whoever waits must hear of it, and nothing may be committed after it.</summary>
    private void Fail(Exception error)
    {
        JournalException why = error as JournalException ?? new JournalException("io_failed", $"the journal stopped: {error.Message}", error);
        lock (_gate) (_failed, _isAtDisk) = (_failed ?? why, false); // at once: else somebody could begin with the next batch
        FailAll(why);
    }

    /// <summary>What has gathered, when nobody else commits; null when there is nothing and no more will come.</summary>
    private Batch? Take()
    {
        while (true)
        {
            lock (_gate)
            {
                _idle = false;
                if (!_isAtDisk && _failed is not null) return null;
                if (!_isAtDisk && !_filling.IsEmpty) return TakeFilling_NeedsLock();
                if (!_isAtDisk && _closing) return null;
                _idle = true; // who commits elsewhere wakes this thread when there is more
            }
            _ = _wake.WaitOne();
        }
    }

    /// <summary>Whether the thread waits and there is something for it; whoever asks then wakes it. While a caller commits it has to wait on.</summary>
    private bool MustWake_NeedsLock()
    {
        if (!_idle || _isAtDisk) return false;
        _idle = false;
        return true;
    }

    private Batch TakeFilling_NeedsLock()
    {
        Batch taken = _filling;
        _isAtDisk = true;
        (_committing, _committingLast, _filling, _spare) = (taken, _last, new Batch(_spare), []);
        if (_waitForRoom > 0) Monitor.PulseAll(_gate);
        return taken;
    }

    private void Commit(Batch batch)
    {
        long from = Stopwatch.GetTimestamp();
        int next = 0, at = 0;
        foreach ((int before, Action<JournalFolder> action, TaskCompletionSource done) in batch.Actions)
        {
            Append(batch, ref next, ref at, before);
            RunExclusive(action, done);
        }
        Append(batch, ref next, ref at, batch.Records.Count);
        lock (_gate)
        {
            Invariant.Check(_journal.LastSequence == _committingLast);
            Volatile.Write(ref _durable, _committingLast);
            Volatile.Write(ref _tookTicks, Stopwatch.GetTimestamp() - from);
            _batches++;
            _committing = null;
            _isAtDisk = false;
            if (batch.Bytes.Length <= SpareBytesMax) _spare = batch.Bytes;
        }
        batch.Done.TrySetResult();
        _watcher?.IsDurable(_durable);
    }

    private void Append(Batch batch, ref int next, ref int at, int until)
    {
        for (; next < until; next++)
        {
            (byte kind, int bytes) = batch.Records[next];
            _ = _journal.Append(kind, batch.Bytes.AsSpan(at, bytes));
            at += bytes;
        }
        _journal.Commit();
    }

    private void RunExclusive(Action<JournalFolder> action, TaskCompletionSource done)
    {
        long last = _journal.LastSequence;
        try
        {
            action(_journal);
            Invariant.Check(_journal.LastSequence == last && !_journal.HasPending);
            done.TrySetResult();
        }
        catch (Exception error) when (!_journal.IsDead)
        {
            done.TrySetException(error); // the caller's own; the journal is as it was
        }
    }

    /// <summary>Waits, with a bound, until the line has room. A record larger than the whole line is let in when nothing is in line.</summary>
    private void WaitForRoom_NeedsLock(int bytes)
    {
        long from = Stopwatch.GetTimestamp();
        for (ThrowIfOver_NeedsLock(); !_filling.IsEmpty && _filling.FramedBytes + bytes > _options.QueueBytesMax; ThrowIfOver_NeedsLock())
        {
            TimeSpan left = _options.WaitAtMost - Stopwatch.GetElapsedTime(from);
            if (left <= TimeSpan.Zero) throw new JournalException("busy", $"{_filling.FramedBytes} bytes are in line for the disk, and none was taken within {_options.WaitAtMost.TotalSeconds} s");
            if (MustWake_NeedsLock()) _wake.Set(); // nobody has begun with what fills the line
            _waitForRoom++;
            Monitor.Wait(_gate, left);
            _waitForRoom--;
        }
    }

    private void ThrowIfOver_NeedsLock()
    {
        if (_failed is not null) throw new JournalException(_failed.Code, _failed.Message, _failed);
        if (_closing) throw Closed();
    }

    private void FailAll(JournalException error)
    {
        Batch? committing;
        Batch filling;
        lock (_gate)
        {
            _failed ??= error;
            (committing, filling, _committing, _filling) = (_committing, _filling, null, new Batch([]));
            Monitor.PulseAll(_gate);
        }
        committing?.Fail(error);
        filling.Fail(error);
        _watcher?.HasEnded(error);
    }

    private static JournalException Closed() => new("closed", "the journal is closed");

    /// <summary>Records in line, one after the other in one array, and the actions between them.</summary>
    private sealed class Batch(byte[] bytes)
    {
        private int _have;

        internal byte[] Bytes { get; private set; } = bytes;

        internal List<(byte Kind, int Bytes)> Records { get; } = [];

        /// <summary>Each runs when as many records of the batch as it says are durable.</summary>
        internal List<(int Before, Action<JournalFolder> Action, TaskCompletionSource Done)> Actions { get; } = [];

        /// <summary>Continuations run elsewhere: the committing thread goes on to the next batch.</summary>
        internal TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        internal bool IsEmpty => Records.Count == 0 && Actions.Count == 0;

        internal long FramedBytes => _have + ((long)Records.Count * RecordFrame.OverheadBytes);

        internal void Add(byte kind, ReadOnlySpan<byte> payload)
        {
            if (Bytes.Length - _have < payload.Length)
            {
                byte[] larger = new byte[Math.Max(_have + payload.Length, Math.Min(2L * Bytes.Length, Array.MaxLength))];
                Bytes.AsSpan(0, _have).CopyTo(larger);
                Bytes = larger;
            }
            payload.CopyTo(Bytes.AsSpan(_have));
            _have += payload.Length;
            Records.Add((kind, payload.Length));
        }

        internal void Fail(JournalException error)
        {
            Done.TrySetException(error);
            _ = Done.Task.Exception; // seen: nobody may have waited
            foreach ((_, _, TaskCompletionSource done) in Actions)
            {
                done.TrySetException(error);
                _ = done.Task.Exception;
            }
        }
    }
}

/// <summary>Is told on the committing thread, between two batches, and so without the way over a thread of the pool. Calls back nothing that waits for
/// the thread: what is enqueued there is not begun with, or committed by <see cref="GroupCommit.TryCommitHere"/>.</summary>
public interface IGroupCommitWatcher
{
    /// <summary>Everything up to that sequence is durable.</summary>
    void IsDurable(long sequence);

    /// <summary>No more will be: the journal failed, or was closed. May be said twice.</summary>
    void HasEnded(JournalException error);
}

/// <summary>Bounds of a group commit.</summary>
public sealed record GroupCommitOptions
{
    /// <summary>
    /// Bytes in line, framing included, before callers wait. Default 64 MiB; at most the journal's <see cref="JournalOptions.BatchBytesMax"/>. Twice as
    /// much can be in memory: one batch in line and one being written.
    /// </summary>
    public long QueueBytesMax { get; init; } = 64L << 20;

    /// <summary>How long a caller waits for room, and <see cref="GroupCommit.DisposeAsync"/> for the disk. Default 30 s.</summary>
    public TimeSpan WaitAtMost { get; init; } = TimeSpan.FromSeconds(30);
}
