using System.Diagnostics;
using Mesh30K.Coordination.Time;
using Mesh30K.Protocol;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Runtime;

/// <summary>
/// The state that an event loop owns. All methods run on the loop's thread, one at a time: no lock is needed, and none may block. They throw
/// for bugs only: an exception stops the loop.
/// </summary>
public interface IEventLoopHandler<TBatch, TTimer>
{
    /// <summary>A batch was posted. The handler owns what is in it from now on.</summary>
    void OnBatch(in TBatch batch, Instant now);

    /// <summary>A timer set by <see cref="EventLoop{TBatch,TTimer}.SetTimer"/> is due; <paramref name="now"/> is at or after its due time.</summary>
    void OnTimer(in TTimer timer, Instant now);

    /// <summary>
    /// Ends each turn in which something happened: the place to post what was gathered for other loops, so that a turn that handles a hundred
    /// batches sends one batch to each neighbour.
    /// </summary>
    void OnTurnEnd(Instant now);

    /// <summary>
    /// Called when nothing waits, before the loop sleeps: the place for work that must not delay messages. Does a small piece and says whether
    /// it did one; the mailbox is looked at between pieces.
    /// </summary>
    bool OnIdle(Instant now);
}

/// <summary>The bounds of an event loop.</summary>
public sealed record EventLoopOptions
{
    /// <summary>Batches waiting, at most; policy <c>reject-newest</c>, counted. Default 16,384. Larger hides overload for longer and costs memory.</summary>
    public int MailboxMax { get; init; } = 16_384;

    /// <summary>Timers waiting, at most: more is a bug of the handler and stops the loop. Default 4,000,000.</summary>
    public int TimersMax { get; init; } = 4_000_000;

    /// <summary>Batches handled before timers are looked at again. Default 256. Larger makes timers later under load.</summary>
    public int TurnBatchesMax { get; init; } = 256;

    /// <summary>The timers' tick. Default 1 ms; the managed wait under it is as coarse. Sends that need better go to a release thread.</summary>
    public TimeSpan Tick { get; init; } = TimeSpan.FromMilliseconds(1);

    /// <summary>
    /// How long the loop looks for new batches before it sleeps. Default 0 with up to 4 processors, else 20 µs: where loops, the release thread
    /// and the links share few cores, spinning takes the core from the thread that is awaited. Measured on 2 processors, a round trip between
    /// two loops (<c>RuntimeMeasurements</c> in this project's tests): 23 µs without; with, 3–6 µs on idle cores and up to 53 µs on busy ones.
    /// </summary>
    public TimeSpan Spin { get; init; } = Environment.ProcessorCount > 4 ? TimeSpan.FromMicroseconds(20) : TimeSpan.Zero;
}

/// <summary>Where a loop is in its life.</summary>
public enum EventLoopState
{
    /// <summary>Made, not started: batches are accepted and wait.</summary>
    Created,

    /// <summary>Handles batches and timers.</summary>
    Running,

    /// <summary>Refuses new batches, handles those accepted before, fires no more timers.</summary>
    Stopping,

    /// <summary>Ended as asked; everything accepted was handled.</summary>
    Stopped,

    /// <summary>The handler threw: a bug. State is suspect, nothing more is handled, the node is not ready.</summary>
    Faulted,
}

/// <summary>What a loop has done so far. Immutable; counters are of slightly different moments.</summary>
/// <param name="State">Where the loop is in its life.</param>
/// <param name="Batches">Batches handled.</param>
/// <param name="Timers">Timers fired.</param>
/// <param name="Rejected">Batches refused because the mailbox was full.</param>
/// <param name="Depth">Batches waiting now.</param>
/// <param name="Busy">Time spent in turns since the start: over the elapsed time, the share of one core.</param>
/// <param name="LongestTurn">The longest turn: what every message on this loop may have had to wait for.</param>
public sealed record EventLoopSnapshot(
    EventLoopState State, long Batches, long Timers, long Rejected, long Depth, TimeSpan Busy, TimeSpan LongestTurn);

/// <summary>
/// One dedicated thread that owns a handler and its state. Any thread posts batches; they come out in order per producer. Timers are set by
/// the handler itself. An idle loop sleeps on an event: no polling. See <see cref="Mailbox{T}"/> for the queue and why.
/// <para>Overload: <see cref="TryPost"/> answers <see cref="PostResult.Full"/> and the caller keeps the batch; two loops never wait for each other.</para>
/// <para>A handler that throws: the loop ends, <see cref="Completion"/> faults with that exception, <see cref="NotReadyBecause"/> names it, posts are refused.</para>
/// </summary>
public sealed class EventLoop<TBatch, TTimer>
{
    private readonly MeshClock _clock;
    private readonly IEventLoopHandler<TBatch, TTimer> _handler;
    private readonly EventLoopOptions _options;
    private readonly Mailbox<TBatch> _mailbox;
    private readonly TimingWheel<TTimer> _timers;
    private readonly List<TTimer> _due = [];
    private readonly TaskCompletionSource _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Thread _thread;
    private Mailbox<TBatch>.Node? _taken;
    private volatile EventLoopState _state;
    private volatile bool _stopping;
    private long _batches;
    private long _timersFired;
    private long _busy;
    private long _longestTurn;

    /// <summary>Makes the loop; <see cref="Start"/> starts it.</summary>
    public EventLoop(string name, MeshClock clock, IEventLoopHandler<TBatch, TTimer> handler, EventLoopOptions? options = null)
    {
        Name = name;
        _clock = clock;
        _handler = handler;
        _options = options ?? new EventLoopOptions();
        _mailbox = new Mailbox<TBatch>(_options.MailboxMax);
        _timers = new TimingWheel<TTimer>(clock.Now, _options.Tick);
        _thread = new Thread(Run) { Name = name, IsBackground = true };
    }

    /// <summary>The thread's name, for messages.</summary>
    public string Name { get; }

    /// <summary>Ends when the loop has: normally after <see cref="StopAsync"/>, faulted with the handler's exception. Never swallowed: watch it.</summary>
    public Task Completion => _completion.Task;

    /// <summary>Why the node cannot be ready, in plain words; null while the loop runs.</summary>
    public string? NotReadyBecause => _state switch
    {
        EventLoopState.Running => null,
        EventLoopState.Faulted => $"event loop {Name} stopped by a bug: {_completion.Task.Exception?.InnerException?.Message}",
        var other => $"event loop {Name} is {other}",
    };

    /// <summary>Starts the thread; once only. Timers set before are kept.</summary>
    public void Start()
    {
        _state = EventLoopState.Running;
        _thread.Start();
    }

    /// <summary>Hands a batch over. Any thread; never blocks. Accepted means handled, unless the handler fails or the process ends.</summary>
    public PostResult TryPost(TBatch batch) => _mailbox.TryPost(batch);

    /// <summary>Sets a timer. Only the handler (the loop's thread), or whoever makes the loop before <see cref="Start"/>. A past due time fires next turn.</summary>
    public void SetTimer(Instant due, TTimer timer)
    {
        Invariant.Check(_state == EventLoopState.Created || Environment.CurrentManagedThreadId == _thread.ManagedThreadId);
        Invariant.Check(_timers.Count < _options.TimersMax);
        _timers.Add(due, timer);
    }

    /// <summary>The counters now. Any thread, no lock.</summary>
    public EventLoopSnapshot Snapshot() =>
        new(
            _state,
            Volatile.Read(ref _batches),
            Volatile.Read(ref _timersFired),
            _mailbox.Rejected,
            _mailbox.Weight,
            Stopwatch.GetElapsedTime(0, Volatile.Read(ref _busy)),
            Stopwatch.GetElapsedTime(0, Volatile.Read(ref _longestTurn)));

    /// <summary>Refuses new batches, handles those accepted, drops waiting timers, ends. Not from the loop's own thread.</summary>
    /// <param name="deadline">How long to wait. After it the thread goes on draining in the background.</param>
    /// <returns>Whether the loop ended in time. Throws what the handler threw, if it did.</returns>
    public async Task<bool> StopAsync(TimeSpan deadline)
    {
        if (_state == EventLoopState.Created) Start();
        _stopping = true;
        _mailbox.Interrupt();
        if (await Task.WhenAny(Completion, Task.Delay(deadline)).ConfigureAwait(false) != Completion) return false;
        await Completion.ConfigureAwait(false);
        return true;
    }

    private void Run()
    {
        _ = LinuxNative.TrySetTimerSlackOfThisThread();
        try
        {
            while (!_stopping)
            {
                if (!Turn() && !Idle()) WaitForWork();
            }

            _state = EventLoopState.Stopping;
            Drain();
            _state = EventLoopState.Stopped;
            _completion.SetResult();
        }
#pragma warning disable CA1031 // whatever the handler throws is surfaced through Completion
        catch (Exception bug)
#pragma warning restore CA1031
        {
            _ = _mailbox.Close();
            _completion.SetException(bug);
            _state = EventLoopState.Faulted;
        }
    }

    /// <summary>One turn: some batches, then the timers that are due, then the turn's end. False when there was nothing to do.</summary>
    private bool Turn()
    {
        long from = Stopwatch.GetTimestamp();
        Instant now = _clock.Now;
        bool worked = HandleBatches(_options.TurnBatchesMax, now);
        worked |= FireTimers(now);
        if (!worked) return false;
        _handler.OnTurnEnd(now);
        AccountTurn(from);
        return true;
    }

    private bool Idle()
    {
        long from = Stopwatch.GetTimestamp();
        if (!_handler.OnIdle(_clock.Now)) return false;
        AccountTurn(from);
        return true;
    }

    private bool HandleBatches(int max, Instant now)
    {
        int handled = 0;
        while (handled < max && (_taken ??= _mailbox.TakeAll()) is { } node)
        {
            _taken = node.Next;
            _handler.OnBatch(in node.Item, now);
            handled++;
        }

        if (handled == 0) return false;
        Volatile.Write(ref _batches, _batches + handled);
        _mailbox.Release(handled);
        return true;
    }

    private bool FireTimers(Instant now)
    {
        if (_timers.Count == 0) return false;
        _due.Clear();
        if (_timers.Advance(now, _due) == 0) return false;
        foreach (TTimer timer in _due) _handler.OnTimer(in timer, now);
        Volatile.Write(ref _timersFired, _timersFired + _due.Count);
        return true;
    }

    private void Drain()
    {
        Mailbox<TBatch>.Node? last = _mailbox.Close();
        HandleBatches(int.MaxValue, _clock.Now);
        _taken = last;
        HandleBatches(int.MaxValue, _clock.Now);
        _handler.OnTurnEnd(_clock.Now);
    }

    private void AccountTurn(long from)
    {
        long took = Stopwatch.GetTimestamp() - from;
        Volatile.Write(ref _busy, _busy + took);
        if (took > _longestTurn) Volatile.Write(ref _longestTurn, took);
    }

    private void WaitForWork()
    {
        if (_options.Spin > TimeSpan.Zero)
        {
            long from = Stopwatch.GetTimestamp();
            while (Stopwatch.GetElapsedTime(from) < _options.Spin)
            {
                if (_mailbox.HasItems) return;
                Thread.SpinWait(16);
            }
        }

        int timeoutMs = Timeout.Infinite;
        if (_timers.NextDue is { } due)
        {
            double aheadMs = due.MsSince(_clock.Now);
            if (aheadMs <= 0) return;
            timeoutMs = (int)Math.Min(Math.Ceiling(aheadMs), int.MaxValue);
        }

        _mailbox.Wait(timeoutMs);
    }
}
