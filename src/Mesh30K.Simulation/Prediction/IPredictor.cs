using Mesh30K.Coordination.Impedance.Estimation;

namespace Mesh30K.Simulation.Prediction;

/// <summary>One step ahead: predicts a median and an upper quantile from the values seen so far. One instance a series; not thread-safe.</summary>
internal interface IPredictor
{
    /// <summary>The predicted median of the next value.</summary>
    double Median { get; }

    /// <summary>The predicted quantile of the next value at the scored level: by how much a send would lead.</summary>
    double Lead { get; }

    /// <summary>Learns from a value, after it was scored.</summary>
    void Observe(float value);
}

/// <summary>The production estimator's core, as it runs in a lead, with no class behind it.</summary>
internal sealed class LearnedPredictor(EstimatorOptions options) : IPredictor
{
    private readonly QuantileHedge _hedge = new(options);

    public double Median => _hedge.Prepared.Median;

    public double Lead => _hedge.Prepared.Lead;

    public void Observe(float value) => _hedge.Observe(value);
}

/// <summary>The last 100 values and their order: what <c>ring100</c> and <c>spec</c> look at.</summary>
internal sealed class LastHundred
{
    private const int Size = 100;
    private readonly Queue<float> _ring = new(Size + 1);
    private readonly List<float> _sorted = new(Size + 1);

    public IReadOnlyCollection<float> Values => _ring;

    public void Add(float value)
    {
        _ring.Enqueue(value);
        int at = _sorted.BinarySearch(value);
        _sorted.Insert(at < 0 ? ~at : at, value);
        if (_ring.Count > Size) _sorted.RemoveAt(_sorted.BinarySearch(_ring.Dequeue()));
    }

    /// <summary>The empirical quantile, interpolated between order statistics at level·(n − 1) (type 7, the default of R and NumPy).</summary>
    public double Quantile(double level)
    {
        if (_sorted.Count == 0) return 0;
        double at = level * (_sorted.Count - 1);
        int below = (int)at;
        if (below + 1 >= _sorted.Count) return _sorted[^1];
        return _sorted[below] + ((at - below) * (_sorted[below + 1] - _sorted[below]));
    }
}

/// <summary>Baseline: the empirical quantile of the last 100, and their median.</summary>
internal sealed class RingPredictor(double level) : IPredictor
{
    private readonly LastHundred _last = new();

    public double Median => _last.Quantile(0.5);

    public double Lead => _last.Quantile(level);

    public void Observe(float value) => _last.Add(value);
}

/// <summary>Baseline: TCP's retransmission timeout, SRTT + 4·RTTVAR with gains 1/8 and 1/4 (RFC 6298, section 2; no minimum, no rounding).</summary>
internal sealed class JacobsonPredictor : IPredictor
{
    private double _variation;
    private bool _started;

    public double Median { get; private set; }

    public double Lead => Median + (4 * _variation);

    public void Observe(float value)
    {
        if (!_started)
        {
            _started = true;
            Median = value;
            _variation = value / 2d;
            return;
        }
        _variation += 0.25 * (Math.Abs(Median - value) - _variation);
        Median += 0.125 * (value - Median);
    }
}

/// <summary>
/// Baseline: the formulas of M 3.1 and 4.1 with measured times. The expected delay is the median of the last 100 (M 4.1 reports
/// <c>percentile(50)</c>), with queue and weight at their standard. To it M 3.1 adds <c>calculate_buffer(drift_coefficient)</c>, which
/// M leaves open; M 4.1 sets drift_coefficient = std_dev() of the ring, so the buffer is read as that: one standard deviation, in ms.
/// </summary>
internal sealed class SpecPredictor : IPredictor
{
    private readonly LastHundred _last = new();

    public double Median => _last.Quantile(0.5);

    public double Lead => Median + StandardDeviation();

    public void Observe(float value) => _last.Add(value);

    private double StandardDeviation()
    {
        int count = _last.Values.Count;
        if (count < 2) return 0;
        double mean = 0;
        foreach (float value in _last.Values) mean += value;
        mean /= count;
        double squares = 0;
        foreach (float value in _last.Values) squares += (value - mean) * (value - mean);
        return Math.Sqrt(squares / (count - 1));
    }
}
