using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Coordination.Impedance;
using Mesh30K.Coordination.Topology;
using Mesh30K.Protocol;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Coordination.Cascades;

/// <summary>What a lead did with acks that it could not count. Plain counters, read by the owner.</summary>
public struct LeadCounters
{
    /// <summary>Acks of an operation that the lead does not know (any more), or for an agent that it did not send to.</summary>
    public long UnknownAcks;

    /// <summary>Second acks of the same agent for the same operation; counted once only.</summary>
    public long DuplicateAcks;

    /// <summary>Acks after the gathering closed: they teach the estimators and change no count.</summary>
    public long LateAcks;
}

/// <summary>
/// The lead of one cluster (design section 4): plans its agents' sends from its own records, tallies their acks, and reports once per
/// operation. Intuition: an order comes down, a slip with a line per agent is planned and handed to the host; acks are matched to their lines;
/// when no line is in transit any more, or time is up, one report goes up.
/// Acks teach the estimators too, but after they are counted: observations wait in a short list (<see cref="Settle"/>), so that the answer
/// to the operation is not delayed by learning from it. A plan always sees every observation that came before it.
/// Owner: the event loop of its sector. Pure: time comes in, effects go out.
/// </summary>
public sealed class ClusterLead
{
    /// <summary>
    /// Operations that a lead keeps open at once, direct ones apart; a further order is answered with every agent skipped as <see cref="SkipReason.LeadBusy"/> (policy <c>lead_busy</c>).
    /// </summary>
    public const int OpenGathersMax = 8;

    /// <summary>
    /// Direct operations that a lead keeps open at once beside the others; policy as <see cref="OpenGathersMax"/>. They may wait for minutes and go to few agents; an ack is matched by looking through all
    /// that are open, so a larger number makes acks dearer.
    /// </summary>
    public const int OpenDirectMax = 64;

    /// <summary>Closed gatherings of either kind kept for late acks; the oldest goes first.</summary>
    private const int ClosedGathersMax = 2;

    private readonly AgentRecord?[] _agents;
    private readonly string _name;
    private readonly bool[] _selected;
    private readonly PlanRow[] _rows;
    private readonly PlannerSet _planners;
    private readonly RateBudgetPlanner[] _budgets;
    private readonly long _bucketTicks;
    private readonly List<LeadGather> _gathers = [];
    private readonly EffectList<Observation> _observations = new();
    private readonly Func<int, AgentRecord> _occupant;
    private SlipLine[]? _spareLines;
    private int _open;
    private int _openDirect;

    /// <summary>Agents that left while a gathering counted them, by slot: nobody plans for them any more, and nobody else has their slot yet.</summary>
    private readonly Dictionary<int, AgentRecord> _departed = [];

    public ClusterLead(ClusterAddress address, AgentRecord?[] agents, PlannerSet planners, ArrivalOptions options, RateBudgetPlanner[] budgets)
    {
        Invariant.Check(options.Validate() is null);
        Address = address;
        _name = address.ToString();
        _agents = agents;
        _planners = planners;
        _budgets = budgets;
        _occupant = slot => _agents[slot] ?? _departed[slot];
        _selected = new bool[agents.Length];
        _rows = new PlanRow[agents.Length];
        for (int i = 0; i < agents.Length; i++) Refresh(i);
        _bucketTicks = Math.Max(1, (long)(options.BucketMs * Instant.TicksPerMs));
    }

    public ClusterAddress Address { get; }

    /// <summary>The cluster's agents by slot; null is a free place.</summary>
    public ReadOnlySpan<AgentRecord?> Agents => _agents;

    public LeadCounters Counters;

    /// <summary>Whether observations wait to be learned.</summary>
    public bool HasUnsettled => _observations.Count > 0;

    /// <summary>Takes an order: plans it, hands over the sends, and reports at once when there is nothing to wait for.</summary>
    public void Step(OperationOrder order, Instant now, Effects effects)
    {
        // A bus may deliver twice; a second plan would send everything twice.
        if (Find(order.Handle) is not null) return;
        Settle();
        int selected = AgentSelection.Mark(order, Address.Index, _agents, _selected);
        DispatchSlip slip = new(order.Handle, Address, order.Target, order.ExpiresAt, (float)order.Spec.PayloadWeight, selected > 0 ? EmptyLines() : []);
        LeadGather gather = new(order, slip, now);
        bool busy = gather.IsDirect ? _openDirect >= OpenDirectMax : _open >= OpenGathersMax;
        if (selected > 0) Plan(order, slip, now, busy ? SkipReason.LeadBusy : order.SkipAllAs);

        SlipLine[] lines = slip.Lines;
        int sends = 0;
        for (int i = 0; i < lines.Length; i++)
        {
            if (lines[i].Outcome != AgentOutcome.InTransit) continue;
            effects.Deliveries.Add(new Delivery(slip, order, _rows[i].AgentIndex, i, new Instant(lines[i].PlannedAtTicks)));
            sends++;
        }
        gather.InTransit = sends;
        if (sends == 0)
        {
            Report(gather, now, effects);
            return;
        }
        Keep(gather);
        if (gather.IsDirect) _openDirect++;
        else _open++;
        effects.Timers.Add(new TimerRequest(order.GatherUntil, RoleAddress.OfLead(Address.Sector, Address.Cluster), order.Handle, 0));
    }

    /// <summary>Takes one ack: counts it, queues its observation, and reports when it was the last one in transit.</summary>
    public void Step(in AgentAck ack, Instant now, Effects effects)
    {
        LeadGather? gather = Find(ack.Operation);
        if (gather is null || (uint)ack.Slot >= (uint)_agents.Length || (_agents[ack.Slot] ?? _departed.GetValueOrDefault(ack.Slot)) is not { } agent)
        {
            Counters.UnknownAcks++;
            return;
        }
        ref SlipLine line = ref gather.Slip.Lines[ack.Slot];
        long releasedAt = Volatile.Read(ref line.ReleasedAtTicks);
        if (line.Outcome is AgentOutcome.NotTargeted or AgentOutcome.Skipped || releasedAt == 0)
        {
            Counters.UnknownAcks++;
            return;
        }
        if (line.Outcome != AgentOutcome.InTransit)
        {
            Counters.DuplicateAcks++;
            return;
        }

        // total = received − sent; network = total − what the agent says it took; arrival = sent + network/2 + that (design section 5).
        // What an agent says it took is a claim: it cannot have been ready before the send or after its own ack.
        double totalMs = Math.Max(0, (ack.ReceivedAt.Ticks - releasedAt) / (double)Instant.TicksPerMs);
        double serviceMs = Within(ack.ProcessingMs, totalMs);
        double agentMs = serviceMs + Within(ack.QueueWaitMs, totalMs - serviceMs);
        double networkMs = totalMs - agentMs;
        double arrivalMs = networkMs / 2 + agentMs;
        line.OffsetMs = (float)((releasedAt - gather.Slip.Target.Ticks) / (double)Instant.TicksPerMs + arrivalMs);

        bool wasOpen = !gather.Closed;
        gather.Take(ref line, ack, agent);
        if (ack.State == TrinaryState.Transit) return;
        if (!wasOpen) Counters.LateAcks++;
        agent.Heard(ack.QueueDepth);
        agent.Dirty = true;
        _rows[ack.Slot].IsPrepared &= ack.QueueDepth <= 0;
        if (_agents[ack.Slot] is not null) _observations.Add(new Observation(ack.Slot, (float)networkMs, (float)serviceMs, gather.Slip.PayloadWeight, wasOpen, now));
        if (wasOpen && gather.InTransit == 0) Finish(gather, now, effects);
    }

    /// <summary>Takes one heartbeat. Returns true when it brought an agent back that was offline.</summary>
    public bool Step(in AgentHeartbeat heartbeat)
    {
        if ((uint)heartbeat.Slot >= (uint)_agents.Length || _agents[heartbeat.Slot] is not { } agent) return false;
        agent.Beat(heartbeat.ReceivedAt, heartbeat.QueueDepth);
        if (heartbeat.ContextHash is not null) agent.ContextHash = heartbeat.ContextHash;
        agent.Dirty = true;
        bool returned = agent.State == OperationalState.Offline;
        if (returned) agent.State = OperationalState.Active;
        // Of its plan row a heartbeat changes this alone; the estimator is not touched, as 6,000 heartbeats a second would fetch it from memory.
        _rows[heartbeat.Slot].IsPrepared = agent.CanTakeWork && agent.QueueDepth <= 0;
        return returned;
    }

    /// <summary>The gathering's time is up: what is in transit is reported as TRANSIT.</summary>
    public void Step(in TimerRequest fired, Instant now, Effects effects)
    {
        LeadGather? gather = Find(fired.Operation);
        if (gather is { Closed: false }) Finish(gather, now, effects);
    }

    /// <summary>Teaches the estimators what the acks since the last call showed. The host calls it when it has nothing better to do.</summary>
    public void Settle()
    {
        foreach (ref readonly Observation o in _observations.Items)
        {
            AgentRecord agent = _agents[o.Slot]!;
            agent.Estimator.Observe(o.NetworkMs, o.ServiceMs, o.PayloadWeight);
            if (o.InTime) agent.Reliability.Record(true, o.At);
            Refresh(o.Slot);
        }
        _observations.Clear();
    }

    /// <summary>Brings an agent's plan row up to its record; to be called after every change of the record.</summary>
    internal void Refresh(int slot)
    {
        if (_agents[slot] is { } agent) _rows[slot] = PlanRow.Of(agent);
    }

    /// <summary>An agent takes a free slot: no gathering holds it. From the next order on it takes part.</summary>
    internal void Join(int slot, AgentRecord agent)
    {
        Settle();
        Invariant.Check(_agents[slot] is null && !_departed.ContainsKey(slot));
        foreach (LeadGather gather in _gathers) gather.Forget(slot);
        _agents[slot] = agent;
        Refresh(slot);
    }

    /// <summary>
    /// An agent leaves: no later order selects it. Those that count it end with it, as it is: what it has not answered stays in transit. Then <see cref="FreeDeparted"/> tells that the slot is free.
    /// </summary>
    internal void Leave(int slot, Instant now, Effects effects)
    {
        Settle();
        Invariant.Check(_agents[slot] is not null);
        _departed.Add(slot, _agents[slot]!);
        _agents[slot] = null;
        FreeDeparted(now, effects);
    }

    /// <summary>Tells of the slots of agents that left which no gathering holds any more. To be called now and then; the end of a gathering does it too.</summary>
    internal void FreeDeparted(Instant now, Effects effects)
    {
        if (_departed.Count == 0) return;
        int[] free = [.. _departed.Keys.Where(slot => !_gathers.Exists(g => g.Holds(slot, now))).Order()];
        foreach (int slot in free)
        {
            effects.Departed.Add(new AgentDeparted(_departed[slot].AgentIndex, new AgentPlace(Address, slot)));
            _departed.Remove(slot);
        }
    }

    private void Plan(OperationOrder order, DispatchSlip slip, Instant now, SkipReason refuseAll)
    {
        IArrivalPlanner? planner = _planners.Find(order.Spec.Planner);
        Invariant.Check(planner is not null);
        SlipLine[] lines = slip.Lines;
        float weight = slip.PayloadWeight;
        MissBudget budget = new(order.Spec.LeadLevel, order.MissPerMs);
        IReadOnlyList<string>? required = order.Spec.RequiredCapabilities is { Count: > 0 } some ? some : null;
        bool fromRows = planner is LearnedPlanner && weight == 1 && required is null && refuseAll == SkipReason.None;
        for (int i = 0; i < lines.Length; i++)
        {
            if (!_selected[i]) continue;
            ref SlipLine line = ref lines[i];
            ref readonly PlanRow row = ref _rows[i];
            line.Confidence = row.Confidence;
            if (fromRows && row.IsPrepared)
            {
                LeadEstimate ready = LearnedPlanner.Estimate(row.IsNew ? row.Pool.Prior : row.Quantiles, row.Pool.Shape.Curve, budget);
                ArrivalPlan.PlanLine(ref line, ready, PlannerKind.Learned, order.Target, now, order.ExpiresAt, _bucketTicks);
                continue;
            }
            AgentRecord agent = _agents[i]!;
            SkipReason refusal = refuseAll != SkipReason.None ? refuseAll : Refusal(agent, required);
            if (refusal != SkipReason.None)
            {
                ArrivalPlan.Skip(ref line, refusal);
                continue;
            }
            LeadEstimate estimate = planner.Estimate(agent, now, weight, budget);
            ArrivalPlan.PlanLine(ref line, estimate, planner.Kind, order.Target, now, order.ExpiresAt, _bucketTicks);
        }
        if (_budgets.Length == 0) return;
        long latest = order.Spec.Planner == PlannerKind.FireNow ? Math.Min(order.GatherUntil.Ticks, order.ExpiresAt.Ticks) : 0;
        RateBudgetPlanner.SpreadAll(_budgets, lines, now, latest);
    }

    /// <summary>The claim between 0 and the limit; 0 when it is not a number.</summary>
    private static double Within(float claimMs, double limitMs) => claimMs > 0 ? Math.Min(claimMs, limitMs) : 0;

    private static SkipReason Refusal(AgentRecord agent, IReadOnlyList<string>? required)
    {
        if (agent.State == OperationalState.Offline) return SkipReason.Offline;
        if (agent.State == OperationalState.Quarantined) return SkipReason.Quarantined;
        if (required is null) return SkipReason.None;
        for (int i = 0; i < required.Count; i++)
            if (!agent.Has(required[i])) return SkipReason.CapabilityMissing;
        return SkipReason.None;
    }

    private void Finish(LeadGather gather, Instant now, Effects effects)
    {
        if (gather.IsDirect) _openDirect--;
        else _open--;
        // An agent that did not answer in time counts against its reliability now; its late ack, should one come, teaches its delay only.
        // One whose send was never released was not asked: that is no failure of the agent.
        SlipLine[] lines = gather.Slip.Lines;
        for (int i = 0; gather.InTransit > 0 && i < lines.Length; i++)
        {
            if (lines[i].Outcome != AgentOutcome.InTransit || Volatile.Read(ref lines[i].ReleasedAtTicks) == 0) continue;
            AgentRecord agent = _occupant(i);
            agent.Reliability.Record(false, now);
            agent.Await(new Instant(lines[i].PlannedAtTicks));
        }
        Report(gather, now, effects);
        FreeDeparted(now, effects);
    }

    private void Report(LeadGather gather, Instant now, Effects effects) =>
        effects.Signals.Add(new Signal(RoleAddress.OfSector(Address.Sector), gather.Close(_occupant, _name, now)));

    /// <summary>Lines for a new slip. Those of the gathering that was dropped last serve again: a fresh array for each cluster and operation is what a collector has most to do with.</summary>
    private SlipLine[] EmptyLines()
    {
        if (_spareLines is not { } lines) return new SlipLine[_agents.Length];
        _spareLines = null;
        Array.Clear(lines);
        return lines;
    }

    private LeadGather? Find(long operation)
    {
        for (int i = _gathers.Count - 1; i >= 0; i--)
            if (_gathers[i].Order.Handle == operation) return _gathers[i];
        return null;
    }

    private void Keep(LeadGather gather)
    {
        // Direct operations and others do not drive out each other's.
        (int open, int openMax) = gather.IsDirect ? (_openDirect, OpenDirectMax) : (_open, OpenGathersMax);
        int kept = 0, oldest = -1;
        for (int i = 0; i < _gathers.Count; i++)
        {
            if (_gathers[i].IsDirect != gather.IsDirect) continue;
            kept++;
            if (oldest < 0 && _gathers[i].Closed) oldest = i;
        }
        if (oldest >= 0 && (kept >= ClosedGathersMax + openMax || kept > ClosedGathersMax && open == 0))
        {
            if (_gathers[oldest].LinesAreFree()) _spareLines = _gathers[oldest].Slip.Lines;
            _gathers.RemoveAt(oldest);
        }
        _gathers.Add(gather);
    }

    private readonly record struct Observation(int Slot, float NetworkMs, float ServiceMs, float PayloadWeight, bool InTime, Instant At);
}
