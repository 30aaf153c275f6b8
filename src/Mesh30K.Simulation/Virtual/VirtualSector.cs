using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Coordination.Impedance;
using Mesh30K.Protocol;
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
    private readonly SectorUnit _unit;
    private readonly FleetPartition _fleet;
    private readonly int[] _firstLocal;
    private readonly int[] _agentsOf;
    private readonly IArrivalPlanner _planner;
    private readonly Effects _effects = new();
    private readonly EventHeap _heap = new();
    private readonly Queue<Signal> _inbox = new();
    private readonly TimeSpan _heartbeatEvery;
    private bool _spoke;
    private long _round;

    public VirtualSector(SectorUnit unit, FleetPartition fleet, IArrivalPlanner planner, Instant start, TimeSpan heartbeatEvery)
    {
        _unit = unit;
        _fleet = fleet;
        _planner = planner;
        _heartbeatEvery = heartbeatEvery;
        _firstLocal = new int[unit.Leads.Length];
        _agentsOf = new int[unit.Leads.Length];
        for (int c = 0; c < _agentsOf.Length; c++)
        {
            // The fleet fills slots from the first on; those behind are free.
            foreach (AgentRecord? agent in unit.Leads[c].Agents)
                if (agent is not null) _agentsOf[c]++;
            if (c > 0) _firstLocal[c] = _firstLocal[c - 1] + _agentsOf[c - 1];
        }
        Now = start;
        VirtualEvent beat = new() { AtTicks = start.Ticks, Kind = EventKind.Heartbeats };
        _heap.Push(ref beat);
    }

    public int Sector => _unit.Sector;

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
        while (_heap.NextAtTicks <= until.Ticks) HandleNext();
        Now = until;
        _unit.Settle(Now, _effects);
        CarryOut();
    }

    /// <summary>Delivers a signal from the orchestrator at <paramref name="at"/>, which is not before this sector's time.</summary>
    public void Deliver(in Signal signal, Instant at)
    {
        Invariant.Check(at >= Now);
        while (_heap.NextAtTicks <= at.Ticks) HandleNext();
        Now = at;
        _unit.Step(signal.Body, signal.To, Now, _effects);
        CarryOut();
    }

    /// <summary>Runs until the sector has spoken to the orchestrator or the next event is after <paramref name="limit"/>.</summary>
    public void RunUntilSpoken(Instant limit)
    {
        while (!_spoke && _heap.NextAtTicks <= limit.Ticks) HandleNext();
    }

    /// <summary>Forgets what was said; the caller has it.</summary>
    public void TakeOutput()
    {
        Output.Clear();
        _spoke = false;
    }

    private void HandleNext()
    {
        VirtualEvent e = _heap.Pop();
        Now = new Instant(e.AtTicks);
        Events++;
        switch (e.Kind)
        {
            case EventKind.Send:
                Send(e.Delivery);
                break;
            case EventKind.Ack:
                Hash(2, e.Ack.Slot, (long)e.Ack.State);
                _unit.Step(e.Ack, e.Ack.ClusterIndex % _unit.Leads.Length, Now, _effects);
                break;
            case EventKind.Timer:
                Hash(3, (long)e.Timer.Owner.Kind, e.Timer.Operation);
                _unit.Step(e.Timer, Now, _effects);
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
        int local = _firstLocal[cluster] + delivery.Slot;
        AgentRecord agent = _unit.Leads[cluster].Agents[delivery.Slot]!;
        LeadEstimate estimate = _planner.Estimate(agent, Now, slip.PayloadWeight, new MissBudget(PredictionScore.Level, 0));
        float predicted = _planner.Kind == PlannerKind.FireNow ? estimate.MedianMs : estimate.LeadMs;
        float oracleMedian = _fleet.OracleQuantileMs(local, Now, slip.PayloadWeight, 0.5f);
        float oracleLead = _fleet.OracleQuantileMs(local, Now, slip.PayloadWeight, PredictionScore.Level);

        slip.Lines[delivery.Slot].ReleasedAtTicks = Now.Ticks;
        SendOutcome outcome = _fleet.Send(local, Now, slip.PayloadWeight);
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
        _heap.Push(ref ack);
    }

    private void Heartbeats()
    {
        Hash(4, _round, 0);
        for (int c = 0; c < _firstLocal.Length; c++)
        {
            for (int slot = 0; slot < _agentsOf[c]; slot++)
            {
                int depth = _fleet.QueueDepth(_firstLocal[c] + slot, Now);
                _unit.Step(new AgentHeartbeat { ClusterIndex = c, Slot = slot, ReceivedAt = Now, QueueDepth = depth }, c);
                Events++;
            }
        }
        _unit.Sweep(Now, _round++, publish: false, _effects);
        VirtualEvent next = new() { AtTicks = (Now + _heartbeatEvery).Ticks, Kind = EventKind.Heartbeats };
        _heap.Push(ref next);
    }

    /// <summary>Carries out what the roles want. Signals within the sector are delivered at once, at no virtual time.</summary>
    private void CarryOut()
    {
        while (true)
        {
            foreach (ref readonly TimerRequest timer in _effects.Timers.Items)
            {
                VirtualEvent e = new() { AtTicks = Math.Max(timer.At.Ticks, Now.Ticks), Kind = EventKind.Timer, Timer = timer };
                _heap.Push(ref e);
            }
            foreach (ref readonly Delivery delivery in _effects.Deliveries.Items)
            {
                VirtualEvent e = new() { AtTicks = Math.Max(delivery.At.Ticks, Now.Ticks), Kind = EventKind.Send, Delivery = delivery };
                _heap.Push(ref e);
            }
            foreach (ref readonly Signal signal in _effects.Signals.Items)
            {
                if (signal.To.Kind != RoleKind.Orchestrator)
                {
                    _inbox.Enqueue(signal);
                    continue;
                }
                Output.Add((Now, signal.Body));
                if (signal.Body is not SectorSummary) _spoke = true;
            }
            _effects.Clear();
            if (!_inbox.TryDequeue(out Signal next)) return;
            _unit.Step(next.Body, next.To, Now, _effects);
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
