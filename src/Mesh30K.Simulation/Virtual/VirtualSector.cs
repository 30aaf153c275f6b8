using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Coordination.Impedance;
using Mesh30K.Coordination.Time;
using Mesh30K.Protocol.Identity;
using Mesh30K.Simulation.Fleet;

namespace Mesh30K.Simulation.Virtual;

/// <summary>
/// One sector under virtual time: the production roles, their simulated agents, and the sector's own future. Sectors touch each other only
/// through the orchestrator, so each runs alone up to the moment at which it has something to say (a logical process with a barrier at
/// the orchestrator's turns); that keeps its few hundred agents in the cache and lets sectors run on several threads with the same result.
/// Owner: one thread at a time.
/// </summary>
internal sealed class VirtualSector
{
    private readonly SectorUnit unit;
    private readonly FleetPartition fleet;
    private readonly int[] firstLocal;
    private readonly IArrivalPlanner planner;
    private readonly Effects effects = new();
    private readonly EventHeap heap = new();
    private readonly Queue<Signal> inbox = new();
    private readonly TimeSpan heartbeatEvery;
    private bool spoke;
    private long round;

    public VirtualSector(SectorUnit unit, FleetPartition fleet, IArrivalPlanner planner, Instant start, TimeSpan heartbeatEvery)
    {
        this.unit = unit;
        this.fleet = fleet;
        this.planner = planner;
        this.heartbeatEvery = heartbeatEvery;
        firstLocal = new int[unit.Leads.Length];
        for (int c = 1; c < firstLocal.Length; c++) firstLocal[c] = firstLocal[c - 1] + unit.Leads[c - 1].Agents.Length;
        Now = start;
        VirtualEvent beat = new() { AtTicks = start.Ticks, Kind = EventKind.Heartbeats };
        heap.Push(ref beat);
    }

    public int Sector => unit.Sector;

    public Instant Now { get; private set; }

    public long Events { get; private set; }

    /// <summary>A hash over everything that happened here, in order: equal traces have equal hashes.</summary>
    public ulong TraceHash { get; private set; } = 0xCBF29CE484222325;

    /// <summary>What the sector said to the orchestrator since the last <see cref="TakeOutput"/>, with the time.</summary>
    public List<(Instant At, object Body)> Output { get; } = [];

    /// <summary>Sends to agents with at least <see cref="WarmSamples"/> samples.</summary>
    public PredictionScore Warm { get; } = new();

    /// <summary>Sends to agents with 5 to 10 samples.</summary>
    public PredictionScore Young { get; } = new();

    public const int WarmSamples = 20;

    /// <summary>Everything up to and including <paramref name="until"/> happens; then the sector learns and says how late its agents are.</summary>
    public void AdvanceTo(Instant until)
    {
        while (heap.NextAtTicks <= until.Ticks) HandleNext();
        Now = until;
        unit.Settle(effects);
        CarryOut();
    }

    /// <summary>Delivers a signal from the orchestrator at <paramref name="at"/>, which is not before this sector's time.</summary>
    public void Deliver(in Signal signal, Instant at)
    {
        Invariant.Check(at >= Now);
        while (heap.NextAtTicks <= at.Ticks) HandleNext();
        Now = at;
        unit.Step(signal.Body, signal.To, Now, effects);
        CarryOut();
    }

    /// <summary>Runs until the sector has spoken to the orchestrator or the next event is after <paramref name="limit"/>.</summary>
    public void RunUntilSpoken(Instant limit)
    {
        while (!spoke && heap.NextAtTicks <= limit.Ticks) HandleNext();
    }

    /// <summary>Forgets what was said; the caller has it.</summary>
    public void TakeOutput()
    {
        Output.Clear();
        spoke = false;
    }

    private void HandleNext()
    {
        VirtualEvent e = heap.Pop();
        Now = new Instant(e.AtTicks);
        Events++;
        switch (e.Kind)
        {
            case EventKind.Send:
                Send(e.Delivery);
                break;
            case EventKind.Ack:
                Hash(2, e.Ack.Slot, (long)e.Ack.State);
                unit.Step(e.Ack, e.Ack.ClusterIndex % unit.Leads.Length, Now, effects);
                break;
            case EventKind.Timer:
                Hash(3, (long)e.Timer.Owner.Kind, e.Timer.Operation);
                unit.Step(e.Timer, Now, effects);
                break;
            default:
                Heartbeats();
                break;
        }
        CarryOut();
    }

    private void Send(in Delivery delivery)
    {
        DispatchSlip slip = delivery.Slip;
        Hash(1, delivery.AgentIndex, slip.Operation);
        if (Now > slip.ExpiresAt) return;
        int cluster = slip.Cluster.Cluster;
        int local = firstLocal[cluster] + delivery.Slot;
        AgentRecord agent = unit.Leads[cluster].Agents[delivery.Slot]!;
        LeadEstimate estimate = planner.Estimate(agent, Now, slip.PayloadWeight, new MissBudget(PredictionScore.Level, 0));
        float predicted = planner.Kind == PlannerKind.FireNow ? estimate.MedianMs : estimate.LeadMs;
        float oracleMedian = fleet.OracleQuantileMs(local, Now, slip.PayloadWeight, 0.5f);
        float oracleLead = fleet.OracleQuantileMs(local, Now, slip.PayloadWeight, PredictionScore.Level);

        slip.Lines[delivery.Slot].ReleasedAtTicks = Now.Ticks;
        SendOutcome outcome = fleet.Send(local, Now, slip.PayloadWeight);
        if (outcome.Lost) return;
        PredictionScore? score = agent.Estimator.Samples >= WarmSamples ? Warm : agent.Estimator.Samples is >= 5 and <= 10 ? Young : null;
        score?.Add((float)outcome.ReadyAt.MsSince(Now), estimate.MedianMs, predicted, oracleMedian, oracleLead);

        VirtualEvent ack = new()
        {
            AtTicks = outcome.AckAt.Ticks,
            Kind = EventKind.Ack,
            Ack = new AgentAck
            {
                ClusterIndex = slip.Cluster.Index,
                Slot = delivery.Slot,
                Operation = slip.Operation,
                ReceivedAt = outcome.AckAt,
                State = outcome.State,
                ProcessingMs = outcome.ServiceMs,
                QueueWaitMs = outcome.QueueWaitMs,
                QueueDepth = outcome.QueueDepth,
            },
        };
        heap.Push(ref ack);
    }

    private void Heartbeats()
    {
        Hash(4, round, 0);
        for (int c = 0; c < firstLocal.Length; c++)
        {
            int agents = unit.Leads[c].Agents.Length;
            for (int slot = 0; slot < agents; slot++)
            {
                int depth = fleet.QueueDepth(firstLocal[c] + slot, Now);
                unit.Step(new AgentHeartbeat { ClusterIndex = c, Slot = slot, ReceivedAt = Now, QueueDepth = depth }, c);
                Events++;
            }
        }
        unit.Sweep(Now, round++, publish: false, effects);
        VirtualEvent next = new() { AtTicks = (Now + heartbeatEvery).Ticks, Kind = EventKind.Heartbeats };
        heap.Push(ref next);
    }

    /// <summary>Carries out what the roles want. Signals within the sector are delivered at once, at no virtual time.</summary>
    private void CarryOut()
    {
        while (true)
        {
            foreach (ref readonly TimerRequest timer in effects.Timers.Items)
            {
                VirtualEvent e = new() { AtTicks = Math.Max(timer.At.Ticks, Now.Ticks), Kind = EventKind.Timer, Timer = timer };
                heap.Push(ref e);
            }
            foreach (ref readonly Delivery delivery in effects.Deliveries.Items)
            {
                VirtualEvent e = new() { AtTicks = Math.Max(delivery.At.Ticks, Now.Ticks), Kind = EventKind.Send, Delivery = delivery };
                heap.Push(ref e);
            }
            foreach (ref readonly Signal signal in effects.Signals.Items)
            {
                if (signal.To.Kind != RoleKind.Orchestrator)
                {
                    inbox.Enqueue(signal);
                    continue;
                }
                Output.Add((Now, signal.Body));
                if (signal.Body is not SectorSummary) spoke = true;
            }
            effects.Clear();
            if (!inbox.TryDequeue(out Signal next)) return;
            unit.Step(next.Body, next.To, Now, effects);
        }
    }

    private void Hash(long kind, long a, long b)
    {
        ulong h = TraceHash;
        h = unchecked((h ^ (ulong)Now.Ticks) * 0x100000001B3);
        h = unchecked((h ^ (ulong)(kind << 56 ^ a << 20 ^ b)) * 0x100000001B3);
        TraceHash = h ^ (h >> 29);
    }
}
