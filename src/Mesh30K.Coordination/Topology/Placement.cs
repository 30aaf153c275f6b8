using Mesh30K.Protocol;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Coordination.Topology;

/// <summary>
/// Which agent lives in which cluster. Agents of one impedance class are clustered together (M 2.2), and the clusters of a class are
/// dealt over the sectors in turn, so that the loss of one sector takes a slice of every class and never a whole class.
/// Agents that come later fill up the clusters of their class, least loaded first; when those are full they begin an empty one in the sector with the fewest agents; when there is none, the least loaded of all.
/// Not thread-safe: one owner.
/// </summary>
public sealed class Placement
{
    private readonly int[] _load;
    private readonly int[,] _classLoad;
    private readonly int[] _sectorLoad;

    private Placement(MeshShape shape)
    {
        Shape = shape;
        _load = new int[shape.Clusters];
        _classLoad = new int[shape.Clusters, ImpedanceClasses.Count];
        _sectorLoad = new int[shape.Sectors];
    }

    public MeshShape Shape { get; }

    /// <summary>Agents placed so far.</summary>
    public int Count { get; private set; }

    public static Placement Empty(MeshShape shape)
    {
        Invariant.Check(shape.Validate() is null);
        return new Placement(shape);
    }

    /// <summary>
    /// Places a whole fleet: <paramref name="classOf"/>[i] is the class of agent i. Returns the placement and, per agent, its cluster's index.
    /// Throws when the fleet does not fit; callers check <see cref="MeshShape.Capacity"/> first.
    /// </summary>
    public static (Placement Placement, int[] ClusterOf) Fleet(MeshShape shape, ReadOnlySpan<ImpedanceClass> classOf)
    {
        Placement placement = Empty(shape);
        Invariant.Check(classOf.Length <= shape.Capacity);
        int[] clusterOf = new int[classOf.Length];
        int[] perClass = new int[ImpedanceClasses.Count];
        foreach (ImpedanceClass c in classOf) perClass[(int)c]++;

        // Agents are spread evenly over all clusters, class after class: cluster k holds the agents [k·n/K, (k+1)·n/K) of the sorted fleet.
        int[] nextRank = new int[ImpedanceClasses.Count];
        for (int c = 1; c < ImpedanceClasses.Count; c++) nextRank[c] = nextRank[c - 1] + perClass[c - 1];
        int used = Math.Min(shape.Clusters, Math.Max(1, (classOf.Length + shape.AgentsPerCluster - 1) / shape.AgentsPerCluster));
        for (int i = 0; i < classOf.Length; i++)
        {
            long rank = nextRank[(int)classOf[i]]++;
            int ordinal = (int)(rank * used / classOf.Length);
            int index = placement.Dealt(ordinal, used);
            clusterOf[i] = index;
            placement.Take(index, classOf[i]);
        }
        return (placement, clusterOf);
    }

    /// <summary>
    /// A cluster for a late comer, or null when the mesh is full: the least loaded with room whose agents are mostly of the class; else an empty one, where the sector has the fewest agents, so that the clusters
    /// of a class lie in many sectors; else the least loaded. The lowest number among equals. O(clusters).
    /// </summary>
    public ClusterAddress? PlaceLate(ImpedanceClass impedanceClass)
    {
        int best = -1;
        (int Rank, int Load) bestKey = default;
        for (int k = 0; k < _load.Length; k++)
        {
            int load = _load[k];
            if (load >= Shape.AgentsPerCluster) continue;
            (int Rank, int Load) key = load == 0 ? (1, _sectorLoad[k / Shape.ClustersPerSector])
                : _classLoad[k, (int)impedanceClass] * 2 > load ? (0, load)
                : (2, load);
            if (best >= 0 && (key.Rank > bestKey.Rank || key.Rank == bestKey.Rank && key.Load >= bestKey.Load)) continue;
            best = k;
            bestKey = key;
        }
        if (best < 0) return null;
        Take(best, impedanceClass);
        return ClusterAddress.Of(Shape, best);
    }

    /// <summary>Frees the place of an agent that left.</summary>
    public void Remove(ClusterAddress cluster, ImpedanceClass impedanceClass)
    {
        Invariant.Check(_classLoad[cluster.Index, (int)impedanceClass] > 0);
        _classLoad[cluster.Index, (int)impedanceClass]--;
        _load[cluster.Index]--;
        _sectorLoad[cluster.Sector]--;
        Count--;
    }

    public int Load(ClusterAddress cluster) => _load[cluster.Index];

    private int Dealt(int ordinal, int used)
    {
        // Column by column over the sectors; with fewer clusters than sectors every sector gets at most one.
        int sectors = Math.Min(Shape.Sectors, used);
        return ordinal % sectors * Shape.ClustersPerSector + ordinal / sectors;
    }

    private void Take(int index, ImpedanceClass impedanceClass)
    {
        Invariant.Check(_load[index] < Shape.AgentsPerCluster);
        _load[index]++;
        _sectorLoad[index / Shape.ClustersPerSector]++;
        _classLoad[index, (int)impedanceClass]++;
        Count++;
    }
}
