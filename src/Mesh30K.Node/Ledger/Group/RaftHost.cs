using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Consistency.Strong.Raft;
using Mesh30K.Node.Storage;
using Mesh30K.Protocol;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Ledger.Group;

/// <summary>
/// One coordinator without its links: a Raft machine and the ledger that it replicates, a journal, and two bounded lines of what has come. Each round takes all that has come, proposes all
/// commands of it as one, and carries effects out as <see cref="RaftEffect"/> demands. Thread-safe.
/// </summary>
/// <remarks>
/// <para>One thread at a time does rounds. Whoever brings something while nobody is at it does one round itself: a hop to another thread takes longer than a round with little to do. What has
/// come meanwhile is done by the host's own thread, round after round: so nobody is kept for long, and the more comes the more one round does. The own thread also does what is due.</para>
/// <para>A failure of the journal, an entry that this version cannot read, or a bug ends it for good (<see cref="Stopped"/>): a server that may have lost what it promised says nothing more. Its
/// process ends, and the next one starts from what the disk holds.</para>
/// </remarks>
public sealed partial class RaftHost : IRaftJournalWatcher, IAsyncDisposable
{
    /// <summary>Keys of the ledger's values that say where servers are that were added later. Clients read them and do not set them.</summary>
    internal const string AddressPrefix = "mesh.coordinator/";

    /// <summary>Messages of more bytes, and parts of a snapshot, are not for the thread that brought them: it has other connections to look after.</summary>
    private const long HereBytesMax = 64 << 10;

    private readonly RaftHostOptions _options;
    private readonly IRaftTransport _transport;
    private readonly RaftMachine _machine;
    private readonly RaftJournal _journal;
    private readonly RaftEffects _effects = new();
    private readonly ClockWatch _clocks;
    private readonly long _startedAt;
    private readonly Thread _own;
    private readonly TaskCompletionSource<Exception?> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The host's own thread waits here. Set outside the gate: a thread that is woken into a lock that its waker holds costs both several switches.</summary>
    private readonly AutoResetEvent _wake = new(false);

    /// <summary>Guards what is put in line for a round, and who does rounds.</summary>
    private readonly Lock _gate = new();
    private List<RaftMessage> _messages = [];
    private List<HostRequest> _requests = [];
    private List<(ServerId Peer, Instant Theirs, Instant At)> _heard = [];
    private long _messageBytes;
    private bool _hasParts;
    private long _persisted;
    private (long Index, byte[] Image)? _made;
    private Exception? _failure;
    private bool _isInRound;
    private bool _isAtDisk;
    private bool _isOwnAtDisk;
    private bool _isEnding;
    private bool _waits;
    private Instant _waitsUntil;
    private bool _stopping;
    private long _dropped;

    private RaftHost(ServerId self, RaftHostOptions options, IRaftTransport transport, JournalFolder folder, RaftDurable durable)
    {
        (_options, _transport) = (options, transport);
        _clocks = new ClockWatch(options.ClockOffMax);
        _startedAt = options.Clock.GetTimestamp();
        _machine = new RaftMachine(self, durable, options.Raft, unchecked((ulong)Random.Shared.NextInt64()), Now);
        _images[durable.Snapshot.At.Index] = durable.Image;
        RestoreFrom(durable.Snapshot.At.Index);
        _own = new Thread(Run) { Name = "mesh-raft", IsBackground = true };
        _journal = RaftJournal.Start(folder, this);
    }

    /// <summary>Completes when the server has stopped: with what ended it, or null when it was asked to.</summary>
    public Task<Exception?> Stopped => _ended.Task;

    /// <summary>The host's monotonic clock.</summary>
    internal Instant Now => new(_options.Clock.GetElapsedTime(_startedAt).Ticks);

    internal Instant WallNow => Instant.From(_options.Clock.GetUtcNow());

    internal ServerId Self => _machine.Self;

    /// <summary>Messages of other servers that found no room in line, and messages to them that found none while they waited for the disk.</summary>
    internal long Dropped => Volatile.Read(ref _dropped);

    /// <summary>
    /// Opens a server's data folder and starts its loop. Throws <see cref="JournalException"/> and <see cref="RaftRecordException"/> when its journal cannot be used, <see cref="LedgerFormatException"/>
    /// when its snapshot is of a newer version.
    /// </summary>
    /// <param name="first">What an empty folder begins with: the group's first voters, or nobody at a server that is added; null when the server has run before, so that its folder must not be empty.</param>
    /// <param name="files">The disk; null for the system's.</param>
    /// <param name="begun">Called when the folder holds a beginning and the server has not yet promised anything.</param>
    internal static RaftHost Start(ServerId self, RaftMembership? first, string folder, RaftHostOptions options, Func<RaftHost, IRaftTransport> transport, Action? begun = null, JournalFiles? files = null)
    {
        (JournalFolder journal, RaftDurable durable) = RaftJournal.Open(folder, first, files);
        LateTransport late = new();
        RaftHost host;
        try
        {
            begun?.Invoke();
            host = new RaftHost(self, options, late, journal, durable);
        }
        catch
        {
            journal.Dispose();
            throw;
        }
        late.Real = transport(host);
        host._own.Start();
        return host;
    }

    /// <summary>Messages of other servers for this one that came together, and about how many bytes each takes. What finds no room in line is dropped. May do a round.</summary>
    internal void Receive(params ReadOnlySpan<(RaftMessage Message, int Bytes)> messages)
    {
        lock (_gate)
        {
            foreach ((RaftMessage message, int bytes) in messages) Take_NeedsLock(message, bytes);
        }
        RoundHere();
    }

    /// <summary>Another server's wall clock, as it was when it said so.</summary>
    internal void HearClock(ServerId peer, Instant theirs)
    {
        Instant now = Now;
        lock (_gate)
        {
            if (_heard.Count < _options.MessagesMax) _heard.Add((peer, theirs, now));
        }
    }

    /// <summary>Requests of one caller, in their order. What finds no room is refused at once as not taken. May do a round.</summary>
    internal void Submit(IReadOnlyList<HostRequest> requests)
    {
        int taken = 0;
        lock (_gate)
        {
            if (!_stopping && _failure is null)
            {
                for (; taken < requests.Count && _requests.Count < _options.RequestsMax; taken++) _requests.Add(requests[taken]);
            }
        }
        RoundHere();
        for (int i = taken; i < requests.Count; i++)
            requests[i].Caller.Refuse(requests[i].Id, new LedgerRefusal(LedgerCertainty.NotTaken, _stopping ? "the coordinator is stopping" : "too many requests are in line at the coordinator", Retry: true));
        if (taken < requests.Count) requests[taken].Caller.Flush();
    }

    void IRaftJournalWatcher.Persisted(long sequence, bool isIdle)
    {
        bool here;
        lock (_gate)
        {
            _persisted = Math.Max(_persisted, sequence);
            if (_isInRound || IsOver_NeedsLock) return;
            // The journal's thread may do a round in which nothing comes that it would have to wait for itself.
            here = isIdle && _messages.Count + _requests.Count == 0;
            if (here) BeginRound_NeedsLock();
            else if (!MustWake_NeedsLock()) return;
        }
        if (here) DoRounds();
        else _wake.Set();
    }

    void IRaftJournalWatcher.Failed(Exception error) => Fail(error);

    /// <summary>Stops the rounds, then the journal. What is under way has no answer any more.</summary>
    public async ValueTask DisposeAsync()
    {
        WakeAfter(() => _stopping = true);
        End(isOwn: false);
        await _ended.Task.ConfigureAwait(false);
    }

    private void Take_NeedsLock(RaftMessage message, int bytes)
    {
        Invariant.Check(message.To == Self);
        if (_messages.Count >= _options.MessagesMax || _messageBytes + bytes > _options.MessageBytesMax)
        {
            Interlocked.Increment(ref _dropped);
            return;
        }
        _messages.Add(message);
        _messageBytes += bytes;
        _hasParts |= message is SnapshotChunk; // the last one is small, and brings the whole state
    }

    private void Fail(Exception error) => WakeAfter(() => _failure ??= error);

    /// <summary>For what is rare: changes something under the lock, and lets the host's own thread look.</summary>
    private void WakeAfter(Action change)
    {
        lock (_gate)
        {
            change();
            if (!MustWake_NeedsLock()) return;
        }
        _wake.Set();
    }

    /// <summary>Whether the host's own thread waits; whoever asks then wakes it.</summary>
    private bool MustWake_NeedsLock()
    {
        bool must = _waits;
        _waits = false;
        return must;
    }

    private void Run()
    {
        while (true)
        {
            bool wait;
            lock (_gate)
            {
                if (IsOver_NeedsLock && (!_isInRound || _isAtDisk)) break;
                _waits = wait = _isInRound || (!HasCome_NeedsLock && Now < Due());
                if (wait) _waitsUntil = _isInRound ? Instant.MaxValue : Due(); // a round that ends wakes it
                else BeginRound_NeedsLock();
            }
            if (wait) WaitForRound();
            else DoRounds();
        }
        End(isOwn: true);
    }

    /// <summary>The last that the host's own thread does. While a disk that hangs keeps that thread, whoever stops the server does it.</summary>
    private void End(bool isOwn)
    {
        lock (_gate)
        {
            if (_isEnding || !(isOwn || _isOwnAtDisk)) return;
            _isEnding = true;
        }
        Exception? why = _failure;
        RefuseAll(why);
        _ = _journal.DisposeAsync().AsTask().ContinueWith(_ => _ended.TrySetResult(why), TaskScheduler.Default);
    }

    private void WaitForRound()
    {
        // A millisecond more than needed: the wait is in whole ones, and one that ends early would only be another round.
        double ms = Math.Ceiling((_waitsUntil - Now).TotalMilliseconds);
        _ = _wake.WaitOne((int)Math.Clamp(ms, 0, 60_000));
    }

    /// <summary>Does a round on this thread, unless another one is at it or there is much to do: then that one, or the host's own, does what has come.</summary>
    private void RoundHere()
    {
        bool here;
        lock (_gate)
        {
            if (_isInRound || IsOver_NeedsLock || !HasCome_NeedsLock) return;
            here = IsLittle_NeedsLock;
            if (here) BeginRound_NeedsLock();
            else if (!MustWake_NeedsLock()) return;
        }
        if (here) DoRounds();
        else _wake.Set();
    }

    /// <summary>Goes to the disk between two rounds; true when there is to be another one. A disk that hangs keeps this thread, and does not keep the server from stopping.</summary>
    private bool CommitHere()
    {
        lock (_gate)
        {
            if (IsOver_NeedsLock) return false; // the own thread may wait for the end of this round, and not for the disk
            (_isAtDisk, _isOwnAtDisk) = (true, Thread.CurrentThread == _own);
        }
        bool did = _journal.TryCommitHere();
        lock (_gate)
        {
            _isAtDisk = _isOwnAtDisk = false;
            if (!did || IsOver_NeedsLock || !IsLittle_NeedsLock) return false;
            BeginRound_NeedsLock();
            return true;
        }
    }

    /// <summary>A leader's messages are on their way while its disk works, and it has to hear their answers; others have nothing to do before their disk is done.</summary>
    private bool MayCommitHere => _machine.Role != RaftRole.Leader || _machine.Membership.Voters.Count == 1;

    private bool IsOver_NeedsLock => _stopping || _failure is not null;

    private bool IsLittle_NeedsLock => _messageBytes <= HereBytesMax && !_hasParts;

    private bool HasCome_NeedsLock => _messages.Count > 0 || _requests.Count > 0 || _persisted > _durable || _made is not null;

    private void BeginRound_NeedsLock()
    {
        _isInRound = true;
        (_messages, _messagesNow) = (_messagesNow, _messages);
        (_requests, _requestsNow) = (_requestsNow, _requests);
        (_heard, _heardNow) = (_heardNow, _heard);
        (_persistedNow, _madeNow, _made) = (_persisted, _made, null);
        (_messageBytes, _hasParts) = (0, false);
    }

    /// <summary>One round. When it has put little in line for the disk and this thread may wait for that: also that, and one more.</summary>
    private void DoRounds()
    {
        Exception? wrong = null;
        try
        {
            Round();
            if (MayCommitHere && CommitHere()) Round();
            _journal.Begin();
        }
        catch (Exception error)
        {
            wrong = error; // all of them: a bug in here must not leave a server that goes on saying things
        }
        lock (_gate)
        {
            _failure ??= wrong;
            _isInRound = false;
            bool more = IsOver_NeedsLock || HasCome_NeedsLock || Due() < _waitsUntil;
            if (!more || !MustWake_NeedsLock()) return;
        }
        _wake.Set();
    }

    /// <summary>Before there are links there is a host that they belong to.</summary>
    private sealed class LateTransport : IRaftTransport
    {
        internal IRaftTransport Real { get; set; } = null!;

        public void Send(RaftMessage message) => Real.Send(message);

        public void Flush() => Real.Flush();

        public bool IsLinked(ServerId server) => Real.IsLinked(server);
    }
}
