using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Impedance;
using Mesh30K.Coordination.Impedance.Estimation;
using Mesh30K.Coordination.Topology;
using Mesh30K.Protocol;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Coordination.Cascades;

/// <summary>One agent as a fleet describes it.</summary>
public readonly record struct AgentDescription(AgentId Id, ImpedanceClass Class, string[] Capabilities);

/// <summary>
/// A rate budget and the group that it binds: agents of the class, with the capability; null stands for any. The group is the mesh's first fleet: agents that join later are not bound, as the shares of
/// all clusters would change with each.
/// </summary>
public sealed record GroupBudget(RateBudget Budget, ImpedanceClass? Class, string? Capability)
{
    public bool Binds(AgentRecord agent) => (Class is null || agent.Class == Class) && (Capability is null || agent.Has(Capability));
}

/// <summary>What a mesh is made of, beside its agents. Immutable.</summary>
public sealed record MeshSettings
{
    public MeshShape Shape { get; init; } = MeshShape.Reference;

    public ArrivalOptions Arrival { get; init; } = new();

    public EstimatorOptions Estimation { get; init; } = new();

    public OrchestratorOptions Orchestrator { get; init; } = new();

    public IReadOnlyList<GroupBudget> Budgets { get; init; } = [];
}

/// <summary>The roles of a mesh, put together for a fleet: the one place that knows how they fit. The host then owns them.</summary>
public sealed class MeshAssembly
{
    private MeshAssembly(MeshSettings settings, Orchestrator orchestrator, SectorUnit[] units, AgentPlace[] places, Placement placement)
    {
        Settings = settings;
        Orchestrator = orchestrator;
        Units = units;
        Places = places;
        Placement = placement;
    }

    public MeshSettings Settings { get; }

    public Orchestrator Orchestrator { get; }

    /// <summary>One unit a sector.</summary>
    public SectorUnit[] Units { get; }

    /// <summary>Where each agent of the fleet lives, by agent index; those that join later are not in it.</summary>
    public AgentPlace[] Places { get; }

    /// <summary>Who is placed where; from the start of the mesh it belongs to whoever places those that join.</summary>
    public Placement Placement { get; }

    /// <summary>Builds all roles. Throws when the fleet does not fit the shape: callers check that first.</summary>
    /// <param name="agents">How many agents there are; <paramref name="describe"/> tells of each by its index.</param>
    /// <param name="scratchOf">The working memory of a sector's owner: one object a thread.</param>
    public static MeshAssembly Build(
        MeshSettings settings, int agents, Func<int, AgentDescription> describe, PlannerSet planners, Func<int, SectorScratch> scratchOf)
    {
        MeshShape shape = settings.Shape;
        Invariant.Check(agents <= shape.Capacity);
        ImpedanceClass[] classes = new ImpedanceClass[agents];
        for (int i = 0; i < agents; i++) classes[i] = describe(i).Class;
        (Placement placement, int[] clusterOf) = Placement.Fleet(shape, classes);

        AgentPlace[] places = new AgentPlace[agents];
        int[] filled = new int[shape.Clusters];
        AgentRecord?[][] records = new AgentRecord?[shape.Clusters][];
        ClassPool[][] pools = [.. Enumerable.Range(0, shape.Sectors).Select(_ => ImpedanceClasses.All.Select(c => new ClassPool(c, settings.Estimation)).ToArray())];
        for (int k = 0; k < records.Length; k++) records[k] = new AgentRecord?[shape.AgentsPerCluster];
        for (int i = 0; i < agents; i++)
        {
            ClusterAddress cluster = ClusterAddress.Of(shape, clusterOf[i]);
            AgentDescription agent = describe(i);
            int slot = filled[cluster.Index]++;
            records[cluster.Index][slot] = new AgentRecord(agent.Id, i, agent.Class, agent.Capabilities, pools[cluster.Sector][(int)agent.Class]);
            places[i] = new AgentPlace(cluster, slot);
        }

        RateBudgetPlanner[][] budgets = ShareBudgets(settings.Budgets, records);
        SectorUnit[] units = new SectorUnit[shape.Sectors];
        for (int s = 0; s < shape.Sectors; s++)
        {
            ClusterLead[] leads = new ClusterLead[shape.ClustersPerSector];
            for (int c = 0; c < leads.Length; c++)
            {
                int index = s * shape.ClustersPerSector + c;
                leads[c] = new ClusterLead(ClusterAddress.Of(shape, index), records[index], planners, settings.Arrival, budgets[index]);
            }
            units[s] = new SectorUnit(s, shape, leads, pools[s], scratchOf(s));
        }
        Orchestrator orchestrator = new(shape, planners, settings.Arrival, settings.Orchestrator);
        foreach (SectorUnit unit in units) orchestrator.Take(unit.Summarise());
        return new MeshAssembly(settings, orchestrator, units, places, placement);
    }

    private static RateBudgetPlanner[][] ShareBudgets(IReadOnlyList<GroupBudget> budgets, AgentRecord?[][] records)
    {
        List<RateBudgetPlanner>?[] shares = new List<RateBudgetPlanner>?[records.Length];
        foreach (GroupBudget budget in budgets)
        {
            int[][] members = [.. records.Select(r => MembersOf(budget, r))];
            int total = members.Sum(m => m.Length);
            int clusters = members.Count(m => m.Length > 0);
            int rank = 0;
            for (int k = 0; k < records.Length; k++)
            {
                if (members[k].Length == 0) continue;
                RateBudgetShare share = budget.Budget.ShareOf(members[k].Length, total, rank++, clusters);
                (shares[k] ??= []).Add(new RateBudgetPlanner(share, members[k]));
            }
        }
        return [.. shares.Select(s => s?.ToArray() ?? [])];
    }

    private static int[] MembersOf(GroupBudget budget, AgentRecord?[] records)
    {
        List<int> slots = [];
        for (int i = 0; i < records.Length; i++)
            if (records[i] is { } agent && budget.Binds(agent)) slots.Add(i);
        return [.. slots];
    }
}
