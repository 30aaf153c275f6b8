namespace Mesh30K.Simulation.Strong.Raft;

/// <summary>What happens at a moment of virtual time.</summary>
internal enum SimEventKind : byte
{
    /// <summary>A message arrives.</summary>
    Deliver,

    /// <summary>A server's timer.</summary>
    Tick,

    /// <summary>A batch is synced, or cannot be.</summary>
    Synced,

    /// <summary>The state machine has taken what was first in its queue.</summary>
    Applied,

    /// <summary>An image is made.</summary>
    Imaged,

    /// <summary>A server starts again.</summary>
    Restart,

    /// <summary>A server runs on.</summary>
    Resume,

    /// <summary>A client's request arrives.</summary>
    Ask,

    /// <summary>A client goes on: an answer arrives, or its patience ends.</summary>
    Client,

    /// <summary>A fault begins.</summary>
    Fault,

    /// <summary>A fault ends.</summary>
    FaultEnds,

    /// <summary>All faults end.</summary>
    Heal,

    /// <summary>Looks whether the healed group works.</summary>
    Look,
}

/// <summary>An event; one of a server that has crashed since is void.</summary>
internal readonly record struct SimEvent(SimEventKind Kind, SimServer? Server, int Epoch, object? What);

/// <summary>Time, chance, counts and the trace of one run. Events at the same moment happen in the order in which they were scheduled.</summary>
internal sealed class SimWorld
{
    private readonly PriorityQueue<SimEvent, (long At, long Order)> _events = new();
    private readonly SortedDictionary<string, long> _faults = new(StringComparer.Ordinal);
    private long _order;

    public SimWorld(ulong seed) => Seed = Trace = seed;

    public RaftChecker Checker { get; } = new();

    /// <summary>Ticks of virtual time.</summary>
    public long Now { get; private set; }

    public long Events { get; private set; }

    public ulong Trace { get; private set; }

    public ulong Seed { get; }

    public SimRandom RandomOf(SimStream purpose, int number = 0) => SimRandom.Of(Seed, purpose, number);

    /// <summary>Whether faults are injected.</summary>
    public bool IsFaulty { get; set; } = true;

    public IReadOnlyDictionary<string, long> Faults => _faults;

    public long FaultsInjected { get; private set; }

    public void Fault(string name)
    {
        _faults[name] = _faults.GetValueOrDefault(name) + 1;
        FaultsInjected++;
    }

    public void Schedule(long at, SimEventKind kind, SimServer? server = null, object? what = null) =>
        _events.Enqueue(new SimEvent(kind, server, server?.Epoch ?? 0, what), (Math.Max(at, Now), _order++));

    public bool TryNext(out SimEvent next)
    {
        if (!_events.TryDequeue(out next, out (long At, long Order) when)) return false;
        Now = when.At;
        Events++;
        Note(((ulong)Now << 8) ^ (ulong)next.Kind ^ ((ulong)(next.Server?.Id.Number ?? 0) << 56));
        return true;
    }

    public void Note(ulong what)
    {
        ulong z = (Trace ^ what) * 0xD1B54A32D192ED03;
        Trace = z ^ (z >> 29);
    }
}
