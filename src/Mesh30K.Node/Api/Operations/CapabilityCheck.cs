using Mesh30K.Coordination.Cascades;
using Mesh30K.Node.Hosting;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Node.Api.Operations;

/// <summary>A conflict as an answer shows it: what was needed and what was there.</summary>
public sealed record ConflictView(string Type, IReadOnlyList<string> ExpectedValue, IReadOnlyList<string> ReceivedValue);

/// <summary>Refuses what nobody can do (M 9.1): the leads would refuse every agent one by one, and whoever asked would wait for nothing. Thread-safe.</summary>
internal static class CapabilityCheck
{
    /// <summary>The refusal when agents are selected and a capability that they need is held by none of them; null when the operation may run.</summary>
    public static Problem? Refuse(MeshHost mesh, OperationSpec spec)
    {
        IEnumerable<Selector> selectors = spec.Strategy == RoutingStrategy.Pipeline ? spec.Stages : [spec.Selector];
        foreach (Selector selector in selectors)
        {
            SortedSet<string> missing = new(spec.RequiredCapabilities, StringComparer.Ordinal);
            if (selector.Capability is { } wanted) missing.Add(wanted);
            if (missing.Count == 0) continue;
            SortedSet<string> held = new(StringComparer.Ordinal);
            int agents = 0;
            foreach (AgentImpedance agent in DryRun.Matching(mesh, selector with { Capability = null }))
            {
                agents++;
                foreach (string capability in agent.Capabilities) held.Add(capability);
                missing.ExceptWith(agent.Capabilities);
                if (missing.Count == 0) break;
            }
            if (agents > 0 && missing.Count > 0) return Mismatch(missing, held, $"None of the {agents} selected agents");
        }
        return null;
    }

    /// <summary>The refusal itself; the capabilities that are there are a list of at most 50.</summary>
    public static Problem Mismatch(IReadOnlyCollection<string> missing, IReadOnlyCollection<string> held, string who)
    {
        const int shownMax = 50;
        string names = string.Join(", ", missing.Take(shownMax));
        string? near = missing.Select(m => Nearest.To(m, held)).FirstOrDefault(n => n is not null);
        string have = held.Count == 0 ? "They have no capabilities." : $"They have: {string.Join(", ", held.Take(shownMax))}.";
        return new Problem(409, "Nobody can do it", $"{who} has the capability {names}; nothing was sent.", near is null ? have : $"Did you mean {near}? {have}")
        {
            Code = "capability_mismatch",
            Conflict = new ConflictView(WireNames.ConflictTypes.NameOf(ConflictType.CapabilityMismatch), [.. missing], [.. held.Take(shownMax)]),
        };
    }
}
