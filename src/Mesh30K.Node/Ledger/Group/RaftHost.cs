using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Consistency.Strong.Raft;
using Mesh30K.Node.Storage;
using Mesh30K.Protocol;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Ledger.Group;

/// <summary>
/// One coordinator without its links: a thread that owns a Raft machine and the ledger that it replicates, a journal, and two bounded lines to that thread. Each round takes all that has come,
/// proposes all commands of it as one, and carries effects out as <see cref="RaftEffect"/> demands. Thread-safe.
/// </summary>
/// <remarks>
/// A failure of the journal, an entry that this version cannot read, or a bug ends it for good (<see cref="Stopped"/>): a server that may have lost what it promised says nothing more. Its
/// process ends, and the next one starts from what the disk holds.
/// </remarks>
public sealed partial class RaftHost : IRaftJournalWatcher, IAsyncDisposable
{
    /// <summary>Keys of the ledger's values that say where servers are that were added later. Clients read them and do not set them.</summary>
    internal const string AddressPrefix = "mesh.coordinator/";

    private readonly RaftHostOptions _options;
    private readonly IRaftTransport _transport;
    private readonly RaftMachine _machine;
    private readonly RaftJournal _journal;
    private readonly RaftEffects _effects = new();
    private readonly ClockWatch _clocks;
    private readonly long _startedAt;
    private readonly TaskCompletionSource<Exception?> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Guards what others put in line for the loop.</summary>
    private readonly object _gate = new();
    private List<RaftMessage> _messages = [];
    private List<HostRequest> _requests = [];
    private List<(ServerId Peer, Instant Theirs, Instant At)> _heard = [];
    private long _messageBytes;
    private long _persisted;
    private (long Index, byte[] Image)? _made;
    private Exception? _failure;
    private bool _waits;
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
        _journal = RaftJournal.Start(folder, this);
    }

    /// <summary>Completes when the server has stopped: with what ended it, or null when it was asked to.</summary>
    public Task<Exception?> Stopped => _ended.Task;

    /// <summary>The host's monotonic clock.</summary>
    internal Instant Now => new(_options.Clock.GetElapsedTime(_startedAt).Ticks);

    internal Instant WallNow => Instant.From(_options.Clock.GetUtcNow());

    internal ServerId Self => _machine.Self;

    /// <summary>Messages of other servers that found no room in line.</summary>
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
        new Thread(host.Run) { Name = "mesh-raft", IsBackground = true }.Start();
        return host;
    }

    /// <summary>A message of another server for this one. Dropped when the line is full.</summary>
    /// <param name="bytes">About how many bytes it takes.</param>
    internal void Receive(RaftMessage message, int bytes)
    {
        Invariant.Check(message.To == Self);
        lock (_gate)
        {
            if (_messages.Count >= _options.MessagesMax || _messageBytes + bytes > _options.MessageBytesMax)
            {
                _dropped++;
                return;
            }
            _messages.Add(message);
            _messageBytes += bytes;
            Wake_NeedsLock();
        }
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

    /// <summary>Requests of one caller, in their order. What finds no room is refused at once as not taken.</summary>
    internal void Submit(IReadOnlyList<HostRequest> requests)
    {
        int taken = 0;
        lock (_gate)
        {
            if (!_stopping && _failure is null)
            {
                for (; taken < requests.Count && _requests.Count < _options.RequestsMax; taken++) _requests.Add(requests[taken]);
                Wake_NeedsLock();
            }
        }
        for (int i = taken; i < requests.Count; i++)
            requests[i].Caller.Refuse(requests[i].Id, new LedgerRefusal(LedgerCertainty.NotTaken, _stopping ? "the coordinator is stopping" : "too many requests are in line at the coordinator", Retry: true));
        if (taken < requests.Count) requests[taken].Caller.Flush();
    }

    void IRaftJournalWatcher.Persisted(long sequence)
    {
        lock (_gate)
        {
            _persisted = Math.Max(_persisted, sequence);
            Wake_NeedsLock();
        }
    }

    void IRaftJournalWatcher.Failed(Exception error) => Fail(error);

    /// <summary>Stops the loop, then the journal. What is under way has no answer any more.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            _stopping = true;
            Wake_NeedsLock();
        }
        await _ended.Task.ConfigureAwait(false);
    }

    private void Fail(Exception error)
    {
        lock (_gate)
        {
            _failure ??= error;
            Wake_NeedsLock();
        }
    }

    private void Wake_NeedsLock()
    {
        if (!_waits) return;
        _waits = false;
        Monitor.Pulse(_gate);
    }

    private void Run()
    {
        Exception? why = null;
        try
        {
            while (Take()) Round();
            lock (_gate) why = _failure;
        }
        catch (Exception error)
        {
            // All of them: a bug in here must not leave a server that goes on saying things.
            lock (_gate) why = _failure ??= error;
        }
        RefuseAll(why);
        _ = _journal.DisposeAsync().AsTask().ContinueWith(_ => _ended.TrySetResult(why), TaskScheduler.Default);
    }

    /// <summary>Waits until something has come or is due, and takes it; false when the server is to stop.</summary>
    private bool Take()
    {
        lock (_gate)
        {
            while (!_stopping && _failure is null && _messages.Count == 0 && _requests.Count == 0 && _persisted == _durable && _made is null)
            {
                TimeSpan left = Due() - Now;
                if (left <= TimeSpan.Zero) break;
                _waits = true;
                // A millisecond more than needed: the wait is in whole ones, and one that ends early would only be another round.
                Monitor.Wait(_gate, (int)Math.Min(Math.Ceiling(left.TotalMilliseconds), 60_000));
                _waits = false;
            }
            (_messages, _messagesNow) = (_messagesNow, _messages);
            (_requests, _requestsNow) = (_requestsNow, _requests);
            (_heard, _heardNow) = (_heardNow, _heard);
            (_persistedNow, _madeNow, _made) = (_persisted, _made, null);
            _messageBytes = 0;
            return !_stopping && _failure is null;
        }
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
