using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Coordination.Impedance;
using Mesh30K.Protocol;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Coordination.Cascades;

/// <summary>
/// One gathering at one lead: the slip, who is still in transit, and the conflicts and answers that came. Owner: the lead.
/// Holds: every targeted agent is in exactly one of ready, conflict, in transit or skipped.
/// </summary>
internal sealed class LeadGather(OperationOrder order, DispatchSlip slip, Instant plannedAt)
{
    private List<AgentAnswer>? _answers;
    private Dictionary<int, ConflictDetail>? _conflicts;
    private int _readyByTarget;
    private int _windowHits;
    private int _ready;
    private int _conflict;

    public OperationOrder Order { get; } = order;

    public DispatchSlip Slip { get; } = slip;

    /// <summary>Of an operation to named agents: such gatherings are counted apart, as they may be many and long.</summary>
    public bool IsDirect { get; } = order.Spec.Strategy == RoutingStrategy.Direct;

    /// <summary>Agents that were sent to and have not acked.</summary>
    public int InTransit { get; set; }

    public bool Closed { get; private set; }

    /// <summary>
    /// Takes an ack that was matched to its line, which is in transit. Returns false when it says TRANSIT or comes after the close: then
    /// it changes no count.
    /// </summary>
    public bool Take(ref SlipLine line, in AgentAck ack, AgentRecord agent)
    {
        if (ack.State == TrinaryState.Transit) return false;
        line.Outcome = ack.State == TrinaryState.Ready ? AgentOutcome.Ready : AgentOutcome.Conflict;
        if (Closed) return false;
        InTransit--;
        if (ack.State == TrinaryState.Ready)
        {
            _ready++;
            if (line.OffsetMs <= 0) _readyByTarget++;
            if (Order.Spec.CollectAnswers && ack.Detail?.Result is { } result) (_answers ??= []).Add(new AgentAnswer(agent.Id, result));
        }
        else
        {
            _conflict++;
            if (ack.Detail?.Conflict is { } detail) (_conflicts ??= [])[ack.Slot] = detail;
        }
        if (Math.Abs(line.OffsetMs) <= Order.Spec.WindowMs) _windowHits++;
        return true;
    }

    /// <summary>Ends the gathering: what is still in transit is reported as TRANSIT. What the host never released had run out of time to live.</summary>
    /// <param name="agentAt">The agent that a slot had when the order was planned.</param>
    public ClusterReport Close(Func<int, AgentRecord> agentAt, string cluster, Instant now)
    {
        Invariant.Check(!Closed);
        Closed = true;
        SlipLine[] lines = Slip.Lines;
        GatherCounts counts = new() { Ready = _ready, Conflict = _conflict, WindowHits = _windowHits, ReadyByTarget = _readyByTarget };
        int rostered = 0;
        for (int i = 0; i < lines.Length; i++)
        {
            ref SlipLine line = ref lines[i];
            if (line.Outcome == AgentOutcome.InTransit && Volatile.Read(ref line.ReleasedAtTicks) == 0 && now > Slip.ExpiresAt)
                ArrivalPlan.Skip(ref line, SkipReason.TtlExpired);
            if (line.Outcome == AgentOutcome.Skipped) counts.Skipped++;
            if (line.Outcome == AgentOutcome.InTransit) counts.Transit++;
            if (line.Outcome is AgentOutcome.Skipped or AgentOutcome.InTransit or AgentOutcome.Conflict) rostered++;
        }

        int acked = _ready + _conflict;
        float[] offsets = new float[acked];
        float[] errors = new float[acked];
        RosterEntry[] roster = rostered == 0 ? [] : new RosterEntry[rostered];
        float confidence = 0;
        int a = 0;
        int r = 0;
        for (int i = 0; i < lines.Length; i++)
        {
            ref SlipLine line = ref lines[i];
            if (line.Outcome == AgentOutcome.NotTargeted) continue;
            if (line.Outcome is AgentOutcome.Ready or AgentOutcome.Conflict)
            {
                offsets[a] = line.OffsetMs;
                errors[a++] = Math.Abs(line.OffsetMs + OffsetOf(line));
                confidence += line.Confidence;
            }
            if (line.Outcome != AgentOutcome.Ready) roster[r++] = Entry(i, line, agentAt(i), cluster);
        }
        Invariant.Check(a == acked && r == rostered);
        AgentAnswer[] given = _answers?.ToArray() ?? [];
        // Kept for late acks from here on; what it gathered has gone up.
        (_answers, _conflicts) = (null, null);
        return new ClusterReport(Order.Handle, Slip.Cluster, counts, offsets, errors, roster, given, confidence);
    }

    /// <summary>
    /// Whether the host is done with the slip's lines, so that they may serve another slip: every send was released or is past its time to live,
    /// when the host drops it unseen.
    /// </summary>
    public bool LinesAreFree()
    {
        SlipLine[] lines = Slip.Lines;
        for (int i = 0; i < lines.Length; i++)
            if (lines[i].Outcome == AgentOutcome.InTransit && Volatile.Read(ref lines[i].ReleasedAtTicks) == 0) return false;
        return Closed;
    }

    /// <summary>Whether a slot's agent is still counted here, or its send may still be on its way to the link: then nobody else may have the slot.</summary>
    public bool Holds(int slot, Instant now)
    {
        if (slot >= Slip.Lines.Length) return false;
        ref SlipLine line = ref Slip.Lines[slot];
        if (!Closed) return line.Outcome != AgentOutcome.NotTargeted;
        return line.Outcome == AgentOutcome.InTransit && Volatile.Read(ref line.ReleasedAtTicks) == 0 && now <= Slip.ExpiresAt;
    }

    /// <summary>The slot has another agent now: an ack that still comes for it is of the one before, and teaches nobody. Only when the slot is not held.</summary>
    public void Forget(int slot)
    {
        if (slot < Slip.Lines.Length) Slip.Lines[slot].Outcome = AgentOutcome.NotTargeted;
    }

    /// <summary>arrival − predicted = (T + offset) − (released + median), so this is T − released − median in ms.</summary>
    private float OffsetOf(in SlipLine line) =>
        (float)((Slip.Target.Ticks - line.ReleasedAtTicks) / (double)Instant.TicksPerMs) - line.MedianMs;

    private RosterEntry Entry(int slot, in SlipLine line, AgentRecord agent, string cluster) => new(
        agent.Id, cluster, line.Outcome, line.Reason, line.LeadMs, (float)Slip.Target.MsSince(plannedAt),
        line.Outcome == AgentOutcome.Conflict ? _conflicts?.GetValueOrDefault(slot) : null);
}
