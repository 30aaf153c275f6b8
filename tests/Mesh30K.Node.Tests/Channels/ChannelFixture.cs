using Mesh30K.Consistency.Causal;
using Mesh30K.Consistency.Time;
using Mesh30K.Node.Channels;

namespace Mesh30K.Node.Tests.Channels;

/// <summary>A data directory of one test and a wall clock that the test moves; removed with it.</summary>
internal sealed class ChannelFixture : IDisposable
{
    public static readonly TimeSpan Generous = TimeSpan.FromSeconds(30);
    public static readonly TimeSpan Lease = TimeSpan.FromMinutes(5);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("mesh-channels-");

    public string Data => _folder.FullName;

    public ManualClock Clock { get; } = new();

    public ChannelStorageOptions Options => new() { Clock = Clock, LockWithin = TimeSpan.FromMilliseconds(300) };

    public ChannelFolder Folder(string name = "tasks", string? writer = null) => ChannelFolder.FindOrCreate(Data, name, writer is null ? null : ReplicaId.Parse(writer));

    public FolderChannel Open(ChannelStorageOptions? options = null) => FolderChannel.Open(Folder(), options ?? Options);

    public ChannelHost Host(ChannelStorageOptions? options = null) => ChannelHost.Open(Folder(), options ?? Options);

    public static Dot Id(long number) => new(number, ReplicaId.None);

    public static ChannelCommand.PushAll Chain(int length) =>
        new([.. Enumerable.Range(0, length).Select(i => new ChannelCommand.Push($"task {i}", i == 0 ? [] : [ChannelCommand.PushAll.Entry(i - 1)]))]);

    public void Dispose() => _folder.Delete(recursive: true);
}

/// <summary>A wall clock that stands until the test moves it; its timers fire then, within the call. Thread-safe.</summary>
internal sealed class ManualClock : TimeProvider
{
    private readonly Lock _gate = new();
    private readonly List<ManualTimer> _timers = [];
    private DateTimeOffset _now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    /// <summary>Timers that are set.</summary>
    public int Waiting
    {
        get
        {
            lock (_gate) return _timers.Count(t => t.DueAt is not null);
        }
    }

    public override DateTimeOffset GetUtcNow()
    {
        lock (_gate) return _now;
    }

    public override long GetTimestamp() => GetUtcNow().UtcTicks;

    public void Advance(TimeSpan by)
    {
        List<ManualTimer> due;
        lock (_gate)
        {
            _now += by;
            due = [.. _timers.Where(t => t.DueAt <= _now)];
            foreach (ManualTimer timer in due) timer.DueAt = null;
        }
        foreach (ManualTimer timer in due) timer.Fire();
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        ManualTimer timer = new(this, callback, state);
        lock (_gate) _timers.Add(timer);
        timer.Change(dueTime, period);
        return timer;
    }

    private sealed class ManualTimer(ManualClock clock, TimerCallback callback, object? state) : ITimer
    {
        public DateTimeOffset? DueAt { get; set; }

        public void Fire() => callback(state);

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (clock._gate) DueAt = dueTime == Timeout.InfiniteTimeSpan ? null : clock._now + dueTime;
            return true;
        }

        public void Dispose()
        {
            lock (clock._gate) clock._timers.Remove(this);
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
