using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Protocol;
using Mesh30K.Protocol.Identity;
using Mesh30K.Simulation.Fleet;

namespace Mesh30K.Simulation.Virtual;

/// <summary>How a simulation runs. Immutable.</summary>
public sealed record VirtualMeshOptions
{
    /// <summary>Virtual time between the submissions of two operations, default 10 s; longer than an operation may take.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Virtual time between two heartbeats of an agent, default 5 s (M 8.1).</summary>
    public TimeSpan HeartbeatEvery { get; init; } = TimeSpan.FromSeconds(5);

    public PlannerKind Planner { get; init; } = PlannerKind.Learned;

    /// <summary>
    /// Calls a body for 0…n−1, on one thread or several; null runs them one after the other. Sectors are independent between the
    /// orchestrator's turns, so the result is the same.
    /// </summary>
    public Action<int, Action<int>>? ForEach { get; init; }

    /// <summary>Sectors that the orchestrator's signals never reach: a failed node or a cut network. Default none. Their agents' heartbeats go on.</summary>
    public IReadOnlySet<int>? DeadSectors { get; init; }

    /// <summary>Into how many parts the sectors are divided for <see cref="ForEach"/>, at least 1.</summary>
    public int Workers { get; init; } = 1;
}

/// <summary>
/// The production roles over a simulated fleet under virtual time (design section 3): no clock, no thread of its own, everything from the
/// fleet's seed. The same seed gives the same <see cref="TraceHash"/>, on one thread or many.
/// </summary>
public sealed class VirtualMesh
{
    private readonly VirtualMeshOptions _options;
    private readonly Orchestrator _orchestrator;
    private readonly VirtualSector[] _sectors;
    private readonly Effects _effects = new();
    private readonly PriorityQueue<TimerRequest, (long, long)> _timers = new();
    private readonly List<(Instant At, int Sector, object Body)> _arrivals = [];
    private readonly MessageIdSource _ids;
    private Instant _now = Instant.FromUnixMs(1_700_000_000_000);
    private long _timerSequence;

    /// <summary>Builds the mesh. The fleet must fit the shape.</summary>
    public VirtualMesh(FleetBlueprint fleet, MeshSettings settings, VirtualMeshOptions options)
    {
        _options = options;
        LateOracle oracle = new();
        PlannerSet planners = new(oracle);
        SectorScratch[] scratch = [.. Enumerable.Range(0, options.Workers).Select(_ => new SectorScratch())];
        MeshAssembly mesh = MeshAssembly.Build(
            settings, fleet.Agents, i => new AgentDescription(fleet.IdOf(i), fleet.ClassOf(i), fleet.CapabilitiesOf(i)), planners, s => scratch[s % options.Workers]);
        FleetMap map = new(fleet, settings.Shape, mesh.Places);
        oracle.Connect(map);
        _orchestrator = mesh.Orchestrator;
        IArrivalPlanner planner = planners.Find(options.Planner)!;
        _sectors = [.. mesh.Units.Select(u => new VirtualSector(u, map.Partition(u.Sector), planner, _now, options.HeartbeatEvery))];
        _ids = new MessageIdSource(fleet.Options.Seed);
    }

    /// <summary>Sends to agents with at least 20 samples, over all operations so far.</summary>
    public PredictionScore Warm => Total(s => s.Warm);

    /// <summary>Sends to agents with 5 to 10 samples.</summary>
    public PredictionScore Young => Total(s => s.Young);

    public long Events => _sectors.Sum(s => s.Events);

    public ulong TraceHash => _sectors.Aggregate(0UL, static (h, s) => unchecked((h ^ s.TraceHash) * 0x9E3779B97F4A7C15UL));

    /// <summary>Runs one operation from its submission to its result, then lets the interval pass.</summary>
    public OperationResult Run(OperationSpec spec)
    {
        ForAll(sector => sector.AdvanceTo(_now));
        Collect();
        while (_arrivals.Count > 0) Turn();
        SubmitResult submitted = _orchestrator.Submit(spec, _ids.Next(_now), _now, _effects);
        Invariant.Check(submitted.Accepted, submitted.Error);
        Instant submittedAt = _now;
        OperationResult? result = CarryOut();
        while (result is null)
        {
            if (_arrivals.Count == 0)
            {
                Instant limit = Limit();
                ForAll(sector => sector.RunUntilSpoken(limit));
                Collect();
            }
            result = Turn();
        }
        _timers.Clear();
        _now = new Instant(Math.Max((submittedAt + _options.Interval).Ticks, _now.Ticks));
        return result;
    }

    /// <summary>The orchestrator's next input in order of time: a signal or a timer, whichever comes first.</summary>
    private OperationResult? Turn()
    {
        if (_arrivals.Count > 0 && (_timers.Count == 0 || _arrivals[0].At <= _timers.Peek().At))
        {
            // Everything that came at one moment is taken before anything is answered.
            _now = new Instant(Math.Max(_now.Ticks, _arrivals[^1].At.Ticks));
            foreach ((Instant at, _, object body) in _arrivals) _orchestrator.Step(body, at, _effects);
            _arrivals.Clear();
        }
        else
        {
            Invariant.Check(_timers.Count > 0, "the operation can go on: a signal or a timer is due");
            TimerRequest timer = _timers.Dequeue();
            _now = new Instant(Math.Max(_now.Ticks, timer.At.Ticks));
            _orchestrator.Step(timer, _now, _effects);
        }
        return CarryOut();
    }

    private OperationResult? CarryOut()
    {
        foreach (ref readonly TimerRequest timer in _effects.Timers.Items) _timers.Enqueue(timer, (timer.At.Ticks, _timerSequence++));
        Signal[] signals = _effects.Signals.Items.ToArray();
        OperationResult? result = _effects.Completed.Count > 0 ? _effects.Completed.Items[0] : null;
        _effects.Clear();
        if (signals.Length == 0) return result;
        Signal?[] forSector = new Signal?[_sectors.Length];
        foreach (Signal signal in signals)
            if (_options.DeadSectors?.Contains(signal.To.Sector) != true) forSector[signal.To.Sector] = signal;
        Instant at = _now;
        Instant limit = Limit();
        // One pass over each sector's memory instead of two: what the sector does next does not depend on the other sectors.
        ForAll(sector =>
        {
            if (forSector[sector.Sector] is { } signal) sector.Deliver(signal, at);
            sector.RunUntilSpoken(limit);
        });
        Collect();
        return result;
    }

    /// <summary>Up to when sectors may run alone: the orchestrator's next timer.</summary>
    private Instant Limit() => _timers.Count > 0 ? _timers.Peek().At : Instant.MaxValue;

    private void Collect()
    {
        foreach (VirtualSector sector in _sectors)
        {
            foreach ((Instant at, object body) in sector.Output) _arrivals.Add((at, sector.Sector, body));
            sector.TakeOutput();
        }
        _arrivals.Sort(static (a, b) => a.At != b.At ? a.At.CompareTo(b.At) : a.Sector.CompareTo(b.Sector));
    }

    private void ForAll(Action<VirtualSector> body)
    {
        if (_options.ForEach is null)
        {
            foreach (VirtualSector sector in _sectors) body(sector);
            return;
        }
        _options.ForEach(_options.Workers, worker =>
        {
            for (int s = worker; s < _sectors.Length; s += _options.Workers) body(_sectors[s]);
        });
    }

    private PredictionScore Total(Func<VirtualSector, PredictionScore> part)
    {
        PredictionScore total = new();
        foreach (VirtualSector sector in _sectors) total.Merge(part(sector));
        return total;
    }
}
