using Mesh30K.Coordination.Delegation;
using Mesh30K.Coordination.Impedance;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Node.Delegation;

/// <summary>Who may be asked, best first: those who would have the task done first as far as is known, what they have to do already counted in. Pure; any thread.</summary>
internal static class DelegationCandidates
{
    /// <summary>More than these are not asked, one after the other.</summary>
    public const int CandidatesMax = 8;

    /// <summary>Of how many of the lowest scores the queue is looked at.</summary>
    private const int ShortlistMax = 64;

    /// <summary>95% of a normal distribution lie below the mean and so many deviations.</summary>
    private const double SigmasOfP95 = 1.645;

    public static DelegationCandidate[] Pick(ImpedanceRegistry registry, ImpedanceClass? onlyClass, string? capability)
    {
        IEnumerable<AgentImpedance> able = capability is not null && onlyClass is null ? registry.FindBest(capability, ShortlistMax, double.PositiveInfinity) : [];

        // The index by capability follows joins by up to a second: who is not in it yet is looked for.
        if (!able.Any())
        {
            able = registry.All.Where(a => a.OperationalState == OperationalState.Active && (onlyClass is null || a.AgentClass == onlyClass)
                && (capability is null || a.Capabilities.Contains(capability, StringComparer.Ordinal)));
        }
        return [.. able.Select(Of).OrderBy(c => c.ExpectedMs).ThenBy(c => c.Agent.Value, StringComparer.Ordinal).Take(CandidatesMax)];
    }

    /// <summary>Half the round trip, what waits, and the task itself; the 0.95 quantile from the drift (σ/μ).</summary>
    public static DelegationCandidate Of(AgentImpedance agent)
    {
        double ms = (agent.CurrentLatencyMs / 2) + (agent.CurrentProcessingMs * (1 + agent.CurrentQueueDepth));
        return new DelegationCandidate(agent.AgentId, ms, ms * (1 + (SigmasOfP95 * agent.DriftCoefficient)));
    }
}
