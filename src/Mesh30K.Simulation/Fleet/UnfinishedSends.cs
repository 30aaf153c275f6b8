namespace Mesh30K.Simulation.Fleet;

/// <summary>
/// The finish times of the sends that wait at agents, for a whole partition, in one pool: a circular list an agent, known by its tail.
/// An agent with at most one unfinished send uses no node (its last finish time is in its own state), so a fleet that keeps up uses none.
/// Bound: agents × <see cref="FleetOptions.QueueDepthMax"/>, held by the caller; nodes are used again. Single owner: the partition.
/// </summary>
internal sealed class UnfinishedSends
{
    public const int None = -1;

    private long[] _finishTicks = [];
    private int[] _next = [];
    private int _used;
    private int _free = None;

    /// <summary>Adds a finish time, not earlier than the last, and returns the new tail.</summary>
    public int Push(int tail, long finishTicks)
    {
        int node = Take();
        _finishTicks[node] = finishTicks;
        if (tail == None)
        {
            _next[node] = node;
            return node;
        }
        _next[node] = _next[tail];
        _next[tail] = node;
        return node;
    }

    /// <summary>Drops the entries that are finished at a time. Returns the tail that is left.</summary>
    public int DropFinished(int tail, long nowTicks, ref int count)
    {
        while (tail != None)
        {
            int head = _next[tail];
            if (_finishTicks[head] > nowTicks) break;
            count--;
            int after = _next[head];
            if (head == tail) tail = None;
            else _next[tail] = after;
            _next[head] = _free;
            _free = head;
        }
        return tail;
    }

    /// <summary>How many entries are not finished at a time. Changes nothing; costs a step for each that is.</summary>
    public int CountUnfinished(int tail, long nowTicks, int count)
    {
        if (tail == None) return 0;
        for (int node = _next[tail]; count > 0 && _finishTicks[node] <= nowTicks; node = _next[node]) count--;
        return count;
    }

    private int Take()
    {
        if (_free != None)
        {
            int node = _free;
            _free = _next[node];
            return node;
        }
        if (_used == _next.Length)
        {
            int length = Math.Max(64, _next.Length * 2);
            Array.Resize(ref _next, length);
            Array.Resize(ref _finishTicks, length);
        }
        return _used++;
    }
}
