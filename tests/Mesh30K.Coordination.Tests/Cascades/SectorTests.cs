using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Coordination.Impedance;
using Mesh30K.Coordination.Impedance.Estimation;
using Mesh30K.Coordination.Topology;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Coordination.Tests.Cascades;

public sealed class SectorTests
{
    private static readonly MeshShape Shape = new(2, 3, 30);

    private static readonly RoleAddress Sector1 = RoleAddress.OfSector(1);

    private static ClusterAddress Cluster(int c) => ClusterAddress.Of(Shape, 3 + c);

    private static SectorCoordinator Coordinator() => new(1, Shape, new SectorScratch(), (_, _) => 30);

    private static ClusterReport Report(long handle, int cluster, int ready) => new(
        handle, Cluster(cluster), new GatherCounts { Ready = ready, Skipped = 1 }, [.. Enumerable.Repeat(1f, ready)], [.. Enumerable.Repeat(2f, ready)],
        [new RosterEntry(new AgentId($"c{cluster}"), Cluster(cluster).ToString(), AgentOutcome.Skipped, SkipReason.Offline, 0, 500, null)], [], 0);

    private static SectorUnit Unit(params AgentRecord?[][] agents)
    {
        PlannerSet planners = Fleet.Planners();
        ClusterLead[] leads = [.. Enumerable.Range(0, 3).Select(c => new ClusterLead(Cluster(c), c < agents.Length ? agents[c] : [], planners, new ArrivalOptions(), []))];
        return new SectorUnit(1, Shape, leads, [.. ImpedanceClasses.All.Select(c => new ClassPool(c, new EstimatorOptions()))], new SectorScratch());
    }

    [Fact]
    public void Transcript_of_all_leads_reporting_in_any_order_with_one_report_twice()
    {
        SectorCoordinator sector = Coordinator();
        Transcript t = new();
        t.Input(0, "order #7", (_, e) => sector.Step(Fleet.Order(7, 500), e));
        t.Input(1, "order #7 again", (_, e) => sector.Step(Fleet.Order(7, 500), e));
        t.Input(480, "report of 2", (_, e) => sector.Step(Report(7, 2, 10), e));
        t.Input(481, "report of 2 again", (_, e) => sector.Step(Report(7, 2, 10), e));
        t.Input(485, "report of 0", (_, e) => sector.Step(Report(7, 0, 20), e));
        t.Input(490, "report of 1", (_, e) => sector.Step(Report(7, 1, 30), e));
        t.Input(700, "timer", (now, e) => sector.Step(new TimerRequest(now, Sector1, 7, 0), e));
        Assert.Equal(
            """
            t=0ms order #7
              timer sector/1 #7 at 700
              → sector/1/cluster/0: order #7 T=500 until=600
              → sector/1/cluster/1: order #7 T=500 until=600
              → sector/1/cluster/2: order #7 T=500 until=600
            t=1ms order #7 again
            t=480ms report of 2
            t=481ms report of 2 again
            t=485ms report of 0
            t=490ms report of 1
              → orchestrator: sector 1 report #7 clusters=3 ready=60 conflict=0 transit=0 skipped=3 | c0 Skipped Offline need=0 has=500 | c1 Skipped Offline need=0 has=500 | c2 Skipped Offline need=0 has=500
            t=700ms timer
            """,
            t.ToString());
        Assert.Equal(0, sector.OpenOperations);
    }

    [Fact]
    public void Transcript_of_a_silent_lead_whose_agents_are_in_transit()
    {
        SectorCoordinator sector = Coordinator();
        Transcript t = new();
        t.Input(0, "order #7", (_, e) => sector.Step(Fleet.Order(7, 500), e));
        t.Input(480, "report of 0", (_, e) => sector.Step(Report(7, 0, 20), e));
        t.Input(485, "report of 2", (_, e) => sector.Step(Report(7, 2, 20), e));
        t.Input(700, "timer", (now, e) => sector.Step(new TimerRequest(now, Sector1, 7, 0), e));
        t.Input(701, "report of 1, late", (_, e) => sector.Step(Report(7, 1, 30), e));
        Assert.Contains("sector 1 report #7 clusters=2 ready=40 conflict=0 transit=30 skipped=2", t.ToString());
        Assert.EndsWith("late", t.ToString());
    }

    private static Transcript JoinsAndLeaves(SectorUnit unit)
    {
        RoleAddress lead = RoleAddress.OfLead(1, 0);
        Transcript t = new();
        void Order(double atMs, long handle, double targetMs) => t.Input(atMs, $"order #{handle}", (now, e) => unit.Step(Fleet.Order(handle, targetMs, ttlMs: 1_000), lead, now, e));
        void Change(double atMs, MemberChangeKind kind, int agent, int slot) => t.Input(atMs, $"a{agent} {kind} slot {slot}", (now, e) =>
            unit.Step(new MemberChange(kind, agent, new AgentPlace(Cluster(0), slot), new AgentDescription(new AgentId($"a{agent}"), ImpedanceClass.Edge, [])), now, e));
        void Ack(double atMs, long handle, int slot) => t.Input(atMs, $"ack #{handle} slot {slot}", (now, e) => unit.Step(Fleet.Ack(handle, slot, atMs), 0, now, e));

        Order(0, 1, 100);
        Change(10, MemberChangeKind.Join, 2, 2);
        Change(20, MemberChangeKind.Leave, 1, 1);
        Order(30, 2, 300);
        t.Release();
        Ack(99, 1, 1);
        Ack(101, 1, 0);
        Change(110, MemberChangeKind.Join, 3, 1);
        Ack(111, 1, 1);
        Ack(299, 2, 0);
        Ack(300, 2, 2);
        Change(301, MemberChangeKind.Leave, 0, 0);
        Order(310, 3, 400);
        t.Release(slot: 1);
        Change(320, MemberChangeKind.Leave, 2, 2);
        t.Input(500, "timer #3", (now, e) => unit.Step(new TimerRequest(now, lead, 3, 0), now, e));
        t.Input(1_000, "sweep", (now, e) => unit.Sweep(now, 0, publish: false, e));
        t.Input(1_001, "sweep", (now, e) => unit.Sweep(now, 1, publish: false, e));
        return t;
    }

    [Fact]
    public void Transcript_of_agents_that_join_and_leave_while_operations_count_them()
    {
        SectorUnit unit = Unit([Fleet.Agent(0), Fleet.Agent(1), null]);
        Assert.Equal(
            """
            t=0ms order #1
              send a0 at 90
              send a1 at 90
              timer sector/1/cluster/0 #1 at 200
            t=10ms a2 Join slot 2
            t=20ms a1 Leave slot 1
            t=30ms order #2
              send a0 at 290
              send a2 at 290
              timer sector/1/cluster/0 #2 at 400
            t=99ms ack #1 slot 1
            t=101ms ack #1 slot 0
              → sector/1: cluster 0 report #1 ready=2 conflict=0 transit=0 skipped=0 hits=2 by-T=2
              a1 has left sector/1/cluster/0 slot 1
            t=110ms a3 Join slot 1
            t=111ms ack #1 slot 1
            t=299ms ack #2 slot 0
            t=300ms ack #2 slot 2
              → sector/1: cluster 0 report #2 ready=2 conflict=0 transit=0 skipped=0 hits=2 by-T=2
            t=301ms a0 Leave slot 0
              a0 has left sector/1/cluster/0 slot 0
            t=310ms order #3
              send a3 at 390
              send a2 at 390
              timer sector/1/cluster/0 #3 at 500
            t=320ms a2 Leave slot 2
            t=500ms timer #3
              → sector/1: cluster 0 report #3 ready=0 conflict=0 transit=2 skipped=0 hits=0 by-T=0 | a3 InTransit | a2 InTransit
            t=1000ms sweep
            t=1001ms sweep
              a2 has left sector/1/cluster/0 slot 2
            """,
            JoinsAndLeaves(unit).ToString());
        Assert.Equal((1, 0, 0), (unit.Leads[0].Counters.UnknownAcks, unit.Leads[0].Counters.DuplicateAcks, unit.Leads[0].Counters.LateAcks));
        Assert.Equal(0, unit.Leads[0].Agents[1]!.Estimator.Samples);
    }

    [Fact]
    public void A_silent_lead_of_a_sample_leaves_its_quota_in_transit_and_one_of_a_skipped_class_nothing()
    {
        SectorCoordinator sector = Coordinator();
        Transcript t = new();
        t.Input(0, "order #7 quota 9", (_, e) => sector.Step(Fleet.Order(7, 500) with { Quota = 9 }, e));
        t.Input(700, "timer", (now, e) => sector.Step(new TimerRequest(now, Sector1, 7, 0), e));
        Assert.Contains("report #7 clusters=0 ready=0 conflict=0 transit=9 skipped=0", t.ToString());
        t.Input(800, "order #8 skip all", (_, e) => sector.Step(Fleet.Order(8, 900) with { SkipAllAs = SkipReason.ClassNotInCascade }, e));
        t.Input(1100, "timer", (now, e) => sector.Step(new TimerRequest(now, Sector1, 8, 0), e));
        Assert.Contains("report #8 clusters=0 ready=0 conflict=0 transit=0 skipped=90", t.ToString());
    }

    [Fact]
    public void Transcript_of_preparations()
    {
        SectorCoordinator sector = Coordinator();
        Transcript t = new();
        t.Input(0, "are you there?", (_, e) => sector.Step(new Preparation(1, false, Fleet.At(200)), e));
        t.Input(10, "and your clusters?", (_, e) => sector.Step(new Preparation(2, true, Fleet.At(1010)), e));
        t.Input(20, "0 is", (_, e) => sector.Step(new Confirmation(2, 1, 0, 1), e));
        t.Input(21, "0 still is", (_, e) => sector.Step(new Confirmation(2, 1, 0, 1), e));
        t.Input(910, "time is up", (now, e) => sector.Step(new TimerRequest(now, Sector1, 2, 0), e));
        t.Input(920, "1 is, too late", (_, e) => sector.Step(new Confirmation(2, 1, 1, 1), e));
        Assert.Equal(
            """
            t=0ms are you there?
              → orchestrator: confirm #1 sector=1 cluster=-1 clusters=0
            t=10ms and your clusters?
              timer sector/1 #2 at 910
              → sector/1/cluster/0: prepare #2 with clusters until=1010
              → sector/1/cluster/1: prepare #2 with clusters until=1010
              → sector/1/cluster/2: prepare #2 with clusters until=1010
            t=20ms 0 is
            t=21ms 0 still is
            t=910ms time is up
              → orchestrator: confirm #2 sector=1 cluster=-1 clusters=1
            t=920ms 1 is, too late
            """,
            t.ToString());
    }

    [Fact]
    public void An_operation_that_covers_no_cluster_is_reported_at_once()
    {
        SectorCoordinator sector = Coordinator();
        Transcript t = new();
        t.Input(0, "order", (_, e) => sector.Step(Fleet.Order(7, 500) with { Selector = new Selector { Scope = SelectorScope.Sector, Sector = 0 } }, e));
        Assert.EndsWith("sector 1 report #7 clusters=0 ready=0 conflict=0 transit=0 skipped=0", t.ToString());
    }

    [Fact]
    public void A_sample_is_drawn_from_the_agents_that_take_work()
    {
        AgentRecord?[] agents = Fleet.Agents(20);
        foreach (AgentRecord? agent in agents.Skip(4)) agent!.State = OperationalState.Offline;
        SectorUnit unit = Unit(agents, [Fleet.Agent(30)]);
        Effects effects = new();
        unit.Step(Fleet.Order(7, 500) with { Quota = 5 }, Sector1, Fleet.Start, effects);
        Assert.Equal(4, Assert.IsType<OperationOrder>(effects.Signals.Items[0].Body).Quota);
        Assert.Equal(1, Assert.IsType<OperationOrder>(effects.Signals.Items[1].Body).Quota);
        Effects sends = new();
        unit.Step(effects.Signals.Items[0].Body, effects.Signals.Items[0].To, Fleet.Start, sends);
        Assert.Equal(4, sends.Deliveries.Count);
    }

    [Fact]
    public void A_sample_of_named_agents_divides_the_named_ones()
    {
        SectorUnit unit = Unit(Fleet.Agents(30), Fleet.Agents(30));
        Selector named = new() { Scope = SelectorScope.Agents, Places = [new(Cluster(0), 3), new(Cluster(1), 0), new(Cluster(1), 1), new(Cluster(1), 2), new(Cluster(1), 77)] };
        Effects effects = new();
        unit.Step(Fleet.Order(7, 500) with { Quota = 4, Selector = named }, Sector1, Fleet.Start, effects);
        Assert.Equal([1, 3], effects.Signals.Items.ToArray().Select(s => ((OperationOrder)s.Body).Quota!.Value));
        foreach (Signal signal in effects.Signals.Items.ToArray()) unit.Step(signal.Body, signal.To, Fleet.Start, effects);
        Assert.Equal(4, effects.Deliveries.Count);
    }

    [Fact]
    public void What_was_learned_reaches_the_orchestrator_even_when_the_next_order_came_before_the_idle_turn()
    {
        SectorUnit unit = Unit(Fleet.Agents(1));
        Effects effects = new();
        unit.Settle(Fleet.Start, effects);
        RoleAddress lead = RoleAddress.OfLead(1, 0);
        effects.Clear();
        unit.Step(Fleet.Order(1, 100), lead, Fleet.Start, effects);
        effects.Deliveries.Items[0].Slip.Lines[0].ReleasedAtTicks = Fleet.At(90).Ticks;
        unit.Step(Fleet.Ack(1, 0, 900), 0, Fleet.At(900), effects);
        unit.Step(Fleet.Order(2, 1_100), lead, Fleet.At(1_000), effects);
        effects.Clear();
        unit.Settle(Fleet.At(2_000), effects);
        Assert.IsType<SectorSummary>(effects.Signals.Items[0].Body);
    }

    [Fact]
    public void Acks_that_trickle_in_make_one_summary_at_the_end_and_not_one_each()
    {
        SectorUnit unit = Unit(Fleet.Agents(20));
        Effects effects = new();
        unit.Settle(Fleet.Start, effects);
        effects.Clear();
        int summaries = 0;
        SlipLine[]? lines = null;
        void CarryOut(Instant now)
        {
            while (effects.Signals.Count > 0)
            {
                if (effects.Deliveries.Count > 0) lines = effects.Deliveries.Items[0].Slip.Lines;
                Signal[] signals = effects.Signals.Items.ToArray();
                effects.Clear();
                summaries += signals.Count(s => s.Body is SectorSummary);
                foreach (Signal signal in signals.Where(s => s.To.Kind != RoleKind.Orchestrator)) unit.Step(signal.Body, signal.To, now, effects);
            }
        }
        unit.Step(Fleet.Order(1, 100), Sector1, Fleet.Start, effects);
        CarryOut(Fleet.Start);
        for (int i = 0; i < 20; i++)
        {
            lines![i].ReleasedAtTicks = Fleet.At(90).Ticks;
            unit.Step(Fleet.Ack(1, i, 100 + i), 0, Fleet.At(100 + i), effects);
            CarryOut(Fleet.At(100 + i));
            if (unit.HasUnsettled) unit.Settle(Fleet.At(100 + i), effects);
            CarryOut(Fleet.At(100 + i));
        }
        Assert.Equal(1, summaries);
    }

    [Fact]
    public void An_agent_that_comes_back_is_counted_again()
    {
        SectorUnit unit = Unit([Fleet.Agent(0, ImpedanceClass.Gpu, "vision")]);
        unit.Begin(Fleet.Start);
        Effects effects = new();
        double atMs = 0;
        SectorSummary Settled()
        {
            effects.Clear();
            Assert.True(unit.HasUnsettled);
            unit.Settle(Fleet.At(atMs += 60_000), effects);
            return Assert.IsType<SectorSummary>(effects.Signals.Items[0].Body);
        }
        Assert.Equal(1, Settled().Eligible.Sum());
        unit.Sweep(Fleet.At(30_001), 0, false, effects);
        SectorSummary gone = Settled();
        Assert.Equal((0, 0), (gone.Eligible.Sum(), gone.Capabilities.Count));
        unit.Step(new AgentHeartbeat { ClusterIndex = 3, Slot = 0, ReceivedAt = Fleet.At(40_000) }, 0);
        SectorSummary back = Settled();
        Assert.Equal((1, 1), (back.Eligible[(int)ImpedanceClass.Gpu], back.Capabilities["vision"][(int)ImpedanceClass.Gpu]));
    }
}
