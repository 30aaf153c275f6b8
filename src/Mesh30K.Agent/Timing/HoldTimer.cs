namespace Mesh30K.Agent.Timing;

/// <summary>
/// Waits until a moment of the monotonic clock, some 0.1 to 1 ms late. One thread for all agents of a process, which sleeps on a condition: the timers of .NET tick every few ms, and a thread or a spin for each
/// agent would be dear. Bounded: see <see cref="WaitAsync"/>. Thread-safe.
/// </summary>
internal sealed class HoldTimer
{
    internal const int WaitersMax = 65_536;

    private readonly Lock _start = new();
    private readonly object _gate = new();
    private readonly PriorityQueue<TaskCompletionSource, long> _waiters = new();
    private Thread? _thread;

    internal static HoldTimer Shared { get; } = new();

    /// <summary>A task that ends at that moment; at once when <see cref="WaitersMax"/> wait already (policy <c>answer-early</c>).</summary>
    internal Task WaitAsync(long localTicks)
    {
        TaskCompletionSource due = new(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            if (_waiters.Count >= WaitersMax) return Task.CompletedTask;
            _waiters.Enqueue(due, localTicks);
            if (_waiters.Peek() == due) Monitor.Pulse(_gate);
        }
        EnsureThread();
        return due.Task;
    }

    private void EnsureThread()
    {
        if (Volatile.Read(ref _thread) is not null) return;
        lock (_start)
        {
            if (_thread is not null) return;
            Thread thread = new(Run) { IsBackground = true, Name = "mesh-hold" };
            thread.Start();
            Volatile.Write(ref _thread, thread);
        }
    }

    private void Run()
    {
        lock (_gate)
        {
            while (true)
            {
                if (!_waiters.TryPeek(out TaskCompletionSource? due, out long at))
                {
                    Monitor.Wait(_gate);
                    continue;
                }
                long left = at - MeshClock.LocalTicks;
                if (left <= 0)
                {
                    _ = _waiters.Dequeue();
                    due.SetResult();
                    continue;
                }
                // Whole ms, rounded up: never early. A far moment is waited for in parts, as an int of ms is not for ever.
                Monitor.Wait(_gate, (int)Math.Min((left + TimeSpan.TicksPerMillisecond - 1) / TimeSpan.TicksPerMillisecond, 60_000));
            }
        }
    }
}
