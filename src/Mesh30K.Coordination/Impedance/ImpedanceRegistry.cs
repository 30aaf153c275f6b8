using System.Collections.Frozen;
using Mesh30K.Protocol;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Coordination.Impedance;

/// <summary>
/// The impedance of all agents (M 2.3), 30,000 to a million: who is where, how slow, able to do what.
/// </summary>
/// <remarks>
/// Intuition: a dictionary from ids to <see cref="RegistryCell"/>s that nobody changes: who joins or leaves comes with a new dictionary, put
/// in place whole. A cell holds one reference to an immutable snapshot. Readers read the dictionary's reference, probe, and read the cell's
/// reference. Agents that join in one call lie side by side in memory, and so do the copies of their ids: a read touches little.
/// Refused, in docs/adr/0004: an own hash table, a concurrent dictionary.
/// <para>
/// Threads: everything on any thread at any time and without a lock, but <see cref="RefreshIndex"/> BY ONE THREAD AT A TIME, and
/// <see cref="RegistryCell.Publish"/> by the loop that owns the agent. A reader sees each snapshot whole; two agents' snapshots may be of
/// different moments. What was published before a call is seen by it.
/// </para>
/// </remarks>
public sealed class ImpedanceRegistry
{
    /// <summary>Score above which <see cref="FindBest"/> does not take an agent, unless told otherwise (M 4.3).</summary>
    public const double MaxImpedanceDefault = 500;

    private Dictionary<string, RegistryCell> _cells = new(StringComparer.Ordinal);
    private FrozenDictionary<string, RegistryCell[]> _byCapability = FrozenDictionary<string, RegistryCell[]>.Empty;

    // Each change puts a new object; the index is stale while it was made for another one than the newest.
    private object _newestChange = new();
    private object _indexedChange;

    /// <summary>An empty registry.</summary>
    public ImpedanceRegistry() => _indexedChange = _newestChange;

    /// <summary>Agents that are registered.</summary>
    public int Count => Volatile.Read(ref _cells).Count;

    /// <summary>Whether agents joined, left or changed their capabilities since the last <see cref="RefreshIndex"/>.</summary>
    public bool IndexIsStale => !ReferenceEquals(Volatile.Read(ref _newestChange), Volatile.Read(ref _indexedChange));

    /// <summary>
    /// Adds agents, or gives them new cells when they are there already (they moved to another owner: what an old cell is given is no longer
    /// seen). Found by <see cref="Find"/> at once, by <see cref="FindBest"/> after <see cref="RefreshIndex"/>. O(all agents), 1 to 5 ms for
    /// 30,000, however few join: gather those that join together.
    /// </summary>
    /// <param name="joining">The first snapshot of each.</param>
    /// <param name="homes">Where each lives, in the same order.</param>
    /// <returns>Their cells, in the same order.</returns>
    public RegistryCell[] Register(ReadOnlySpan<AgentImpedance> joining, ReadOnlySpan<AgentHome> homes)
    {
        Invariant.Check(joining.Length == homes.Length);
        string[] ids = new string[joining.Length];
        for (int i = 0; i < ids.Length; i++) ids[i] = new string(joining[i].AgentId.Value.AsSpan());
        RegistryCell[] cells = new RegistryCell[joining.Length];
        for (int i = 0; i < cells.Length; i++) cells[i] = new RegistryCell(this, joining[i], homes[i]);

        Dictionary<string, RegistryCell> before, after;
        do
        {
            before = Volatile.Read(ref _cells);
            after = new Dictionary<string, RegistryCell>(before.Count + cells.Length, StringComparer.Ordinal);
            foreach ((string id, RegistryCell cell) in before) after.Add(id, cell);
            for (int i = 0; i < cells.Length; i++) after[ids[i]] = cells[i];
        }
        while (!Replace(before, after));
        return cells;
    }

    /// <summary>Takes agents out. O(all agents), as <see cref="Register"/>.</summary>
    /// <returns>How many of them were there.</returns>
    public int Remove(params ReadOnlySpan<AgentId> leaving)
    {
        Dictionary<string, RegistryCell> before, after;
        do
        {
            before = Volatile.Read(ref _cells);
            after = new Dictionary<string, RegistryCell>(before, StringComparer.Ordinal);
            foreach (AgentId id in leaving) after.Remove(id.Value);
        }
        while (after.Count < before.Count && !Replace(before, after));
        return before.Count - after.Count;
    }

    /// <summary>The newest snapshot of an agent; null when it is not registered.</summary>
    public AgentImpedance? Find(AgentId id) => FindCell(id)?.Current;

    /// <summary>The cell of an agent; null when it is not registered.</summary>
    public RegistryCell? FindCell(AgentId id) => id.Value is not null ? Volatile.Read(ref _cells).GetValueOrDefault(id.Value) : null;

    /// <summary>The newest snapshots of all agents, roughly in the order in which they joined.</summary>
    public IEnumerable<AgentImpedance> All => Volatile.Read(ref _cells).Values.Select(c => c.Current);

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
        foreach (RegistryCell cell in cells)
        {
            AgentImpedance agent = cell.Current;
            if (!(agent.ImpedanceScore <= maxImpedance) || !ClusterAggregator.CanDo(agent, capability)) continue;
            if (best.Count == count && ClusterAggregator.ByScore(agent, best.Peek()) >= 0) continue;
            if (!ReferenceEquals(FindCell(cell.AgentId), cell)) continue;
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
        // First: a change that comes later puts another object, and so makes the index stale.
        object change = Volatile.Read(ref _newestChange);
        Dictionary<string, List<RegistryCell>> lists = [];
        foreach (RegistryCell cell in Volatile.Read(ref _cells).Values)
        {
            foreach (string capability in cell.Current.Capabilities)
            {
                if (!lists.TryGetValue(capability, out List<RegistryCell>? list)) lists[capability] = list = [];
                if (list.Count == 0 || !ReferenceEquals(list[^1], cell)) list.Add(cell);
            }
        }
        Volatile.Write(ref _byCapability, lists.ToFrozenDictionary(p => p.Key, p => p.Value.ToArray()));
        Volatile.Write(ref _indexedChange, change);
    }

    internal void MarkIndexStale() => Volatile.Write(ref _newestChange, new object());

    private bool Replace(Dictionary<string, RegistryCell> before, Dictionary<string, RegistryCell> after)
    {
        if (!ReferenceEquals(Interlocked.CompareExchange(ref _cells, after, before), before)) return false;
        MarkIndexStale();
        return true;
    }

    private sealed class WorstFirst : IComparer<AgentImpedance>
    {
        public static readonly WorstFirst Instance = new();

        public int Compare(AgentImpedance? x, AgentImpedance? y) => ClusterAggregator.ByScore(y!, x!);
    }
}
