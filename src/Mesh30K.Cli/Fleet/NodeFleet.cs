using System.Net;
using Mesh30K.Cli.Config;
using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Protocol.Identity;
using Mesh30K.Simulation.Fleet;
using CoreShape = Mesh30K.Coordination.Topology.MeshShape;

namespace Mesh30K.Cli.Fleet;

/// <summary>What a node is started with: its fleet, its settings, and what its operations are where nobody says otherwise. Immutable.</summary>
/// <param name="Listen">Where it listens.</param>
/// <param name="DataDirectory">An absolute path.</param>
/// <param name="Loops">Event loops; null for the default.</param>
/// <param name="NotEnforced">Budgets of the file that the mesh cannot enforce, by name.</param>
internal sealed record NodeFleet(
    FleetBlueprint Blueprint, MeshSettings Settings, OperationSpec Defaults, IPEndPoint Listen, string DataDirectory, int? Loops, IReadOnlyList<string> NotEnforced)
{
    /// <summary>The built-in fleet: 30,000 agents as recorded.</summary>
    public const string Demo = "demo";

    /// <summary>Loads a fleet file, or the demo. Throws a <see cref="CliException"/> that says what is wrong.</summary>
    public static NodeFleet Load(string fileOrDemo, Func<string, string> pathOf)
    {
        if (fileOrDemo == Demo)
        {
            FleetBlueprint demo = new(new FleetOptions());
            NodeSettings node = FleetFile.DefaultFor(pathOf(".")).Node;
            return new NodeFleet(demo, new MeshSettings { Shape = CoreShape.For(demo.Agents) }, new OperationSpec(), node.Listen, node.DataDirectory, null, []);
        }
        FleetFile file = FleetFile.Load(pathOf(fileOrDemo)).OrThrow();
        try
        {
            return From(file);
        }
        catch (Exception wrong) when (wrong is FleetInputException or ArgumentOutOfRangeException)
        {
            string message = $"{fileOrDemo}: {wrong.Message.ReplaceLineEndings(" ")}";
            throw new CliException(new CliError(ExitCode.Usage, "fleet_file", message, "Check the fleet part of the file; docs/guide/fleet.md explains it."));
        }
    }

    private static NodeFleet From(FleetFile file)
    {
        CoreShape shape = new(file.Mesh.Sectors, file.Mesh.ClustersPerSector, file.Mesh.AgentsPerCluster);
        MeshSettings settings = new()
        {
            Shape = shape,
            Arrival = new ArrivalOptions { BucketMs = file.Arrival.BucketMs, DispatchMarginMs = file.Arrival.DispatchMarginMs },
            Budgets = [.. file.Budgets.Where(b => b.RequestsPerSecond is not null).Select(b => new GroupBudget(new(b.Name, b.RequestsPerSecond!.Value), b.Class, b.Capability))],
        };
        OperationSpec defaults = new()
        {
            WindowMs = file.Arrival.WindowMs,
            TimeoutMs = file.Arrival.TimeoutMs,
            Planner = file.Arrival.Planner switch
            {
                Config.PlannerKind.FireNow => Coordination.Arrival.PlannerKind.FireNow,
                Config.PlannerKind.Spec => Coordination.Arrival.PlannerKind.Spec,
                _ => Coordination.Arrival.PlannerKind.Learned,
            },
            LeadLevel = (float)file.Arrival.LeadLevel,
            Thresholds = new QuorumThresholds
            {
                RequiredReadyRate = file.Quorum.RequiredReadyRate,
                MaxConflictRate = file.Quorum.MaxConflictRate,
                MaxTransitRate = file.Quorum.MaxTransitRate,
            },
        };
        string[] notEnforced = [.. file.Budgets.Where(b => b.RequestsPerSecond is null).Select(b => b.Name)];
        return new NodeFleet(BlueprintOf(file.Fleet), settings, defaults, file.Node.Listen, file.Node.DataDirectory, file.Node.Loops, notEnforced);
    }

    private static FleetBlueprint BlueprintOf(FleetSettings fleet) => new(new FleetOptions
    {
        Agents = fleet.AgentsTotal,
        Seed = fleet.Seed,
        ClassShares = ImpedanceClasses.All.ToDictionary(c => c, c => (double)fleet.AgentsByClass[(int)c]),
        LossRate = fleet.LossRate,
        StragglerRate = fleet.StragglerRate,
        StragglerFactor = (float)fleet.StragglerFactor,
        ConflictRate = fleet.ConflictRate,
        // The file counts to "all of it one way", the fleet to "this far from half".
        PathAsymmetry = Math.Min(0.499, fleet.PathAsymmetry / 2),
        NetworkTrace = fleet.NetworkTrace is { } folder ? NetworkTrace.Load(folder) : null,
        ServiceTrace = fleet.ServiceTrace is { } trace ? Simulation.Fleet.ServiceTrace.Load(trace.File, trace.Column, trace.Group) : null,
    });
}
