using System.Runtime.CompilerServices;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Coordination.Impedance;

/// <summary>
/// The success rate of one agent's operations in the last hour (M 2.3, <c>reliability_score</c>): 12 buckets of 5 minutes, the oldest of
/// which leaves as a whole, so that it covers 55 to 60 minutes.
/// </summary>
/// <remarks>
/// A mutable value of 64 bytes: keep it in a field and do not copy it. A bucket counts to 65,535; then both its counts are halved, which
/// keeps the rate. A time before the newest bucket counts into the newest. One owner; not thread-safe.
/// </remarks>
public struct ReliabilityWindow
{
    public const int Buckets = 12;

    /// <summary>Length of a bucket in ms.</summary>
    public const long BucketMs = 5 * 60_000;

    private Counts _counts;
    private long _newest;

    /// <summary>Counts one operation.</summary>
    public void Record(bool success, Instant now)
    {
        MoveTo(now);
        ref Bucket bucket = ref _counts[SlotOf(_newest)];
        if (bucket.Total == ushort.MaxValue)
        {
            bucket.Total /= 2;
            bucket.Successes /= 2;
        }
        bucket.Total++;
        if (success) bucket.Successes++;
    }

    /// <summary>Share of successes, 0 to 1; <paramref name="whenEmpty"/> when nothing was counted in the last hour.</summary>
    public readonly double Rate(Instant now, double whenEmpty = 1)
    {
        (long successes, long total) = Count(now);
        return total == 0 ? whenEmpty : (double)successes / total;
    }

    /// <summary>What was counted in the last hour, less what full buckets gave up.</summary>
    public readonly (long Successes, long Total) Count(Instant now)
    {
        long newest = Math.Max(_newest, Number(now)), successes = 0, total = 0;
        for (long number = newest - Buckets + 1; number <= _newest; number++)
        {
            Bucket bucket = _counts[SlotOf(number)];
            successes += bucket.Successes;
            total += bucket.Total;
        }
        return (successes, total);
    }

    private void MoveTo(Instant now)
    {
        long number = Number(now);
        if (number <= _newest) return;
        long first = Math.Max(_newest + 1, number - Buckets + 1);
        for (long n = first; n <= number; n++) _counts[SlotOf(n)] = default;
        _newest = number;
    }

    private static long Number(Instant now) => now.Ticks / (BucketMs * Instant.TicksPerMs);

    private static int SlotOf(long number) => (int)(((number % Buckets) + Buckets) % Buckets);

    private struct Bucket
    {
        public ushort Successes;
        public ushort Total;
    }

    [InlineArray(Buckets)]
    private struct Counts
    {
        private Bucket _first;
    }
}
