using Mesh30K.Consistency.Time;
using Mesh30K.Protocol.Identity;
using Push = Mesh30K.Consistency.Causal.ChannelCommand.Push;

namespace Mesh30K.Consistency.Causal;

/// <summary>
/// The steps from one push to its entry, alone or in a batch. Nothing here changes the channel. <c>batch</c> has the new entries of the batch so far;
/// null for a push alone.
/// </summary>
internal static class NewEntry
{
    /// <summary>Why a push is refused by itself; else the entry of the channel that it repeats, null when it is new.</summary>
    public static ChannelReply? FindKnown(ChannelState state, ChannelOptions options, Push push, out ChannelNode? known)
    {
        known = null;
        if (ChannelRules.Refuse(push, options) is { } wrong) return wrong;
        ChannelNode? byKey = push.Key is null ? null : state.FindKey(push.Key);
        ChannelNode? byId = push.Id is { } id ? state.Find(id) : null;
        if (byKey is not null && push.Id is not null && byKey != byId) return Channel.Refusal(ChannelOutcome.Taken, $"the key \"{push.Key}\" belongs to {byKey.Id}");
        known = byKey ?? byId;
        if (known is null && push.Id is { } number && !ChannelReplay.IsNew(state, number))
            return Channel.Refusal(ChannelOutcome.Taken, $"{number} {Channel.Past(state.StatusOf(number))} and its content is no more known; leave it out");
        return null;
    }

    /// <summary>Why a repeated push is refused: it says something else than its entry; null when it says the same.</summary>
    public static ChannelReply? Compare(ChannelNode node, Push push, Dot[] dependsOn)
    {
        bool isSame = (push.Id is null || push.Id == node.Id) && push.Text == node.Text && push.Agent == node.Agent;
        if (push.Id is null || push.Ended is null) isSame &= push.Key == node.Key && dependsOn.AsSpan().SequenceEqual(node.DependsOn);
        if (isSame) return null;
        string what = push.Id is null ? $"the key \"{push.Key}\"" : "the number";
        return Channel.Refusal(ChannelOutcome.Taken, $"{what} belongs to {node.Id} with another text, agent, key or dependencies");
    }

    /// <summary>The largest number of the channel's writer that a push names, or that was seen before.</summary>
    public static long Seen(long before, Push push, ReplicaId writer)
    {
        if (push.Id is { } id && id.Writer == writer) before = Math.Max(before, id.Number);
        return push.Clock is null ? before : Math.Max(before, push.Clock[writer]);
    }

    /// <summary>Sorts, and drops what comes twice.</summary>
    public static Dot[] Ascending(Dot[] dots)
    {
        if (dots.Length <= 1) return dots;
        Array.Sort(dots);
        int distinct = 1;
        for (int d = 1; d < dots.Length; d++)
        {
            if (dots[d] != dots[distinct - 1]) dots[distinct++] = dots[d];
        }
        return dots[..distinct];
    }

    /// <summary>Makes the entry with that number and those dependencies, ascending; or says why not.</summary>
    public static ChannelReply? Make(
        ChannelState state, ChannelOptions options, Push push, Dot id, Dot[] dependsOn, Dictionary<Dot, ChannelNode>? batch, Instant now, out ChannelNode? node)
    {
        node = null;
        if (id.Number > ChannelFields.NumberMax) return Channel.Refusal(ChannelOutcome.Full, "the channel's numbers are used up");
        foreach (Dot on in dependsOn)
        {
            bool isKnown = ChannelReplay.IsDependable(state, on, isOpen: push.Ended is null) || batch?.ContainsKey(on) == true;
            if (!isKnown) return Channel.Refusal(ChannelOutcome.UnknownDependency, $"it depends on {on}, {WhyUnknown(state, on)}");
        }
        node = new ChannelNode(id, push.Text, dependsOn, SeenBy(state, options, push, id, dependsOn, batch))
        {
            Agent = push.Agent,
            Key = push.Key,
            AttemptsMax = push.AttemptsMax,
            PushedAt = now,
            EndedAt = push.Ended is null ? default : now,
            Phase = push.Ended is { } ended ? PhaseOf(ended) : Phase.Waiting,
            Result = push.Result,
        };
        return null;
    }

    public static Phase PhaseOf(EntryStatus ended) => ended switch
    {
        EntryStatus.Done => Phase.Done,
        EntryStatus.Failed => Phase.Failed,
        _ => Phase.Cancelled,
    };

    /// <summary>Why the new entries would exceed a bound of the channel, in which <paramref name="ending"/> open ones of these or before end; null when they fit.</summary>
    public static ChannelReply? CheckBounds(ChannelState state, ChannelOptions options, ReadOnlySpan<ChannelNode> fresh, int ending)
    {
        int open = -ending;
        HashSet<ReplicaId>? writers = null; // those that the channel does not know yet
        foreach (ChannelNode node in fresh)
        {
            if (node.IsOpen) open++;
            if (state.Writers.Find(node.Id.Writer) is null) (writers ??= []).Add(node.Id.Writer);
            if (ReferenceEquals(node.Seen, state.Writers.RecentOthers)) continue; // made of known ones
            foreach (Dot seen in node.Seen.Dots)
            {
                if (state.Writers.Find(seen.Writer) is null) (writers ??= []).Add(seen.Writer);
            }
        }
        if (open > 0 && state.Open + open > options.OpenMax)
            return Channel.Refusal(ChannelOutcome.Full, $"the channel has {state.Open} open entries of at most {options.OpenMax}; complete or cancel some");
        int count = state.Writers.Ascending.Count + (writers?.Count ?? 0);
        return writers is null || count <= options.WritersMax ? null : Channel.Refusal(ChannelOutcome.Full, $"the entries have {count} writers of at most {options.WritersMax}");
    }

    private static string WhyUnknown(ChannelState state, Dot on) => state.StatusOf(on) switch
    {
        EntryStatus.Failed => "which failed and is retired: it cannot be reopened any more",
        EntryStatus.Cancelled => "which was cancelled and is retired: it cannot be reopened any more",
        _ => "which the channel does not have",
    };

    private static VectorClock SeenBy(ChannelState state, ChannelOptions options, Push push, Dot id, Dot[] dependsOn, Dictionary<Dot, ChannelNode>? batch)
    {
        bool isOwn = id.Writer == options.Writer;
        VectorClock seen = push.Clock ?? (isOwn ? state.Writers.Others(id.Writer) : VectorClock.Empty);
        foreach (Dot on in dependsOn)
        {
            if (on.Writer != id.Writer || on.Number > id.Number) seen = seen.With(on); // one's own past is always seen
            if (isOwn || push.Clock is not null) continue;
            ChannelNode? node = batch is not null && batch.TryGetValue(on, out ChannelNode? fresh) ? fresh : state.Find(on);
            if (node is not null) seen = seen.Join(node.Seen);
        }
        return seen;
    }
}
