using Mesh30K.Consistency.Time;

namespace Mesh30K.Consistency.Causal;

/// <summary>What waits for what, through all levels. Walks with their own stack: a chain may have a million links.</summary>
internal static class Blocking
{
    /// <summary>The failed and cancelled entries above an entry that waits, ascending, the first <see cref="Channel.BlockedByMax"/>. O(what is above it).</summary>
    public static IReadOnlyList<Dot> Of(ChannelState state, ChannelNode node)
    {
        if (node.Phase != Phase.Waiting) return [];
        SortedSet<Dot> blockers = [];
        HashSet<Dot> seen = [node.Id];
        Stack<ChannelNode> open = new([node]);
        while (open.TryPop(out ChannelNode? waiting))
        {
            foreach (Dot id in waiting.DependsOn)
            {
                if (!seen.Add(id) || state.Find(id) is not { } on) continue;
                if (on.Phase is Phase.Failed or Phase.Cancelled) blockers.Add(id);
                else if (on.Phase == Phase.Waiting) open.Push(on);
            }
        }
        return [.. blockers.Take(Channel.BlockedByMax)];
    }

    /// <summary>The same for all entries, from the blockers down: O(entries + blocked edges), at most <see cref="Channel.BlockedByMax"/> times.</summary>
    public static Dictionary<Dot, List<Dot>> OfAll(ChannelNode[] ascending)
    {
        Dictionary<Dot, List<Dot>> blocked = [];
        foreach (ChannelNode blocker in ascending)
        {
            if (blocker.Phase is not (Phase.Failed or Phase.Cancelled) || blocker.OpenDependents == 0) continue;
            Stack<ChannelNode> open = new([blocker]);
            while (open.TryPop(out ChannelNode? above))
            {
                foreach (ChannelNode below in above.Dependents)
                {
                    if (below.Phase != Phase.Waiting) continue;
                    if (!blocked.TryGetValue(below.Id, out List<Dot>? by)) blocked.Add(below.Id, by = []);
                    if (by.Count == Channel.BlockedByMax || (by.Count > 0 && by[^1] == blocker.Id)) continue; // full, as all below it, or seen
                    by.Add(blocker.Id);
                    open.Push(below);
                }
            }
        }
        return blocked;
    }

    /// <summary>
    /// Whether what an ended entry depends on waits for the entry itself: only an import brings that, which may end before what it depends on exists.
    /// O(what is above it).
    /// </summary>
    public static bool WouldWaitForItself(ChannelState state, ChannelNode node)
    {
        HashSet<Dot> seen = [];
        Stack<ChannelNode> open = new([node]);
        while (open.TryPop(out ChannelNode? waiting))
        {
            foreach (Dot id in waiting.DependsOn)
            {
                if (id == node.Id) return true;
                if (seen.Add(id) && state.Find(id) is { Phase: Phase.Waiting } on) open.Push(on);
            }
        }
        return false;
    }

    /// <summary>Whether open entries wait for each other in a circle. Kahn's order (1962) of those that wait for an open entry: O(entries + edges).</summary>
    public static bool HasCircle(ChannelState state, List<ChannelNode> nodes)
    {
        Dictionary<Dot, int> unmet = [];
        Stack<ChannelNode> free = [];
        foreach (ChannelNode node in nodes.Where(n => n.IsOpen))
        {
            int count = node.DependsOn.Count(on => state.Find(on) is { IsOpen: true });
            if (count > 0) unmet.Add(node.Id, count);
            else free.Push(node);
        }
        while (free.TryPop(out ChannelNode? node))
        {
            foreach (ChannelNode below in node.Dependents)
            {
                if (unmet[below.Id] > 1) unmet[below.Id]--;
                else if (unmet.Remove(below.Id)) free.Push(below);
            }
        }
        return unmet.Count > 0;
    }

    /// <summary>The entries that wait for this one, through all levels.</summary>
    public static List<ChannelNode> WaitingFor(ChannelNode node)
    {
        List<ChannelNode> found = [];
        HashSet<Dot> seen = [node.Id];
        for (int i = -1; i < found.Count; i++)
        {
            foreach (ChannelNode below in (i < 0 ? node : found[i]).Dependents)
            {
                if (below.Phase == Phase.Waiting && seen.Add(below.Id)) found.Add(below);
            }
        }
        return found;
    }
}
