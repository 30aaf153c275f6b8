using Mesh30K.Coordination.Cascades;
using Mesh30K.Node.Hosting;
using Mesh30K.Simulation.Fleet;

namespace Mesh30K.Cli.Fleet;

/// <summary>A node with a simulated fleet in this process, beside which agents may join if there is room. Made started; disposed, everything has ended.</summary>
internal sealed class SimulatedMesh : IAsyncDisposable
{
    private readonly SimulatedLink _link;

    private SimulatedMesh(MeshHost host, SimulatedLink link)
    {
        Host = host;
        _link = link;
    }

    public MeshHost Host { get; }

    /// <summary>Builds and starts the node. The fleet must fit the settings' shape.</summary>
    public static SimulatedMesh Start(FleetBlueprint fleet, MeshSettings settings, int? loops = null)
    {
        LateOracle oracle = new();
        MeshHostOptions options = new() { Settings = settings, Oracle = fleet.Agents > 0 ? oracle : null };
        if (loops is { } given) options = options with { Loops = given };
        MeshHost host = new(options, fleet.Agents, i => new AgentDescription(fleet.IdOf(i), fleet.ClassOf(i), fleet.CapabilitiesOf(i)));
        SimulatedLink agents = new(host, fleet);
        oracle.Connect(agents);
        host.Connect(agents);
        host.Start();
        agents.Start();
        return new SimulatedMesh(host, agents);
    }

    public async ValueTask DisposeAsync()
    {
        await _link.DisposeAsync().ConfigureAwait(false);
        await Host.DisposeAsync().ConfigureAwait(false);
    }
}
