using Mesh30K.Consistency.Time;

namespace Mesh30K.Consistency.Causal;

/// <summary>One entry of a graph.</summary>
/// <param name="Entry">The entry.</param>
/// <param name="Level">The longest way down to it from an entry that depends on none of the graph's: 0 for those.</param>
/// <param name="Dependents">The entries of the graph that depend on it directly, ascending.</param>
public sealed record ChannelGraphNode(ChannelEntry Entry, int Level, IReadOnlyList<Dot> Dependents);

/// <summary>Entries and what depends on what, for people to look at. Immutable.</summary>
public sealed class ChannelGraph
{
    private const int ComparedMax = 2_000;

    private ChannelGraph()
    {
    }

    /// <summary>The entries, ascending.</summary>
    public IReadOnlyList<ChannelGraphNode> Nodes { get; private init; } = [];

    /// <summary>Those that depend on none of the graph, ascending.</summary>
    public IReadOnlyList<Dot> Roots { get; private init; } = [];

    /// <summary>
    /// The graph cut into chains, each entry in one of them, by their first: a chain goes on while an entry has one dependent in the graph, and that depends on
    /// nothing else of it.
    /// </summary>
    public IReadOnlyList<IReadOnlyList<Dot>> Chains { get; private init; } = [];

    /// <summary>Those that will not get ready by themselves (<see cref="ChannelEntry.BlockedBy"/> says why), ascending.</summary>
    public IReadOnlyList<Dot> Blocked { get; private init; } = [];

    /// <summary>
    /// Open entries of several writers that had not seen each other, ascending, the first so many; only the first 2,000 open entries are compared.
    /// </summary>
    public IReadOnlyList<(Dot A, Dot B)> Concurrent { get; private init; } = [];

    /// <summary>How many entries were left out because of the bound.</summary>
    public long Omitted { get; private init; }

    /// <summary>
    /// The graph of the open entries and of the ended ones that these depend on directly; with <paramref name="ended"/> of all that are known. The lowest
    /// <paramref name="nodesMax"/> of them. O(n log n) in the channel's entries.
    /// </summary>
    public static ChannelGraph Of(Channel channel, bool ended = false, int nodesMax = 10_000, int concurrentMax = 100)
    {
        ArgumentNullException.ThrowIfNull(channel);
        List<ChannelEntry> all = [.. channel.Entries];
        HashSet<Dot> needed = [.. all.Where(IsOpen).SelectMany(e => e.DependsOn)];
        List<ChannelEntry> chosen = [.. all.Where(e => ended || IsOpen(e) || needed.Contains(e.Id))];
        List<ChannelEntry> shown = [.. chosen.Take(nodesMax)];
        Dictionary<Dot, List<Dot>> dependents = shown.ToDictionary(e => e.Id, _ => new List<Dot>());
        foreach (ChannelEntry entry in shown)
        {
            foreach (Dot on in entry.DependsOn)
            {
                if (dependents.TryGetValue(on, out List<Dot>? below)) below.Add(entry.Id);
            }
        }
        Dictionary<Dot, int> unmet = shown.ToDictionary(e => e.Id, e => e.DependsOn.Count(dependents.ContainsKey));
        Dictionary<Dot, int> levels = Levels(shown, dependents, unmet);
        return new ChannelGraph
        {
            Nodes = [.. shown.Select(e => new ChannelGraphNode(e, levels[e.Id], dependents[e.Id]))],
            Roots = [.. shown.Where(e => unmet[e.Id] == 0).Select(e => e.Id)],
            Chains = Chained(shown, dependents, unmet),
            Blocked = [.. shown.Where(e => e.BlockedBy.Count > 0).Select(e => e.Id)],
            Concurrent = [.. Pairs(channel, [.. shown.Where(IsOpen).Take(ComparedMax)]).Take(concurrentMax)],
            Omitted = chosen.Count - shown.Count,
        };
    }

    private static bool IsOpen(ChannelEntry entry) => entry.Status < EntryStatus.Done;

    private static Dictionary<Dot, int> Levels(List<ChannelEntry> shown, Dictionary<Dot, List<Dot>> dependents, Dictionary<Dot, int> unmet)
    {
        Dictionary<Dot, int> left = new(unmet);
        Dictionary<Dot, int> levels = shown.ToDictionary(e => e.Id, _ => 0);
        Queue<Dot> next = new(shown.Where(e => unmet[e.Id] == 0).Select(e => e.Id));
        while (next.TryDequeue(out Dot id))
        {
            foreach (Dot below in dependents[id])
            {
                levels[below] = Math.Max(levels[below], levels[id] + 1);
                if (--left[below] == 0) next.Enqueue(below);
            }
        }
        return levels;
    }

    private static List<IReadOnlyList<Dot>> Chained(List<ChannelEntry> shown, Dictionary<Dot, List<Dot>> dependents, Dictionary<Dot, int> unmet)
    {
        HashSet<Dot> goOn = [.. shown.Where(e => dependents[e.Id].Count == 1 && unmet[dependents[e.Id][0]] == 1).Select(e => dependents[e.Id][0])];
        List<IReadOnlyList<Dot>> chains = [];
        foreach (ChannelEntry first in shown.Where(e => !goOn.Contains(e.Id)))
        {
            List<Dot> chain = [first.Id];
            while (dependents[chain[^1]] is [Dot below] && goOn.Contains(below)) chain.Add(below);
            chains.Add(chain);
        }
        return chains;
    }

    private static IEnumerable<(Dot A, Dot B)> Pairs(Channel channel, ChannelEntry[] open)
    {
        for (int i = 0; i < open.Length; i++)
        {
            for (int j = i + 1; j < open.Length; j++)
            {
                if (open[i].Id.Writer != open[j].Id.Writer && channel.Order(open[i].Id, open[j].Id) == CausalOrder.Concurrent) yield return (open[i].Id, open[j].Id);
            }
        }
    }
}
