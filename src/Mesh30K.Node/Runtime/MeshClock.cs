using System.Diagnostics;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Runtime;

/// <summary>
/// The mesh's own clock: the system's UTC time read once when it is made, and from there the monotonic clock. It never goes back and does not
/// follow later corrections of the system time: intervals stay true, and the date may drift from the system's by those corrections.
/// One per process, shared. Thread-safe; a reading costs ~25 ns.
/// </summary>
public sealed class MeshClock
{
    private readonly long _anchorTimestamp = Stopwatch.GetTimestamp();
    private readonly Instant _anchor = Instant.From(DateTimeOffset.UtcNow);

    /// <summary>The present moment, in ticks of 100 ns.</summary>
    public Instant Now => _anchor + Stopwatch.GetElapsedTime(_anchorTimestamp);

    /// <summary>
    /// A moment of this clock as nanoseconds of <c>CLOCK_MONOTONIC</c>, which is what <see cref="Stopwatch"/> reads on Linux. Rounded up never
    /// down: whoever sleeps until it does not wake before <paramref name="at"/>.
    /// </summary>
    internal long ToMonotonicNs(Instant at)
    {
        Int128 anchorNs = (Int128)_anchorTimestamp * 1_000_000_000 / Stopwatch.Frequency;
        Int128 ns = anchorNs + ((Int128)(at - _anchor).Ticks * 100) + 99;
        return (long)Int128.Clamp(ns, 0, long.MaxValue);
    }
}
