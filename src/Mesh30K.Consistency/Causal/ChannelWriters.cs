using Mesh30K.Consistency.Time;

namespace Mesh30K.Consistency.Causal;

/// <summary>One writer's part of a channel.</summary>
internal sealed class ChannelWriter(ReplicaId writer)
{
    public ReplicaId Writer { get; } = writer;

    /// <summary>Its largest number that the channel has seen, in an entry or in an entry's clock.</summary>
    public long Seen { get; set; }

    public Dictionary<long, ChannelNode> Entries { get; } = [];

    public RetiredNumbers Retired { get; } = new();
}

/// <summary>The writers of a channel: whose entries it has, and what it has seen of each. Never shrinks; bounded by <see cref="ChannelOptions.WritersMax"/>.</summary>
internal sealed class ChannelWriters
{
    private readonly Dictionary<string, ChannelWriter> _byName = new(StringComparer.Ordinal);
    private readonly List<ChannelWriter> _ascending = [];
    private ChannelWriter? _recent;
    private ChannelWriter? _othersOf;
    private VectorClock _others = VectorClock.Empty;

    public IReadOnlyList<ChannelWriter> Ascending => _ascending;

    public VectorClock Clock => Without(null);

    /// <summary>The last answer of <see cref="Others"/>: what the next entry's clock is probably like.</summary>
    public VectorClock RecentOthers => _others;

    public ChannelWriter? Find(ReplicaId writer)
    {
        if (_recent is not null && _recent.Writer == writer) return _recent;
        if (_byName.TryGetValue(writer.ToString(), out ChannelWriter? found)) _recent = found;
        return found;
    }

    public ChannelWriter? Find(ReadOnlySpan<char> name) =>
        _byName.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(name, out ChannelWriter? found) ? found : null;

    public ChannelWriter GetOrAdd(ReplicaId writer)
    {
        if (Find(writer) is { } known) return known;
        ChannelWriter added = new(writer);
        _byName.Add(writer.ToString(), added);
        int at = _ascending.FindIndex(w => w.Writer > writer);
        _ascending.Insert(at < 0 ? _ascending.Count : at, added);
        _othersOf = null;
        return added;
    }

    public void See(Dot dot)
    {
        ChannelWriter writer = GetOrAdd(dot.Writer);
        if (dot.Number <= writer.Seen) return;
        writer.Seen = dot.Number;
        if (!ReferenceEquals(_othersOf, writer)) _othersOf = null;
    }

    /// <summary>What was seen of all the others: one object until that changes, so that the entries of one writer share it.</summary>
    public VectorClock Others(ReplicaId writer)
    {
        if (Find(writer) is not { } mine) return Clock;
        if (!ReferenceEquals(_othersOf, mine))
        {
            _others = Without(mine);
            _othersOf = mine;
        }
        return _others;
    }

    private VectorClock Without(ChannelWriter? left) => VectorClock.TryCreate(
        [.. _ascending.Where(w => !ReferenceEquals(w, left) && w.Seen > 0).Select(w => new Dot(w.Seen, w.Writer))], out VectorClock clock) ? clock : VectorClock.Empty;
}
