using System.Text;
using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Topology;
using Mesh30K.Node.Hosting;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Node.Api.Operations;

/// <summary>Counts in the registry whom an operation would go to. Sends nothing, changes nothing. Thread-safe.</summary>
internal static class DryRun
{
    public static DryRunView Count(MeshHost mesh, OperationSpec spec)
    {
        SortedDictionary<string, int> skipped = new(StringComparer.Ordinal);
        SortedDictionary<string, int> byClass = new(StringComparer.Ordinal);
        HashSet<ClusterId> clusters = [];
        int matching = 0;
        foreach (AgentImpedance agent in Matching(mesh, FirstSelector(spec)))
        {
            matching++;
            if (Refusal(agent, spec) is { } reason)
            {
                Increment(skipped, OperationViews.NameOf(reason));
                continue;
            }
            Increment(byClass, agent.AgentClass.WireName());
            clusters.Add(agent.ClusterId);
        }
        int able = byClass.Values.Sum();
        int? sample = FirstSelector(spec).SampleSize is { } wanted && wanted < matching ? wanted : null;
        return new DryRunView(
            true, WireNames.Verbs.NameOf(spec.Verb), WireNames.RoutingStrategies.NameOf(spec.Strategy),
            spec.Cascade is { } c ? WireNames.CascadeStrategies.NameOf(c) : null, OperationRules.PlannerOf(spec), (int)spec.Priority,
            spec.WindowMs, spec.TimeoutMs, spec.Thresholds.RequiredReadyRate, sample ?? matching, Math.Min(able, sample ?? able), skipped,
            sample is null ? byClass : null, clusters.Select(x => x.Sector).Distinct().Count(), clusters.Count, Encoding.UTF8.GetByteCount(spec.Payload));
    }

    /// <summary>A pipeline begins with its first stage; whom the later ones reach depends on what comes back.</summary>
    private static Selector FirstSelector(OperationSpec spec) => spec.Strategy == RoutingStrategy.Pipeline ? spec.Stages[0] : spec.Selector;

    private static IEnumerable<AgentImpedance> Matching(MeshHost mesh, Selector selector)
    {
        MeshShape shape = mesh.Options.Settings.Shape;
        IEnumerable<AgentImpedance> agents = selector.Scope == SelectorScope.Agents ? Named(mesh, selector) : mesh.Registry.All;
        return agents.Where(a =>
            (selector.Scope == SelectorScope.Agents || selector.CoversCluster(ClusterAddress.Of(shape, (a.ClusterId.Sector.Index * shape.ClustersPerSector) + a.ClusterId.Index)))
            && (selector.Class is null || a.AgentClass == selector.Class)
            && (selector.Capability is null || a.Capabilities.Contains(selector.Capability, StringComparer.Ordinal)));
    }

    private static IEnumerable<AgentImpedance> Named(MeshHost mesh, Selector selector)
    {
        foreach (AgentId id in selector.Ids)
            if (mesh.Registry.Find(id) is { } agent) yield return agent;
    }

    private static SkipReason? Refusal(AgentImpedance agent, OperationSpec spec)
    {
        if (spec.Cascade == CascadeStrategy.PriorityFirst && agent.AgentClass == ImpedanceClass.Human) return SkipReason.ClassNotInCascade;
        if (agent.OperationalState == OperationalState.Offline) return SkipReason.Offline;
        if (agent.OperationalState == OperationalState.Quarantined) return SkipReason.Quarantined;
        return spec.RequiredCapabilities.All(c => agent.Capabilities.Contains(c, StringComparer.Ordinal)) ? null : SkipReason.CapabilityMissing;
    }

    private static void Increment(SortedDictionary<string, int> counts, string key) => counts[key] = counts.GetValueOrDefault(key) + 1;
}
