using System.Runtime.InteropServices;
using Mesh30K.Coordination.Time;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Runtime;

/// <summary>Something with a planned time. Implemented by a struct, so that the reading is inlined.</summary>
public interface IDue
{
    /// <summary>The moment before which it must not be released.</summary>
    Instant Due { get; }
}

/// <summary>How a <see cref="ReleaseThread{T}"/> trades precision for processor time.</summary>
public sealed record ReleaseOptions
{
    /// <summary>Items scheduled and not released, at most; policy <c>reject-newest</c>, a whole span at a time. Default 1,000,000. Larger costs memory.</summary>
    public int PendingMax { get; init; } = 1_000_000;

    /// <summary>Items due within one tick leave together, up to one tick late. Default 100 µs. Smaller means smaller groups and more wake-ups.</summary>
    public TimeSpan Tick { get; init; } = TimeSpan.FromMicroseconds(100);

    /// <summary>
    /// How long before a due time the thread stops sleeping and spins. Default 0 with up to 4 processors, else 100 µs. Larger hides the
    /// kernel's wake-up delay (~0.02 ms at the median) and burns that share of a core while sends are dense; where cores are few the scheduler
    /// then takes the core away just when it is needed: in two runs of <c>RuntimeMeasurements</c> (this project's tests) on 2 processors
    /// shared with other builds, 100 µs had a p99 several times that of 0.
    /// </summary>
    public TimeSpan Spin { get; init; } = Environment.ProcessorCount > 4 ? TimeSpan.FromMicroseconds(100) : TimeSpan.Zero;

    /// <summary>The longest sleep while a release is near: how late a newly scheduled earlier item may be seen. Default 0.5 ms.</summary>
    public TimeSpan Poll { get; init; } = TimeSpan.FromMilliseconds(0.5);
}

/// <summary>What a release thread has done so far. Immutable.</summary>
/// <param name="Released">Items handed to the sink.</param>
/// <param name="Pending">Items scheduled and not released.</param>
/// <param name="Rejected">Items refused because <see cref="ReleaseOptions.PendingMax"/> was reached.</param>
/// <param name="Lateness">Released − planned.</param>
/// <param name="PriorityRaised">Whether the system let the thread run before others.</param>
public sealed record ReleaseSnapshot(long Released, long Pending, long Rejected, LatencySnapshot Lateness, bool PriorityRaised);

/// <summary>
/// One thread that releases items at their planned time, each exactly once and never before it. Any thread schedules; the sink runs on the
/// release thread and must be short and not block: it hands over (posts to a loop, writes to links' queues).
/// <para>
/// It sleeps absolutely until shortly before the next due time, at most <see cref="ReleaseOptions.Poll"/>, so that an earlier item scheduled
/// meanwhile is seen in time; when nothing is due soon it blocks on an event that <see cref="Schedule"/> sets: idle, it costs nothing.
/// </para>
/// An exception out of the sink is a bug: the thread stops, later calls answer <see cref="PostResult.Closed"/>, <see cref="Completion"/> faults.
/// At <see cref="StopAsync"/> what is pending is <em>not</em> released. Thread-safe.
/// </summary>
public sealed class ReleaseThread<T>
    where T : IDue
{
    /// <summary>Receives the items that are due. The span is valid during the call only.</summary>
    /// <param name="due">In order of tick, within a tick in order of arrival; never empty.</param>
    /// <param name="releasedAt">The moment of release, at or after every item's due time.</param>
    public delegate void Sink(ReadOnlySpan<T> due, Instant releasedAt);

    /// <summary>A due time further away than this is waited for on the event; managed timeouts may end up to ~4 ms late.</summary>
    private static readonly TimeSpan Near = TimeSpan.FromMilliseconds(20);

    private readonly MeshClock _clock;
    private readonly Sink _sink;
    private readonly ReleaseOptions _options;
    private readonly Mailbox<T[]> _inbox;
    private readonly TimingWheel<T> _wheel;
    private readonly List<T> _due = [];
    private readonly LatencyHistogram _lateness = new();
    private readonly TaskCompletionSource _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Thread _thread;
    private long _released;
    private volatile bool _stopping;
    private volatile bool _priorityRaised;

    /// <summary>Makes the thread and starts it.</summary>
    public ReleaseThread(string name, MeshClock clock, Sink sink, ReleaseOptions? options = null)
    {
        _clock = clock;
        _sink = sink;
        _options = options ?? new ReleaseOptions();
        _inbox = new Mailbox<T[]>(_options.PendingMax);
        _wheel = new TimingWheel<T>(clock.Now, _options.Tick);
        _thread = new Thread(Run) { Name = name, IsBackground = true, Priority = ThreadPriority.Highest };
        _thread.Start();
    }

    /// <summary>Ends when the thread has: normally after <see cref="StopAsync"/>, faulted with the sink's exception. Never swallowed: watch it.</summary>
    public Task Completion => _completion.Task;

    /// <summary>Hands items over, all or none; they are copied and need no order. An item already due leaves at once. Never blocks.</summary>
    public PostResult Schedule(ReadOnlySpan<T> items) =>
        items.IsEmpty ? PostResult.Accepted : _inbox.TryPost(items.ToArray(), items.Length);

    /// <summary>The counters now. No lock; may be a moment old.</summary>
    public ReleaseSnapshot Snapshot() =>
        new(Volatile.Read(ref _released), _inbox.Weight, _inbox.Rejected, _lateness.Snapshot(), _priorityRaised);

    /// <summary>Stops releasing and waits for the thread to end.</summary>
    /// <param name="deadline">How long to wait for a sink that is running.</param>
    /// <returns>Whether the thread ended in time. Throws what the sink threw, if it did.</returns>
    public async Task<bool> StopAsync(TimeSpan deadline)
    {
        _stopping = true;
        _inbox.Interrupt();
        if (await Task.WhenAny(Completion, Task.Delay(deadline)).ConfigureAwait(false) != Completion) return false;
        await Completion.ConfigureAwait(false);
        return true;
    }

    private void Run()
    {
        _priorityRaised = LinuxNative.TryRaisePriorityOfThisThread();
        try
        {
            while (!_stopping)
            {
                TakeScheduled();
                if (!ReleaseDue()) WaitForWork();
            }

            _ = _inbox.Close();
            _completion.SetResult();
        }
#pragma warning disable CA1031 // whatever the sink throws is surfaced through Completion
        catch (Exception bug)
#pragma warning restore CA1031
        {
            _ = _inbox.Close();
            _completion.SetException(bug);
        }
    }

    private void TakeScheduled()
    {
        for (Mailbox<T[]>.Node? node = _inbox.TakeAll(); node is not null; node = node.Next)
        {
            foreach (T item in node.Item) _wheel.Add(item.Due, item);
        }
    }

    private bool ReleaseDue()
    {
        Instant now = _clock.Now;
        _due.Clear();
        if (_wheel.Advance(now, _due) == 0) return false;
        foreach (T item in _due) _lateness.Record(now - item.Due);
        _sink(CollectionsMarshal.AsSpan(_due), now);
        Volatile.Write(ref _released, _released + _due.Count);
        _inbox.Release(_due.Count);
        return true;
    }

    /// <summary>
    /// Far or nothing: block on the event. Near: sleep, not past the poll. Within the spin: spin, looking for new items meanwhile.
    /// </summary>
    private void WaitForWork()
    {
        if (_wheel.NextDue is not { } due)
        {
            _inbox.Wait(Timeout.Infinite);
            return;
        }

        Instant now = _clock.Now;
        TimeSpan ahead = due - now;
        if (ahead > Near)
        {
            _inbox.Wait((int)Math.Min((ahead - (Near / 2)).TotalMilliseconds, int.MaxValue));
        }
        else if (ahead > _options.Spin)
        {
            PreciseSleep.Until(_clock, now + TimeSpan.FromTicks(Math.Min((ahead - _options.Spin).Ticks, _options.Poll.Ticks)));
        }
        else
        {
            while (_clock.Now < due && !_inbox.HasItems) Thread.SpinWait(8);
        }
    }
}
