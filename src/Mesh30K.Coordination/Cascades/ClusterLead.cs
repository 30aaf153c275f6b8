using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Coordination.Impedance;
using Mesh30K.Coordination.Time;
using Mesh30K.Coordination.Topology;
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
    /// <summary>Operations that a lead keeps open at once; a further order is answered with every agent skipped as <see cref="SkipReason.LeadBusy"/>.</summary>
    public const int OpenGathersMax = 8;

    /// <summary>Closed gatherings kept for late acks; the oldest goes first.</summary>
    private const int ClosedGathersMax = 4;

    private readonly AgentRecord?[] agents;
    private readonly bool[] selected;
    private readonly PlannerSet planners;
    private readonly RateBudgetPlanner[] budgets;
    private readonly long bucketTicks;
    private readonly List<LeadGather> gathers = [];
    private readonly EffectList<Observation> observations = new();
    private int open;

    public ClusterLead(ClusterAddress address, AgentRecord?[] agents, PlannerSet planners, ArrivalOptions options, RateBudgetPlanner[] budgets)
    {
        Invariant.Check(options.Validate() is null);
        Address = address;
        this.agents = agents;
        this.planners = planners;
        this.budgets = budgets;
        selected = new bool[agents.Length];
        bucketTicks = Math.Max(1, (long)(options.BucketMs * Instant.TicksPerMs));
    }

    public ClusterAddress Address { get; }

    /// <summary>The cluster's agents by slot; null is a free place.</summary>
    public ReadOnlySpan<AgentRecord?> Agents => agents;

    public LeadCounters Counters;

    /// <summary>Whether observations wait to be learned.</summary>
    public bool HasUnsettled => observations.Count > 0;

    /// <summary>Takes an order: plans it, hands over the sends, and reports at once when there is nothing to wait for.</summary>
    public void Step(OperationOrder order, Instant now, Effects effects)
    {
        Settle();
        DispatchSlip slip = new(order.Handle, Address, order.Target, order.ExpiresAt, (float)order.Spec.PayloadWeight, agents.Length);
        LeadGather gather = new(order, slip, now);
        SkipReason refuseAll = open >= OpenGathersMax ? SkipReason.LeadBusy : order.SkipAllAs;
        if (AgentSelection.Mark(order, Address.Index, agents, selected) > 0) Plan(order, slip, now, refuseAll);

        SlipLine[] lines = slip.Lines;
        int sends = 0;
        for (int i = 0; i < lines.Length; i++)
        {
            if (lines[i].Outcome != AgentOutcome.InTransit) continue;
            Instant sendAt = new(lines[i].PlannedAtTicks);
            agents[i]!.Await(sendAt);
            effects.Deliveries.Add(new Delivery(slip, order, agents[i]!.AgentIndex, i, sendAt));
            sends++;
        }
        gather.InTransit = sends;
        if (sends == 0)
        {
            Report(gather, now, effects);
            return;
        }
        open++;
        Keep(gather);
        effects.Timers.Add(new TimerRequest(order.GatherUntil, RoleAddress.OfLead(Address.Sector, Address.Cluster), order.Handle, 0));
    }

    /// <summary>Takes one ack: counts it, queues its observation, and reports when it was the last one in transit.</summary>
    public void Step(in AgentAck ack, Instant now, Effects effects)
    {
        LeadGather? gather = Find(ack.Operation);
        if (gather is null || (uint)ack.Slot >= (uint)agents.Length || agents[ack.Slot] is not { } agent)
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
        double totalMs = (ack.ReceivedAt.Ticks - releasedAt) / (double)Instant.TicksPerMs;
        double agentMs = ack.ProcessingMs + ack.QueueWaitMs;
        double networkMs = Math.Max(0, totalMs - agentMs);
        double arrivalMs = networkMs / 2 + agentMs;
        line.OffsetMs = (float)((releasedAt - gather.Slip.Target.Ticks) / (double)Instant.TicksPerMs + arrivalMs);

        bool wasOpen = !gather.Closed;
        gather.Take(ref line, ack, agent);
        if (ack.State == TrinaryState.Transit) return;
        if (!wasOpen) Counters.LateAcks++;
        agent.Heard(ack.QueueDepth);
        agent.Dirty = true;
        observations.Add(new Observation(ack.Slot, (float)networkMs, ack.ProcessingMs, gather.Slip.PayloadWeight, wasOpen, now));
        if (wasOpen && gather.InTransit == 0) Finish(gather, now, effects);
    }

    /// <summary>Takes one heartbeat.</summary>
    public void Step(in AgentHeartbeat heartbeat)
    {
        if ((uint)heartbeat.Slot >= (uint)agents.Length || agents[heartbeat.Slot] is not { } agent) return;
        agent.Beat(heartbeat.ReceivedAt, heartbeat.QueueDepth);
        if (heartbeat.ContextHash is not null) agent.ContextHash = heartbeat.ContextHash;
        if (agent.State == OperationalState.Offline) agent.State = OperationalState.Active;
        agent.Dirty = true;
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
        foreach (ref readonly Observation o in observations.Items)
        {
            AgentRecord agent = agents[o.Slot]!;
            agent.Estimator.Observe(o.NetworkMs, o.ServiceMs, o.PayloadWeight);
            if (o.InTime) agent.Reliability.Record(true, o.At);
        }
        observations.Clear();
    }

    private void Plan(OperationOrder order, DispatchSlip slip, Instant now, SkipReason refuseAll)
    {
        IArrivalPlanner? planner = planners.Find(order.Spec.Planner);
        Invariant.Check(planner is not null);
        SlipLine[] lines = slip.Lines;
        float weight = slip.PayloadWeight;
        MissBudget budget = new(order.Spec.LeadLevel, order.MissPerMs);
        for (int i = 0; i < lines.Length; i++)
        {
            if (!selected[i]) continue;
            AgentRecord agent = agents[i]!;
            ref SlipLine line = ref lines[i];
            line.Confidence = agent.Confidence;
            SkipReason refusal = refuseAll != SkipReason.None ? refuseAll : Refusal(agent, order.Spec.RequiredCapabilities);
            if (refusal != SkipReason.None)
            {
                ArrivalPlan.Skip(ref line, refusal);
                continue;
            }
            LeadEstimate estimate = planner.Estimate(agent, now, weight, budget);
            ArrivalPlan.PlanLine(ref line, estimate, planner.Kind, order.Target, now, order.ExpiresAt, bucketTicks);
        }
        long latest = order.Spec.Planner == PlannerKind.FireNow ? order.GatherUntil.Ticks : 0;
        foreach (RateBudgetPlanner rates in budgets) rates.Spread(lines, now, latest);
    }

    private static SkipReason Refusal(AgentRecord agent, IReadOnlyList<string> required)
    {
        if (agent.State == OperationalState.Offline) return SkipReason.Offline;
        if (agent.State == OperationalState.Quarantined) return SkipReason.Quarantined;
        for (int i = 0; i < required.Count; i++)
            if (!agent.Has(required[i])) return SkipReason.CapabilityMissing;
        return SkipReason.None;
    }

    private void Finish(LeadGather gather, Instant now, Effects effects)
    {
        open--;
        // An agent that did not answer in time counts against its reliability now; its late ack, should one come, teaches its delay only.
        SlipLine[] lines = gather.Slip.Lines;
        for (int i = 0; gather.InTransit > 0 && i < lines.Length; i++)
            if (lines[i].Outcome == AgentOutcome.InTransit) agents[i]!.Reliability.Record(false, now);
        Report(gather, now, effects);
    }

    private void Report(LeadGather gather, Instant now, Effects effects) =>
        effects.Signals.Add(new Signal(RoleAddress.OfSector(Address.Sector), gather.Close(agents, now)));

    private LeadGather? Find(long operation)
    {
        for (int i = gathers.Count - 1; i >= 0; i--)
            if (gathers[i].Order.Handle == operation) return gathers[i];
        return null;
    }

    private void Keep(LeadGather gather)
    {
        if (gathers.Count >= ClosedGathersMax + OpenGathersMax || gathers.Count > ClosedGathersMax && open <= 1)
        {
            int oldest = gathers.FindIndex(g => g.Closed);
            if (oldest >= 0) gathers.RemoveAt(oldest);
        }
        gathers.Add(gather);
    }

    private readonly record struct Observation(int Slot, float NetworkMs, float ServiceMs, float PayloadWeight, bool InTime, Instant At);
}
