using System.Numerics;

namespace Mesh30K.Node.Runtime;

/// <summary>Quantiles of a latency, frozen. Quantiles are upper bounds, at most 1/16 above the true value; the maximum is exact.</summary>
/// <param name="Count">Samples recorded.</param>
/// <param name="P50">The median.</param>
/// <param name="P99">The 99th percentile.</param>
/// <param name="Max">The largest.</param>
public sealed record LatencySnapshot(long Count, TimeSpan P50, TimeSpan P99, TimeSpan Max);

/// <summary>
/// A log-linear histogram (16 buckets per power of two, in ticks of 100 ns): constant memory, one increment per sample.
/// One thread records; any thread reads without a lock: a snapshot taken during a record may miss the newest samples, never invents any.
/// </summary>
internal sealed class LatencyHistogram
{
    private const int SubBits = 4;
    private const int Sub = 1 << SubBits;

    private readonly long[] _buckets = new long[(64 - SubBits) * Sub];
    private long _max;

    /// <summary>Owner only. A negative latency counts as 0.</summary>
    public void Record(TimeSpan latency)
    {
        long ticks = Math.Max(0, latency.Ticks);
        ref long bucket = ref _buckets[IndexOf(ticks)];
        Volatile.Write(ref bucket, bucket + 1);
        if (ticks > _max) Volatile.Write(ref _max, ticks);
    }

    public LatencySnapshot Snapshot()
    {
        var copy = new long[_buckets.Length];
        long count = 0;
        for (int i = 0; i < copy.Length; i++) count += copy[i] = Volatile.Read(ref _buckets[i]);
        long max = Volatile.Read(ref _max);
        return new LatencySnapshot(count, At(0.50), At(0.99), new TimeSpan(max));

        TimeSpan At(double quantile)
        {
            long rank = (long)Math.Ceiling(count * quantile);
            int index = 0;
            for (long seen = copy[0]; seen < rank; seen += copy[index]) index++;
            return new TimeSpan(Math.Min(UpperBoundOf(index), max));
        }
    }

    private static int IndexOf(long ticks)
    {
        if (ticks < Sub) return (int)ticks;
        int shift = BitOperations.Log2((ulong)ticks) - SubBits;
        return ((shift + 1) * Sub) + (int)((ticks >> shift) & (Sub - 1));
    }

    private static long UpperBoundOf(int index)
    {
        if (index < Sub) return index;
        int shift = (index / Sub) - 1;
        return ((Sub + (long)(index % Sub) + 1) << shift) - 1;
    }
}
