namespace Mesh30K.Coordination.Gathering;

/// <summary>
/// A histogram of signed values with a relative error of 1%: bin k holds (1.02^k, 1.02^(k+1)] · 0.05 on either side of 0, and values
/// within ±0.05 count as 0. Merging two sketches is adding their bins, so the order of merges does not matter (DDSketch, Masson et al. 2019).
/// Not thread-safe.
/// </summary>
public sealed class Sketch
{
    /// <summary>Bins on each side: the last one ends above 10^7 (almost three hours in ms); larger values fall into it.</summary>
    private const int Side = 970;

    private const double Smallest = 0.05;
    private static readonly double LogGamma = Math.Log(1.02);

    private readonly int[] _bins = new int[2 * Side + 1];
    private int _lowest = 2 * Side + 1;
    private int _highest = -1;

    public long Count { get; private set; }

    /// <summary>Adds one value; NaN is a bug of the caller.</summary>
    public void Add(float value) => AddBin(BinOf(value), 1);

    public void Merge(SparseSketch other)
    {
        for (int i = 0; i < other.Bins.Length; i++) AddBin(other.Bins[i], other.Counts[i]);
    }

    public void Merge(Sketch other)
    {
        for (int b = other._lowest; b <= other._highest; b++)
            if (other._bins[b] > 0) AddBin(b, other._bins[b]);
    }

    public void Clear()
    {
        if (_highest >= _lowest) Array.Clear(_bins, _lowest, _highest - _lowest + 1);
        _lowest = _bins.Length;
        _highest = -1;
        Count = 0;
    }

    /// <summary>The smallest value below which the given share lies, to 1%; 0 when empty.</summary>
    public double Quantile(double share) => Count == 0 ? 0 : ValueAt(share, Count);

    /// <summary>The quantile among the values at or below <paramref name="limit"/>; null when there are none. Never above the limit.</summary>
    public double? QuantileUpTo(double share, double limit)
    {
        long within = 0;
        for (int b = _lowest; b <= _highest && ValueOf(b) <= limit; b++) within += _bins[b];
        return within == 0 ? null : ValueAt(share, within);
    }

    /// <summary>How many values lie in (from, to], by the middle of their bins: for drawing.</summary>
    public long CountBetween(double from, double to)
    {
        long sum = 0;
        for (int b = _lowest; b <= _highest; b++)
        {
            double v = ValueOf(b);
            if (v > from && v <= to) sum += _bins[b];
        }
        return sum;
    }

    /// <summary>A compact immutable copy that can be sent.</summary>
    public SparseSketch ToSparse()
    {
        int n = 0;
        for (int b = _lowest; b <= _highest; b++)
            if (_bins[b] > 0) n++;
        short[] at = new short[n];
        int[] counts = new int[n];
        int i = 0;
        for (int b = _lowest; b <= _highest; b++)
        {
            if (_bins[b] == 0) continue;
            at[i] = (short)b;
            counts[i++] = _bins[b];
        }
        return new SparseSketch(at, counts);
    }

    /// <summary>The quantile of the lowest <paramref name="of"/> values: the rank is clamped to them, since share · of rounds.</summary>
    private double ValueAt(double share, long of)
    {
        long rank = Math.Clamp((long)Math.Ceiling(share * of), 1, of);
        for (int b = _lowest; b <= _highest; b++)
        {
            rank -= _bins[b];
            if (rank <= 0) return ValueOf(b);
        }
        return ValueOf(_highest);
    }

    private void AddBin(int bin, int count)
    {
        _bins[bin] += count;
        Count += count;
        if (bin < _lowest) _lowest = bin;
        if (bin > _highest) _highest = bin;
    }

    private static int BinOf(float value)
    {
        double magnitude = Math.Abs((double)value);
        if (magnitude <= Smallest) return Side;
        int k = Math.Min(Side - 1, (int)(Math.Log(magnitude / Smallest) / LogGamma));
        return value < 0 ? Side - 1 - k : Side + 1 + k;
    }

    private static double ValueOf(int bin)
    {
        if (bin == Side) return 0;
        int k = bin > Side ? bin - Side - 1 : Side - 1 - bin;
        double middle = Smallest * Math.Exp((k + 0.5) * LogGamma);
        return bin > Side ? middle : -middle;
    }
}

/// <summary>The filled bins of a <see cref="Sketch"/>, in order. Immutable by contract: the arrays are not written after creation.</summary>
public sealed record SparseSketch(short[] Bins, int[] Counts)
{
    public static readonly SparseSketch Empty = new([], []);
}
