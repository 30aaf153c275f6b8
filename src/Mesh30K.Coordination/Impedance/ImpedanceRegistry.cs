using System.Collections.Frozen;
using Mesh30K.Coordination.Time;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Coordination.Impedance;

/// <summary>
/// The impedance of all agents (M 2.3), 30,000 to a million: who is where, how slow, able to do what.
/// </summary>
/// <remarks>
/// Intuition: an own hash table with open addressing, half full at most, whose slots hold <see cref="RegistryCell"/>s. A cell holds one
/// reference to an immutable snapshot. Readers take no lock: they read the table's reference, probe, and read the cell's reference.
/// Refused: a frozen dictionary swapped whole, which makes 30,000 joins cost 30,000 rebuilds; a concurrent dictionary, which locks writers
/// that never meet and costs more memory.
/// <para>
/// Threads: <see cref="Find"/>, <see cref="All"/>, <see cref="FindBest"/>, <see cref="Trend"/> and <see cref="Count"/> on any thread at any
/// time. <see cref="Register"/>, <see cref="Remove"/> and <see cref="RefreshIndex"/> BY ONE THREAD AT A TIME (two at once throw: a bug).
/// <see cref="RegistryCell.Publish"/> by the loop that owns the agent. A reader sees each snapshot whole; two agents' snapshots may be of
/// different moments. What was published before a call is seen by it.
/// </para>
/// </remarks>
public sealed class ImpedanceRegistry
{
    /// <summary>Score above which <see cref="FindBest"/> does not take an agent, unless told otherwise (M 4.3).</summary>
    public const double MaxImpedanceDefault = 500;

    private RegistryTable _table;
    private FrozenDictionary<string, RegistryCell[]> _byCapability = FrozenDictionary<string, RegistryCell[]>.Empty;
    private bool _indexIsStale;
    private int _membershipBusy;

    /// <summary>An empty registry.</summary>
    /// <param name="expectedAgents">How many agents it is made for; it grows past it.</param>
    public ImpedanceRegistry(int expectedAgents = 0) => _table = new RegistryTable(expectedAgents);

    /// <summary>Agents that are registered.</summary>
    public int Count => Volatile.Read(ref _table).Count;

    /// <summary>Whether agents joined, left or changed their capabilities since the last <see cref="RefreshIndex"/>.</summary>
    public bool IndexIsStale => Volatile.Read(ref _indexIsStale);

    /// <summary>
    /// Adds an agent, or gives it a new cell when it is there already (it moved to another owner: what the old cell is given is no longer
    /// seen). Found by <see cref="Find"/> at once, by <see cref="FindBest"/> after <see cref="RefreshIndex"/>.
    /// </summary>
    public RegistryCell Register(AgentImpedance first)
    {
        RegistryCell cell = new(this, first, RegistryTable.HashOf(first.AgentId));
        EnterMembership();
        Volatile.Write(ref _table, _table.With(cell));
        MarkIndexStale();
        LeaveMembership();
        return cell;
    }

    /// <summary>Takes an agent out. False when it was not there.</summary>
    public bool Remove(AgentId id)
    {
        EnterMembership();
        bool removed = _table.Remove(id);
        if (removed) MarkIndexStale();
        LeaveMembership();
        return removed;
    }

    /// <summary>The newest snapshot of an agent; null when it is not registered.</summary>
    public AgentImpedance? Find(AgentId id) => Volatile.Read(ref _table).Find(id)?.Current;

    /// <summary>The cell of an agent; null when it is not registered.</summary>
    public RegistryCell? FindCell(AgentId id) => Volatile.Read(ref _table).Find(id);

    /// <summary>The newest snapshots of all agents, in the order of their registration.</summary>
    public IEnumerable<AgentImpedance> All => Volatile.Read(ref _table).Cells().Select(c => c.Current);

    /// <summary>
    /// The best agents for a capability over the whole mesh (M 4.3): active, with a score of at most <paramref name="maxImpedance"/>, lowest
    /// score first, equal scores by id. O(agents with that capability).
    /// </summary>
    /// <param name="capability">What they must be able to do; as of the last <see cref="RefreshIndex"/> and still so.</param>
    /// <param name="count">How many at most; 0 or less gives none.</param>
    /// <param name="maxImpedance">The highest score, in ms.</param>
    public IReadOnlyList<AgentImpedance> FindBest(string capability, int count, double maxImpedance = MaxImpedanceDefault)
    {
        if (count <= 0 || !Volatile.Read(ref _byCapability).TryGetValue(capability, out RegistryCell[]? cells)) return [];

        // The best so far with the worst of them on top: with few wanted and many able, most are refused by one comparison.
        PriorityQueue<AgentImpedance, AgentImpedance> best = new(WorstFirst.Instance);
        RegistryTable table = Volatile.Read(ref _table);
        foreach (RegistryCell cell in cells)
        {
            AgentImpedance agent = cell.Current;
            if (!(agent.ImpedanceScore <= maxImpedance) || !ClusterAggregator.CanDo(agent, capability)) continue;
            if (best.Count == count && ClusterAggregator.ByScore(agent, best.Peek()) >= 0) continue;
            if (!ReferenceEquals(table.Find(cell.AgentId), cell)) continue;
            if (best.Count == count) best.Dequeue();
            best.Enqueue(agent, agent);
        }
        AgentImpedance[] result = new AgentImpedance[best.Count];
        for (int i = result.Length - 1; i >= 0; i--) result[i] = best.Dequeue();
        return result;
    }

    /// <summary>
    /// How an agent's score changes, in ms per hour (<see cref="ScoreHistory.Trend"/>); null when it is unknown or has fewer than three points.
    /// </summary>
    public double? Trend(AgentId id) => FindCell(id)?.History?.Trend();

    /// <summary>
    /// Builds the index by capability anew: O(agents · capabilities), some 20 ms for 30,000. Call it when <see cref="IndexIsStale"/>, at most
    /// once a second.
    /// </summary>
    public void RefreshIndex()
    {
        EnterMembership();

        // First: what is published from here on makes it stale again.
        Volatile.Write(ref _indexIsStale, false);
        Interlocked.MemoryBarrier();
        Dictionary<string, List<RegistryCell>> lists = [];
        foreach (RegistryCell cell in _table.Cells())
        {
            foreach (string capability in cell.Current.Capabilities)
            {
                if (!lists.TryGetValue(capability, out List<RegistryCell>? list)) lists[capability] = list = [];
                if (list.Count == 0 || !ReferenceEquals(list[^1], cell)) list.Add(cell);
            }
        }
        Volatile.Write(ref _byCapability, lists.ToFrozenDictionary(p => p.Key, p => p.Value.ToArray()));
        LeaveMembership();
    }

    internal void MarkIndexStale() => Volatile.Write(ref _indexIsStale, true);

    private void EnterMembership() => Invariant.Check(Interlocked.Exchange(ref _membershipBusy, 1) == 0, "one thread at a time changes the members");

    private void LeaveMembership() => Volatile.Write(ref _membershipBusy, 0);

    private sealed class WorstFirst : IComparer<AgentImpedance>
    {
        public static readonly WorstFirst Instance = new();

        public int Compare(AgentImpedance? x, AgentImpedance? y) => ClusterAggregator.ByScore(y!, x!);
    }
}
