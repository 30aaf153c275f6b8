namespace Mesh30K.Coordination.Impedance.Estimation;

/// <summary>
/// One agent as its class sees it: own levels of network and service, shape of the class. It competes with the agent's own hedge for as long as
/// the agent lives. With 20 to 100 samples an agent cannot know its 0.95 quantile as well as a class with thousands does, so the class wins where agents share a
/// shape; where they do not it loses, and is charged for it.
/// <para>
/// <b>Levels.</b> The network's is the median of the last three: it is quiet between shifts and moves at once with one (docs/profiles.md). The service's is
/// a mean with gain 1/n down to 0.01 in which no sample counts for more than two deviations: it hardly moves between samples, and a stall not at all.
/// </para>
/// <para>
/// <b>Weight.</b> Both predictions pay their pinball loss; the weight of the class falls with the difference relative to the smaller loss.
/// An agent's own record of at most 50 samples is read together with 20 samples' worth of the whole class's record, so that few
/// samples of its own say little. The difference of the two losses is bounded by the difference of the predictions, so a stall decides nothing.
/// </para>
/// <para>
/// <b>Trap.</b> A lead beyond what an operation allows means that the agent is skipped, and an agent that is skipped teaches nothing: one stall of
/// 50 s among its first samples would keep it out for ever. So what a few samples claim is cut where the class says that it cannot be.
/// </para>
/// Mutable struct inside its only owner; not thread-safe; no allocation.
/// </summary>
internal struct ClassExpert
{
    private const int LevelsFromWindow = 10;
    private const float ServiceStep = 0.01f;
    private const float ServiceReach = 2f;
    private const float Discount = 0.98f;
    private const float ClassRecord = 20f;

    /// <summary>The class's weight when both lose the same: above a half, as its coverage is right from the start and a few samples' is not.</summary>
    private const float WeightAmongEquals = 0.75f;
    private const float Sharpness = 3f;
    private const float LossMaxInWidths = 4f;

    /// <summary>Until so many samples, a delay this many times the class's typical one is taken for a stall, not for the agent.</summary>
    private const int FirstSamples = 3;
    private const float FirstReach = 8f;

    /// <summary>The own quantiles lie at most so many of the class's tail widths above the median; so many medians while no width is known.</summary>
    private const float TailReach = 2f;
    private const float UnknownReach = 2f;

    private float _network1;
    private float _network2;
    private float _network3;
    private float _edge;
    private float _loss;

    /// <summary>The network's level in ms; 0 before the first sample.</summary>
    public float NetworkLevel { get; private set; }

    /// <summary>The service's level in ms at weight 1; 0 before the first sample.</summary>
    public float ServiceLevel { get; private set; }

    /// <summary>What the class predicts for the next sample.</summary>
    public readonly Quantiles Predict(in ClassShape shape) => shape.Predict(NetworkLevel, ServiceLevel);

    /// <summary>Charges both predictions for a sample, before anything is learned from it.</summary>
    public void Score(float totalMs, in Quantiles own, ref ClassShape shape, float level)
    {
        if (!shape.Known) return;
        Quantiles other = Predict(shape);
        float lossOther = Pinball(totalMs, other.Lead, level);
        float lossOwn = Pinball(totalMs, own.Lead, level);
        float edge = lossOther - lossOwn;
        float least = MathF.Min(MathF.Min(lossOther, lossOwn), LossMaxInWidths * (other.Lead - other.Median));
        _edge = (Discount * _edge) + edge;
        _loss = (Discount * _loss) + least;
        if (other.Median > 0f) shape.LearnEdge(Math.Clamp(edge / other.Median, -1f, 1f), MathF.Min(1f, least / other.Median));
    }

    /// <summary>The mean of the class's and the agent's own prediction, weighted by how they did; the own one cut where a stall would own it.</summary>
    /// <param name="own">The hedge's quantiles.</param>
    /// <param name="samples">How many samples they rest on.</param>
    /// <param name="shape">What the class knows.</param>
    /// <param name="prior">What the class expects of an agent without samples, against which the first ones are read.</param>
    public readonly Quantiles Blend(in Quantiles own, int samples, in ClassShape shape, in Quantiles prior)
    {
        if (samples < FirstSamples && own.Median > FirstReach * prior.Median) return prior;
        if (!shape.Known) return Cut(own, UnknownReach * own.Median);
        Quantiles other = Predict(shape);
        float unit = other.Median > 0f ? MathF.Max(1f, own.Median / other.Median) : 1f;
        Quantiles trusted = Cut(own, TailReach * unit * (other.Tail - other.Median));
        float record = ClassRecord * other.Median;
        float loss = _loss + (record * shape.LossPerMs);
        float excess = loss > 0f ? (_edge + (record * shape.EdgePerMs)) / loss : 0f;
        float weight = Math.Clamp(WeightAmongEquals - (Sharpness * excess), 0f, 1f);
        float median = trusted.Median + (weight * (other.Median - trusted.Median));
        float lead = MathF.Max(median, trusted.Lead + (weight * (other.Lead - trusted.Lead)));
        return new Quantiles(median, lead, MathF.Max(lead, trusted.Tail + (weight * (other.Tail - trusted.Tail))));
    }

    private static Quantiles Cut(in Quantiles own, float reach)
    {
        float most = own.Median + reach;
        return new Quantiles(own.Median, MathF.Min(own.Lead, most), MathF.Min(own.Tail, most));
    }

    /// <summary>Moves the levels; <paramref name="samples"/> counts this one, <paramref name="windowServiceMs"/> is the window's median while samples are few.</summary>
    public void Learn(float networkMs, float serviceMs, int samples, float windowServiceMs, float serviceDeviation)
    {
        _network3 = _network2;
        _network2 = _network1;
        _network1 = networkMs;
        if (samples == 2)
        {
            // Of two, the lesser: should one be a stall, the mean of both is a stall too.
            NetworkLevel = MathF.Min(NetworkLevel, networkMs);
            ServiceLevel = MathF.Min(ServiceLevel, serviceMs);
            return;
        }
        NetworkLevel = samples < 3 ? networkMs : MiddleOf(_network1, _network2, _network3);
        if (UsesWindow(samples) || !(ServiceLevel > 0f))
        {
            ServiceLevel = windowServiceMs;
            return;
        }
        float reach = ServiceReach * serviceDeviation * ServiceLevel;
        ServiceLevel += MathF.Max(1f / samples, ServiceStep) * Math.Clamp(serviceMs - ServiceLevel, -reach, reach);
    }

    /// <summary>Whether the service's level is still the window's median.</summary>
    public static bool UsesWindow(int samples) => samples <= LevelsFromWindow;

    private static float MiddleOf(float a, float b, float c) => MathF.Max(MathF.Min(a, b), MathF.Min(MathF.Max(a, b), c));

    private static float Pinball(float value, float quantile, float level) =>
        value >= quantile ? level * (value - quantile) : (1f - level) * (quantile - value);
}
