using Mesh30K.Protocol;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Identity;

/// <summary>
/// Numbers that rise and are never given twice, also over crashes: reserved durably in blocks before they are given, so a crash skips some. The next block is reserved while the last half of the one before is
/// given. They also begin above what the clock says (1,024 for each millisecond since 1970): a data directory that was brought back from a backup does not know what was reserved after it, and would else give
/// old numbers again, in which old frames would be taken (docs/adr/0012). Thread-safe.
/// </summary>
internal sealed class EpochSource
{
    /// <summary>Epochs go up to 2^53 − 1 on the wire. A clock that is far off must not use them up: its part ends here, in the year 2112.</summary>
    private const long ClockPartMax = 1L << 52;

    private readonly Lock _gate = new();
    private readonly int _block;
    private readonly Func<long, Task> _reserve;
    private long _next;
    private long _durable;
    private long _asked;
    private Task? _reserving;

    /// <param name="reserved">The last one that may have been given.</param>
    /// <param name="now">The clock.</param>
    /// <param name="block">How many to reserve at once.</param>
    /// <param name="reserve">Makes durable that all up to this one may be given.</param>
    internal EpochSource(long reserved, Instant now, int block, Func<long, Task> reserve)
    {
        Invariant.Check(block >= 2);
        long byClock = Math.Clamp(now.Ticks / Instant.TicksPerMs, 0, ClockPartMax >> 10) << 10;
        _durable = _asked = Math.Max(reserved, byClock);
        _next = _durable + 1;
        (_block, _reserve) = (block, reserve);
    }

    /// <summary>Asks for the first block without waiting for it.</summary>
    internal void Prepare()
    {
        lock (_gate) Reserve_NeedsLock();
    }

    internal long Next()
    {
        lock (_gate)
        {
            if (_reserving is { IsCompleted: true }) Take_NeedsLock();
            if (_durable - _next < _block / 2) Reserve_NeedsLock();
            if (_next > _durable) Take_NeedsLock();
            Invariant.Check(_next <= _durable);
            return _next++;
        }
    }

    private void Reserve_NeedsLock()
    {
        if (_reserving is not null) return;
        _asked = _durable + _block;
        _reserving = _reserve(_asked);
    }

    /// <summary>Waits for the block that was asked for; the journal bounds the wait. A failure is thrown here, and the next call asks anew.</summary>
    private void Take_NeedsLock()
    {
        Task reserving = _reserving!;
        _reserving = null;
        reserving.GetAwaiter().GetResult();
        _durable = _asked;
    }
}
