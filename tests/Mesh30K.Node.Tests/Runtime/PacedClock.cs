using System.Diagnostics;

namespace Mesh30K.Node.Tests.Runtime;

/// <summary>
/// Real time without stalls: it goes on only while this process is given a processor, and is never ahead of real time. Whoever goes by it sees a machine that never stalls, so that a time-out of this clock passes
/// because somebody did nothing, and not because nobody could. Timers fire on the thread pool. Thread-safe.
/// </summary>
internal class PacedClock : TimeProvider
{
    /// <summary>What is longer between two looks is a stall, and counts so much.</summary>
    private static readonly TimeSpan StepMax = TimeSpan.FromMilliseconds(5);

    private static readonly Lock Gate = new();
    private static readonly List<PacedTimer> Timers = [];
    private static readonly DateTimeOffset Began = DateTimeOffset.UtcNow;
    private static TimeSpan s_passed = TimeSpan.Zero;
    private static long s_lookedAt = Stopwatch.GetTimestamp();

    static PacedClock() => new Thread(Tick) { IsBackground = true, Name = "paced-clock" }.Start();

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp()
    {
        lock (Gate) return Look_NeedsLock().Ticks;
    }

    public override DateTimeOffset GetUtcNow() => Began + new TimeSpan(GetTimestamp());

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        PacedTimer timer = new(callback, state);
        lock (Gate) Timers.Add(timer);
        timer.Change(dueTime, period);
        return timer;
    }

    private static TimeSpan Look_NeedsLock()
    {
        long now = Stopwatch.GetTimestamp();
        TimeSpan since = Stopwatch.GetElapsedTime(s_lookedAt, now);
        s_lookedAt = now;
        return s_passed += since < StepMax ? since : StepMax;
    }

    private static void Tick()
    {
        List<PacedTimer> due = [];
        while (true)
        {
            Thread.Sleep(2);
            lock (Gate)
            {
                TimeSpan now = Look_NeedsLock();
                due.AddRange(Timers.Where(t => t.DueAt <= now));
                foreach (PacedTimer timer in due) timer.DueAt = timer.Period > TimeSpan.Zero ? now + timer.Period : null;
            }
            foreach (PacedTimer timer in due) ThreadPool.UnsafeQueueUserWorkItem(static t => t.Fire(), timer, preferLocal: false);
            due.Clear();
        }
    }

    private sealed class PacedTimer(TimerCallback callback, object? state) : ITimer
    {
        public TimeSpan? DueAt { get; set; }

        public TimeSpan Period { get; private set; }

        public void Fire() => callback(state);

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (Gate) (DueAt, Period) = (dueTime == Timeout.InfiniteTimeSpan ? null : Look_NeedsLock() + dueTime, period);
            return true;
        }

        public void Dispose()
        {
            lock (Gate) Timers.Remove(this);
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
