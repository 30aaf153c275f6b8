using Mesh30K.Coordination.Impedance;

namespace Mesh30K.Coordination.Cascades;

/// <summary>Which of a cluster's agents an order is for. Pure; the sample depends on the operation's handle only, so it can be replayed.</summary>
public static class AgentSelection
{
    /// <summary>
    /// Marks the selected slots; returns how many there are. <paramref name="agents"/> may hold empty places. A sample is drawn from the
    /// agents that take work: whoever asks for three wants three to be sent to.
    /// </summary>
    public static int Mark(OperationOrder order, int clusterIndex, ReadOnlySpan<AgentRecord?> agents, Span<bool> selected)
    {
        int count = MarkMatching(order, clusterIndex, agents, selected);
        if (order.Quota is not { } quota || quota >= count) return count;
        KeepSample(order.Handle, clusterIndex, quota, selected[..agents.Length]);
        return quota;
    }

    /// <summary>How many agents of a cluster an order is for, before a sample is drawn.</summary>
    public static int Count(OperationOrder order, int clusterIndex, ReadOnlySpan<AgentRecord?> agents)
    {
        Span<bool> selected = stackalloc bool[agents.Length];
        return MarkMatching(order, clusterIndex, agents, selected);
    }

    private static int MarkMatching(OperationOrder order, int clusterIndex, ReadOnlySpan<AgentRecord?> agents, Span<bool> selected)
    {
        Selector selector = order.Selector;
        selected[..agents.Length].Clear();
        if (selector.Scope == SelectorScope.Agents)
        {
            for (int i = 0; i < selector.Places.Count; i++)
            {
                Topology.AgentPlace place = selector.Places[i];
                if (place.Cluster.Index != clusterIndex || (uint)place.Slot >= (uint)agents.Length) continue;
                selected[place.Slot] |= selector.Ids.Count == 0 || agents[place.Slot]?.Id == selector.Ids[i];
            }
        }
        else
        {
            selected[..agents.Length].Fill(true);
        }

        int count = 0;
        for (int i = 0; i < agents.Length; i++)
        {
            AgentRecord? agent = agents[i];
            selected[i] &= agent is not null
                && (selector.Class is null || agent.Class == selector.Class)
                && (selector.Capability is null || agent.Has(selector.Capability))
                && (order.Quota is null || agent.CanTakeWork);
            if (selected[i]) count++;
        }
        return count;
    }

    /// <summary>Divides a sample over parts in proportion to their matching agents (largest remainders first, ties by a hash of the handle).</summary>
    public static int[] Divide(int sample, ReadOnlySpan<int> matching, long handle)
    {
        long total = 0;
        foreach (int m in matching) total += m;
        int[] quota = new int[matching.Length];
        if (total == 0) return quota;
        if (sample >= total)
        {
            matching.CopyTo(quota);
            return quota;
        }
        (double Remainder, ulong Tie, int Part)[] rest = new (double, ulong, int)[matching.Length];
        int given = 0;
        for (int i = 0; i < matching.Length; i++)
        {
            double exact = (double)sample * matching[i] / total;
            quota[i] = (int)exact;
            given += quota[i];
            rest[i] = (quota[i] - exact, Mix((ulong)handle, (ulong)i), i);
        }
        Array.Sort(rest);
        for (int i = 0; i < rest.Length && given < sample; i++)
        {
            if (quota[rest[i].Part] >= matching[rest[i].Part]) continue;
            quota[rest[i].Part]++;
            given++;
        }
        return quota;
    }

    private static void KeepSample(long handle, int clusterIndex, int quota, Span<bool> selected)
    {
        Span<ulong> keys = stackalloc ulong[selected.Length];
        Span<int> slots = stackalloc int[selected.Length];
        int n = 0;
        for (int i = 0; i < selected.Length; i++)
        {
            if (!selected[i]) continue;
            keys[n] = Mix((ulong)handle, ((ulong)clusterIndex << 20) | (uint)i);
            slots[n++] = i;
        }
        keys[..n].Sort(slots[..n]);
        selected.Clear();
        foreach (int slot in slots[..Math.Min(quota, n)]) selected[slot] = true;
    }

    /// <summary>SplitMix64's finaliser over both words (Steele, Lea, Flood 2014).</summary>
    internal static ulong Mix(ulong a, ulong b)
    {
        ulong z = unchecked(a * 0x9E3779B97F4A7C15UL + b + 0x632BE59BD9B4E019UL);
        z = unchecked((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL);
        z = unchecked((z ^ (z >> 27)) * 0x94D049BB133111EBUL);
        return z ^ (z >> 31);
    }
}
