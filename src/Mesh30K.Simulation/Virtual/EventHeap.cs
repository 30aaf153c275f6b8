using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;

namespace Mesh30K.Simulation.Virtual;

/// <summary>What happens at a moment of virtual time in a sector.</summary>
internal enum EventKind : byte
{
    /// <summary>A planned send leaves.</summary>
    Send,

    /// <summary>An ack arrives at the mesh.</summary>
    Ack,

    /// <summary>A role's timer fires.</summary>
    Timer,

    /// <summary>All agents of the sector send their heartbeats.</summary>
    Heartbeats,
}

/// <summary>One event; events at the same moment happen in the order in which they were scheduled.</summary>
internal struct VirtualEvent
{
    public long AtTicks;
    public long Sequence;
    public EventKind Kind;
    public Delivery Delivery;
    public AgentAck Ack;
    public TimerRequest Timer;
}

/// <summary>
/// A sector's future: a binary heap of small keys over a table of events, so that sifting moves 24 bytes and not the whole event.
/// Not thread-safe: each sector has its own.
/// </summary>
internal sealed class EventHeap
{
    private Key[] keys = new Key[64];
    private VirtualEvent[] events = new VirtualEvent[64];
    private readonly Stack<int> free = new();
    private int used;
    private long sequence;

    public int Count { get; private set; }

    public long NextAtTicks => Count == 0 ? long.MaxValue : keys[0].At;

    public void Push(ref VirtualEvent e)
    {
        e.Sequence = sequence++;
        int place = free.TryPop(out int reused) ? reused : used++;
        if (place == events.Length) Array.Resize(ref events, events.Length * 2);
        if (Count == keys.Length) Array.Resize(ref keys, keys.Length * 2);
        events[place] = e;
        Key key = new(e.AtTicks, e.Sequence, place);
        int i = Count++;
        while (i > 0)
        {
            int parent = (i - 1) >> 1;
            if (!key.Before(keys[parent])) break;
            keys[i] = keys[parent];
            i = parent;
        }
        keys[i] = key;
    }

    /// <summary>Takes the earliest event; the heap must not be empty.</summary>
    public VirtualEvent Pop()
    {
        int place = keys[0].Place;
        VirtualEvent e = events[place];
        events[place] = default;
        free.Push(place);
        Key last = keys[--Count];
        int i = 0;
        while (true)
        {
            int child = 2 * i + 1;
            if (child >= Count) break;
            if (child + 1 < Count && keys[child + 1].Before(keys[child])) child++;
            if (!keys[child].Before(last)) break;
            keys[i] = keys[child];
            i = child;
        }
        keys[i] = last;
        return e;
    }

    private readonly record struct Key(long At, long Sequence, int Place)
    {
        public bool Before(in Key other) => At < other.At || At == other.At && Sequence < other.Sequence;
    }
}
