using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Mesh30K.Consistency.Time;
using Mesh30K.Protocol;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Consistency.Causal;

/// <summary>How far an entry is, as the channel keeps it: one more than <see cref="EntryStatus"/>, for the retry that is not due yet.</summary>
internal enum Phase : byte
{
    /// <summary>Something that it depends on is not done.</summary>
    Waiting,

    /// <summary>Its next attempt is not due.</summary>
    Delayed,

    /// <summary>In the ready heap of its agent, or of anyone.</summary>
    Ready,

    /// <summary>In the due heap with its lease.</summary>
    Claimed,

    /// <summary>Ended: done.</summary>
    Done,

    /// <summary>Ended: failed.</summary>
    Failed,

    /// <summary>Ended: cancelled.</summary>
    Cancelled,
}

/// <summary>An entry as the channel keeps it: one object for each, because there may be a million. See <see cref="ChannelOptions.OpenMax"/> for what it costs.</summary>
internal sealed class ChannelNode(Dot id, string text, Dot[] dependsOn, VectorClock seen)
{
    public Dot Id { get; } = id;

    public string Text { get; } = text;

    /// <summary>Ascending, each once.</summary>
    public Dot[] DependsOn { get; } = dependsOn;

    /// <summary>What its writer had seen, but for that writer's own entries before it: so entries share one clock.</summary>
    public VectorClock Seen { get; } = seen;

    public string? Agent { get; init; }

    public string? Key { get; init; }

    public int AttemptsMax { get; init; }

    public Instant PushedAt { get; init; }

    public Phase Phase { get; set; }

    /// <summary>Whether its last lease expired and nobody has claimed, reopened or failed it since: the old holder may still complete it.</summary>
    public bool Lapsed { get; set; }

    public int Attempts { get; set; }

    /// <summary>How many of what it depends on are not done; kept while it is open.</summary>
    public int Unmet { get; set; }

    /// <summary>How many open entries depend on it.</summary>
    public int OpenDependents { get; set; }

    public long Token { get; set; }

    /// <summary>The end of the lease, or when the next attempt is due.</summary>
    public Instant Due { get; set; }

    public Instant EndedAt { get; set; }

    /// <summary>The how-manieth of the channel's entries it was to end; 0 while it is open.</summary>
    public long EndedOrder { get; set; }

    public string? ClaimedBy { get; set; }

    public string? Checkpoint { get; set; }

    public string? Result { get; set; }

    /// <summary>Its place in the ready heap, or once it has ended in the heap of those that may be retired; -1 for none.</summary>
    public int Slot { get; set; } = -1;

    /// <summary>Its place in the due heap; -1 for none.</summary>
    public int DueSlot { get; set; } = -1;

    public bool IsOpen => Phase <= Phase.Claimed;

    public EntryStatus Status => Phase switch
    {
        Phase.Waiting or Phase.Delayed => EntryStatus.Waiting,
        Phase.Ready => EntryStatus.Ready,
        Phase.Claimed => EntryStatus.Claimed,
        Phase.Done => EntryStatus.Done,
        Phase.Failed => EntryStatus.Failed,
        _ => EntryStatus.Cancelled,
    };

    /// <summary>
    /// The open entries that depend on it while it is not done, and some that have ended since: those are dropped when they are the larger part,
    /// so that an entry with many short-lived dependents does not grow. A single one is kept without a list.
    /// </summary>
    private object? _dependents;

    public ReadOnlySpan<ChannelNode> Dependents => _dependents switch
    {
        null => [],
        List<ChannelNode> many => CollectionsMarshal.AsSpan(many),
        _ => MemoryMarshal.CreateReadOnlySpan(ref Unsafe.As<object, ChannelNode>(ref _dependents), 1),
    };

    public void AddDependent(ChannelNode node)
    {
        if (_dependents is List<ChannelNode> many) many.Add(node);
        else _dependents = _dependents is ChannelNode one ? new List<ChannelNode> { one, node } : node;
    }

    /// <summary>Drops those that have ended, when they are many.</summary>
    public void TrimDependents()
    {
        if (_dependents is List<ChannelNode> many && many.Count > (2 * OpenDependents) + 8) many.RemoveAll(static n => !n.IsOpen);
    }

    public void ClearDependents() => _dependents = null;

    public ChannelEntry View(IReadOnlyList<Dot> blockedBy) => new()
    {
        Id = Id,
        Text = Text,
        DependsOn = DependsOn,
        Agent = Agent,
        Key = Key,
        Status = Status,
        BlockedBy = blockedBy,
        ClaimedBy = ClaimedBy,
        Token = Token,
        LeaseUntil = Phase == Phase.Claimed ? Due : null,
        RetryAt = Phase == Phase.Delayed ? Due : null,
        Attempts = Attempts,
        AttemptsMax = AttemptsMax,
        Checkpoint = Checkpoint,
        Result = Result,
        Clock = Clock,
        PushedAt = PushedAt,
        EndedAt = IsOpen ? null : EndedAt,
    };

    /// <summary>What its writer had seen, with that writer's own entries before it.</summary>
    public VectorClock Clock => Seen.With(new Dot(Id.Number - 1, Id.Writer));
}

/// <summary>What a heap of entries goes by: the key, which does not change while an entry is in the heap; then the entry's number and writer.</summary>
internal interface IHeapOrder
{
    static abstract long GetKey(ChannelNode node);

    static abstract int GetSlot(ChannelNode node);

    static abstract void SetSlot(ChannelNode node, int slot);
}

/// <summary>Lowest number first, then writer.</summary>
internal readonly struct ByNumber : IHeapOrder
{
    public static long GetKey(ChannelNode node) => node.Id.Number;

    public static int GetSlot(ChannelNode node) => node.Slot;

    public static void SetSlot(ChannelNode node, int slot) => node.Slot = slot;
}

/// <summary>What is due first.</summary>
internal readonly struct ByDue : IHeapOrder
{
    public static long GetKey(ChannelNode node) => node.Due.Ticks;

    public static int GetSlot(ChannelNode node) => node.DueSlot;

    public static void SetSlot(ChannelNode node, int slot) => node.DueSlot = slot;
}

/// <summary>What ended first.</summary>
internal readonly struct ByEnd : IHeapOrder
{
    public static long GetKey(ChannelNode node) => node.EndedOrder;

    public static int GetSlot(ChannelNode node) => node.Slot;

    public static void SetSlot(ChannelNode node, int slot) => node.Slot = slot;
}

/// <summary>
/// A heap whose entries know their places, so that any of them can be taken out: every operation is O(log n). Four children and the keys beside the
/// references, because with a million entries every look at another object is a cache miss.
/// </summary>
internal sealed class EntryHeap<TOrder>
    where TOrder : struct, IHeapOrder
{
    private const int Children = 4;
    private readonly List<(long Key, ChannelNode Node)> _items = [];

    public int Count => _items.Count;

    public ChannelNode? First => _items.Count == 0 ? null : _items[0].Node;

    public void Add(ChannelNode node)
    {
        Invariant.Check(TOrder.GetSlot(node) < 0);
        _items.Add((TOrder.GetKey(node), node));
        Rise(_items[^1], _items.Count - 1);
    }

    public void Remove(ChannelNode node)
    {
        int at = TOrder.GetSlot(node);
        Invariant.Check(at >= 0 && ReferenceEquals(_items[at].Node, node));
        (long Key, ChannelNode Node) last = _items[^1];
        _items.RemoveAt(_items.Count - 1);
        TOrder.SetSlot(node, -1);
        if (ReferenceEquals(last.Node, node)) return;
        if (at > 0 && Precedes(last, _items[(at - 1) / Children])) Rise(last, at);
        else Sink(last, at);
    }

    private static bool Precedes((long Key, ChannelNode Node) a, (long Key, ChannelNode Node) b) => a.Key != b.Key ? a.Key < b.Key : a.Node.Id < b.Node.Id;

    private void Rise((long Key, ChannelNode Node) item, int at)
    {
        Span<(long Key, ChannelNode Node)> items = CollectionsMarshal.AsSpan(_items);
        while (at > 0)
        {
            int parent = (at - 1) / Children;
            if (!Precedes(item, items[parent])) break;
            Put(items, items[parent], at);
            at = parent;
        }
        Put(items, item, at);
    }

    private void Sink((long Key, ChannelNode Node) item, int at)
    {
        Span<(long Key, ChannelNode Node)> items = CollectionsMarshal.AsSpan(_items);
        while ((Children * at) + 1 < items.Length)
        {
            int least = (Children * at) + 1;
            int end = Math.Min(least + Children, items.Length);
            for (int child = least + 1; child < end; child++)
            {
                if (Precedes(items[child], items[least])) least = child;
            }
            if (!Precedes(items[least], item)) break;
            Put(items, items[least], at);
            at = least;
        }
        Put(items, item, at);
    }

    private static void Put(Span<(long Key, ChannelNode Node)> items, (long Key, ChannelNode Node) item, int at)
    {
        items[at] = item;
        TOrder.SetSlot(item.Node, at);
    }
}
