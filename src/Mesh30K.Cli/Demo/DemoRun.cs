using System.Diagnostics;
using Mesh30K.Cli.Fleet;
using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Topology;
using Mesh30K.Simulation.Fleet;

namespace Mesh30K.Cli.Demo;

/// <summary>How the demo runs. Immutable.</summary>
/// <param name="WarmUp">Operations before anything counts, from which the estimators learn.</param>
/// <param name="Rounds">How often each planner runs the operation; the planners take turns, so that all see the same moods of the machine.</param>
/// <param name="Operation">The operation that every planner runs.</param>
internal sealed record DemoOptions(int WarmUp, int Rounds, OperationSpec Operation);

/// <summary>
/// The demo: one simulated fleet in real time behind one node; the same operation with each planner in turn. Everything that is shown was
/// measured by the mesh on its own clock, from real releases and real acks.
/// </summary>
internal static class DemoRun
{
    /// <summary>Warm-up operations close early; acks that come later teach all the same.</summary>
    private const double WarmUpWindowMs = 200;

    public static readonly PlannerKind[] Planners = [PlannerKind.FireNow, PlannerKind.Spec, PlannerKind.Learned, PlannerKind.Oracle];

    /// <summary>Runs it; <paramref name="progress"/> hears what is being done and how much of the whole is done, 0 to 1.</summary>
    public static async Task<DemoReport> ExecuteAsync(FleetBlueprint fleet, DemoOptions options, Action<string, double> progress, CancellationToken stop)
    {
        Stopwatch wall = Stopwatch.StartNew();
        progress($"booting {fleet.Agents} agents", 0);
        await using SimulatedMesh mesh = SimulatedMesh.Start(fleet, new MeshSettings { Shape = MeshShape.For(fleet.Agents) });
        int steps = options.WarmUp + options.Rounds * Planners.Length;
        int done = 0;
        for (int i = 0; i < options.WarmUp; i++)
        {
            progress($"warming up: operation {i + 1} of {options.WarmUp}", (double)done++ / steps);
            await RunAsync(mesh, options.Operation with { WindowMs = WarmUpWindowMs }, stop).ConfigureAwait(false);
        }
        Dictionary<PlannerKind, List<OperationResult>> results = Planners.ToDictionary(p => p, _ => new List<OperationResult>());
        for (int round = 0; round < options.Rounds; round++)
        {
            foreach (PlannerKind planner in Planners)
            {
                progress($"round {round + 1} of {options.Rounds}: {PlannerNames.Of(planner)}", (double)done++ / steps);
                results[planner].Add(await RunAsync(mesh, options.Operation with { Planner = planner }, stop).ConfigureAwait(false));
            }
        }
        progress("done", 1);
        return DemoReport.Of(fleet.Agents, results, mesh.Host.ReleaseSnapshot().Lateness, ProcessMemory.ResidentMb(), ProcessMemory.PeakResidentMb(), wall.Elapsed.TotalSeconds);
    }

    /// <summary>One operation, and then the quiet in which stragglers finish: the next planner finds idle agents, as this one did.</summary>
    private static async Task<OperationResult> RunAsync(SimulatedMesh mesh, OperationSpec spec, CancellationToken stop)
    {
        OperationResult result = await mesh.Host.RunAsync(spec, stop).ConfigureAwait(false);
        await Task.Delay(TimeSpan.FromMilliseconds(250), stop).ConfigureAwait(false);
        return result;
    }
}
