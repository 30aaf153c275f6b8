using Mesh30K.Protocol;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Consistency.Time;

/// <summary>What a replica's clock made of a received timestamp.</summary>
public enum HlcVerdict
{
    /// <summary>The clock is now past it; what carried the timestamp may be merged.</summary>
    Accepted,

    /// <summary>It is further ahead of the wall clock than allowed: the clock did not move, and what carried it is not to be merged.</summary>
    TooFarAhead,
}

/// <summary>Bounds of a replica's clock.</summary>
public sealed record HlcClockOptions
{
    /// <summary>
    /// How far ahead of the own wall clock a received timestamp may be, 0 or more. Default 5 minutes. A larger value tolerates worse clocks, and lets
    /// a wrong one win every tie, and drag all others ahead, for longer.
    /// </summary>
    public TimeSpan AheadMax { get; init; } = TimeSpan.FromMinutes(5);
}

/// <summary>
/// The hybrid logical clock of one replica, by the rules of Kulkarni et al., "Logical Physical Clocks" (2014), figure 5: each timestamp is later
/// than all that this replica gave or received before, and as near to the wall clock as that allows. A wall clock that jumps back holds
/// the millisecond where it is and counts on. Not thread-safe: its replica owns it.
/// </summary>
/// <remarks>
/// The paper leaves the counter unbounded in theory and 16 bits wide in practice; here 65,536 events in one millisecond move the
/// millisecond on by one.
/// </remarks>
public sealed class HlcClock
{
    private readonly ReplicaId _replica;
    private readonly long _aheadMaxMs;
    private long _ms;
    private int _counter;

    /// <param name="replica">Who writes with this clock.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="last">The last timestamp of this replica's earlier life, so that it does not move back over a restart; default for none.</param>
    public HlcClock(ReplicaId replica, HlcClockOptions? options = null, Hlc last = default)
    {
        options ??= new HlcClockOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(options.AheadMax, TimeSpan.Zero);
        _replica = replica;
        _aheadMaxMs = (long)options.AheadMax.TotalMilliseconds;
        _ms = last.Ms;
        _counter = last.Counter;
    }

    /// <summary>The latest moment that this clock knows of.</summary>
    public Hlc Last => new(_ms, _counter, _replica);

    /// <summary>The timestamp of a local event.</summary>
    public Hlc Tick(Instant wall)
    {
        long wallMs = MsOf(wall);
        if (wallMs > _ms) Set(wallMs, 0);
        else Advance(_ms, _counter);
        return Last;
    }

    /// <summary>Takes note of a received timestamp: every later <see cref="Tick"/> is after it.</summary>
    public HlcVerdict Observe(Hlc remote, Instant wall)
    {
        long wallMs = MsOf(wall);
        if (remote.Ms - wallMs > _aheadMaxMs) return HlcVerdict.TooFarAhead;
        if (wallMs > _ms && wallMs > remote.Ms) Set(wallMs, 0);
        else if (_ms == remote.Ms) Advance(_ms, Math.Max(_counter, remote.Counter));
        else if (_ms > remote.Ms) Advance(_ms, _counter);
        else Advance(remote.Ms, remote.Counter);
        return HlcVerdict.Accepted;
    }

    private void Advance(long ms, int counter)
    {
        if (counter < Hlc.CounterMax) Set(ms, counter + 1);
        else Set(ms + 1, 0);
    }

    private void Set(long ms, int counter)
    {
        Invariant.Check(ms <= Hlc.MsMax);
        _ms = ms;
        _counter = counter;
    }

    private static long MsOf(Instant wall) => Math.Max(0, wall.Ticks / Instant.TicksPerMs);
}
