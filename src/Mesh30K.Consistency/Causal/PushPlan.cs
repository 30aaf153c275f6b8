using Mesh30K.Consistency.Time;
using Mesh30K.Protocol.Identity;
using Push = Mesh30K.Consistency.Causal.ChannelCommand.Push;

namespace Mesh30K.Consistency.Causal;

/// <summary>
/// Works out what a batch of pushes would add, without changing anything: which of them exist already, in which order the new ones come, their
/// numbers, dependencies and clocks; or why the batch is refused.
/// </summary>
internal sealed class PushPlan
{
    private readonly ChannelState _state;
    private readonly ChannelOptions _options;
    private readonly IReadOnlyList<Push> _pushes;
    private readonly Dictionary<string, int> _keys = new(StringComparer.Ordinal);
    private readonly Dictionary<Dot, int> _ids = [];

    /// <summary>For each push its entry: one that exists, one that is to be added, or that of an earlier push of the batch.</summary>
    private readonly ChannelNode?[] _nodes;

    /// <summary>For a push with the key or number of an earlier one its index; else its own.</summary>
    private readonly int[] _same;

    /// <summary>Whether a push adds its entry.</summary>
    private readonly bool[] _isFresh;

    private PushPlan(ChannelState state, ChannelOptions options, IReadOnlyList<Push> pushes)
    {
        _state = state;
        _options = options;
        _pushes = pushes;
        _nodes = new ChannelNode?[pushes.Count];
        _same = new int[pushes.Count];
        _isFresh = new bool[pushes.Count];
    }

    /// <summary>The entries to add, each after what it depends on.</summary>
    public List<ChannelNode> Fresh { get; } = [];

    /// <summary>The entry of each push.</summary>
    public IEnumerable<ChannelNode> Nodes => _nodes!;

    /// <summary>The plan, or why there is none.</summary>
    public static (PushPlan Plan, ChannelReply? Refusal) Make(ChannelState state, ChannelOptions options, IReadOnlyList<Push> pushes, Instant now)
    {
        PushPlan plan = new(state, options, pushes);
        for (int i = 0; i < pushes.Count; i++)
        {
            if (ChannelRules.Refuse(pushes[i], options) is { } wrong) return (plan, plan.At(i, wrong));
            if (plan.FindExisting(i) is { } taken) return (plan, plan.At(i, taken));
        }
        List<int> order = plan.InOrder();
        if (order.Count < plan.FreshCount()) return (plan, Channel.Refusal(ChannelOutcome.Cycle, "the dependencies form a circle: " + plan.NameCircle(order)));
        long next = plan.NextNumber();
        foreach (int i in order)
        {
            Dot id = pushes[i].Id ?? new Dot(next++, options.Writer);
            if (plan.Build(i, id, now) is { } unknown) return (plan, plan.At(i, unknown));
        }
        return (plan, plan.CompareRepeated() ?? plan.CheckBounds());
    }

    /// <summary>Finds the entry that a push repeats, of the channel or earlier in the batch.</summary>
    private ChannelReply? FindExisting(int i)
    {
        Push push = _pushes[i];
        _same[i] = i;
        ChannelNode? byKey = push.Key is null ? null : _state.FindKey(push.Key);
        ChannelNode? byId = push.Id is { } id ? _state.Find(id) : null;
        if (byKey is not null && push.Id is not null && byKey != byId) return Channel.Refusal(ChannelOutcome.Taken, $"the key \"{push.Key}\" belongs to {byKey.Id}");
        _nodes[i] = byKey ?? byId;
        if (_nodes[i] is not null) return null;
        if (push.Id is { } number && !ChannelReplay.IsNew(_state, number))
            return Channel.Refusal(ChannelOutcome.Taken, $"{number} {Channel.Past(_state.StatusOf(number))} and its content is no more known; leave it out");
        if (_pushes.Count == 1) return null;
        if (push.Key is not null && !_keys.TryAdd(push.Key, i)) _same[i] = _keys[push.Key];
        if (push.Id is { } mine && !_ids.TryAdd(mine, i))
        {
            if (_same[i] != i && _same[i] != _ids[mine]) return Channel.Refusal(ChannelOutcome.Taken, $"the key \"{push.Key}\" and the number {mine} belong to two entries of the batch");
            _same[i] = _ids[mine];
        }
        return null;
    }

    /// <summary>The new entries, those that they depend on first, else as given (Kahn 1962); fewer than all when there is a circle.</summary>
    private List<int> InOrder()
    {
        if (_pushes.Count == 1) return _nodes[0] is null && !DependsOnOwn(0).Contains(0) ? [0] : [];
        int[] unmet = new int[_pushes.Count];
        List<int>?[] dependents = new List<int>?[_pushes.Count];
        PriorityQueue<int, int> ready = new();
        for (int i = 0; i < _pushes.Count; i++)
        {
            if (!IsFresh(i)) continue;
            foreach (int on in DependsOnOwn(i).Distinct())
            {
                unmet[i]++;
                (dependents[on] ??= []).Add(i);
            }
            if (unmet[i] == 0) ready.Enqueue(i, i);
        }
        List<int> order = new(_pushes.Count);
        while (ready.TryDequeue(out int i, out _))
        {
            order.Add(i);
            foreach (int dependent in dependents[i] ?? [])
            {
                if (--unmet[dependent] == 0) ready.Enqueue(dependent, dependent);
            }
        }
        return order;
    }

    private bool IsFresh(int i) => _nodes[i] is null && _same[i] == i;

    private int FreshCount()
    {
        int count = 0;
        for (int i = 0; i < _pushes.Count; i++) count += IsFresh(i) ? 1 : 0;
        return count;
    }

    /// <summary>The indices of the new entries of this batch on which one of them depends.</summary>
    private IEnumerable<int> DependsOnOwn(int i)
    {
        foreach (Dot on in _pushes[i].DependsOn)
        {
            int index = on.Number < 0 ? (int)(-1 - on.Number) : _pushes.Count == 1 ? (on == _pushes[0].Id ? 0 : -1) : _ids.TryGetValue(on, out int named) ? named : -1;
            if (index >= 0 && index < _pushes.Count && _nodes[_same[index]] is null) yield return _same[index];
        }
    }

    private string NameCircle(List<int> ordered)
    {
        HashSet<int> left = [.. Enumerable.Range(0, _pushes.Count).Where(IsFresh).Except(ordered)];
        List<int> path = [left.Min()];
        int again;
        while ((again = path.IndexOf(DependsOnOwn(path[^1]).First(left.Contains))) < 0) path.Add(DependsOnOwn(path[^1]).First(left.Contains));
        IEnumerable<int> circle = path.Skip(again).Append(path[again]);
        return string.Join(" depends on ", circle.Take(20).Select(NameOf));
    }

    private string NameOf(int i) => _pushes[i].Id?.ToString() ?? $"entry {i + 1} of the batch";

    /// <summary>The own writer's next number, above all that this batch names.</summary>
    private long NextNumber()
    {
        long seen = _state.Writers.Find(_options.Writer)?.Seen ?? 0;
        foreach (Push push in _pushes)
        {
            if (push.Id is { } id && id.Writer == _options.Writer) seen = Math.Max(seen, id.Number);
            if (push.Clock is not null) seen = Math.Max(seen, push.Clock[_options.Writer]);
        }
        return seen + 1;
    }

    private ChannelReply? Build(int i, Dot id, Instant now)
    {
        Push push = _pushes[i];
        if (id.Number > ChannelFields.NumberMax) return Channel.Refusal(ChannelOutcome.Full, "the channel's numbers are used up");
        if (Resolve(i) is not { } dependsOn) return Channel.Refusal(ChannelOutcome.Invalid, "a dependency names no entry of the batch");
        foreach (Dot on in dependsOn)
        {
            bool isKnown = push.Ended is not null || ChannelReplay.IsDependable(_state, on, isOpen: true) || IsOfBatch(on);
            if (!isKnown) return Channel.Refusal(ChannelOutcome.UnknownDependency, $"it depends on {on}, {WhyUnknown(on)}");
        }
        ChannelNode node = new(id, push.Text, dependsOn, SeenBy(push, id, dependsOn))
        {
            Agent = push.Agent,
            Key = push.Key,
            AttemptsMax = push.AttemptsMax,
            PushedAt = now,
            EndedAt = push.Ended is null ? default : now,
            Phase = push.Ended switch
            {
                null => Phase.Waiting,
                EntryStatus.Done => Phase.Done,
                EntryStatus.Failed => Phase.Failed,
                _ => Phase.Cancelled,
            },
        };
        _nodes[i] = node;
        _isFresh[i] = true;
        if (_pushes.Count > 1) _ids.TryAdd(id, i);
        Fresh.Add(node);
        return null;
    }

    private bool IsOfBatch(Dot on) => _pushes.Count > 1 && _ids.TryGetValue(on, out int i) && _nodes[_same[i]]?.Id == on;

    private string WhyUnknown(Dot on) => _state.StatusOf(on) switch
    {
        EntryStatus.Failed => "which failed and is retired: it cannot be reopened any more",
        EntryStatus.Cancelled => "which was cancelled and is retired: it cannot be reopened any more",
        _ => "which the channel does not have",
    };

    /// <summary>The dependencies of a push as dots, ascending, each once; null when one names no entry of the batch.</summary>
    private Dot[]? Resolve(int i)
    {
        IReadOnlyList<Dot> given = _pushes[i].DependsOn;
        if (given.Count == 0) return [];
        Dot[] dots = new Dot[given.Count];
        for (int d = 0; d < dots.Length; d++)
        {
            dots[d] = given[d];
            if (dots[d].Number >= 0) continue;
            long index = -1 - dots[d].Number;
            if (index >= _pushes.Count || _nodes[_same[index]] is not { } node) return null;
            dots[d] = node.Id;
        }
        if (dots.Length == 1) return dots;
        Array.Sort(dots);
        int distinct = 1;
        for (int d = 1; d < dots.Length; d++)
        {
            if (dots[d] != dots[distinct - 1]) dots[distinct++] = dots[d];
        }
        return dots[..distinct];
    }

    private VectorClock SeenBy(Push push, Dot id, Dot[] dependsOn)
    {
        VectorClock seen = push.Clock ?? (id.Writer == _options.Writer ? _state.Writers.Others(id.Writer) : VectorClock.Empty);
        foreach (Dot on in dependsOn)
        {
            if (on.Writer == id.Writer && on.Number < id.Number) continue; // one's own past is always seen
            seen = seen.With(on);
            if (id.Writer == _options.Writer || push.Clock is not null) continue;
            if ((_ids.TryGetValue(on, out int i) ? _nodes[i] : _state.Find(on)) is { } node) seen = seen.Join(node.Seen);
        }
        return seen;
    }

    private ChannelReply? CompareRepeated()
    {
        for (int i = 0; i < _pushes.Count; i++)
        {
            ChannelNode node = _nodes[i] ?? _nodes[_same[i]]!;
            _nodes[i] = node;
            if (_isFresh[i]) continue;
            Push push = _pushes[i];
            bool isSame = (push.Id is null || push.Id == node.Id) && push.Text == node.Text && push.Agent == node.Agent && push.Key == node.Key && (Resolve(i)?.AsSpan().SequenceEqual(node.DependsOn) ?? false);
            if (!isSame) return At(i, Channel.Refusal(ChannelOutcome.Taken, $"{(push.Id is null ? $"the key \"{push.Key}\"" : "the number")} belongs to {node.Id} with another text, agent, key or dependencies"));
        }
        return null;
    }

    private ChannelReply? CheckBounds()
    {
        if (_state.Open + Fresh.Count(n => n.IsOpen) > _options.OpenMax)
            return Channel.Refusal(ChannelOutcome.Full, $"the channel has {_state.Open} open entries of at most {_options.OpenMax}; complete or cancel some");
        if (Fresh.Count == 1 && ReferenceEquals(Fresh[0].Seen, _state.Writers.RecentOthers) && _state.Writers.Find(Fresh[0].Id.Writer) is not null) return null;
        HashSet<ReplicaId> writers = [.. _state.Writers.Ascending.Select(w => w.Writer)];
        foreach (ChannelNode node in Fresh)
        {
            writers.Add(node.Id.Writer);
            foreach (Dot seen in node.Seen.Dots) writers.Add(seen.Writer);
        }
        return writers.Count <= _options.WritersMax ? null : Channel.Refusal(ChannelOutcome.Full, $"the entries have {writers.Count} writers of at most {_options.WritersMax}");
    }

    private ChannelReply At(int i, ChannelReply refusal) => _pushes.Count == 1 ? refusal : refusal with { Message = $"{NameOf(i)}: {refusal.Message}" };
}
