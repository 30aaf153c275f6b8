using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Coordination.Topology;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Coordination.Tests.Cascades;

/// <summary>A whole mesh under virtual time with agents that answer as a seed says: in time, late, twice, in transit, in conflict, never. Events of one moment keep their order.</summary>
internal sealed class VirtualMesh
{
    private readonly PriorityQueue<Action, (long, long)> _events = new();
    private readonly Effects _effects = new();
    private readonly Random _random;
    private Instant _now = Fleet.Start;
    private long _sequence;

    public VirtualMesh(int seed, MeshShape shape, int agents)
    {
        _random = new Random(seed);
        string[][] skills = [[], ["vision"], ["vision", "code"]];
        AgentDescription[] fleet =
            [.. Enumerable.Range(0, agents).Select(i => new AgentDescription(new AgentId($"a{i}"), (ImpedanceClass)_random.Next(6), skills[_random.Next(3)]))];
        PlannerSet planners = new(new KnownLeads(i => i % 17 == 0 ? 100_000 : 1 + i * 7 % 90));
        Mesh = MeshAssembly.Build(new MeshSettings { Shape = shape }, agents, i => fleet[i], planners, _ => new SectorScratch());
        foreach (SectorUnit unit in Mesh.Units)
        {
            // One in eight falls silent and goes offline, the way the sector finds out.
            unit.Begin(_now.PlusMs(-60_000));
            foreach (ClusterLead lead in unit.Leads)
            {
                for (int slot = 0; slot < lead.Agents.Length; slot++)
                    if (_random.Next(8) > 0) unit.Step(new AgentHeartbeat { ClusterIndex = lead.Address.Index, Slot = slot, ReceivedAt = _now }, lead.Address.Cluster);
            }
            unit.Sweep(_now, 0, publish: false, _effects);
            unit.Settle(_now, _effects);
        }
        CarryOut();
        Run();
    }

    public MeshAssembly Mesh { get; }

    public List<OperationResult> Completed { get; } = [];

    public List<string> Trace { get; } = [];

    public int ClusterReports { get; private set; }

    /// <summary>Set to lose all that goes to a sector.</summary>
    public int? SilentSector { get; set; }

    public SubmitResult Submit(OperationSpec spec)
    {
        SubmitResult result = Mesh.Orchestrator.Submit(spec, default, _now, _effects);
        CarryOut();
        return result;
    }

    public void Run()
    {
        while (_events.TryDequeue(out Action? next, out (long At, long) key))
        {
            _now = new Instant(Math.Max(_now.Ticks, key.At));
            next();
            CarryOut();
        }
    }

    private void At(Instant at, Action action) => _events.Enqueue(action, (at.Ticks, _sequence++));

    private void CarryOut()
    {
        foreach (TimerRequest timer in _effects.Timers.Items.ToArray())
        {
            At(timer.At, () =>
            {
                if (timer.Owner.Kind == RoleKind.Orchestrator) Mesh.Orchestrator.Step(timer, _now, _effects);
                else Mesh.Units[timer.Owner.Sector].Step(timer, _now, _effects);
            });
        }
        foreach (Delivery delivery in _effects.Deliveries.Items.ToArray()) At(delivery.At, () => Send(delivery));
        foreach (Signal signal in _effects.Signals.Items.ToArray())
        {
            if (signal.Body is ClusterReport) ClusterReports++;
            if (signal.To.Kind != RoleKind.Orchestrator && signal.To.Sector == SilentSector) continue;
            At(_now, () =>
            {
                if (signal.To.Kind == RoleKind.Orchestrator) Mesh.Orchestrator.Step(signal.Body, _now, _effects);
                else Mesh.Units[signal.To.Sector].Step(signal.Body, signal.To, _now, _effects);
            });
        }
        foreach (OperationResult result in _effects.Completed.Items)
        {
            Completed.Add(result);
            Trace.Add($"t={Fleet.Ms(_now)} done {result.Number} {result.Status} {Transcript.Text(result.Report.Counts)} {string.Join(' ', result.Report.Roster.Select(r => r.Agent))}");
        }
        _effects.Clear();
    }

    private void Send(Delivery d)
    {
        if (_now > d.Slip.ExpiresAt) return;
        Trace.Add($"t={Fleet.Ms(_now)} send a{d.AgentIndex}");
        d.Slip.Lines[d.Slot].ReleasedAtTicks = _now.Ticks;
        int fate = _random.Next(12);
        if (fate == 0) return;
        double delay = fate == 1 ? 5_000 : 1 + _random.NextDouble() * 60;
        TrinaryState state = fate == 2 ? TrinaryState.Conflict : TrinaryState.Ready;
        if (fate == 3) Ack(d, 1, TrinaryState.Transit, d.Slot);
        Ack(d, delay, state, d.Slot);
        if (fate is 4 or 5) Ack(d, delay + _random.Next(3), fate == 4 ? state : TrinaryState.Conflict, d.Slot);
        if (fate == 6) Ack(d, delay, state, _random.Next(100));
    }

    private void Ack(Delivery d, double afterMs, TrinaryState state, int slot) => At(_now.PlusMs(afterMs), () =>
    {
        AgentAck ack = new()
        {
            ClusterIndex = d.Slip.Cluster.Index,
            Slot = slot,
            Operation = d.Slip.Operation,
            ReceivedAt = _now,
            State = state,
            ProcessingMs = (float)_random.NextDouble() * 40,
        };
        Mesh.Units[d.Slip.Cluster.Sector].Step(ack, d.Slip.Cluster.Cluster, _now, _effects);
    });
}
