using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Coordination.Cascades;

/// <summary>One step of an operation: whom to gather, and what share of them has to be READY.</summary>
/// <param name="SkipAllAs">When set, the agents are only listed as skipped for this reason.</param>
public sealed record PhasePlan(string Name, Selector Selector, QuorumThresholds Thresholds, SkipReason SkipAllAs = SkipReason.None);

/// <summary>How an operation unfolds into phases (M 3.3). Every strategy is a list of gatherings, one after the other.</summary>
public static class CascadePhases
{
    /// <summary>Least share of the sectors, and of the clusters, that has to confirm a wave before the next level is told.</summary>
    public const double WaveSectorRate = 0.98;

    public const double WaveClusterRate = 0.95;

    /// <summary>How long a wave waits for its sectors, then for its clusters, in ms (M 3.3).</summary>
    public const double WaveSectorMs = 200;

    public const double WaveClusterMs = 1_000;

    /// <summary>The share READY that a parallel cascade asks for: lower, for speed.</summary>
    public const double ParallelReadyRate = 0.90;

    /// <summary>The arrival window of a parallel cascade in ms.</summary>
    public const double ParallelWindowMs = 1_000;

    private static readonly (ImpedanceClass Class, double ReadyRate)[] PriorityOrder =
    [
        (ImpedanceClass.Gpu, 0.99), (ImpedanceClass.Persistent, 0.98), (ImpedanceClass.Serverless, 0.95), (ImpedanceClass.Edge, 0.90),
        (ImpedanceClass.Local, 0.85),
    ];

    /// <summary>The phases of an operation, at least one.</summary>
    public static PhasePlan[] Of(OperationSpec spec)
    {
        if (spec.Strategy == RoutingStrategy.Pipeline)
            return [.. spec.Stages.Select((stage, i) => new PhasePlan($"stage {i + 1}", stage, spec.Thresholds))];
        if (spec.Cascade != CascadeStrategy.PriorityFirst) return [new PhasePlan("agents", spec.Selector, spec.Thresholds)];

        List<PhasePlan> phases = [];
        foreach ((ImpedanceClass impedanceClass, double readyRate) in PriorityOrder)
        {
            // The operator's own choice of a class narrows the cascade; it must not be widened again.
            if (spec.Selector.Class is { } only && only != impedanceClass) continue;
            phases.Add(new PhasePlan(
                impedanceClass.WireName(), spec.Selector with { Class = impedanceClass }, spec.Thresholds with { RequiredReadyRate = readyRate }));
        }
        // People take no part in an automatic cascade; they are listed, not forgotten.
        if (spec.Selector.Class is null or ImpedanceClass.Human) phases.Add(new PhasePlan(
            ImpedanceClass.Human.WireName(), spec.Selector with { Class = ImpedanceClass.Human }, spec.Thresholds, SkipReason.ClassNotInCascade));
        return [.. phases];
    }

    /// <summary>The defaults of a cascade by its strategy, before the operator's own choices.</summary>
    public static OperationSpec Defaults(CascadeStrategy strategy)
    {
        OperationSpec spec = new() { Cascade = strategy };
        return strategy == CascadeStrategy.Parallel
            ? spec with { WindowMs = ParallelWindowMs, Thresholds = new QuorumThresholds { RequiredReadyRate = ParallelReadyRate } }
            : spec;
    }
}
