using System.Runtime.CompilerServices;
using Mesh30K.Protocol;

namespace Mesh30K.Coordination.Impedance.Estimation;

/// <summary>Three prepared quantiles of the next sample, in the samples' unit: Median ≤ Lead ≤ Tail.</summary>
public readonly record struct Quantiles(float Median, float Lead, float Tail);

/// <summary>
/// The shape of a class of series: how many times its median the lead and tail quantiles are. (0, 0) means that nothing is known.
/// </summary>
public readonly record struct QuantileRatios(float Lead, float Tail)
{
    /// <summary>Whether the ratios say anything.</summary>
    public bool Known => Lead >= 1f && Tail >= Lead;
}

/// <summary>
/// Predicts quantiles of the next value of any series of non-negative numbers, one step ahead, from the values before it.
/// <para>
/// A window of 100 is right while nothing changes and far too slow after a change; a fast level is right after a change and noisy while
/// nothing changes. Which of the two a series needs is not known and may change, so eight simple experts (<see cref="ExpertBank"/>) are
/// kept, each charged the pinball loss of its predictions, and combined by a median weighted with exp(−12 · relative excess loss).
/// Three things around it:
/// </para>
/// <para>
/// <b>Spikes.</b> A value far beyond the tail is cut before the experts are charged for it and learn from it, until one comes a third
/// time in a row: two are an accident (a hung request), three are a new level. Cutting above a quantile does not move that quantile.
/// The window keeps the raw value.
/// </para>
/// <para>
/// <b>Calibration.</b> The combined quantile is moved by a small multiple of the deviation that grows when it was exceeded too often
/// (adaptive conformal inference, Gibbs and Candès 2021), so that the coverage comes out right for laws that suit no expert.
/// </para>
/// <para>
/// <b>Cold start.</b> With few samples the quantiles are drawn towards own median × the class's ratio, when a class knows one.
/// </para>
/// Memory: one object of about 560 bytes and a ring that grows from 8 to 100 floats. Single owner; not thread-safe; allocates only when the
/// ring grows. Source: design section 5; measured by <c>mesh bench predictor</c>.
/// </summary>
public sealed class QuantileHedge
{
    /// <summary>The samples kept (M 4.1: ring of 100).</summary>
    public const int WindowMax = 100;

    /// <summary>Larger values are cut to this before anything is computed: in ms, 31 years.</summary>
    public const float ValueMax = 1e12f;

    private const int RingStart = 8;
    private const int SeedSamples = 10;
    /// <summary>A spike lies this many times as far above the median as the tail does, and one deviation more.</summary>
    private const float SpikeReach = 4f;
    private const int SpikesCut = 2;
    private const float CalibrationStep = 0.005f;
    private const float CalibrationMax = 4f;
    private const float CalibrationMin = -1.5f;

    private readonly QuantileLevels _levels;
    private ExpertBank _experts;
    private float[] _ring = [];
    private Order _order;
    private byte _count;
    private byte _next;
    private byte _spikes;
    private int _samples;
    private float _leadCorrection;
    private float _tailCorrection;
    private Quantiles _prepared;

    [InlineArray(WindowMax)]
    private struct Order
    {
        private byte _first;
    }

    /// <summary>An empty hedge for the levels of <paramref name="options"/>; its quantiles are 0 until the first sample.</summary>
    public QuantileHedge(EstimatorOptions options)
    {
        options.Check();
        _levels = new QuantileLevels(options.LeadLevel, options.TailLevel);
        ColdStartSamples = options.ColdStartSamples;
    }

    /// <summary>How many values were observed, counted up to <see cref="int.MaxValue"/>.</summary>
    public int Samples => _samples;

    /// <summary>How many values the window holds, at most <see cref="WindowMax"/>.</summary>
    public int WindowCount => _count;

    /// <summary>The prepared quantiles of the next value. All 0 before the first sample.</summary>
    public Quantiles Prepared => _prepared;

    /// <summary>The ring's slot that the next value will take: lets an owner keep more per sample beside the ring.</summary>
    internal int NextSlot => _next;

    /// <summary>The values of the window in no particular order.</summary>
    internal ReadOnlySpan<float> Window => _ring.AsSpan(0, _count);

    private int ColdStartSamples { get; }

    /// <summary>Learns from one value with no class behind it.</summary>
    public void Observe(float value) => Observe(value, default);

    /// <summary>
    /// Learns from one value and prepares the next quantiles. A value that is not finite or negative is a bug of the caller; one above
    /// <see cref="ValueMax"/> is cut.
    /// </summary>
    public void Observe(float value, QuantileRatios shape)
    {
        Invariant.Check(value >= 0f && float.IsFinite(value));
        value = MathF.Min(value, ValueMax);
        float sample = value;
        if (_samples > 0)
        {
            float limit = SpikeLimit;
            _experts.Score(_spikes >= SpikesCut ? value : MathF.Min(value, limit), _levels);
            Calibrate(value);
            sample = CutSpike(value, limit);
        }
        if (_samples < int.MaxValue) _samples++;
        Remember(value);
        _experts.Learn(sample, _samples, _levels);
        _prepared = Prepare(shape);
    }

    /// <summary>A quantile of the window: the sample at rank level·(n+1), interpolated; 0 when the window is empty.</summary>
    public float WindowQuantile(float level) =>
        _count == 0 ? 0f : SortedWindow.AtRank(((ReadOnlySpan<byte>)_order)[.._count], _ring, level * (_count + 1));

    private float SpikeLimit => _prepared.Median + (SpikeReach * (_prepared.Tail - _prepared.Median)) + _experts.Deviation;

    private float CutSpike(float value, float limit)
    {
        if (value <= limit)
        {
            _spikes = 0;
            return value;
        }
        if (_spikes >= SpikesCut) return value;
        _spikes++;
        return limit;
    }

    private void Calibrate(float sample)
    {
        _leadCorrection += CalibrationStep * (sample > _prepared.Lead ? _levels.Lead : _levels.Lead - 1f);
        _tailCorrection += CalibrationStep * (sample > _prepared.Tail ? _levels.Tail : _levels.Tail - 1f);
        _leadCorrection = Math.Clamp(_leadCorrection, CalibrationMin, CalibrationMax);
        _tailCorrection = Math.Clamp(_tailCorrection, CalibrationMin, CalibrationMax);
    }

    private void Remember(float value)
    {
        if (_next == _ring.Length && _ring.Length < WindowMax)
            Array.Resize(ref _ring, _ring.Length == 0 ? RingStart : Math.Min(WindowMax, _ring.Length * 2));
        if (_count == WindowMax)
        {
            SortedWindow.Remove(_order, WindowMax, _next);
            _count--;
        }
        _ring[_next] = value;
        SortedWindow.Insert(_order, _count, _ring, _next);
        _count++;
        _next = (byte)(_next + 1 == WindowMax ? 0 : _next + 1);
    }

    private Quantiles Prepare(QuantileRatios shape)
    {
        Quantiles window = WindowQuantiles();
        if (_samples <= SeedSamples) _experts.Seed(window, _levels);
        Quantiles mixed = _experts.Predict(window, _levels);
        float deviation = _experts.Deviation;
        float median = mixed.Median;
        float lead = mixed.Lead + (_leadCorrection * deviation);
        float tail = mixed.Tail + (_tailCorrection * deviation);
        if (shape.Known && _samples < ColdStartSamples)
        {
            float pooled = 1f - ((float)_samples / ColdStartSamples);
            lead += pooled * ((median * shape.Lead) - lead);
            tail += pooled * ((median * shape.Tail) - tail);
        }
        median = MathF.Max(0f, median);
        lead = MathF.Max(median, lead);
        return new Quantiles(median, lead, MathF.Max(lead, tail));
    }

    private Quantiles WindowQuantiles()
    {
        ReadOnlySpan<byte> order = ((ReadOnlySpan<byte>)_order)[.._count];
        float median = SortedWindow.AtRank(order, _ring, 0.5f * (_count + 1));
        return new Quantiles(median, Beyond(order, median, _levels.Lead), Beyond(order, median, _levels.Tail));
    }

    /// <summary>
    /// The window's quantile; where the window is too small to hold one, the distance of its maximum from the median, stretched as an
    /// exponential tail would be.
    /// </summary>
    private float Beyond(ReadOnlySpan<byte> order, float median, float level)
    {
        int n = order.Length;
        float rank = level * (n + 1);
        float value = SortedWindow.AtRank(order, _ring, rank);
        if (rank <= n || n == 1) return n == 1 ? value * 1.3f : value;
        return median + ((value - median) * QuantileLevels.Stretch(n, level));
    }
}
