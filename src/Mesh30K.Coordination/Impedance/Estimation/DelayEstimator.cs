using System.Runtime.CompilerServices;

namespace Mesh30K.Coordination.Impedance.Estimation;

/// <summary>
/// Learns when one agent is READY after a send: one-way network + service, normalised to payload weight 1 with an empty queue (design
/// section 5). The quantiles are prepared when an observation arrives, so that a planner only reads them. Quantiles are taken of the sum:
/// adding the components' quantiles would claim that all that can go wrong goes wrong at once.
/// All times in ms. Single owner: the event loop of the agent's sector; not thread-safe. Allocates only while its ring grows to 100.
/// </summary>
public sealed class DelayEstimator
{
    private readonly ClassPool _pool;
    private readonly QuantileHedge _hedge;
    private NetworkShares _networkShares;
    private ClassExpert _class;
    private Quantiles _prepared;
    private int _mediansAt;
    private float _drift;
    private int _driftAt = -1;
    private float _medianNetworkMs;
    private float _medianServiceMs;

    /// <summary>The network's share of each sample of the hedge's ring, in 1/65535: enough for 0.002% of the delay in two bytes.</summary>
    [InlineArray(QuantileHedge.WindowMax)]
    private struct NetworkShares
    {
        private ushort _first;
    }

    /// <summary>An estimator without samples: it answers with what its class knows.</summary>
    public DelayEstimator(ClassPool pool)
    {
        _pool = pool;
        _hedge = new QuantileHedge(pool.Options);
    }

    /// <summary>Observations so far.</summary>
    public int Samples => _hedge.Samples;

    /// <summary>Predicted median delay until READY at weight 1 and no queue: the predicted arrival.</summary>
    public float MedianMs => Prepared.Median;

    /// <summary>Prepared quantile at <see cref="EstimatorOptions.LeadLevel"/>.</summary>
    public float LeadMs => Prepared.Lead;

    /// <summary>Prepared quantile at <see cref="EstimatorOptions.TailLevel"/>.</summary>
    public float TailMs => Prepared.Tail;

    /// <summary>All three prepared quantiles; the class's prior before the first sample.</summary>
    public Quantiles Prepared => _hedge.Samples == 0 ? _pool.Prior : _prepared;

    /// <summary>What the agents of its class learn together.</summary>
    public ClassPool Pool => _pool;

    /// <summary>Median one-way network delay over the ring. Computed when asked for and kept until the next sample (about 2 µs).</summary>
    public float MedianNetworkMs
    {
        get
        {
            RefreshMedians();
            return _medianNetworkMs;
        }
    }

    /// <summary>Median service time at weight 1 over the ring. Computed when asked for and kept until the next sample (about 2 µs).</summary>
    public float MedianServiceMs
    {
        get
        {
            RefreshMedians();
            return _medianServiceMs;
        }
    }

    /// <summary>Mean delay μ over the ring; the class's typical delay before the first sample. Computed at each call.</summary>
    public float MeanMs
    {
        get
        {
            ReadOnlySpan<float> window = _hedge.Window;
            if (window.IsEmpty) return _pool.Prior.Median;
            double sum = 0;
            foreach (float delay in window) sum += delay;
            return (float)(sum / window.Length);
        }
    }

    /// <summary>Standard deviation σ of the delay over the ring (n − 1); 0 with fewer than two samples. Computed at each call.</summary>
    public float StdDevMs
    {
        get
        {
            ReadOnlySpan<float> window = _hedge.Window;
            if (window.Length < 2) return 0f;
            double mean = MeanMs;
            double squares = 0;
            foreach (float delay in window) squares += (delay - mean) * (delay - mean);
            return (float)Math.Sqrt(squares / (window.Length - 1));
        }
    }

    /// <summary>σ/μ of the delay over the ring (M 2.3 drift_coefficient); 0 when the mean is 0. Kept until the next sample.</summary>
    public float DriftCoefficient
    {
        get
        {
            if (_driftAt == Samples) return _drift;
            _driftAt = Samples;
            float mean = MeanMs;
            return _drift = mean > 0f ? StdDevMs / mean : 0f;
        }
    }

    /// <summary>
    /// Learns from one acknowledged send to an agent with an empty queue. <paramref name="roundTripNetworkMs"/> is total − reported
    /// processing; <paramref name="payloadWeight"/> is the message's, 1 = standard. What an agent reports may be nonsense, so a value
    /// below 0 or not a number counts as 0, and one above <see cref="QuantileHedge.ValueMax"/> as that.
    /// </summary>
    public void Observe(float roundTripNetworkMs, float serviceMs, float payloadWeight)
    {
        float network = 0.5f * Clean(roundTripNetworkMs);
        float weight = Clean(payloadWeight);
        float service = Clean(serviceMs) / _pool.WeightFactor(weight);
        float total = network + service;
        int before = _hedge.Samples;
        ref ClassShape shape = ref _pool.Shape;
        if (before >= _pool.Options.ColdStartSamples) _pool.LearnRatio(total, _hedge.Prepared.Median);
        _pool.LearnTypical(network, service);
        if (before > 0)
        {
            _pool.LearnWeight(weight, service, _class.ServiceLevel);
            _class.Score(total, _hedge.Prepared, ref shape, _pool.Options.LeadLevel);
            shape.Learn(network, service, _class.NetworkLevel, _class.ServiceLevel, _pool.Options);
        }
        _networkShares[_hedge.NextSlot] = total > 0f ? (ushort)((network / total * ushort.MaxValue) + 0.5f) : (ushort)0;
        _hedge.Observe(total, _pool.Ratios);
        float windowService = ClassExpert.UsesWindow(_hedge.Samples) ? MedianServiceMs : 0f;
        _class.Learn(network, service, _hedge.Samples, windowService, shape.ServiceDeviation);
        _prepared = _class.Blend(_hedge.Prepared, _hedge.Samples, shape, _pool.Prior);
    }

    /// <summary>
    /// The prepared quantiles for a message of <paramref name="payloadWeight"/> behind <paramref name="queueDepth"/> pending ones: the service
    /// share scaled by the class's slope, plus depth × median service time. Weight 1 and no queue cost one read. An agent that has been
    /// silent over one piece of work for <paramref name="silentMs"/>, longer than its tail, hangs: the wait is then at least what a hung request lasts yet.
    /// </summary>
    public Quantiles For(float payloadWeight, int queueDepth, float silentMs = 0f)
    {
        Quantiles prepared = Prepared;
        if (payloadWeight == 1f && queueDepth <= 0) return prepared;
        float service = MedianServiceMs;
        float sum = service + MedianNetworkMs;
        float share = sum > 0f ? service / sum : 0f;
        float factor = 1f + (share * (_pool.WeightFactor(Clean(payloadWeight)) - 1f));
        float wait = Math.Max(0, queueDepth) * service;
        float hung = silentMs > prepared.Tail ? silentMs : 0f;
        return new Quantiles(
            (prepared.Median * factor) + MathF.Max(wait, hung * Remaining(0.5f)),
            (prepared.Lead * factor) + MathF.Max(wait, hung * Remaining(_pool.Options.LeadLevel)),
            (prepared.Tail * factor) + MathF.Max(wait, hung * Remaining(_pool.Options.TailLevel)));
    }

    /// <summary>
    /// One lead out of <see cref="For"/>: the prepared quantile whose level is the least that is not below <paramref name="level"/> (at most the tail).
    /// </summary>
    public float LeadAt(float level, float payloadWeight, int queueDepth)
    {
        Quantiles quantiles = For(payloadWeight, queueDepth);
        return level <= 0.5f ? quantiles.Median : level <= _pool.Options.LeadLevel ? quantiles.Lead : quantiles.Tail;
    }

    /// <summary>
    /// How many times longer than it has lasted a hung request will last yet, at a level: the residual life of a Pareto law of index 2, the
    /// heaviest whose mean exists with room to spare. Stalls are too rare to learn their law (one send in 600 in the recordings).
    /// </summary>
    private static float Remaining(float level) => (1f / MathF.Sqrt(1f - level)) - 1f;

    private static float Clean(float value) => value > 0f ? MathF.Min(value, QuantileHedge.ValueMax) : 0f;

    private void RefreshMedians()
    {
        int count = _hedge.WindowCount;
        if (count == 0)
        {
            _medianNetworkMs = _pool.TypicalNetworkMs;
            _medianServiceMs = _pool.TypicalServiceMs;
            return;
        }
        if (_mediansAt == _hedge.Samples) return;
        _mediansAt = _hedge.Samples;
        ReadOnlySpan<float> window = _hedge.Window;
        Span<float> part = stackalloc float[QuantileHedge.WindowMax];
        part = part[..count];
        for (int slot = 0; slot < count; slot++) part[slot] = window[slot] * _networkShares[slot] / ushort.MaxValue;
        _medianNetworkMs = MedianOf(part);
        for (int slot = 0; slot < count; slot++)
            part[slot] = window[slot] * (ushort.MaxValue - _networkShares[slot]) / ushort.MaxValue;
        _medianServiceMs = MedianOf(part);
    }

    private static float MedianOf(Span<float> values)
    {
        values.Sort();
        int half = values.Length / 2;
        return values.Length % 2 == 1 ? values[half] : 0.5f * (values[half - 1] + values[half]);
    }
}
