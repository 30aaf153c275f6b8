using Mesh30K.Protocol.Identity;

namespace Mesh30K.Coordination.Impedance.Estimation;

/// <summary>
/// What the agents of one class in one sector (about 300) learn together, so that a new agent needs not start from nothing: the shape of
/// the class's delays (quantile ÷ own median), its typical delay, and how service time grows with payload weight. About 3.4 KB a pool.
/// Owned by the sector's event loop together with its agents' estimators; not thread-safe. No allocation after construction.
/// </summary>
public sealed class ClassPool
{
    /// <summary>Slope of M 3.1: <c>weight_factor = 1 + payload_weight * 0.5</c>.</summary>
    public const float PriorPayloadSlope = 0.5f;

    /// <summary>The largest slope that is learned: a payload of weight 1 costs at most 11 times an empty one.</summary>
    public const float PayloadSlopeMax = 10f;

    private const float PriorLeadRatio = 1.5f;
    private const float PriorTailRatio = 2f;
    private const int RatiosEvery = 32;

    /// <summary>What the class's agents have in common beside their levels.</summary>
    internal ClassShape Shape = new();

    private RatioHistogram _histogram;
    private int _ratioSamples;
    private int _weightSamples;
    private float _weightMean = 1f;
    private float _weightDeviation;

    /// <summary>An empty pool of <paramref name="impedanceClass"/>: base times of M 3.1, slope 0.5.</summary>
    public ClassPool(ImpedanceClass impedanceClass, EstimatorOptions options)
    {
        options.Check();
        ImpedanceClass = impedanceClass;
        Options = options;
        TypicalServiceMs = impedanceClass.BaseProcessingMs() * (1f + PriorPayloadSlope);
    }

    /// <summary>The class whose agents learn here.</summary>
    public ImpedanceClass ImpedanceClass { get; }

    /// <summary>The options of every estimator of this pool.</summary>
    public EstimatorOptions Options { get; }

    /// <summary>
    /// Robust slope k of service(w) = service(0) · (1 + k·w), from 0 to <see cref="PayloadSlopeMax"/>; 0.5 until weights vary (M 3.1).
    /// </summary>
    public float PayloadSlope { get; private set; } = PriorPayloadSlope;

    /// <summary>Observations of all agents of the pool.</summary>
    public int Samples { get; private set; }

    /// <summary>Typical one-way network delay of the class in ms; 0 until observed (M gives no base time for the network).</summary>
    public float TypicalNetworkMs { get; private set; }

    /// <summary>Typical service time at weight 1 of the class in ms; M 3.1's base time × 1.5 until observed.</summary>
    public float TypicalServiceMs { get; private set; }

    /// <summary>The class's quantile ratios; unknown until <see cref="EstimatorOptions.PoolSamplesMin"/> settled samples were seen.</summary>
    public QuantileRatios Ratios { get; private set; }

    /// <summary>The quantiles, in ms at weight 1, of an agent that was never observed.</summary>
    public Quantiles Prior
    {
        get
        {
            float median = TypicalNetworkMs + TypicalServiceMs;
            return Ratios.Known
                ? new Quantiles(median, median * Ratios.Lead, median * Ratios.Tail)
                : new Quantiles(median, median * PriorLeadRatio, median * PriorTailRatio);
        }
    }

    /// <summary>What service time at <paramref name="payloadWeight"/> is to service time at weight 1.</summary>
    public float WeightFactor(float payloadWeight) => (1f + (PayloadSlope * payloadWeight)) / (1f + PayloadSlope);

    /// <summary>One observation of any agent, normalised to weight 1: moves the class's typical delay (a tracked median).</summary>
    internal void LearnTypical(float networkMs, float serviceMs)
    {
        if (Samples == 0)
        {
            TypicalNetworkMs = networkMs;
            TypicalServiceMs = serviceMs;
        }
        if (Samples < int.MaxValue) Samples++;
        float step = MathF.Max(0.005f, 1f / (Samples + 1));
        TypicalNetworkMs = StepTowards(TypicalNetworkMs, networkMs, step);
        TypicalServiceMs = StepTowards(TypicalServiceMs, serviceMs, step);
    }

    /// <summary>One observation of an agent that has a settled median: adds to the shape of the class.</summary>
    internal void LearnRatio(float totalMs, float medianMs)
    {
        if (!(medianMs > 0f)) return;
        _histogram.Add(totalMs, medianMs);
        _ratioSamples++;
        if (_ratioSamples < Options.PoolSamplesMin || _ratioSamples % RatiosEvery != 0) return;
        if (_ratioSamples > 1 << 30) _ratioSamples >>= 1;
        Ratios = new QuantileRatios(_histogram.Quantile(Options.LeadLevel), _histogram.Quantile(Options.TailLevel));
    }

    /// <summary>
    /// Moves the slope by the sign of the residual where the weight was unusual: a stochastic step on least absolute deviation, so that
    /// one hung request counts no more than any other. It rests where heavy payloads are above their agent's median as often as below.
    /// </summary>
    internal void LearnWeight(float payloadWeight, float normalisedServiceMs, float agentServiceMs)
    {
        float away = payloadWeight - _weightMean;
        _weightMean += 0.01f * away;
        _weightDeviation += 0.01f * (MathF.Abs(away) - _weightDeviation);
        float tolerance = 1e-3f * (1f + MathF.Abs(_weightMean));
        if (_weightDeviation < tolerance || normalisedServiceMs == agentServiceMs) return;
        if (_weightSamples < int.MaxValue) _weightSamples++;
        float unusual = Math.Clamp(away / _weightDeviation, -3f, 3f);
        float step = MathF.Max(0.002f, 0.1f / MathF.Sqrt(_weightSamples));
        float sign = normalisedServiceMs > agentServiceMs ? 1f : -1f;
        PayloadSlope = Math.Clamp(PayloadSlope + (step * (0.2f + PayloadSlope) * sign * unusual), 0f, PayloadSlopeMax);
    }

    private static float StepTowards(float typical, float value, float step)
    {
        if (typical <= 0f) return value;
        return value > typical ? typical * (1f + step) : value < typical ? typical * (1f - step) : typical;
    }
}
