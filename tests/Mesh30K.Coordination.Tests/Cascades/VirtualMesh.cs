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
    private readonly PriorityQueue<Action, (long, long)> events = new();
    private readonly Effects effects = new();
    private readonly Random random;
    private Instant now = Fleet.Start;
    private long sequence;

    public VirtualMesh(int seed, MeshShape shape, int agents)
    {
        random = new Random(seed);
        string[][] skills = [[], ["vision"], ["vision", "code"]];
        AgentDescription[] fleet =
            [.. Enumerable.Range(0, agents).Select(i => new AgentDescription(new AgentId($"a{i}"), (ImpedanceClass)random.Next(6), skills[random.Next(3)]))];
        PlannerSet planners = new(new KnownLeads(i => i % 17 == 0 ? 100_000 : 1 + i * 7 % 90));
        Mesh = MeshAssembly.Build(new MeshSettings { Shape = shape }, agents, i => fleet[i], planners, _ => new SectorScratch());
        foreach (SectorUnit unit in Mesh.Units)
        {
            // One in eight falls silent and goes offline, the way the sector finds out.
            unit.Begin(now.PlusMs(-60_000));
            foreach (ClusterLead lead in unit.Leads)
            {
                for (int slot = 0; slot < lead.Agents.Length; slot++)
                    if (random.Next(8) > 0) unit.Step(new AgentHeartbeat { ClusterIndex = lead.Address.Index, Slot = slot, ReceivedAt = now }, lead.Address.Cluster);
            }
            unit.Sweep(now, 0, publish: false, effects);
            unit.Settle(effects);
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
        SubmitResult result = Mesh.Orchestrator.Submit(spec, default, now, effects);
        CarryOut();
        return result;
    }

    public void Run()
    {
        while (events.TryDequeue(out Action? next, out (long At, long) key))
        {
            now = new Instant(Math.Max(now.Ticks, key.At));
            next();
            CarryOut();
        }
    }

    private void At(Instant at, Action action) => events.Enqueue(action, (at.Ticks, sequence++));

    private void CarryOut()
    {
        foreach (TimerRequest timer in effects.Timers.Items.ToArray())
        {
            At(timer.At, () =>
            {
                if (timer.Owner.Kind == RoleKind.Orchestrator) Mesh.Orchestrator.Step(timer, now, effects);
                else Mesh.Units[timer.Owner.Sector].Step(timer, now, effects);
            });
        }
        foreach (Delivery delivery in effects.Deliveries.Items.ToArray()) At(delivery.At, () => Send(delivery));
        foreach (Signal signal in effects.Signals.Items.ToArray())
        {
            if (signal.Body is ClusterReport) ClusterReports++;
            if (signal.To.Kind != RoleKind.Orchestrator && signal.To.Sector == SilentSector) continue;
            At(now, () =>
            {
                if (signal.To.Kind == RoleKind.Orchestrator) Mesh.Orchestrator.Step(signal.Body, now, effects);
                else Mesh.Units[signal.To.Sector].Step(signal.Body, signal.To, now, effects);
            });
        }
        foreach (OperationResult result in effects.Completed.Items)
        {
            Completed.Add(result);
            Trace.Add($"t={Fleet.Ms(now)} done {result.Number} {result.Status} {Transcript.Text(result.Report.Counts)} {string.Join(' ', result.Report.Roster.Select(r => r.Agent))}");
        }
        effects.Clear();
    }

    private void Send(Delivery d)
    {
        if (now > d.Slip.ExpiresAt) return;
        Trace.Add($"t={Fleet.Ms(now)} send a{d.AgentIndex}");
        d.Slip.Lines[d.Slot].ReleasedAtTicks = now.Ticks;
        int fate = random.Next(12);
        if (fate == 0) return;
        double delay = fate == 1 ? 5_000 : 1 + random.NextDouble() * 60;
        TrinaryState state = fate == 2 ? TrinaryState.Conflict : TrinaryState.Ready;
        if (fate == 3) Ack(d, 1, TrinaryState.Transit, d.Slot);
        Ack(d, delay, state, d.Slot);
        if (fate is 4 or 5) Ack(d, delay + random.Next(3), fate == 4 ? state : TrinaryState.Conflict, d.Slot);
        if (fate == 6) Ack(d, delay, state, random.Next(100));
    }

    private void Ack(Delivery d, double afterMs, TrinaryState state, int slot) => At(now.PlusMs(afterMs), () =>
    {
        AgentAck ack = new()
        {
            ClusterIndex = d.Slip.Cluster.Index,
            Slot = slot,
            Operation = d.Slip.Operation,
            ReceivedAt = now,
            State = state,
            ProcessingMs = (float)random.NextDouble() * 40,
        };
        Mesh.Units[d.Slip.Cluster.Sector].Step(ack, d.Slip.Cluster.Cluster, now, effects);
    });
}
