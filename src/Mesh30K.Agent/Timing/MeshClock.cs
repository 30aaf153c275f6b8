using System.Diagnostics;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Agent.Timing;

/// <summary>The mesh's clock as this agent knows it: a monotonic clock and a <see cref="ClockFilter"/>. Needs no correct clock of the machine. Thread-safe.</summary>
internal sealed class MeshClock
{
    private readonly ClockFilter _filter = new();
    private readonly Lock _gate = new();
    private long _offsetTicks = Instant.From(DateTimeOffset.UtcNow).Ticks - LocalTicks;

    /// <summary>This machine's monotonic clock in ticks of 100 ns.</summary>
    internal static long LocalTicks => Stopwatch.GetElapsedTime(0).Ticks;

    /// <summary>The mesh's time; before the first answer of the mesh this machine's own.</summary>
    internal Instant Now => new(LocalTicks + Volatile.Read(ref _offsetTicks));

    internal double RoundTripMs
    {
        get
        {
            lock (_gate) return _filter.RoundTripMs;
        }
    }

    internal void Add(long sentTicks, Instant meshReceived, Instant meshSent, long receivedTicks)
    {
        lock (_gate)
        {
            _filter.Add(sentTicks, meshReceived, meshSent, receivedTicks);
            if (_filter.IsSet) Volatile.Write(ref _offsetTicks, _filter.OffsetTicks);
        }
    }

    /// <summary>A moment of the mesh's clock in ticks of the local monotonic clock.</summary>
    internal long ToLocalTicks(Instant mesh) => mesh.Ticks - Volatile.Read(ref _offsetTicks);

    /// <summary>A moment of the mesh's clock on the clock of this machine's wall.</summary>
    internal DateTimeOffset ToWall(Instant mesh)
    {
        long ticks = DateTimeOffset.UtcNow.Ticks + (mesh.Ticks - Now.Ticks);
        return new DateTimeOffset(Math.Clamp(ticks, DateTimeOffset.MinValue.Ticks, DateTimeOffset.MaxValue.Ticks), TimeSpan.Zero);
    }
}
