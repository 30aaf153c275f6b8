namespace Mesh30K.Simulation.Fleet;

/// <summary>
/// Recorded samples, several series one behind the other, and for every sample the law that the oracle may use there: the empirical law
/// of the samples within <see cref="HalfWidth"/> positions of it inside its own segment. That is hindsight (it contains the sample
/// itself and those after it), so it is at least as informed as any honest predictor. Laws are kept per block of some positions, the
/// window being around the block's middle. Immutable after construction; safe on any thread.
/// </summary>
internal sealed class RecordedSeries
{
    /// <summary>Neighbours on each side that make up the law at a position.</summary>
    public const int HalfWidth = 100;

    private readonly float[] _samples;
    private readonly int[] _starts;
    private readonly int[] _lawOf;
    private readonly float[] _laws;

    /// <param name="series">The samples of each series in ms, NaN for a lost one; each needs one that is not lost.</param>
    /// <param name="shifts">Positions, per series, at which a new segment begins (0 need not be named).</param>
    /// <param name="blockLength">Positions that share a law.</param>
    public RecordedSeries(IReadOnlyList<float[]> series, IReadOnlyList<IReadOnlyList<int>> shifts, int blockLength)
    {
        _starts = new int[series.Count + 1];
        for (int s = 0; s < series.Count; s++) _starts[s + 1] = _starts[s] + series[s].Length;
        _samples = new float[_starts[^1]];
        _lawOf = new int[_starts[^1]];
        var laws = new List<float>();
        for (int s = 0; s < series.Count; s++)
        {
            series[s].CopyTo(_samples, _starts[s]);
            AddLaws(series[s], shifts[s], blockLength, _starts[s], laws);
        }
        _laws = [.. laws];
    }

    public int SeriesCount => _starts.Length - 1;

    public int SampleCount => _samples.Length;

    public int Length(int series) => _starts[series + 1] - _starts[series];

    /// <summary>The sample at a position that wraps around, in ms; NaN when it was lost.</summary>
    public float Sample(int series, uint position) => _samples[At(series, position)];

    /// <summary>The law at a position that wraps around: quantiles in ms at the levels of <see cref="QuantileLaw"/>.</summary>
    public ReadOnlySpan<float> Law(int series, uint position) =>
        _laws.AsSpan(_lawOf[At(series, position)] * QuantileLaw.KnotCount, QuantileLaw.KnotCount);

    private int At(int series, uint position) => _starts[series] + (int)(position % (uint)Length(series));

    private void AddLaws(float[] samples, IReadOnlyList<int> shifts, int blockLength, int start, List<float> laws)
    {
        var law = new float[QuantileLaw.KnotCount];
        int segmentFrom = 0;
        for (int s = 0; s <= shifts.Count; s++)
        {
            int segmentTo = s < shifts.Count ? shifts[s] : samples.Length;
            for (int from = segmentFrom; from < segmentTo; from += blockLength)
            {
                int to = Math.Min(segmentTo, from + blockLength);
                QuantileLaw.FromSorted(Window(samples, (from + to) / 2, segmentFrom, segmentTo), law);
                for (int i = from; i < to; i++) _lawOf[start + i] = laws.Count / QuantileLaw.KnotCount;
                laws.AddRange(law);
            }
            segmentFrom = segmentTo;
        }
    }

    /// <summary>The sorted samples that were not lost around a position; a segment in which all were lost borrows from its neighbours.</summary>
    private static float[] Window(float[] samples, int middle, int segmentFrom, int segmentTo)
    {
        int from = Math.Max(segmentFrom, middle - HalfWidth), to = Math.Min(segmentTo, middle + HalfWidth + 1);
        while (true)
        {
            float[] window = [.. samples[from..to].Where(v => !float.IsNaN(v)).Order()];
            if (window.Length > 0) return window;
            from = Math.Max(0, from - HalfWidth);
            to = Math.Min(samples.Length, to + HalfWidth);
        }
    }
}
