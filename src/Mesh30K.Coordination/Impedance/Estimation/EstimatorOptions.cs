using Mesh30K.Protocol;

namespace Mesh30K.Coordination.Impedance.Estimation;

/// <summary>
/// What the learned delay estimator may be told. Immutable, shared by all estimators of a mesh. The defaults are those measured on the
/// recorded traces (<c>mesh bench predictor</c>); the experts' own constants are in <see cref="QuantileHedge"/> and are not options.
/// </summary>
public sealed record EstimatorOptions
{
    /// <summary>The defaults, shared so that an estimator without options costs no object.</summary>
    public static EstimatorOptions Default { get; } = new();

    /// <summary>
    /// The share of arrivals that shall not be later than the lead: the quantile by which a send is planned. 0.5 &lt; level &lt;
    /// <see cref="TailLevel"/>; default 0.95. Larger: fewer late agents, longer holds of the early ones.
    /// </summary>
    public float LeadLevel { get; init; } = 0.95f;

    /// <summary>
    /// The level for planners that want the required share ready by the target with margin. <see cref="LeadLevel"/> &lt; level ≤ 0.995;
    /// default 0.98. A larger one needs more than a window of 100 samples can tell.
    /// </summary>
    public float TailLevel { get; init; } = 0.98f;

    /// <summary>
    /// How many samples of its own an agent needs until nothing of its class's pooled ratio is left in its quantiles. In samples, 1 to
    /// 100, default 20. Larger: steadier at the start, slower to tell an agent from its class.
    /// </summary>
    public int ColdStartSamples { get; init; } = 20;

    /// <summary>
    /// How many samples the class's pool must have seen before its ratios are trusted. In samples, ≥ 1, default 100. Larger: new
    /// agents of a young mesh rely on their own few samples for longer.
    /// </summary>
    public int PoolSamplesMin { get; init; } = 100;

    /// <summary>Throws when a value is out of its range: a wrong option is a mistake of the program that built it.</summary>
    internal void Check()
    {
        Invariant.Check(LeadLevel is > 0.5f and < 1f);
        Invariant.Check(TailLevel > LeadLevel && TailLevel <= 0.995f);
        Invariant.Check(ColdStartSamples is >= 1 and <= 100);
        Invariant.Check(PoolSamplesMin >= 1);
    }
}
