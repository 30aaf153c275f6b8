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
    private readonly FleetPartition[] partitions;
    private readonly int[] sectorOf;
    private readonly int[] localOf;
    private readonly int[] firstLocal;

    public FleetMap(FleetBlueprint blueprint, MeshShape shape, ReadOnlySpan<AgentPlace> places)
    {
        sectorOf = new int[places.Length];
        localOf = new int[places.Length];
        firstLocal = new int[shape.Clusters];
        int[] load = new int[shape.Clusters];
        foreach (ref readonly AgentPlace place in places) load[place.Cluster.Index]++;
        int[] inSector = new int[shape.Sectors];
        for (int k = 0; k < shape.Clusters; k++)
        {
            int sector = k / shape.ClustersPerSector;
            firstLocal[k] = inSector[sector];
            inSector[sector] += load[k];
        }
        int[][] global = [.. inSector.Select(n => new int[n])];
        for (int i = 0; i < places.Length; i++)
        {
            ClusterAddress cluster = places[i].Cluster;
            sectorOf[i] = cluster.Sector;
            localOf[i] = firstLocal[cluster.Index] + places[i].Slot;
            global[cluster.Sector][localOf[i]] = i;
        }
        partitions = [.. global.Select(g => new FleetPartition(blueprint, g))];
    }

    public FleetPartition Partition(int sector) => partitions[sector];

    /// <summary>The agent's number within its sector's partition.</summary>
    public int LocalOf(ClusterAddress cluster, int slot) => firstLocal[cluster.Index] + slot;

    public float QuantileMs(int agentIndex, Instant sendAt, float payloadWeight, float level) =>
        partitions[sectorOf[agentIndex]].OracleQuantileMs(localOf[agentIndex], sendAt, payloadWeight, level);
}

/// <summary>An oracle that is connected once the fleet has been placed; asked before, it is a bug.</summary>
public sealed class LateOracle : IArrivalOracle
{
    private IArrivalOracle? oracle;

    public void Connect(IArrivalOracle to) => oracle = to;

    public float QuantileMs(int agentIndex, Instant sendAt, float payloadWeight, float level) =>
        oracle!.QuantileMs(agentIndex, sendAt, payloadWeight, level);
}
