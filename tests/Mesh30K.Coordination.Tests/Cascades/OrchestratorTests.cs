using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Coordination.Topology;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Coordination.Tests.Cascades;

public sealed class OrchestratorTests
{
    private static readonly MeshShape Shape = new(2, 2, 30);

    private readonly Transcript _t = new();
    private readonly Orchestrator _mesh = new(Shape, Fleet.Planners(), new ArrivalOptions(), new OrchestratorOptions { ConcurrentMax = 1, QueuedMax = 2 });

    public OrchestratorTests()
    {
        for (int s = 0; s < 2; s++) _mesh.Take(Summary(s, 60));
    }

    private static SectorSummary Summary(int sector, int agents)
    {
        Sketch leads = new();
        for (int i = 0; i < agents; i++) leads.Add(100);
        SparseSketch[] perClass = [leads.ToSparse(), .. Enumerable.Repeat(SparseSketch.Empty, 5)];
        return new SectorSummary(sector, perClass, perClass, new double[6], [agents, 0, 0, 0, 0, 0], new SortedDictionary<string, int[]>());
    }

    private static OperationSpec Spec(CascadeStrategy? cascade = null) => new() { TargetInMs = 300, WindowMs = 100, TimeoutMs = 1_000, Cascade = cascade };

    private static OperationSpec Direct =>
        Spec() with { Strategy = RoutingStrategy.Direct, Selector = new Selector { Scope = SelectorScope.Agents, Places = [new(ClusterAddress.Of(Shape, 3), 1)] } };

    private void Submit(double atMs, string name, OperationSpec spec) => _t.Input(atMs, $"submit {name}", (now, e) =>
    {
        if (_mesh.Submit(spec, default, now, e).Error is { } error) throw new InvalidOperationException(error);
    });

    private void Report(double atMs, long handle, int sector, int ready, int conflict = 0, int skipped = 0, int transit = 0, string? answer = null)
    {
        Sketch offsets = new();
        for (int i = 0; i < ready + conflict; i++) offsets.Add(1);
        GatherReport report = new()
        {
            Counts = new GatherCounts { Ready = ready, Conflict = conflict, Skipped = skipped, Transit = transit },
            Arrivals = offsets.ToSparse(),
            Answers = answer is null ? [] : [new AgentAnswer(new AgentId("a"), answer)],
        };
        _t.Input(atMs, $"sector {sector} reports #{handle}", (now, e) => _mesh.Step(new SectorReport(handle, sector, 2, report), now, e));
    }

    private void Timer(double atMs, long handle) => _t.Input(atMs, $"timer #{handle}", (now, e) => _mesh.Step(new TimerRequest(now, RoleAddress.Orchestrator, handle, 0), now, e));

    private void Confirm(double atMs, long handle, int sector, int clusters) =>
        _t.Input(atMs, $"sector {sector} confirms #{handle}", (now, e) => _mesh.Step(new Confirmation(handle, sector, -1, clusters), now, e));

    private void Is(string expected) => Assert.Equal(expected, _t.ToString());

    [Fact]
    public void Transcript_of_a_scatter_gather()
    {
        Submit(0, "scatter-gather", Spec());
        Report(310, 1, 1, 60);
        Report(311, 1, 1, 60);
        Report(312, 1, 0, 55, conflict: 5);
        Timer(650, 1);
        Is("""
            t=0ms submit scatter-gather
              timer orchestrator #1 at 650
              → sector/0: order #1 T=300 until=400
              → sector/1: order #1 T=300 until=400
            t=310ms sector 1 reports #1
            t=311ms sector 1 reports #1
            t=312ms sector 0 reports #1
              done 1: Success Proceed ready=115 conflict=5 transit=0 skipped=0 sectors=2 clusters=4
            t=650ms timer #1
            """);
        Assert.Equal(0, _mesh.Running);
    }

    [Fact]
    public void Transcript_of_a_silent_sector_whose_agents_are_in_transit()
    {
        Submit(0, "scatter-gather", Spec());
        Report(310, 1, 0, 60);
        Timer(650, 1);
        Report(651, 1, 1, 60);
        Is("""
            t=0ms submit scatter-gather
              timer orchestrator #1 at 650
              → sector/0: order #1 T=300 until=400
              → sector/1: order #1 T=300 until=400
            t=310ms sector 0 reports #1
            t=650ms timer #1
              done 1: Partial Wait ready=60 conflict=0 transit=60 skipped=0 sectors=1 clusters=2
            t=651ms sector 1 reports #1
            """);
    }

    [Fact]
    public void Transcript_of_a_wave()
    {
        Submit(0, "wave", Spec(CascadeStrategy.Wave));
        Confirm(5, 1, 0, 0);
        Confirm(6, 1, 0, 0);
        Confirm(7, 1, 1, 0);
        Timer(200, 1);
        Confirm(10, 2, 0, 2);
        Confirm(11, 2, 1, 2);
        Timer(1_007, 2);
        Report(330, 3, 0, 60);
        Report(331, 3, 1, 60);
        Is("""
            t=0ms submit wave
              timer orchestrator #1 at 200
              → sector/0: prepare #1 until=200
              → sector/1: prepare #1 until=200
            t=5ms sector 0 confirms #1
            t=6ms sector 0 confirms #1
            t=7ms sector 1 confirms #1
              timer orchestrator #2 at 1007
              → sector/0: prepare #2 with clusters until=1007
              → sector/1: prepare #2 with clusters until=1007
            t=200ms timer #1
            t=10ms sector 0 confirms #2
            t=11ms sector 1 confirms #2
              timer orchestrator #3 at 661
              → sector/0: order #3 T=311 until=411
              → sector/1: order #3 T=311 until=411
            t=1007ms timer #2
            t=330ms sector 0 reports #3
            t=331ms sector 1 reports #3
              done 1: Success Proceed ready=120 conflict=0 transit=0 skipped=0 sectors=2 clusters=4
            """);
    }

    [Fact]
    public void A_wave_fails_at_the_level_that_does_not_confirm()
    {
        Submit(0, "wave", Spec(CascadeStrategy.Wave));
        Confirm(5, 1, 0, 0);
        Timer(200, 1);
        Assert.EndsWith("done 1: FailedAtSector NoTargets ready=0 conflict=0 transit=0 skipped=0 sectors=1 clusters=0", _t.ToString());
        Submit(300, "wave", Spec(CascadeStrategy.Wave));
        Confirm(305, 2, 0, 0);
        Confirm(305, 2, 1, 0);
        Confirm(310, 3, 0, 2);
        Confirm(310, 3, 1, 1);
        Assert.EndsWith("done 2: FailedAtCluster NoTargets ready=0 conflict=0 transit=0 skipped=0 sectors=2 clusters=3", _t.ToString());
        Assert.Empty(_t.Planned);
    }

    [Fact]
    public void A_wave_goes_on_with_98_of_100_sectors_and_95_percent_of_the_clusters()
    {
        Orchestrator wide = new(MeshShape.Reference, Fleet.Planners(), new ArrivalOptions(), new OrchestratorOptions());
        Effects effects = new();
        wide.Submit(Spec(CascadeStrategy.Wave), default, Fleet.Start, effects);
        for (int s = 0; s < 98; s++) wide.Step(new Confirmation(1, s, -1, 0), Fleet.At(1), effects);
        wide.Step(new TimerRequest(Fleet.At(200), RoleAddress.Orchestrator, 1, 0), Fleet.At(200), effects);
        for (int s = 0; s < 95; s++) wide.Step(new Confirmation(2, s, -1, 10), Fleet.At(201), effects);
        effects.Clear();
        wide.Step(new TimerRequest(Fleet.At(1_200), RoleAddress.Orchestrator, 2, 0), Fleet.At(1_200), effects);
        Assert.Equal(100, effects.Signals.Count);
        Assert.IsType<OperationOrder>(effects.Signals.Items[0].Body);
    }

    [Fact]
    public void A_parallel_cascade_asks_for_90_percent_and_no_confirmation()
    {
        Submit(0, "parallel", CascadePhases.Defaults(CascadeStrategy.Parallel) with { TargetInMs = 300 });
        Assert.Contains("order #1 T=300 until=1300", _t.ToString());
        Report(310, 1, 0, 60);
        Report(311, 1, 1, 48, conflict: 4, transit: 6);
        Assert.EndsWith("done 1: Success Proceed ready=108 conflict=4 transit=6 skipped=0 sectors=2 clusters=4", _t.ToString());
    }

    [Fact]
    public void Priority_first_notes_a_failed_phase_goes_on_and_lists_people()
    {
        Submit(0, "priority-first", Spec(CascadeStrategy.PriorityFirst));
        for (int phase = 1; phase <= 6; phase++)
        {
            Report(phase * 1_000, phase, 0, phase == 6 ? 0 : 10, skipped: phase == 6 ? 4 : 0);
            if (phase == 2) Timer(2_500, 2);
            else Report(phase * 1_000 + 1, phase, 1, phase == 6 ? 0 : 10);
        }
        string[] orders = [.. _t.ToString().Split('\n').Where(l => l.Contains("sector/0: order", StringComparison.Ordinal)).Select(l => l.Split("until=")[1].Split(' ', 2)[1])];
        Assert.Equal(["CLASS_D_GPU", "CLASS_C_PERSISTENT", "CLASS_B_SERVERLESS", "CLASS_A_EDGE", "CLASS_E_LOCAL", "CLASS_F_HUMAN skip-all=ClassNotInCascade"], orders);
        OperationResult result = Assert.Single(_t.Completed);
        Assert.Equal(OperationStatus.Complete, result.Status);
        Assert.Equal([0.99, 0.98, 0.95, 0.90, 0.85], CascadePhases.Of(result.Spec).Take(5).Select(p => p.Thresholds.RequiredReadyRate));
        Assert.Equal((90, 4), (result.Report.Counts.Ready, result.Report.Counts.Skipped));
        Assert.Equal(QuorumDecision.NoTargets, result.Phases[5].Quorum.Decision);
        Assert.True(result.Target <= result.EndedAt, "people have no T");
    }

    [Fact]
    public void Priority_first_for_one_class_sends_to_no_other()
    {
        OperationSpec spec = Spec(CascadeStrategy.PriorityFirst);
        Assert.Equal(["CLASS_D_GPU"], CascadePhases.Of(spec with { Selector = new Selector { Class = ImpedanceClass.Gpu } }).Select(p => p.Name));
        Assert.Equal(SkipReason.ClassNotInCascade, Assert.Single(CascadePhases.Of(spec with { Selector = new Selector { Class = ImpedanceClass.Human } })).SkipAllAs);
        Assert.NotNull((spec with { Selector = new Selector { SampleSize = 3 } }).Validate());
    }

    [Fact]
    public void A_silent_sector_puts_no_people_in_transit_who_were_not_to_be_sent_to()
    {
        SectorSummary people = new(1, Summary(1, 0).Leads, Summary(1, 0).Medians, new double[6], [0, 0, 0, 0, 0, 9], new SortedDictionary<string, int[]>());
        _mesh.Take(people);
        Submit(0, "people only", Spec(CascadeStrategy.PriorityFirst) with { Selector = new Selector { Class = ImpedanceClass.Human } });
        Timer(9_999, 1);
        Assert.EndsWith("Complete NoTargets ready=0 conflict=0 transit=0 skipped=9 sectors=0 clusters=0", _t.ToString());
    }

    [Fact]
    public void Transcript_of_a_pipeline_that_hands_its_answer_on_and_stops_at_a_stage_without_quorum()
    {
        Selector first = new() { Scope = SelectorScope.Sector, Sector = 0 };
        Selector second = new() { Scope = SelectorScope.Sector, Sector = 1 };
        Submit(0, "pipeline", Spec() with { Strategy = RoutingStrategy.Pipeline, Stages = [first, second, first] });
        Report(310, 1, 0, 60, answer: "\"forty-two\"");
        Report(700, 2, 1, 10, conflict: 50);
        Is("""
            t=0ms submit pipeline
              timer orchestrator #1 at 650
              → sector/0: order #1 T=300 until=400
            t=310ms sector 0 reports #1
              timer orchestrator #2 at 800.336
              → sector/1: order #2 T=450.336 until=550.336 payload="forty-two"
            t=700ms sector 1 reports #2
              done 1: FailedAtStage ResolveConflicts ready=70 conflict=50 transit=0 skipped=0 sectors=1 clusters=2
            """);
    }

    [Fact]
    public void A_pipeline_always_collects_answers()
    {
        Effects effects = new();
        _mesh.Submit(Spec() with { Strategy = RoutingStrategy.Pipeline, Stages = [Selector.Everyone] }, default, Fleet.Start, effects);
        Assert.True(Assert.IsType<OperationOrder>(effects.Signals.Items[0].Body).Spec.CollectAnswers);
    }

    [Fact]
    public void A_broadcast_goes_at_once_and_needs_no_quorum()
    {
        Effects effects = new();
        _mesh.Submit(Spec() with { Strategy = RoutingStrategy.Broadcast, TargetInMs = null }, default, Fleet.Start, effects);
        OperationOrder order = Assert.IsType<OperationOrder>(effects.Signals.Items[0].Body);
        Assert.Equal((PlannerKind.FireNow, Fleet.Start, Fleet.At(1_000)), (order.Spec.Planner, order.Target, order.GatherUntil));
        Report(50, 1, 0, 1);
        Report(51, 1, 1, 1, conflict: 30);
        Assert.Equal(OperationStatus.Success, Assert.Single(_t.Completed).Status);
    }

    [Fact]
    public void Direct_and_samples_go_to_the_sectors_that_have_their_agents()
    {
        ClusterAddress at = ClusterAddress.Of(Shape, 3);
        Submit(0, "direct", Spec() with { Strategy = RoutingStrategy.Direct, Selector = new Selector { Scope = SelectorScope.Agents, Places = [new(at, 1), new(at, 1), new(at, 2)] } });
        Timer(650, 1);
        Submit(700, "sample of 7", Spec() with { Selector = new Selector { SampleSize = 7 } });
        Timer(1_400, 2);
        Is($"""
            t=0ms submit direct
              timer orchestrator #1 at 650
              → sector/1: order #1 T=300 until=400
            t=650ms timer #1
              done 1: Partial Wait ready=0 conflict=0 transit=2 skipped=0 sectors=0 clusters=0
            t=700ms submit sample of 7
              timer orchestrator #2 at 1350
              → sector/0: order #2 T=1000 until=1100 quota={Quota(0)}
              → sector/1: order #2 T=1000 until=1100 quota={Quota(1)}
            t=1400ms timer #2
              done 2: Partial Wait ready=0 conflict=0 transit=7 skipped=0 sectors=0 clusters=0
            """);
        static int Quota(int part) => AgentSelection.Divide(7, [60, 60], 2)[part];
    }

    [Fact]
    public void The_queue_goes_by_priority_then_in_order_refuses_one_too_many_and_drops_what_expired()
    {
        Submit(0, "first", Spec());
        Submit(1, "normal", Spec() with { Priority = Priority.Normal, TtlMs = 300 });
        Submit(2, "critical", Spec() with { Priority = Priority.Critical });
        SubmitResult refused = _mesh.Submit(Spec(), default, Fleet.At(3), _t.Effects);
        Assert.Equal((false, "2 operations are waiting already; try again later"), (refused.Accepted, refused.Error));
        Timer(650, 1);
        Assert.Contains("order #2 T=950", _t.ToString());
        Report(960, 2, 0, 60);
        Report(961, 2, 1, 60);
        Assert.Equal([(1, OperationStatus.Partial), (3, OperationStatus.Success), (2, OperationStatus.Expired)], _t.Completed.Select(r => ((int)r.Number, r.Status)));
        Assert.Equal((0, 0), (_mesh.Running, _mesh.Queued));
    }

    [Fact]
    public void Transcript_of_a_direct_operation_that_does_not_wait_behind_cascades()
    {
        Submit(0, "cascade", Spec());
        Submit(1, "second cascade", Spec());
        Submit(2, "direct", Direct);
        Report(20, 2, 1, 1);
        Report(310, 1, 0, 60);
        Report(311, 1, 1, 60);
        Is("""
            t=0ms submit cascade
              timer orchestrator #1 at 650
              → sector/0: order #1 T=300 until=400
              → sector/1: order #1 T=300 until=400
            t=1ms submit second cascade
            t=2ms submit direct
              timer orchestrator #2 at 652
              → sector/1: order #2 T=302 until=402
            t=20ms sector 1 reports #2
              done 3: Success Proceed ready=1 conflict=0 transit=0 skipped=0 sectors=1 clusters=2
            t=310ms sector 0 reports #1
            t=311ms sector 1 reports #1
              timer orchestrator #3 at 961
              → sector/0: order #3 T=611 until=711
              → sector/1: order #3 T=611 until=711
              done 1: Success Proceed ready=120 conflict=0 transit=0 skipped=0 sectors=2 clusters=4
            """);
    }

    [Fact]
    public void Direct_operations_have_places_and_a_queue_of_their_own_and_hold_up_no_cascade()
    {
        Orchestrator one = new(Shape, Fleet.Planners(), new ArrivalOptions(), new OrchestratorOptions { ConcurrentMax = 1, DirectMax = 1, QueuedMax = 1 });
        Effects effects = new();
        Assert.True(one.Submit(Direct, default, Fleet.Start, effects).Accepted);
        Assert.True(one.Submit(Direct, default, Fleet.Start, effects).Accepted);
        Assert.Equal("1 operations are waiting already; try again later", one.Submit(Direct, default, Fleet.Start, effects).Error);
        Assert.Equal((1, 1), (one.Running, one.Queued));
        Assert.True(one.Submit(Spec(), default, Fleet.Start, effects).Accepted);
        Assert.Equal((2, 1), (one.Running, one.Queued));
    }

    [Fact]
    public void Without_a_queue_an_operation_that_can_start_is_accepted()
    {
        Orchestrator one = new(Shape, Fleet.Planners(), new ArrivalOptions(), new OrchestratorOptions { ConcurrentMax = 1, QueuedMax = 0 });
        Effects effects = new();
        Assert.True(one.Submit(Spec(), default, Fleet.Start, effects).Accepted);
        Assert.False(one.Submit(Spec(), default, Fleet.Start, effects).Accepted);
    }

    [Fact]
    public void What_cannot_be_is_refused()
    {
        OperationSpec[] wrong =
        [
            Spec() with { WindowMs = 0 }, Spec() with { WindowMs = double.NaN }, Spec() with { TargetInMs = 901 }, Spec() with { TtlMs = -1 },
            Spec() with { LeadLevel = 1 }, Spec() with { PayloadWeight = double.NaN }, Spec() with { Planner = (PlannerKind)99, TargetInMs = -1 },
            Spec() with { Selector = new Selector { SampleSize = 0 } }, Spec() with { Strategy = RoutingStrategy.Pipeline },
            Spec() with { Strategy = RoutingStrategy.Pipeline, Stages = [new Selector { SampleSize = -1 }] },
            Spec() with { Strategy = RoutingStrategy.Pipeline, Stages = [new Selector { Scope = SelectorScope.Sector, Sector = 2 }] },
            Spec() with { Stages = [Selector.Everyone] }, Spec() with { Strategy = RoutingStrategy.Direct },
            Spec(CascadeStrategy.Wave) with { Selector = new Selector { Scope = SelectorScope.Cluster } },
            Spec() with { Selector = new Selector { Scope = SelectorScope.Cluster, Cluster = 2 } }, Spec() with { Selector = new Selector { Scope = SelectorScope.Agents } },
        ];
        Assert.All(wrong, spec => Assert.NotNull(_mesh.Submit(spec, default, Fleet.Start, _t.Effects).Error));
        Assert.Equal((0, 0, 0), (_mesh.Running, _mesh.Queued, _t.Effects.Signals.Count));
    }
}
