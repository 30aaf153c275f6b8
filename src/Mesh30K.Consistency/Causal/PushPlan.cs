using Mesh30K.Consistency.Time;
using Mesh30K.Protocol.Identity;
using Push = Mesh30K.Consistency.Causal.ChannelCommand.Push;

namespace Mesh30K.Consistency.Causal;

/// <summary>How an entry ended on another machine.</summary>
internal readonly record struct EntryEnd(ChannelNode Node, EntryStatus How, string? Result);

/// <summary>
/// Works out what a batch of pushes would add, without changing anything: which of them repeat an entry, in which order the new ones come, and their
/// numbers; or why the batch is refused.
/// </summary>
internal sealed class PushPlan
{
    private readonly ChannelState _state;
    private readonly ChannelOptions _options;
    private readonly IReadOnlyList<Push> _pushes;

    /// <summary>The pushes of new entries by key, and by the number that they name.</summary>
    private readonly Dictionary<string, int> _keys = new(StringComparer.Ordinal);
    private readonly Dictionary<Dot, int> _ids = [];

    /// <summary>For a push that repeats one of the batch the first of these; else its own index.</summary>
    private readonly int[] _first;

    /// <summary>Whether a push adds an entry: it repeats none of the channel and none of the batch.</summary>
    private readonly bool[] _isFresh;

    /// <summary>The entry of each push; null until that is made.</summary>
    private readonly ChannelNode?[] _nodes;

    private readonly Dictionary<Dot, ChannelNode> _made = [];

    private PushPlan(ChannelState state, ChannelOptions options, IReadOnlyList<Push> pushes)
    {
        _state = state;
        _options = options;
        _pushes = pushes;
        _first = new int[pushes.Count];
        _isFresh = new bool[pushes.Count];
        _nodes = new ChannelNode?[pushes.Count];
    }

    /// <summary>The entries to add, each after what it depends on.</summary>
    public List<ChannelNode> Fresh { get; } = [];

    /// <summary>How entries, of the channel or new, end because a push tells so: by id, each once.</summary>
    public SortedDictionary<Dot, EntryEnd> Ends { get; } = [];

    /// <summary>The entry of each push.</summary>
    public IEnumerable<ChannelNode> Nodes => _nodes!;

    /// <summary>The plan, or why there is none.</summary>
    public static (PushPlan Plan, ChannelReply? Refusal) Make(ChannelState state, ChannelOptions options, IReadOnlyList<Push> pushes, Instant now)
    {
        PushPlan plan = new(state, options, pushes);
        return (plan, plan.Identify() ?? plan.MakeFresh(now) ?? plan.CompareRepeated());
    }

    /// <summary>Finds the entry that each push repeats, of the channel or earlier in the batch.</summary>
    private ChannelReply? Identify()
    {
        for (int i = 0; i < _pushes.Count; i++)
        {
            Push push = _pushes[i];
            if (NewEntry.FindKnown(_state, _options, push, out _nodes[i]) is { } refusal) return At(i, refusal);
            _first[i] = i;
            if (_nodes[i] is not null) continue;
            int byKey = push.Key is null || _keys.TryAdd(push.Key, i) ? i : _first[_keys[push.Key]];
            int byId = push.Id is not { } id || _ids.TryAdd(id, i) ? i : _first[_ids[id]];
            if (byKey != i && byId != i && byKey != byId) return At(i, Channel.Refusal(ChannelOutcome.Taken, $"the key \"{push.Key}\" and the number {push.Id} belong to two entries of the batch"));
            _first[i] = Math.Min(byKey, byId);
            _isFresh[i] = _first[i] == i;
        }
        return null;
    }

    private ChannelReply? MakeFresh(Instant now)
    {
        List<int> order = InOrder();
        if (order.Count < _isFresh.Count(f => f)) return Channel.Refusal(ChannelOutcome.Cycle, "the dependencies form a circle: " + NameCircle(order));
        long last = _state.Writers.Find(_options.Writer)?.Seen ?? 0;
        foreach (Push push in _pushes) last = NewEntry.Seen(last, push, _options.Writer);
        foreach (int i in order)
        {
            Dot id = _pushes[i].Id ?? new Dot(++last, _options.Writer);
            if (Resolve(i) is not { } dependsOn) return At(i, Channel.Refusal(ChannelOutcome.Invalid, "a dependency names no entry of the batch"));
            if (NewEntry.Make(_state, _options, _pushes[i], id, dependsOn, _made, now, out ChannelNode? node) is { } refusal) return At(i, refusal);
            _nodes[i] = node;
            _made.Add(id, node!);
            Fresh.Add(node!);
        }
        return null;
    }

    /// <summary>The new entries, those that they depend on first, else as given (Kahn 1962); fewer than all when there is a circle.</summary>
    private List<int> InOrder()
    {
        int[] unmet = new int[_pushes.Count];
        List<int>?[] dependents = new List<int>?[_pushes.Count];
        PriorityQueue<int, int> ready = new();
        for (int i = 0; i < _pushes.Count; i++)
        {
            if (!_isFresh[i]) continue;
            foreach (int on in DependsOnFresh(i))
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

    /// <summary>The pushes of new entries on which a push depends.</summary>
    private IEnumerable<int> DependsOnFresh(int i)
    {
        foreach (Dot on in _pushes[i].DependsOn)
        {
            long index = on.Number < 0 ? -1 - on.Number : _ids.TryGetValue(on, out int named) ? named : -1;
            if (index >= 0 && index < _pushes.Count && _isFresh[_first[index]]) yield return _first[index];
        }
    }

    private string NameCircle(List<int> ordered)
    {
        HashSet<int> left = [.. Enumerable.Range(0, _pushes.Count).Where(i => _isFresh[i]).Except(ordered)];
        List<int> path = [];
        Dictionary<int, int> places = [];
        int at = left.Min();
        for (; places.TryAdd(at, path.Count); at = DependsOnFresh(at).First(left.Contains)) path.Add(at);
        return string.Join(" depends on ", path.Skip(places[at]).Append(at).Take(20).Select(NameOf));
    }

    /// <summary>The dependencies of a push, ascending, each once; null when one names no entry of the batch.</summary>
    private Dot[]? Resolve(int i)
    {
        Dot[] dots = [.. _pushes[i].DependsOn];
        for (int d = 0; d < dots.Length; d++)
        {
            if (dots[d].Number >= 0) continue;
            long index = -1 - dots[d].Number;
            if (index >= _pushes.Count || _nodes[_first[index]] is not { } node) return null;
            dots[d] = node.Id;
        }
        return NewEntry.Ascending(dots);
    }

    private ChannelReply? CompareRepeated()
    {
        for (int i = 0; i < _pushes.Count; i++)
        {
            if (_isFresh[i]) continue;
            _nodes[i] ??= _nodes[_first[i]];
            if (NewEntry.Compare(_nodes[i]!, _pushes[i], Resolve(i) ?? [default]) is { } refusal) return At(i, refusal);
            if (_pushes[i] is { Id: { } id, Ended: { } ended } && Channel.IsLaterEnd(Ends.TryGetValue(id, out EntryEnd before) ? before.How : _nodes[i]!.Status, ended))
                Ends[id] = new EntryEnd(_nodes[i]!, ended, _pushes[i].Result);
        }
        return null;
    }

    private string NameOf(int i) => _pushes[i].Id?.ToString() ?? $"entry {i + 1} of the batch";

    private ChannelReply At(int i, ChannelReply refusal) => refusal with { Message = $"{NameOf(i)}: {refusal.Message}" };
}
