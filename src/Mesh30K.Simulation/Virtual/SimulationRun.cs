using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Simulation.Fleet;

namespace Mesh30K.Simulation.Virtual;

/// <summary>What a simulation of many operations showed. Rates are shares, times ms. Everything but the counts is over the operations after the warm-up.</summary>
public sealed record SimulationSummary
{
    public required int Agents { get; init; }

    public required int Operations { get; init; }

    /// <summary>Operations that count as warm-up.</summary>
    public required int WarmUp { get; init; }

    public required PlannerKind Planner { get; init; }

    public required double WindowHitRate { get; init; }

    public required double ReadyByTargetRate { get; init; }

    /// <summary>Median over the operations of p95 − p5 of READY − T.</summary>
    public required double SpreadMs { get; init; }

    /// <summary>Median over the operations of p95 − p5 of max(T, READY).</summary>
    public required double StartSpreadMs { get; init; }

    /// <summary>Operations by the quorum's decision.</summary>
    public required IReadOnlyDictionary<QuorumDecision, int> Decisions { get; init; }

    /// <summary>Sends to agents with at least 20 samples.</summary>
    public required PredictionScore Warm { get; init; }

    /// <summary>Sends to agents with 5 to 10 samples.</summary>
    public required PredictionScore Young { get; init; }

    public required long Events { get; init; }

    public required ulong TraceHash { get; init; }
}

/// <summary>Runs the same operation many times over a simulated fleet.</summary>
public static class SimulationRun
{
    /// <summary>Operations before which nothing counts: what an agent needs to have 20 samples.</summary>
    public const int WarmUpOperations = VirtualSector.WarmSamples;

    /// <summary>Runs <paramref name="operations"/> operations; <paramref name="progress"/> hears how many are done.</summary>
    public static SimulationSummary Execute(
        FleetBlueprint fleet, MeshSettings settings, VirtualMeshOptions options, OperationSpec spec, int operations, Action<int>? progress = null)
    {
        VirtualMesh mesh = new(fleet, settings, options);
        OperationSpec planned = spec with { Planner = options.Planner };
        int warmUp = Math.Min(WarmUpOperations, operations / 2);
        List<double> spreads = [];
        List<double> startSpreads = [];
        Dictionary<QuorumDecision, int> decisions = [];
        GatherCounts counts = default;
        for (int i = 0; i < operations; i++)
        {
            OperationResult result = mesh.Run(planned);
            progress?.Invoke(i + 1);
            if (i < warmUp) continue;
            ArrivalFigures figures = ArrivalFigures.Of(result.Report);
            counts.Add(result.Report.Counts);
            spreads.Add(figures.SpreadMs);
            startSpreads.Add(figures.StartSpreadMs);
            decisions[result.Quorum.Decision] = decisions.GetValueOrDefault(result.Quorum.Decision) + 1;
        }
        return new SimulationSummary
        {
            Agents = fleet.Agents,
            Operations = operations,
            WarmUp = warmUp,
            Planner = options.Planner,
            WindowHitRate = Rate(counts.WindowHits, counts.Sent),
            ReadyByTargetRate = Rate(counts.ReadyByTarget, counts.Sent),
            SpreadMs = Median(spreads),
            StartSpreadMs = Median(startSpreads),
            Decisions = decisions,
            Warm = mesh.Warm,
            Young = mesh.Young,
            Events = mesh.Events,
            TraceHash = mesh.TraceHash,
        };
    }

    private static double Rate(int part, int whole) => whole == 0 ? 0 : (double)part / whole;

    private static double Median(List<double> values)
    {
        if (values.Count == 0) return 0;
        values.Sort();
        return (values[(values.Count - 1) / 2] + values[values.Count / 2]) / 2;
    }
}
