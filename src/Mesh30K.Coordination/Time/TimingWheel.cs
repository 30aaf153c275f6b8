using System.Numerics;
using System.Runtime.CompilerServices;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Coordination.Time;

/// <summary>
/// A hierarchical timing wheel: adding a timer and firing it cost O(1), whatever the number of timers waiting.
/// <para>
/// Intuition: four rings of 256 slots. A slot of ring 0 is one tick; a slot of ring <c>l</c> is a block of 256^l ticks. An item waits in the
/// ring of the highest byte in which its tick differs from the current tick; when time enters a block, the block's items are dealt out to
/// finer rings, in the order in which they were added. What lies further than 2^32 ticks (119 hours at 0.1 ms) waits in a list that is
/// read again once per 2^32 ticks. Empty slots are skipped by a bitmap, so a long jump costs no more than the blocks that hold items.
/// Refused: a binary heap, whose O(log n) and cache misses cost ~10 times as much at 30,000 timers and which loses the order of insertion.
/// </para>
/// <para>
/// Contract: an item is due at its instant <em>rounded up</em> to a whole tick after the start, and fires at the first
/// <see cref="Advance"/> whose <c>now</c> has reached that; never before. Items come out by tick, and inside a tick in the order of insertion.
/// An item that is overdue when added counts as due at the tick last advanced to. Time does not go back: an earlier <c>now</c> counts as
/// the latest seen, and one before the start as the start.
/// </para>
/// Not thread-safe: one owner. Nodes are pooled and the pool never shrinks; the owner bounds <see cref="Count"/>.
/// Source: Varghese and Lauck, "Hashed and hierarchical timing wheels", SOSP 1987.
/// </summary>
public sealed class TimingWheel<T>
{
    private const int Bits = 8;
    private const int Slots = 1 << Bits;
    private const int Levels = 4;
    private const int FarBits = Bits * Levels;
    private const int WordsPerLevel = Slots / 64;

    private struct Node
    {
        public long Tick;
        public int Next;
        public T Item;
    }

    /// <summary>A singly linked queue of pooled nodes; index 0 means none.</summary>
    private struct Chain
    {
        public int Head;
        public int Tail;
    }

    private readonly long _start;
    private readonly long _tick;
    private readonly Chain[] _slots = new Chain[Levels * Slots];
    private readonly ulong[] _occupied = new ulong[Levels * WordsPerLevel];
    private Chain _overdue;
    private Chain _far;
    private long _farTickMin = long.MaxValue;
    private Node[] _nodes = new Node[64];
    private int _free;
    private int _used = 1;
    private long _next; // the first tick not processed yet: all items of earlier ticks have fired or are overdue

    /// <param name="start">The origin of the ticks. Nothing fires before it.</param>
    /// <param name="tick">The length of a tick, at least 100 ns: an item may fire up to one tick after its due time.</param>
    public TimingWheel(Instant start, TimeSpan tick)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(tick.Ticks, nameof(tick));
        _start = start.Ticks;
        _tick = tick.Ticks;
    }

    /// <summary>Items added and not fired yet.</summary>
    public int Count { get; private set; }

    /// <summary>
    /// A moment never later than the first moment at which an item fires; null when empty. Exact while that item is in the finest ring (less
    /// than 256 ticks ahead, within the same block); before, the start of its block: waking then and calling <see cref="Advance"/> makes it finer.
    /// </summary>
    public Instant? NextDue
    {
        get
        {
            if (Count == 0) return null;
            return new Instant(InstantTicks(_overdue.Head != 0 ? Math.Max(0, _next - 1) : NextEventTick(out _)));
        }
    }

    /// <summary>Adds an item. O(1); allocates only when more items wait than ever before.</summary>
    public void Add(Instant due, T item)
    {
        int index = Rent();
        ref Node node = ref _nodes[index];
        node.Tick = TickAtOrAfter(due.Ticks);
        node.Item = item;
        Count++;
        Place(index);
    }

    /// <summary>
    /// Moves time to <paramref name="now"/> and appends everything that is due to <paramref name="into"/>, which the caller owns and empties.
    /// Adding items while reading that list is safe: they fire at the next call.
    /// </summary>
    /// <returns>How many items were appended.</returns>
    public int Advance(Instant now, List<T> into)
    {
        ArgumentNullException.ThrowIfNull(into);
        int before = into.Count;
        Emit(ref _overdue, into);
        long target = TickAtOrBefore(now.Ticks);
        while (_next <= target)
        {
            long tick = NextEventTick(out bool isItem);
            if (tick > target)
            {
                MoveTo(target + 1);
            }
            else if (isItem)
            {
                int slot = (int)(tick & (Slots - 1));
                Emit(ref _slots[slot], into);
                _occupied[slot >> 6] &= ~(1UL << (slot & 63));
                MoveTo(tick + 1);
            }
            else
            {
                MoveTo(tick);
            }
        }

        return into.Count - before;
    }

    /// <summary>
    /// The earliest tick at which something happens: an item of the finest ring is due (<paramref name="isItem"/>), or time enters a block
    /// that holds items. <see cref="long.MaxValue"/> when nothing waits.
    /// </summary>
    private long NextEventTick(out bool isItem)
    {
        int slot = FirstOccupied(0, (int)(_next & (Slots - 1)));
        isItem = slot >= 0;
        if (isItem) return (_next & ~(Slots - 1L)) | (long)slot;
        for (int level = 1; level < Levels; level++)
        {
            int shift = Bits * level;
            slot = FirstOccupied(level, (int)((_next >> shift) & (Slots - 1)) + 1);
            if (slot >= 0) return ((_next >> (shift + Bits)) << (shift + Bits)) | ((long)slot << shift);
        }

        return _far.Head == 0 ? long.MaxValue : (_farTickMin >> FarBits) << FarBits;
    }

    /// <summary>
    /// Sets the next tick to process and deals out the blocks that this enters, coarse to fine, so that an item that moves is placed before
    /// any that is added later for the same tick. No occupied slot may lie between: the caller stops at each <see cref="NextEventTick"/>.
    /// </summary>
    private void MoveTo(long next)
    {
        long changed = _next ^ next;
        _next = next;
        if (changed >> Bits == 0) return;
        if (changed >> FarBits != 0 && _far.Head != 0 && _farTickMin >> FarBits == next >> FarBits)
        {
            _farTickMin = long.MaxValue;
            Deal(ref _far);
        }

        for (int level = Levels - 1; level > 0; level--)
        {
            if (changed >> (Bits * level) == 0) continue;
            int slot = (level * Slots) + (int)((next >> (Bits * level)) & (Slots - 1));
            if (_slots[slot].Head == 0) continue;
            _occupied[slot >> 6] &= ~(1UL << (slot & 63));
            Deal(ref _slots[slot]);
        }
    }

    /// <summary>Places every node of a chain again, in order.</summary>
    private void Deal(ref Chain chain)
    {
        int index = chain.Head;
        chain = default;
        while (index != 0)
        {
            int following = _nodes[index].Next;
            Place(index);
            index = following;
        }
    }

    private void Place(int index)
    {
        long tick = _nodes[index].Tick;
        if (tick < _next)
        {
            Append(ref _overdue, index);
            return;
        }

        long differs = tick ^ _next;
        if (differs >> FarBits != 0)
        {
            _farTickMin = Math.Min(_farTickMin, tick);
            Append(ref _far, index);
            return;
        }

        int level = differs == 0 ? 0 : BitOperations.Log2((ulong)differs) / Bits;
        int slot = (level * Slots) + (int)((tick >> (Bits * level)) & (Slots - 1));
        _occupied[slot >> 6] |= 1UL << (slot & 63);
        Append(ref _slots[slot], index);
    }

    private void Append(ref Chain chain, int index)
    {
        _nodes[index].Next = 0;
        if (chain.Head == 0) chain.Head = index;
        else _nodes[chain.Tail].Next = index;
        chain.Tail = index;
    }

    private void Emit(ref Chain chain, List<T> into)
    {
        int index = chain.Head;
        chain = default;
        while (index != 0)
        {
            ref Node node = ref _nodes[index];
            into.Add(node.Item);
            if (RuntimeHelpers.IsReferenceOrContainsReferences<T>()) node.Item = default!;
            int following = node.Next;
            node.Next = _free;
            _free = index;
            index = following;
            Count--;
        }
    }

    private int Rent()
    {
        if (_free != 0)
        {
            int index = _free;
            _free = _nodes[index].Next;
            return index;
        }

        if (_used == _nodes.Length) Array.Resize(ref _nodes, _nodes.Length * 2);
        return _used++;
    }

    /// <summary>The first occupied slot of a ring at or after <paramref name="from"/>; -1 when there is none.</summary>
    private int FirstOccupied(int level, int from)
    {
        if (from >= Slots) return -1;
        int first = level * WordsPerLevel;
        int word = from >> 6;
        ulong bits = _occupied[first + word] & (ulong.MaxValue << (from & 63));
        while (bits == 0)
        {
            if (++word == WordsPerLevel) return -1;
            bits = _occupied[first + word];
        }

        return (word << 6) + BitOperations.TrailingZeroCount(bits);
    }

    private long TickAtOrAfter(long instantTicks)
    {
        if (instantTicks <= _start) return 0;
        long since = instantTicks - _start;
        return since < 0 ? long.MaxValue / _tick : ((since - 1) / _tick) + 1; // overflow: further away than a long counts
    }

    private long TickAtOrBefore(long instantTicks)
    {
        if (instantTicks <= _start) return 0;
        long since = instantTicks - _start;
        return (since < 0 ? long.MaxValue : since) / _tick;
    }

    private long InstantTicks(long wheelTick)
    {
        Int128 ticks = _start + ((Int128)wheelTick * _tick);
        return ticks > long.MaxValue ? long.MaxValue : (long)ticks;
    }
}
