using System.Runtime.InteropServices;
using Mesh30K.Coordination.Impedance;
using Mesh30K.Coordination.Impedance.Estimation;

namespace Mesh30K.Coordination.Cascades;

/// <summary>
/// What planning reads of an agent in the usual case, kept in one array beside its neighbours': the prepared quantiles lie three objects deep in the
/// record, and 30,000 records do not fit a cache. A copy; the record is the truth, and <see cref="ClusterLead.Refresh"/> follows its changes.
/// </summary>
[StructLayout(LayoutKind.Auto)]
internal struct PlanRow
{
    public Quantiles Quantiles;
    public float Confidence;
    public int AgentIndex;

    /// <summary>The quantiles hold as they are for a standard payload: the agent takes work, and nothing waits at it.</summary>
    public bool IsPrepared;

    /// <summary>The agent has no samples of its own: what its class has learned by now stands for it.</summary>
    public bool IsNew;

    public ClassPool Pool;

    public static PlanRow Of(AgentRecord agent) => new()
    {
        Quantiles = agent.Estimator.Prepared,
        Confidence = agent.Confidence,
        AgentIndex = agent.AgentIndex,
        IsPrepared = agent.CanTakeWork && agent.QueueDepth <= 0,
        IsNew = agent.Estimator.Samples == 0,
        Pool = agent.Estimator.Pool,
    };
}
