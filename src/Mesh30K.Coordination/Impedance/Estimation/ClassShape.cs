namespace Mesh30K.Coordination.Impedance.Estimation;

/// <summary>
/// The shape of a class's delays, learned from all its agents in one sector, in a form that fits agents which differ in how much of their
/// delay is network:
/// <code>
/// delay ≈ N + S + scale · R        N, S  the agent's own network and service levels
/// scale  = √((N·n)² + (S·s)²)      n, s  the class's relative excess at the lead level, of each part alone
/// R      = one law for the class   counted as what is left over, so that whatever the scale misses is in it
/// </code>
/// The square root adds independent excesses as a normal law would; where one part dominates, which is usual, it is exact. Since R is counted
/// after all that, its quantiles are calibrated for the class as a whole, and any bias of the levels is in R's centre.
/// Mutable struct inside its only owner, the class's pool; about 2.4 KB; not thread-safe.
/// </summary>
internal struct ClassShape
{
    private const int RefreshEvery = 32;
    private const float CentreStep = 0.01f;
    private const float DeviationStep = 0.01f;
    private const float ExcessMin = 1e-3f;
    private const float ResidualMax = 255f;

    private RatioHistogram _service;
    private RatioHistogram _network;
    private RatioHistogram _residual;
    private float _serviceExcess;
    private float _networkExcess;
    private float _centre;
    private float _lead;
    private float _tail;
    private float _edgePerMs;
    private float _lossPerMs;
    private int _samples;

    public ClassShape()
    {
        _serviceExcess = 0.3f;
        _networkExcess = 0.05f;
        ServiceDeviation = 0.2f;
        Curve = TailCurve.Exponential;
    }

    /// <summary>Whether <see cref="Predict"/> says anything.</summary>
    public bool Known { get; private set; }

    /// <summary>Mean absolute deviation of the service time relative to its level, stalls cut.</summary>
    public float ServiceDeviation { get; private set; }

    /// <summary>Where between median and lead the quantiles between them lie.</summary>
    public TailCurve Curve { get; private set; }

    /// <summary>By how much more the class's prediction lost than the agents' own, per ms of delay and sample; below 0 when the class's was better.</summary>
    public readonly float EdgePerMs => _edgePerMs;

    /// <summary>What the better of both lost, per ms of delay and sample.</summary>
    public readonly float LossPerMs => _lossPerMs;

    /// <summary>The quantiles of an agent with these levels.</summary>
    public readonly Quantiles Predict(float networkMs, float serviceMs)
    {
        float scale = Scale(networkMs, serviceMs);
        float median = MathF.Max(0f, networkMs + serviceMs + (_centre * scale));
        return new Quantiles(median, median + (_lead * scale), median + (_tail * scale));
    }

    /// <summary>One sample of an agent against the levels that it had before.</summary>
    public void Learn(float networkMs, float serviceMs, float networkLevel, float serviceLevel, EstimatorOptions options)
    {
        if (serviceLevel > 0f)
        {
            _service.Add(serviceMs, serviceLevel);
            float away = MathF.Min(MathF.Abs((serviceMs / serviceLevel) - 1f), 4f * ServiceDeviation + ExcessMin);
            ServiceDeviation += DeviationStep * (away - ServiceDeviation);
        }
        if (networkLevel > 0f) _network.Add(networkMs, networkLevel);
        float scale = Scale(networkLevel, serviceLevel);
        if (!(scale > 0f)) return;
        float residual = ((networkMs + serviceMs - networkLevel - serviceLevel) / scale) - _centre;
        _residual.Add(1f + MathF.Min(residual, ResidualMax), 1f);
        if (residual != 0f) _centre += residual > 0f ? CentreStep : -CentreStep;
        _samples++;
        if (_samples % RefreshEvery != 0) return;
        if (_samples > 1 << 30) _samples >>= 1;
        _serviceExcess = MathF.Max(ExcessMin, _service.Quantile(options.LeadLevel) - 1f);
        _networkExcess = MathF.Max(ExcessMin, _network.Quantile(options.LeadLevel) - 1f);
        _lead = _residual.Quantile(options.LeadLevel) - 1f;
        _tail = _residual.Quantile(options.TailLevel) - 1f;
        Curve = TailCurve.Of(_residual);
        Known = _samples >= options.PoolSamplesMin;
    }

    /// <summary>How the two predictions did on one sample of one agent, per ms of its delay.</summary>
    public void LearnEdge(float edgePerMs, float lossPerMs)
    {
        const float step = 0.002f;
        _edgePerMs += step * (edgePerMs - _edgePerMs);
        _lossPerMs += step * (lossPerMs - _lossPerMs);
    }

    private readonly float Scale(float networkMs, float serviceMs)
    {
        float network = networkMs * _networkExcess;
        float service = serviceMs * _serviceExcess;
        return MathF.Sqrt((network * network) + (service * service));
    }
}
