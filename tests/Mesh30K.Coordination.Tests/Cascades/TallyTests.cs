using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Coordination.Impedance;
using Mesh30K.Coordination.Topology;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Coordination.Tests.Cascades;

/// <summary>Over whole random meshes: every targeted agent is in exactly one of ready, conflict, transit, skipped, and everyone not READY is named.</summary>
public sealed class TallyTests
{
    private static readonly MeshShape Shape = new(3, 2, 12);

    private static Selector RandomSelector(Random random) => new()
    {
        Scope = (SelectorScope)random.Next(4),
        Sector = random.Next(3),
        Cluster = random.Next(2),
        Places = [.. Enumerable.Range(0, 1 + random.Next(12)).Select(_ => new AgentPlace(ClusterAddress.Of(Shape, random.Next(6)), random.Next(9)))],
        Class = random.Next(3) == 0 ? (ImpedanceClass)random.Next(6) : null,
        Capability = random.Next(3) == 0 ? "vision" : null,
        SampleSize = random.Next(3) == 0 ? 1 + random.Next(20) : null,
    };

    private static OperationSpec RandomSpec(Random random) => new()
    {
        Planner = random.Next(4) == 0 ? PlannerKind.FireNow : PlannerKind.Oracle,
        TargetInMs = 120,
        WindowMs = 80,
        TimeoutMs = 1_000,
        TtlMs = random.Next(6) == 0 ? 60 : 60_000,
        Selector = RandomSelector(random),
        RequiredCapabilities = random.Next(4) == 0 ? ["code"] : [],
    };

    /// <summary>The agents that match a selector, found the plain way.</summary>
    private static HashSet<string> Matching(MeshAssembly mesh, Selector s)
    {
        HashSet<string> ids = [];
        foreach (SectorUnit unit in mesh.Units)
        {
            foreach (ClusterLead lead in unit.Leads)
            {
                for (int slot = 0; slot < lead.Agents.Length; slot++)
                {
                    if (lead.Agents[slot] is not { } agent) continue;
                    bool inScope = s.Scope switch
                    {
                        SelectorScope.All => true,
                        SelectorScope.Sector => unit.Sector == s.Sector,
                        SelectorScope.Cluster => unit.Sector == s.Sector && lead.Address.Cluster == s.Cluster,
                        _ => s.Places.Contains(new AgentPlace(lead.Address, slot)),
                    };
                    if (inScope && (s.Class is null || agent.Class == s.Class) && (s.Capability is null || agent.Capabilities.Contains(s.Capability))
                        && (s.SampleSize is null || agent.CanTakeWork)) ids.Add(agent.Id.Value);
                }
            }
        }
        return ids;
    }

    private static void Holds(VirtualMesh virtualMesh, OperationResult result, string replay)
    {
        GatherCounts c = result.Report.Counts;
        if (result.Status == OperationStatus.Expired)
        {
            Assert.Equal((0, 0), (c.Targets, result.Report.Roster.Count));
            return;
        }
        HashSet<string> matching = Matching(virtualMesh.Mesh, result.Spec.Selector);
        int? sample = result.Spec.Selector.SampleSize;
        bool exact = sample is null || result.Spec.Selector.Scope != SelectorScope.Agents;
        int expected = Math.Min(sample ?? int.MaxValue, matching.Count);
        Assert.True(exact ? c.Targets == expected : c.Targets <= expected, $"{replay}: {c.Targets} targets of {matching.Count} matching, sample {sample}");
        string[] named = [.. result.Report.Roster.Select(r => r.Agent.Value)];
        Assert.True(named.Distinct().Count() == named.Length && named.All(matching.Contains), $"{replay}: the roster names someone twice or nobody");
        Assert.Equal(c.Targets - c.Ready, named.Length);
        Assert.Equal(
            (c.Conflict, c.Transit, c.Skipped),
            (result.Report.Roster.Count(r => r.Outcome == AgentOutcome.Conflict), result.Report.Roster.Count(r => r.Outcome == AgentOutcome.InTransit), result.Report.Roster.Count(r => r.Outcome == AgentOutcome.Skipped)));
        Assert.Equal(c.Ready + c.Conflict, result.Report.Arrivals.Counts.Sum());
        Assert.Equal(c.Ready + c.Conflict, result.Report.PredictionErrors.Counts.Sum());
        Assert.True(c.ReadyByTarget <= c.Ready && c.WindowHits <= c.Ready + c.Conflict, replay);
        Assert.All(result.Report.Roster, r => Assert.Equal(r.Outcome == AgentOutcome.Skipped, r.Reason != SkipReason.None));
        Assert.All(result.Report.Roster.Where(r => r.Reason == SkipReason.InsufficientLeadTime), r => Assert.True(r.MissingMs > 0, replay));
    }

    [Fact]
    public void Every_targeted_agent_is_counted_once_and_named_if_not_ready()
    {
        for (int seed = 1; seed <= 150; seed++)
        {
            Random random = new(seed);
            VirtualMesh mesh = new(seed, Shape, random.Next(1, 60));
            int accepted = 0;
            for (int op = 0; op < 6; op++) accepted += mesh.Submit(RandomSpec(random)).Accepted ? 1 : 0;
            mesh.Run();
            Assert.Equal(accepted, mesh.Completed.Count);
            foreach (OperationResult result in mesh.Completed) Holds(mesh, result, $"replay: seed {seed}, operation {result.Number}");
            Assert.Equal((0, 0), (mesh.Mesh.Orchestrator.Running, mesh.Mesh.Orchestrator.Queued));
        }
    }

    [Fact]
    public void The_same_seed_gives_the_same_transcript()
    {
        for (int seed = 1; seed <= 20; seed++) Assert.Equal(TraceOf(seed), TraceOf(seed));
        static List<string> TraceOf(int seed)
        {
            Random random = new(seed);
            VirtualMesh mesh = new(seed, Shape, 50);
            for (int op = 0; op < 6; op++) mesh.Submit(RandomSpec(random));
            mesh.Run();
            return mesh.Trace;
        }
    }

    [Fact]
    public void Every_lead_reports_once()
    {
        VirtualMesh mesh = new(3, Shape, 60);
        mesh.Submit(RandomSpec(new Random(1)) with { Selector = Selector.Everyone });
        mesh.Run();
        Assert.Equal(6, mesh.ClusterReports);
        Assert.Equal((3, 6), (mesh.Completed[0].SectorsReached, mesh.Completed[0].ClustersReached));
    }

    [Fact]
    public void A_silent_sector_leaves_its_agents_in_transit_and_the_rest_exact()
    {
        VirtualMesh mesh = new(5, Shape, 60) { SilentSector = 1 };
        mesh.Submit(RandomSpec(new Random(1)) with { Selector = Selector.Everyone, RequiredCapabilities = [], Planner = PlannerKind.FireNow, TtlMs = 60_000 });
        mesh.Run();
        OperationResult result = Assert.Single(mesh.Completed);
        int there = mesh.Mesh.Units.Where(u => u.Sector != 1).Sum(u => u.Leads.ToArray().Sum(l => l.Agents.ToArray().Count(a => a is not null)));
        Assert.Equal((2, 4), (result.SectorsReached, result.ClustersReached));
        Assert.True(result.Report.Counts.Targets > there && result.Report.Counts.Transit >= result.Report.Counts.Targets - there);
    }
}
