using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Topology;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Simulation.Fleet;

/// <summary>
/// A simulated fleet cut into the sectors of a mesh: one partition a sector, agents in the order of cluster and slot. Also the oracle:
/// it answers for any agent, from the partition of its sector, and so must be asked by that sector's owner only.
/// </summary>
public sealed class FleetMap : IArrivalOracle
{
    private readonly FleetPartition[] _partitions;
    private readonly int[] _sectorOf;
    private readonly int[] _localOf;
    private readonly int[] _firstLocal;

    public FleetMap(FleetBlueprint blueprint, MeshShape shape, ReadOnlySpan<AgentPlace> places)
    {
        _sectorOf = new int[places.Length];
        _localOf = new int[places.Length];
        _firstLocal = new int[shape.Clusters];
        int[] load = new int[shape.Clusters];
        foreach (ref readonly AgentPlace place in places) load[place.Cluster.Index]++;
        int[] inSector = new int[shape.Sectors];
        for (int k = 0; k < shape.Clusters; k++)
        {
            int sector = k / shape.ClustersPerSector;
            _firstLocal[k] = inSector[sector];
            inSector[sector] += load[k];
        }
        int[][] global = [.. inSector.Select(n => new int[n])];
        for (int i = 0; i < places.Length; i++)
        {
            ClusterAddress cluster = places[i].Cluster;
            _sectorOf[i] = cluster.Sector;
            _localOf[i] = _firstLocal[cluster.Index] + places[i].Slot;
            global[cluster.Sector][_localOf[i]] = i;
        }
        _partitions = [.. global.Select(g => new FleetPartition(blueprint, g))];
    }

    public FleetPartition Partition(int sector) => _partitions[sector];

    /// <summary>The agent's number within its sector's partition.</summary>
    public int LocalOf(ClusterAddress cluster, int slot) => _firstLocal[cluster.Index] + slot;

    public float QuantileMs(int agentIndex, Instant sendAt, float payloadWeight, float level) =>
        _partitions[_sectorOf[agentIndex]].OracleQuantileMs(_localOf[agentIndex], sendAt, payloadWeight, level);
}

/// <summary>An oracle that is connected once the fleet has been placed; asked before, it is a bug.</summary>
public sealed class LateOracle : IArrivalOracle
{
    private IArrivalOracle? _oracle;

    public void Connect(IArrivalOracle to) => _oracle = to;

    public float QuantileMs(int agentIndex, Instant sendAt, float payloadWeight, float level) =>
        _oracle!.QuantileMs(agentIndex, sendAt, payloadWeight, level);
}
