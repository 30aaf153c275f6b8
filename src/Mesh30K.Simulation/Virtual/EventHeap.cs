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
    private Key[] _keys = new Key[64];
    private VirtualEvent[] _events = new VirtualEvent[64];
    private readonly Stack<int> _free = new();
    private int _used;
    private long _sequence;

    public int Count { get; private set; }

    public long NextAtTicks => Count == 0 ? long.MaxValue : _keys[0].At;

    public void Push(ref VirtualEvent e)
    {
        e.Sequence = _sequence++;
        int place = _free.TryPop(out int reused) ? reused : _used++;
        if (place == _events.Length) Array.Resize(ref _events, _events.Length * 2);
        if (Count == _keys.Length) Array.Resize(ref _keys, _keys.Length * 2);
        _events[place] = e;
        Key key = new(e.AtTicks, e.Sequence, place);
        int i = Count++;
        while (i > 0)
        {
            int parent = (i - 1) >> 1;
            if (!key.Before(_keys[parent])) break;
            _keys[i] = _keys[parent];
            i = parent;
        }
        _keys[i] = key;
    }

    /// <summary>Takes the earliest event; the heap must not be empty.</summary>
    public VirtualEvent Pop()
    {
        int place = _keys[0].Place;
        VirtualEvent e = _events[place];
        _events[place] = default;
        _free.Push(place);
        Key last = _keys[--Count];
        int i = 0;
        while (true)
        {
            int child = 2 * i + 1;
            if (child >= Count) break;
            if (child + 1 < Count && _keys[child + 1].Before(_keys[child])) child++;
            if (!_keys[child].Before(last)) break;
            _keys[i] = _keys[child];
            i = child;
        }
        _keys[i] = last;
        return e;
    }

    private readonly record struct Key(long At, long Sequence, int Place)
    {
        public bool Before(in Key other) => At < other.At || At == other.At && Sequence < other.Sequence;
    }
}
