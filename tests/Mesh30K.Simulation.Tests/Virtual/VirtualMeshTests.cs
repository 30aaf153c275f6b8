using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Coordination.Topology;
using Mesh30K.Protocol.Messages;
using Mesh30K.Simulation.Fleet;
using Mesh30K.Simulation.Virtual;

namespace Mesh30K.Simulation.Tests.Virtual;

public sealed class VirtualMeshTests
{
    private static SimulationSummary Run(FleetOptions fleet, int operations, PlannerKind planner = PlannerKind.Learned, int workers = 1) =>
        SimulationRun.Execute(
            new FleetBlueprint(fleet), new MeshSettings { Shape = MeshShape.For(fleet.Agents) }, Options(planner, workers), new OperationSpec(), operations);

    private static VirtualMeshOptions Options(PlannerKind planner, int workers) => new()
    {
        Planner = planner,
        Workers = workers,
        ForEach = workers == 1 ? null : (count, body) => Parallel.For(0, count, body),
    };

    [Fact]
    public void The_same_seed_gives_the_same_trace_on_one_thread_or_several()
    {
        FleetOptions fleet = new() { Agents = 1_500, Seed = 3 };
        SimulationSummary one = Run(fleet, 6);
        SimulationSummary again = Run(fleet, 6);
        SimulationSummary two = Run(fleet, 6, workers: 2);
        Assert.Equal(one.TraceHash, again.TraceHash);
        Assert.Equal(one.TraceHash, two.TraceHash);
        Assert.Equal(one.Events, two.Events);
        Assert.Equal(one.Warm.Pinball, two.Warm.Pinball);
        Assert.NotEqual(one.TraceHash, Run(fleet with { Seed = 4 }, 6).TraceHash);
    }

    [Fact]
    public void The_oracle_is_at_least_as_good_as_what_is_learned()
    {
        SimulationSummary learned = Run(new FleetOptions { Agents = 1_200 }, 60);
        Assert.True(learned.Warm.Scored > 10_000);
        Assert.True(learned.Warm.PinballRatio >= 1, $"pinball ratio {learned.Warm.PinballRatio}; replay: --agents 1200 --operations 60 --seed 1");
        Assert.True(learned.Warm.PinballRatio < Run(new FleetOptions { Agents = 1_200 }, 60, PlannerKind.FireNow).Warm.PinballRatio);
        Assert.Equal(1, Run(new FleetOptions { Agents = 1_200 }, 60, PlannerKind.Oracle).Warm.PinballRatio, 9);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public void Every_agent_is_in_exactly_one_tally(int seed)
    {
        Random random = new(seed);
        int agents = random.Next(1, 2_500);
        FleetOptions fleet = new()
        {
            Agents = agents,
            Seed = (ulong)seed,
            LossRate = random.NextDouble() * 0.5,
            ConflictRate = random.NextDouble() * 0.3,
            StragglerRate = random.NextDouble() * 0.1,
            PathAsymmetry = random.NextDouble() * 0.4,
        };
        PlannerKind planner = (PlannerKind)random.Next(4);
        VirtualMesh mesh = new(new FleetBlueprint(fleet), new MeshSettings { Shape = MeshShape.For(agents) }, Options(planner, 1));
        for (int i = 0; i < 8; i++)
        {
            OperationResult result = mesh.Run(new OperationSpec { Planner = planner });
            GatherCounts counts = result.Report.Counts;
            string replay = $"seed {seed}, operation {i}, {agents} agents, {planner}";
            Assert.True(agents == counts.Ready + counts.Conflict + counts.Transit + counts.Skipped, replay);
            Assert.True(counts.Ready >= counts.ReadyByTarget && counts.Sent >= counts.WindowHits, replay);
            Assert.True(agents - counts.Ready == result.Report.Roster.Count, replay);
            Assert.Equal(result.Report.Roster.Count, result.Report.Roster.Select(r => r.Agent).Distinct().Count());
        }
    }

    [Theory]
    [InlineData(null)]
    [InlineData(CascadeStrategy.Wave)]
    [InlineData(CascadeStrategy.PriorityFirst)]
    public void Heavy_loss_never_hangs_an_operation(CascadeStrategy? cascade)
    {
        FleetOptions fleet = new() { Agents = 900, LossRate = 0.5, StragglerRate = 0.5, StragglerFactor = 1_000 };
        VirtualMesh mesh = new(new FleetBlueprint(fleet), new MeshSettings { Shape = MeshShape.For(900) }, Options(PlannerKind.Learned, 2));
        OperationSpec spec = new() { Cascade = cascade };
        for (int i = 0; i < 5; i++)
        {
            OperationResult result = mesh.Run(spec);
            Assert.Equal(900, result.Report.Counts.Targets);
            Assert.True(result.Report.Counts.Transit > 0, "half of the messages are lost, and nobody is in transit");
            Assert.True(result.TotalMs <= (result.Phases.Count * (spec.TimeoutMs + Orchestrator.GraceMs)) + 2_000, $"took {result.TotalMs} ms");
        }
    }

    [Fact]
    public void A_dead_sector_hangs_nothing_and_its_agents_are_in_transit()
    {
        FleetOptions fleet = new() { Agents = 1_500, LossRate = 0 };
        VirtualMeshOptions options = Options(PlannerKind.Learned, 2) with { DeadSectors = new HashSet<int> { 2 } };
        VirtualMesh mesh = new(new FleetBlueprint(fleet), new MeshSettings { Shape = MeshShape.For(1_500) }, options);
        for (int i = 0; i < 3; i++)
        {
            OperationResult result = mesh.Run(new OperationSpec());
            Assert.Equal(1_500, result.Report.Counts.Targets);
            Assert.InRange(result.Report.Counts.Transit, 300, 400);
            Assert.Equal(4, result.SectorsReached);
            OperationResult wave = mesh.Run(new OperationSpec { Cascade = CascadeStrategy.Wave });
            Assert.Equal(OperationStatus.FailedAtSector, wave.Status);
        }
    }

    /// <summary>All but one in 64 messages of every agent are lost, as a recording says.</summary>
    [Fact]
    public void Agents_that_never_answer_hang_nothing_and_stay_in_transit()
    {
        float[] silent = [.. Enumerable.Repeat(float.NaN, 63), 20f];
        FleetOptions fleet = new() { Agents = 600, ConflictRate = 0, NetworkTrace = NetworkTrace.FromPaths([new RecordedPath("silent", silent, [])]) };
        VirtualMesh mesh = new(new FleetBlueprint(fleet), new MeshSettings { Shape = MeshShape.For(600) }, Options(PlannerKind.Learned, 1));
        for (int i = 0; i < 5; i++)
        {
            OperationResult result = mesh.Run(new OperationSpec());
            GatherCounts counts = result.Report.Counts;
            Assert.Equal(600, counts.Targets);
            Assert.True(counts.Transit > 0.8 * counts.Sent, $"operation {i}: {counts.Transit} of {counts.Sent} in transit");
            Assert.NotEqual(QuorumDecision.Proceed, result.Quorum.Decision);
        }
    }
}
