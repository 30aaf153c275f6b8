using Mesh30K.Consistency.Causal;
using Mesh30K.Node.Storage;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Channels;

/// <summary>
/// A channel that one process owns, for many concurrent callers: commands step under a short lock, in the order of the calls; their records share
/// fsyncs (group commit); a reply goes out when everything that it tells is durable. Thread-safe.
/// </summary>
/// <remarks>
/// When the journal fails, or a step throws, the channel here may have what the journal has not: the host answers nothing any more, every call throws,
/// and <see cref="Failure"/> says why. Compaction stops the channel for as long as writing its state takes: milliseconds for thousands of entries, a
/// second or two for a million.
/// </remarks>
public sealed class ChannelHost : IAsyncDisposable
{
    /// <summary>Claims that wait at once, at most; one more is refused (<see cref="ChannelOutcome.Full"/>).</summary>
    public const int WaitersMax = 1_024;

    private readonly ChannelFolder _folder;
    private readonly ChannelStorageOptions _options;
    private readonly ChannelReplica _replica;
    private readonly GroupCommit _commit;
    private readonly Lock _gate = new();
    private readonly Appends _appends;
    private readonly ITimer _due;
    private readonly LinkedList<Waiter> _waiters = [];
    private Instant? _dueAt;
    private long _sequence;
    private long _sinceSnapshot;
    private long _persisted;
    private bool _compacting;
    private Exception? _failure;

    private ChannelHost(ChannelFolder folder, ChannelStorageOptions options, ChannelReplica replica, JournalFolder journal)
    {
        _folder = folder;
        _options = options;
        _replica = replica;
        _sinceSnapshot = journal.BytesSinceSnapshot;
        _commit = GroupCommit.Start(journal);
        _sequence = _commit.Durable;
        _appends = new Appends(this);
        _due = options.Clock.CreateTimer(_ => Wake(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>The channel's folder.</summary>
    public ChannelFolder Folder => _folder;

    /// <summary>Batches made durable so far, an fsync each.</summary>
    public long Batches => _commit.Batches;

    /// <summary>Bytes of records so far, without their framing.</summary>
    public long BytesPersisted
    {
        get
        {
            lock (_gate) return _persisted;
        }
    }

    /// <summary>Why this host answers nothing any more; null while it does.</summary>
    public string? Failure
    {
        get
        {
            lock (_gate) return _failure?.Message;
        }
    }

    /// <summary>
    /// Takes the channel over. Throws <see cref="ChannelAccessException"/> when another process holds it, and <see cref="JournalException"/>. Blocks
    /// while it reads the journal.
    /// </summary>
    public static ChannelHost Open(ChannelFolder folder, ChannelStorageOptions? options = null, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(folder);
        options ??= new ChannelStorageOptions();
        JournalFolder journal = JournalFolder.Open(folder.JournalLocation);
        try
        {
            if (!journal.TryLock(options.LockWithin, cancel))
            {
                string who = folder.OwnerPid() is { } pid ? $"process {pid}" : "another process";
                throw new ChannelAccessException("channel_busy", $"{who} holds the channel {folder.Name}", "Is another node running on this data directory?");
            }
            ChannelReplica replica = new(options.Channel with { Writer = folder.Writer });
            journal.CatchUp(replica);
            folder.SetOwner();
            return new ChannelHost(folder, options, replica, journal);
        }
        catch
        {
            journal.Dispose();
            throw;
        }
    }

    /// <summary>Does one command; completes when all that the reply tells is durable. Throws <see cref="JournalException"/> when that cannot be.</summary>
    public ValueTask<ChannelReply> StepAsync(ChannelCommand command)
    {
        Answer answer;
        lock (_gate) answer = Step_NeedsLock(command);
        return WhenDurableAsync(answer);
    }

    /// <summary>
    /// A claim that waits until something is ready for its agent, at most so long. The first to wait is the first to be served. A caller that is
    /// cancelled while it waits takes nothing.
    /// </summary>
    public async ValueTask<ChannelReply> ClaimAsync(ChannelCommand.Claim claim, TimeSpan wait, CancellationToken cancel = default)
    {
        Waiter waiter = new(claim);
        Answer answer;
        LinkedListNode<Waiter>? place = null;
        lock (_gate)
        {
            answer = Step_NeedsLock(claim);
            if (answer.Reply.Outcome == ChannelOutcome.Empty && wait > TimeSpan.Zero)
            {
                if (_waiters.Count >= WaitersMax) return new ChannelReply(ChannelOutcome.Full, [], $"{WaitersMax} claims wait already; try again later, or do not wait");
                place = _waiters.AddLast(waiter);
                SetTimer_NeedsLock();
            }
        }
        if (place is null) return await WhenDurableAsync(answer).ConfigureAwait(false);
        try
        {
            answer = await waiter.Served.Task.WaitAsync(wait, _options.Clock, cancel).ConfigureAwait(false);
        }
        catch (Exception gaveUp) when (gaveUp is TimeoutException or OperationCanceledException)
        {
            lock (_gate)
            {
                if (place.List is not null) _waiters.Remove(place);
            }
            bool wasServed = waiter.Served.Task.IsCompleted;
            if (!wasServed) cancel.ThrowIfCancellationRequested();
            if (wasServed) answer = await waiter.Served.Task.ConfigureAwait(false);
        }
        return await WhenDurableAsync(answer).ConfigureAwait(false);
    }

    /// <summary>Looks at the channel between two steps; the look must be short, all others wait. It may see a step that is not durable yet.</summary>
    public T Read<T>(Func<Channel, T> look)
    {
        ArgumentNullException.ThrowIfNull(look);
        lock (_gate)
        {
            ThrowIfFailed_NeedsLock();
            return look(_replica.Channel);
        }
    }

    /// <summary>Refuses new commands, ends those that wait, makes the rest durable and gives the journal back.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            bool first = _failure is not ObjectDisposedException;
            Fail_NeedsLock(new ObjectDisposedException(nameof(ChannelHost), $"the channel {_folder.Name} is closed"));
            if (!first) return;
            _folder.ClearOwner();
        }
        await _due.DisposeAsync().ConfigureAwait(false);
        await _commit.DisposeAsync().ConfigureAwait(false);
    }

    private ValueTask<ChannelReply> WhenDurableAsync(Answer answer)
    {
        ValueTask durable = _commit.WhenDurableAsync(answer.UpTo);
        return durable.IsCompletedSuccessfully ? new ValueTask<ChannelReply>(answer.Reply) : AfterAsync(durable, answer.Reply);

        static async ValueTask<ChannelReply> AfterAsync(ValueTask durable, ChannelReply reply)
        {
            await durable.ConfigureAwait(false);
            return reply;
        }
    }

    /// <summary>
    /// Every reply waits for all that was in line before it, also one that changed nothing: it may tell of a step that is not durable yet, such as the
    /// completion that it repeats.
    /// </summary>
    private Answer Step_NeedsLock(ChannelCommand command)
    {
        Answer answer = StepAlone_NeedsLock(command);
        if (_waiters.Count > 0) Serve_NeedsLock();
        if (!_compacting && _replica.IsCompactionDue(_sinceSnapshot, _options.CompactBytes))
        {
            _compacting = true;
            ThreadPool.UnsafeQueueUserWorkItem(static host => host.Compact(), this, preferLocal: false);
        }
        return answer;
    }

    private Answer StepAlone_NeedsLock(ChannelCommand command)
    {
        ThrowIfFailed_NeedsLock();
        try
        {
            return new Answer(_replica.Channel.Step(command, _options.Now, _appends), _sequence);
        }
        catch (Exception failed)
        {
            Fail_NeedsLock(failed);
            throw;
        }
    }

    /// <summary>Gives what is ready to those who wait, the longest first: one look each, at most <see cref="WaitersMax"/>.</summary>
    private void Serve_NeedsLock()
    {
        for (LinkedListNode<Waiter>? place = _waiters.First; place is not null && _replica.Channel.Counts.Ready > 0;)
        {
            LinkedListNode<Waiter> current = place;
            place = place.Next;
            Answer answer = StepAlone_NeedsLock(current.Value.Claim);
            if (answer.Reply.Outcome == ChannelOutcome.Empty) continue;
            _waiters.Remove(current);
            current.Value.Served.SetResult(answer);
        }
        SetTimer_NeedsLock();
    }

    /// <summary>Leases and retries need a timer only while somebody waits for what they would make ready; any step deals with them.</summary>
    private void SetTimer_NeedsLock()
    {
        Instant? due = _waiters.Count > 0 ? _replica.Channel.NextDue : null;
        if (due == _dueAt) return;
        _dueAt = due;
        TimeSpan after = due is { } at ? at - _options.Now : Timeout.InfiniteTimeSpan;
        if (due is not null) after = after < TimeSpan.Zero ? TimeSpan.Zero : after + TimeSpan.FromMilliseconds(1); // timers count whole milliseconds
        _due.Change(after, Timeout.InfiniteTimeSpan);
    }

    private void Wake()
    {
        lock (_gate)
        {
            _dueAt = null;
            if (_failure is not null || _waiters.First is not { } first) return;
            try
            {
                Answer answer = StepAlone_NeedsLock(first.Value.Claim); // any step deals with what is due
                if (answer.Reply.Outcome != ChannelOutcome.Empty)
                {
                    _waiters.Remove(first);
                    first.Value.Served.SetResult(answer);
                }
                Serve_NeedsLock();
            }
            catch (Exception failed)
            {
                Fail_NeedsLock(failed);
            }
        }
    }

    /// <summary>
    /// On a pool thread. Holds the gate until it is done: a record that came in line between the snapshot and its writing would be in both.
    /// </summary>
    private void Compact()
    {
        lock (_gate)
        {
            try
            {
                if (_failure is not null) return;
                _commit.ExclusiveAsync(_replica.Compact).GetAwaiter().GetResult();
                _sinceSnapshot = 0;
            }
            catch (Exception failed)
            {
                Fail_NeedsLock(failed);
            }
            finally
            {
                _compacting = false;
            }
        }
    }

    private void ThrowIfFailed_NeedsLock()
    {
        if (_failure is ObjectDisposedException closed) throw closed;
        if (_failure is not null) throw new JournalException("stopped", $"the channel {_folder.Name} has stopped: {_failure.Message}", _failure);
    }

    private void Fail_NeedsLock(Exception failure)
    {
        _failure ??= failure;
        foreach (Waiter waiter in _waiters) waiter.Served.TrySetException(failure);
        _waiters.Clear();
    }

    /// <param name="Reply">What goes out.</param>
    /// <param name="UpTo">What has to be durable before.</param>
    private readonly record struct Answer(ChannelReply Reply, long UpTo);

    private sealed class Appends(ChannelHost host) : IChannelEffects
    {
        public void Persist(byte kind, ReadOnlySpan<byte> record)
        {
            host._sequence = host._commit.Enqueue(kind, record);
            host._sinceSnapshot += record.Length;
            host._persisted += record.Length;
            host._replica.Added(record.Length);
        }
    }

    private sealed class Waiter(ChannelCommand.Claim claim)
    {
        public ChannelCommand.Claim Claim { get; } = claim;

        public TaskCompletionSource<Answer> Served { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
