using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Coordination.Impedance;
using Mesh30K.Coordination.Topology;
using Mesh30K.Node.Hosting;
using Mesh30K.Protocol.Identity;
using Mesh30K.Simulation.Fleet;

namespace Mesh30K.Cli.Bench;

/// <summary>The fleet that benches run on: the reference mix of classes, seed 1, and estimators that have seen the fleet's own delays.</summary>
internal static class BenchFleet
{
    /// <summary>Observations an agent before a bench: more than the cold start, fewer than the window.</summary>
    public const int WarmSamples = 30;

    private static readonly Instant WarmFrom = Instant.FromUnixMs(1_700_000_000_000);
    private static readonly Instant WarmUntil = WarmFrom.PlusMs(WarmSamples * 600_000.0);

    public static FleetBlueprint Of(int agents) => new(new FleetOptions { Agents = agents });

    public static AgentDescription Describe(FleetBlueprint fleet, int agent) => new(fleet.IdOf(agent), fleet.ClassOf(agent), fleet.CapabilitiesOf(agent));

    /// <summary>A host whose estimators are warm; connected to nothing, not started.</summary>
    public static MeshHost Host(int agents)
    {
        FleetBlueprint fleet = Of(agents);
        MeshHostOptions options = new() { IdSeed = 1, Settings = new MeshSettings { Shape = MeshShape.For(agents) } };
        MeshHost host = new(options, agents, i => Describe(fleet, i));
        Warm(host.Mesh, fleet, host.Clock.Now);
        return host;
    }

    /// <summary>The roles alone.</summary>
    public static MeshAssembly Roles(int agents)
    {
        FleetBlueprint fleet = Of(agents);
        SectorScratch scratch = new();
        MeshAssembly mesh = MeshAssembly.Build(
            new MeshSettings { Shape = MeshShape.For(agents) }, agents, i => Describe(fleet, i), new PlannerSet(), _ => scratch);
        Warm(mesh, fleet, WarmUntil);
        return mesh;
    }

    /// <summary>Every estimator learns <see cref="WarmSamples"/> sends of its agent.</summary>
    private static void Warm(MeshAssembly mesh, FleetBlueprint fleet, Instant heardAt)
    {
        FleetMap map = new(fleet, mesh.Settings.Shape, mesh.Places);
        Effects published = new();
        foreach (SectorUnit unit in mesh.Units)
        {
            FleetPartition partition = map.Partition(unit.Sector);
            foreach (ClusterLead lead in unit.Leads)
            {
                for (int slot = 0; slot < lead.Agents.Length; slot++)
                {
                    if (lead.Agents[slot] is not { } agent) continue;
                    Warm(agent, partition, map.LocalOf(lead.Address, slot));
                    // An idle agent's heartbeat, so that it counts as alive.
                    lead.Step(new AgentHeartbeat { ClusterIndex = lead.Address.Index, Slot = slot, ReceivedAt = heardAt, QueueDepth = 0 });
                }
            }
            // A sweep publishes what was learned, and brings the leads' plan rows up to it.
            unit.Sweep(heardAt, 0, publish: true, published);
            published.Clear();
        }
    }

    private static void Warm(AgentRecord agent, FleetPartition partition, int local)
    {
        Instant at = WarmFrom;
        for (int i = 0; i < WarmSamples; i++)
        {
            SendOutcome outcome = partition.Send(local, at, 1);
            at = at.PlusMs(600_000);
            if (!outcome.Lost) agent.Estimator.Observe(outcome.NetworkMs, outcome.ServiceMs, 1);
        }
    }
}
