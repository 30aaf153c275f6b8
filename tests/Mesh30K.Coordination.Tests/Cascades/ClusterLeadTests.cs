using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Coordination.Impedance;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Coordination.Tests.Cascades;

public sealed class ClusterLeadTests
{
    private static string OrderAcksDuplicateDeadlineLateAck()
    {
        AgentRecord?[] agents = Fleet.Agents(4);
        ClusterLead lead = Fleet.Lead(agents, Fleet.Planners(100.5f, 20, 700, 40));
        Transcript t = new();
        t.Input(0, "order #7 T=500", (now, e) => lead.Step(Fleet.Order(7, 500), now, e));
        t.Release();
        t.Input(450, "ack a0 ready", (now, e) => lead.Step(Fleet.Ack(7, 0, 450), now, e));
        t.Input(451, "ack a0 ready again", (now, e) => lead.Step(Fleet.Ack(7, 0, 451), now, e));
        t.Input(452, "ack a2, skipped", (now, e) => lead.Step(Fleet.Ack(7, 2, 452), now, e));
        t.Input(453, "ack of slot 99", (now, e) => lead.Step(Fleet.Ack(7, 99, 453), now, e));
        t.Input(454, "ack of operation 8", (now, e) => lead.Step(Fleet.Ack(8, 0, 454), now, e));
        t.Input(470, "ack a3 transit", (now, e) => lead.Step(Fleet.Ack(7, 3, 470, TrinaryState.Transit), now, e));
        t.Input(510, "ack a3 conflict", (now, e) => lead.Step(Fleet.Ack(7, 3, 510, TrinaryState.Conflict), now, e));
        t.Input(600, "timer #7", (now, e) => lead.Step(new TimerRequest(now, default, 7, 0), now, e));
        t.Input(650, "ack a1 ready, late", (now, e) => lead.Step(Fleet.Ack(7, 1, 650), now, e));
        t.Input(651, "ack a1 ready, late, again", (now, e) => lead.Step(Fleet.Ack(7, 1, 651), now, e));
        t.Input(660, "timer #7 again", (now, e) => lead.Step(new TimerRequest(now, default, 7, 0), now, e));
        return $"{t}\nunknown={lead.Counters.UnknownAcks} duplicate={lead.Counters.DuplicateAcks} late={lead.Counters.LateAcks}";
    }

    [Fact]
    public void Transcript_of_acks_a_duplicate_the_deadline_and_a_late_ack()
    {
        Assert.Equal(
            """
            t=0ms order #7 T=500
              send a0 at 399
              send a1 at 480
              send a3 at 460
              timer sector/0/cluster/0 #7 at 600
            t=450ms ack a0 ready
            t=451ms ack a0 ready again
            t=452ms ack a2, skipped
            t=453ms ack of slot 99
            t=454ms ack of operation 8
            t=470ms ack a3 transit
            t=510ms ack a3 conflict
            t=600ms timer #7
              → sector/0: cluster 0 report #7 ready=1 conflict=1 transit=1 skipped=1 hits=2 by-T=1 | a1 InTransit | a2 Skipped InsufficientLeadTime need=700 has=500 | a3 Conflict
            t=650ms ack a1 ready, late
            t=651ms ack a1 ready, late, again
            t=660ms timer #7 again
            unknown=3 duplicate=2 late=1
            """,
            OrderAcksDuplicateDeadlineLateAck());
    }

    [Fact]
    public void The_same_inputs_give_the_same_effects() =>
        Assert.Equal(OrderAcksDuplicateDeadlineLateAck(), OrderAcksDuplicateDeadlineLateAck());

    [Fact]
    public void Reports_with_the_last_ack_and_at_once_when_nobody_is_sent_to()
    {
        ClusterLead lead = Fleet.Lead(Fleet.Agents(2), Fleet.Planners(10, 10));
        Transcript t = new();
        t.Input(0, "order #1 T=100", (now, e) => lead.Step(Fleet.Order(1, 100), now, e));
        t.Release();
        t.Input(99, "ack a1 ready", (now, e) => lead.Step(Fleet.Ack(1, 1, 99), now, e));
        t.Input(101, "ack a0 ready", (now, e) => lead.Step(Fleet.Ack(1, 0, 101), now, e));
        t.Input(200, "order #2 T=205", (now, e) => lead.Step(Fleet.Order(2, 205), now, e));
        t.Input(201, "order #3 skip all", (now, e) => lead.Step(Fleet.Order(3, 500) with { SkipAllAs = SkipReason.ClassNotInCascade }, now, e));
        Assert.Equal(
            """
            t=0ms order #1 T=100
              send a0 at 90
              send a1 at 90
              timer sector/0/cluster/0 #1 at 200
            t=99ms ack a1 ready
            t=101ms ack a0 ready
              → sector/0: cluster 0 report #1 ready=2 conflict=0 transit=0 skipped=0 hits=2 by-T=2
            t=200ms order #2 T=205
              → sector/0: cluster 0 report #2 ready=0 conflict=0 transit=0 skipped=2 hits=0 by-T=0 | a0 Skipped InsufficientLeadTime need=10 has=5 | a1 Skipped InsufficientLeadTime need=10 has=5
            t=201ms order #3 skip all
              → sector/0: cluster 0 report #3 ready=0 conflict=0 transit=0 skipped=2 hits=0 by-T=0 | a0 Skipped ClassNotInCascade need=0 has=299 | a1 Skipped ClassNotInCascade need=0 has=299
            """,
            t.ToString());
    }

    [Fact]
    public void Offline_quarantined_and_incapable_agents_are_skipped_by_name()
    {
        AgentRecord?[] agents = [Fleet.Agent(0, ImpedanceClass.Edge, "vision"), Fleet.Agent(1), Fleet.Agent(2, ImpedanceClass.Edge, "vision"), null, Fleet.Agent(4, ImpedanceClass.Edge, "vision")];
        agents[2]!.State = OperationalState.Offline;
        agents[4]!.State = OperationalState.Quarantined;
        ClusterLead lead = Fleet.Lead(agents, Fleet.Planners());
        Transcript t = new();
        t.Input(0, "order #1 T=100", (now, e) => lead.Step(Fleet.Order(1, 100, Fleet.Spec() with { RequiredCapabilities = ["vision"] }), now, e));
        t.Release();
        t.Input(99, "ack a0", (now, e) => lead.Step(Fleet.Ack(1, 0, 99), now, e));
        Assert.EndsWith(
            "ready=1 conflict=0 transit=0 skipped=3 hits=1 by-T=1 | a1 Skipped CapabilityMissing need=0 has=100 | a2 Skipped Offline need=0 has=100 | a4 Skipped Quarantined need=0 has=100",
            t.ToString());
    }

    [Fact]
    public void An_agent_that_lacks_a_capability_is_listed_with_what_is_missing_and_what_it_has()
    {
        AgentRecord?[] agents = [Fleet.Agent(0, ImpedanceClass.Edge, "vision", "route"), Fleet.Agent(1), Fleet.Agent(2, ImpedanceClass.Edge, "vision", "route")];
        agents[2]!.State = OperationalState.Offline;
        ClusterLead lead = Fleet.Lead(agents, Fleet.Planners());
        Effects effects = new();
        lead.Step(Fleet.Order(1, 100, Fleet.Spec() with { RequiredCapabilities = ["hash", "vision"] }), Fleet.Start, effects);
        ClusterReport report = Assert.IsType<ClusterReport>(Assert.Single(effects.Signals.Items.ToArray()).Body);
        Assert.Equal(
            [
                """a0 CapabilityMissing CapabilityMismatch ["hash"] ["vision","route"]""",
                """a1 CapabilityMissing CapabilityMismatch ["hash","vision"] []""",
                "a2 Offline   ",
            ],
            report.Roster.Select(r => $"{r.Agent} {r.Reason} {r.Conflict?.Type} {r.Conflict?.ExpectedValue} {r.Conflict?.ReceivedValue}"));
    }

    [Fact]
    public void Overlapping_operations_are_counted_apart_and_one_too_many_is_answered_busy()
    {
        ClusterLead lead = Fleet.Lead(Fleet.Agents(2), Fleet.Planners(10, 10));
        Transcript t = new();
        for (int k = 1; k <= ClusterLead.OpenGathersMax; k++)
        {
            int handle = k;
            t.Input(0, $"order #{k}", (now, e) => lead.Step(Fleet.Order(handle, 100 + handle), now, e));
        }
        t.Release();
        t.Input(1, "order #9", (now, e) => lead.Step(Fleet.Order(9, 150), now, e));
        Assert.EndsWith("report #9 ready=0 conflict=0 transit=0 skipped=2 hits=0 by-T=0 | a0 Skipped LeadBusy need=0 has=149 | a1 Skipped LeadBusy need=0 has=149", t.ToString());

        t.Input(99, "ack #3 a0", (now, e) => lead.Step(Fleet.Ack(3, 0, 99), now, e));
        t.Input(99, "ack #4 a0 conflict", (now, e) => lead.Step(Fleet.Ack(4, 0, 99, TrinaryState.Conflict), now, e));
        t.Input(99, "ack #4 a1", (now, e) => lead.Step(Fleet.Ack(4, 1, 99), now, e));
        Assert.EndsWith("report #4 ready=1 conflict=1 transit=0 skipped=0 hits=2 by-T=1 | a0 Conflict", t.ToString());
        t.Input(100, "order #10", (now, e) => lead.Step(Fleet.Order(10, 150), now, e));
        Assert.EndsWith("timer sector/0/cluster/0 #10 at 250", t.ToString());
        t.Input(99, "ack #3 a1", (now, e) => lead.Step(Fleet.Ack(3, 1, 99), now, e));
        Assert.EndsWith("report #3 ready=2 conflict=0 transit=0 skipped=0 hits=2 by-T=2", t.ToString());
        Assert.Equal(default, lead.Counters);
    }

    [Fact]
    public void A_send_that_was_never_released_before_its_time_to_live_ended_is_no_failure_of_the_agent()
    {
        AgentRecord?[] agents = Fleet.Agents(3);
        ClusterLead lead = Fleet.Lead(agents, Fleet.Planners(10, 10, 10));
        Transcript t = new();
        t.Input(0, "order #1 T=100 TTL=95", (now, e) => lead.Step(Fleet.Order(1, 100, ttlMs: 95), now, e));
        t.Release(slot: 2);
        t.Input(200, "timer", (now, e) => lead.Step(new TimerRequest(now, default, 1, 0), now, e));
        Assert.EndsWith(
            "ready=0 conflict=0 transit=1 skipped=2 hits=0 by-T=0 | a0 Skipped TtlExpired need=10 has=100 | a1 Skipped TtlExpired need=10 has=100 | a2 InTransit",
            t.ToString());
        Assert.Equal((0, 0), agents[0]!.Reliability.Count(Fleet.At(200)));
        Assert.Equal((0, 1), agents[2]!.Reliability.Count(Fleet.At(200)));
    }

    [Fact]
    public void A_late_ack_teaches_the_delay_and_was_counted_as_a_failure_once()
    {
        AgentRecord?[] agents = Fleet.Agents(1);
        ClusterLead lead = Fleet.Lead(agents, Fleet.Planners(10));
        Transcript t = new();
        t.Input(0, "order", (now, e) => lead.Step(Fleet.Order(1, 100), now, e));
        t.Release();
        t.Input(200, "timer", (now, e) => lead.Step(new TimerRequest(now, default, 1, 0), now, e));
        t.Input(300, "late ack", (now, e) => lead.Step(Fleet.Ack(1, 0, 300), now, e));
        lead.Settle();
        Assert.Equal(1, agents[0]!.Estimator.Samples);
        Assert.Equal((0, 1), agents[0]!.Reliability.Count(Fleet.At(300)));
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(1e9f)]
    [InlineData(-1e9f)]
    public void What_an_agent_claims_cannot_put_its_arrival_before_the_send_or_after_the_ack(float claimedMs)
    {
        AgentRecord?[] agents = Fleet.Agents(1);
        ClusterLead lead = Fleet.Lead(agents, Fleet.Planners(10));
        Effects effects = new();
        lead.Step(Fleet.Order(1, 100), Fleet.Start, effects);
        DispatchSlip slip = effects.Deliveries.Items[0].Slip;
        slip.Lines[0].ReleasedAtTicks = Fleet.At(90).Ticks;
        lead.Step(Fleet.Ack(1, 0, 110, processingMs: claimedMs), Fleet.At(110), effects);
        Assert.InRange(slip.Lines[0].OffsetMs, -10, 10);
        lead.Settle();
        Assert.InRange(agents[0]!.Estimator.MedianMs, 0, 20);
    }

    [Fact]
    public void A_repeated_order_is_planned_once()
    {
        ClusterLead lead = Fleet.Lead(Fleet.Agents(1), Fleet.Planners(10));
        Transcript t = new();
        t.Input(0, "order", (now, e) => lead.Step(Fleet.Order(1, 100), now, e));
        t.Input(1, "order, delivered again", (now, e) => lead.Step(Fleet.Order(1, 100), now, e));
        Assert.EndsWith("delivered again", t.ToString());
        Assert.Single(t.Planned);
    }

    [Fact]
    public void Only_a_ready_agent_answers()
    {
        ClusterLead lead = Fleet.Lead(Fleet.Agents(2), Fleet.Planners(10, 10));
        Effects effects = new();
        lead.Step(Fleet.Order(1, 100, Fleet.Spec() with { CollectAnswers = true }), Fleet.Start, effects);
        foreach (ref readonly Delivery d in effects.Deliveries.Items) d.Slip.Lines[d.Slot].ReleasedAtTicks = d.At.Ticks;
        ConflictDetail conflict = new() { Type = ConflictType.DataContradiction };
        lead.Step(Fleet.Ack(1, 0, 99, TrinaryState.Conflict, detail: new AckDetail("wrong", conflict)), Fleet.At(99), effects);
        lead.Step(Fleet.Ack(1, 1, 99, detail: new AckDetail("right", null)), Fleet.At(99), effects);
        ClusterReport report = Assert.IsType<ClusterReport>(effects.Signals.Items[0].Body);
        Assert.Equal([new AgentAnswer(new AgentId("a1"), "right")], report.Answers);
        Assert.Same(conflict, Assert.Single(report.Roster).Conflict);
    }

    [Fact]
    public void Ten_thousand_operations_leave_a_bounded_lead_and_acks_allocate_nothing()
    {
        ClusterLead lead = Fleet.Lead(Fleet.Agents(30), Fleet.Planners());
        Effects effects = new();
        long ackBytes = 0;
        List<WeakReference> slips = [];
        for (int h = 1; h <= 10_000; h++)
        {
            Instant now = Fleet.At(h * 10);
            lead.Step(Fleet.Order(h, h * 10 + 20), now, effects);
            foreach (ref readonly Delivery d in effects.Deliveries.Items) d.Slip.Lines[d.Slot].ReleasedAtTicks = now.Ticks;
            if (effects.Deliveries.Count > 0) slips.Add(new WeakReference(effects.Deliveries.Items[0].Slip));
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 29; i++) lead.Step(Fleet.Ack(h, i, h * 10 + 5), Fleet.At(h * 10 + 5), effects);
            if (h > 1000) ackBytes += GC.GetAllocatedBytesForCurrentThread() - before;
            if (h % 2 == 0) lead.Step(Fleet.Ack(h, 29, h * 10 + 5), Fleet.At(h * 10 + 5), effects);
            else lead.Step(new TimerRequest(now, default, h, 0), Fleet.At(h * 10 + 9), effects);
            Assert.Equal(1, effects.Signals.Count);
            effects.Clear();
        }
        Assert.Equal(0, ackBytes);
        GC.Collect();
        Assert.InRange(slips.Count(s => s.IsAlive), 1, ClusterLead.OpenGathersMax + 4);
        GC.KeepAlive(lead);
    }
}
