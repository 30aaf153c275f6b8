using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Time;
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
    private readonly VirtualMeshOptions options;
    private readonly Orchestrator orchestrator;
    private readonly VirtualSector[] sectors;
    private readonly Effects effects = new();
    private readonly PriorityQueue<TimerRequest, (long, long)> timers = new();
    private readonly List<(Instant At, int Sector, object Body)> arrivals = [];
    private readonly MessageIdSource ids;
    private Instant now = Instant.FromUnixMs(1_700_000_000_000);
    private long timerSequence;

    /// <summary>Builds the mesh. The fleet must fit the shape.</summary>
    public VirtualMesh(FleetBlueprint fleet, MeshSettings settings, VirtualMeshOptions options)
    {
        this.options = options;
        LateOracle oracle = new();
        PlannerSet planners = new(oracle);
        SectorScratch[] scratch = [.. Enumerable.Range(0, options.Workers).Select(_ => new SectorScratch())];
        MeshAssembly mesh = MeshAssembly.Build(
            settings, fleet.Agents, i => new AgentDescription(fleet.IdOf(i), fleet.ClassOf(i), fleet.CapabilitiesOf(i)), planners, s => scratch[s % options.Workers]);
        FleetMap map = new(fleet, settings.Shape, mesh.Places);
        oracle.Connect(map);
        orchestrator = mesh.Orchestrator;
        IArrivalPlanner planner = planners.Find(options.Planner)!;
        sectors = [.. mesh.Units.Select(u => new VirtualSector(u, map.Partition(u.Sector), planner, now, options.HeartbeatEvery))];
        ids = new MessageIdSource(fleet.Options.Seed);
    }

    /// <summary>Sends to agents with at least 20 samples, over all operations so far.</summary>
    public PredictionScore Warm => Total(s => s.Warm);

    /// <summary>Sends to agents with 5 to 10 samples.</summary>
    public PredictionScore Young => Total(s => s.Young);

    public long Events => sectors.Sum(s => s.Events);

    public ulong TraceHash => sectors.Aggregate(0UL, static (h, s) => unchecked((h ^ s.TraceHash) * 0x9E3779B97F4A7C15UL));

    /// <summary>Runs one operation from its submission to its result, then lets the interval pass.</summary>
    public OperationResult Run(OperationSpec spec)
    {
        ForAll(sector => sector.AdvanceTo(now));
        Collect();
        while (arrivals.Count > 0) Turn();
        SubmitResult submitted = orchestrator.Submit(spec, ids.Next(now), now, effects);
        Invariant.Check(submitted.Accepted, submitted.Error);
        Instant submittedAt = now;
        OperationResult? result = CarryOut();
        while (result is null)
        {
            if (arrivals.Count == 0)
            {
                Instant limit = Limit();
                ForAll(sector => sector.RunUntilSpoken(limit));
                Collect();
            }
            result = Turn();
        }
        timers.Clear();
        now = new Instant(Math.Max((submittedAt + options.Interval).Ticks, now.Ticks));
        return result;
    }

    /// <summary>The orchestrator's next input in order of time: a signal or a timer, whichever comes first.</summary>
    private OperationResult? Turn()
    {
        if (arrivals.Count > 0 && (timers.Count == 0 || arrivals[0].At <= timers.Peek().At))
        {
            // Everything that came at one moment is taken before anything is answered.
            now = new Instant(Math.Max(now.Ticks, arrivals[^1].At.Ticks));
            foreach ((Instant at, _, object body) in arrivals) orchestrator.Step(body, at, effects);
            arrivals.Clear();
        }
        else
        {
            Invariant.Check(timers.Count > 0, "the operation can go on: a signal or a timer is due");
            TimerRequest timer = timers.Dequeue();
            now = new Instant(Math.Max(now.Ticks, timer.At.Ticks));
            orchestrator.Step(timer, now, effects);
        }
        return CarryOut();
    }

    private OperationResult? CarryOut()
    {
        foreach (ref readonly TimerRequest timer in effects.Timers.Items) timers.Enqueue(timer, (timer.At.Ticks, timerSequence++));
        Signal[] signals = effects.Signals.Items.ToArray();
        OperationResult? result = effects.Completed.Count > 0 ? effects.Completed.Items[0] : null;
        effects.Clear();
        if (signals.Length == 0) return result;
        Signal?[] forSector = new Signal?[sectors.Length];
        foreach (Signal signal in signals)
            if (options.DeadSectors?.Contains(signal.To.Sector) != true) forSector[signal.To.Sector] = signal;
        Instant at = now;
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
    private Instant Limit() => timers.Count > 0 ? timers.Peek().At : Instant.MaxValue;

    private void Collect()
    {
        foreach (VirtualSector sector in sectors)
        {
            foreach ((Instant at, object body) in sector.Output) arrivals.Add((at, sector.Sector, body));
            sector.TakeOutput();
        }
        arrivals.Sort(static (a, b) => a.At != b.At ? a.At.CompareTo(b.At) : a.Sector.CompareTo(b.Sector));
    }

    private void ForAll(Action<VirtualSector> body)
    {
        if (options.ForEach is null)
        {
            foreach (VirtualSector sector in sectors) body(sector);
            return;
        }
        options.ForEach(options.Workers, worker =>
        {
            for (int s = worker; s < sectors.Length; s += options.Workers) body(sectors[s]);
        });
    }

    private PredictionScore Total(Func<VirtualSector, PredictionScore> part)
    {
        PredictionScore total = new();
        foreach (VirtualSector sector in sectors) total.Merge(part(sector));
        return total;
    }
}
