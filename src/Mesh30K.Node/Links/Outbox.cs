using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Node.Links;

/// <summary>One delivery on its way to an agent: what to send and where its ack belongs.</summary>
/// <param name="Message">What to send.</param>
/// <param name="Operation">The order's handle.</param>
/// <param name="Cluster">Index of the cluster.</param>
/// <param name="Slot">The agent's slot.</param>
/// <param name="LeadMs">The agent's own compensation.</param>
/// <param name="Priority">What goes first.</param>
/// <param name="ExpiresAt">Not sent, and forgotten, after this.</param>
public sealed record OutboxItem(OrderMessage Message, long Operation, int Cluster, int Slot, double LeadMs, Priority Priority, Instant ExpiresAt);

/// <summary>
/// What the mesh has for one agent: deliveries that wait and deliveries that were sent and not answered. At least once: what was sent is kept until its final ack or its time to live ends, and waits again
/// after a broken connection (<see cref="Reconnected"/>), before everything newer of its priority and in its first order. Highest priority first, first come first within. Bounded: a full one evicts the newest of the lowest
/// priority among those that were never sent (policy <c>evict-lowest</c>), or refuses what comes when nothing that waits is lower: an agent that leaves everything unanswered gets nothing more until it answers or time takes it.
/// Pure: time comes in. Not thread-safe: its link guards it. An empty one holds no array.
/// </summary>
/// <remarks>
/// One array, by priority and then by age: the bound is small, so that a walk is cheaper than trees, and 10,000 agents with nothing to do cost nothing.
/// </remarks>
public sealed class Outbox
{
    private const int FirstCapacity = 4;

    private readonly int _itemsMax;
    private Entry[] _entries = [];
    private int _count;

    /// <param name="itemsMax">Deliveries held at most, waiting and unanswered together, at least 1.</param>
    public Outbox(int itemsMax)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(itemsMax, 1);
        _itemsMax = itemsMax;
    }

    /// <summary>In this order: those up to <see cref="WaitsAgain"/> are to be sent.</summary>
    private enum Way : byte
    {
        /// <summary>Was never sent.</summary>
        Waits,

        /// <summary>Was sent on an earlier connection, and is to be sent again; its ack may come before that.</summary>
        WaitsAgain,

        /// <summary>Was sent on this connection.</summary>
        Sent,

        /// <summary>Was sent and taken back: is never sent again, and its ack is still welcome.</summary>
        Withdrawn,
    }

    /// <summary>Deliveries that are to be sent, for the first time or again.</summary>
    public int Waiting { get; private set; }

    /// <summary>Deliveries that were sent on this connection and not answered, and those that were taken back after they were sent.</summary>
    public int Unanswered => _count - Waiting;

    /// <summary>Deliveries whose time ended here.</summary>
    public long Expired { get; private set; }

    /// <summary>Deliveries that had to go, or were not taken, because it was full.</summary>
    public long Evicted { get; private set; }

    /// <summary>Adds a delivery. A second one with the same message id is ignored. False when it, or another for it, had to go.</summary>
    public bool Add(OutboxItem item, Instant now)
    {
        if (IndexOf(item.Message.Id) >= 0) return true;
        bool roomy = _count < _itemsMax || DropExpired(now) > 0;
        if (!roomy)
        {
            Evicted++;
            if (!EvictBelow(item.Priority)) return false;
        }
        int at = _count;
        while (at > 0 && _entries[at - 1].Item.Priority < item.Priority) at--;
        if (_count == _entries.Length) Array.Resize(ref _entries, Math.Min(_itemsMax, Math.Max(FirstCapacity, _count * 2)));
        Array.Copy(_entries, at, _entries, at + 1, _count - at);
        _entries[at] = new Entry(item, Way.Waits);
        _count++;
        Waiting++;
        return roomy;
    }

    /// <summary>
    /// The next to send, marked as sent; null when none waits, or when the next is larger than <paramref name="bytesMax"/>: order comes before a full frame. Those whose time is over are dropped here and
    /// counted in <see cref="Expired"/>.
    /// </summary>
    public OutboxItem? Take(Instant now, int bytesMax = int.MaxValue)
    {
        for (int i = 0; Waiting > 0; i++)
        {
            if (_entries[i].Way > Way.WaitsAgain) continue;
            OutboxItem item = _entries[i].Item;
            if (item.ExpiresAt < now)
            {
                Expired++;
                RemoveAt(i--);
                continue;
            }
            if (item.Message.BytesAbout > bytesMax) return null;
            _entries[i].Way = Way.Sent;
            Waiting--;
            return item;
        }
        return null;
    }

    /// <summary>
    /// The agent answered: READY and CONFLICT end the delivery, TRANSIT only says that it came. Returns where the ack belongs; null when there is no such delivery (answered already, dropped because its time
    /// was over, never sent).
    /// </summary>
    public OutboxItem? Answered(MessageId id, TrinaryState state)
    {
        int at = IndexOf(id);
        if (at < 0 || _entries[at].Way == Way.Waits) return null;
        OutboxItem item = _entries[at].Item;
        if (state != TrinaryState.Transit) RemoveAt(at);
        return item;
    }

    /// <summary>
    /// Takes a delivery back: it is not sent any more. True when it had been sent, and the agent is to be told by CANCEL; then it is kept for its ack until its time is over.
    /// </summary>
    public bool Cancel(MessageId id)
    {
        int at = IndexOf(id);
        if (at < 0 || _entries[at].Way == Way.Withdrawn) return false;
        bool sent = _entries[at].Way != Way.Waits;
        if (!sent)
        {
            RemoveAt(at);
            return false;
        }
        if (_entries[at].Way == Way.WaitsAgain) Waiting--;
        _entries[at].Way = Way.Withdrawn;
        return true;
    }

    /// <summary>A new connection: what was sent and not answered waits again. Returns how many, without those whose time is over.</summary>
    public int Reconnected(Instant now)
    {
        DropExpired(now);
        int again = 0;
        for (int i = 0; i < _count; i++)
        {
            if (_entries[i].Way == Way.Sent)
            {
                _entries[i].Way = Way.WaitsAgain;
                Waiting++;
            }
            if (_entries[i].Way == Way.WaitsAgain) again++;
        }
        return again;
    }

    /// <summary>Forgets every delivery whose time is over, sent or not; to be called now and then. Returns how many.</summary>
    public int DropExpired(Instant now)
    {
        int before = _count;
        for (int i = _count - 1; i >= 0; i--)
            if (_entries[i].Item.ExpiresAt < now) RemoveAt(i);
        Expired += before - _count;
        return before - _count;
    }

    private int IndexOf(MessageId id)
    {
        for (int i = 0; i < _count; i++)
            if (_entries[i].Item.Message.Id == id) return i;
        return -1;
    }

    /// <summary>Drops the newest of the lowest priority that was never sent, if it is below this one.</summary>
    private bool EvictBelow(Priority priority)
    {
        for (int i = _count - 1; i >= 0 && _entries[i].Item.Priority < priority; i--)
        {
            if (_entries[i].Way != Way.Waits) continue;
            RemoveAt(i);
            return true;
        }
        return false;
    }

    private void RemoveAt(int at)
    {
        if (_entries[at].Way <= Way.WaitsAgain) Waiting--;
        Array.Copy(_entries, at + 1, _entries, at, --_count - at);
        _entries[_count] = default;
        if (_count == 0) _entries = [];
    }

    private struct Entry(OutboxItem item, Way way)
    {
        public readonly OutboxItem Item = item;
        public Way Way = way;
    }
}
