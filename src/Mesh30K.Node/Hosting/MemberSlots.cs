using Mesh30K.Coordination.Impedance;
using Mesh30K.Coordination.Topology;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Hosting;

/// <summary>
/// The free places of a running mesh: which slots of which cluster, and which agent indices. Both are given again as late as possible, so that something that is still on its way to the one before meets nobody.
/// Not thread-safe: owned by whoever places.
/// </summary>
internal sealed class MemberSlots
{
    private readonly Placement _placement;
    private readonly bool[] _taken;
    private readonly int[] _nextSlot;
    private readonly Queue<int> _given = new();
    private int _nextIndex;

    /// <param name="fleet">Where the agents of the first fleet are; their indices are the first ones.</param>
    public MemberSlots(Placement placement, ReadOnlySpan<AgentPlace> fleet)
    {
        _placement = placement;
        _taken = new bool[placement.Shape.Capacity];
        _nextSlot = new int[placement.Shape.Clusters];
        foreach (ref readonly AgentPlace place in fleet) _taken[At(place)] = true;
        _nextIndex = fleet.Length;
    }

    /// <summary>Agents that still find a place.</summary>
    public int Free => (int)(_placement.Shape.Capacity - _placement.Count);

    /// <summary>A place for an agent of a class; null when the mesh is full.</summary>
    public AgentHome? Take(ImpedanceClass impedanceClass)
    {
        if (_placement.PlaceLate(impedanceClass) is not { } cluster) return null;
        int slot = _nextSlot[cluster.Index];
        while (_taken[At(new AgentPlace(cluster, slot))]) slot = (slot + 1) % _placement.Shape.AgentsPerCluster;
        _nextSlot[cluster.Index] = (slot + 1) % _placement.Shape.AgentsPerCluster;
        AgentPlace place = new(cluster, slot);
        _taken[At(place)] = true;
        return new AgentHome(_nextIndex < _taken.Length ? _nextIndex++ : _given.Dequeue(), place);
    }

    /// <summary>A place that nobody has any more.</summary>
    public void Give(int agentIndex, AgentPlace place, ImpedanceClass impedanceClass)
    {
        _taken[At(place)] = false;
        _placement.Remove(place.Cluster, impedanceClass);
        _given.Enqueue(agentIndex);
    }

    private int At(AgentPlace place) => (place.Cluster.Index * _placement.Shape.AgentsPerCluster) + place.Slot;
}
