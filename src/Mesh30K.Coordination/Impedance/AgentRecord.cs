using Mesh30K.Coordination.Impedance.Estimation;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Coordination.Impedance;

/// <summary>
/// What a cluster lead knows of one of its agents: who it is, how late it tends to be, how it has been doing.
/// Owner: the cluster lead (the event loop of its sector). Not thread-safe.
/// </summary>
public sealed class AgentRecord
{
    /// <param name="agentIndex">The agent's number in the whole mesh, by which the host and the simulator address it.</param>
    public AgentRecord(AgentId id, int agentIndex, ImpedanceClass impedanceClass, string[] capabilities, ClassPool pool)
    {
        Id = id;
        AgentIndex = agentIndex;
        Class = impedanceClass;
        Capabilities = capabilities;
        Estimator = new DelayEstimator(pool);
    }

    public AgentId Id { get; }

    public int AgentIndex { get; }

    public ImpedanceClass Class { get; }

    /// <summary>Another list when the agent came back with another; the array itself never changes.</summary>
    public string[] Capabilities { get; set; }

    public DelayEstimator Estimator { get; }

    /// <summary>Sends that the agent had accepted and not finished when it was last heard.</summary>
    public int QueueDepth { get; set; }

    public Instant LastHeartbeatAt { get; set; }

    /// <summary>When the oldest send left that nothing was heard of since; default when there is none. See <see cref="SilentMs"/>.</summary>
    public Instant AwaitedSince { get; private set; }

    public OperationalState State { get; set; } = OperationalState.Active;

    public string ContextHash { get; set; } = "";

    /// <summary>Acks in time against sends of the last hour.</summary>
    public ReliabilityWindow Reliability;

    /// <summary>Confidence in this agent's timing, 0 to 1 (M 3.1), prepared when its snapshot is published so that planning only reads it.</summary>
    public float Confidence { get; set; }

    /// <summary>The snapshot that was published last; null before the first.</summary>
    public AgentImpedance? Snapshot { get; set; }

    /// <summary>Something changed since the last snapshot was published.</summary>
    public bool Dirty { get; set; } = true;

    /// <summary>Longest silence that is read as one piece of work; a longer one is a lost message to an agent with other work.</summary>
    public const float SilentMaxMs = 300_000;

    /// <summary>
    /// For how long the agent has worked on one thing, as far as is known: from the send to the last heartbeat that still showed work, without an ack and
    /// without progress in its queue. 0 when it is idle.
    /// </summary>
    public float SilentMs
    {
        get
        {
            if (QueueDepth <= 0 || AwaitedSince == default) return 0;
            double ms = (LastHeartbeatAt.Ticks - AwaitedSince.Ticks) / (double)Instant.TicksPerMs;
            return ms is > 0 and <= SilentMaxMs ? (float)ms : 0;
        }
    }

    /// <summary>A send was planned.</summary>
    public void Await(Instant sendAt)
    {
        if (AwaitedSince == default) AwaitedSince = sendAt;
    }

    /// <summary>The agent answered.</summary>
    public void Heard(int queueDepth)
    {
        QueueDepth = queueDepth;
        AwaitedSince = default;
    }

    /// <summary>The agent is alive and says how much it has to do: nothing, or less than before, is as good as an answer.</summary>
    public void Beat(Instant at, int queueDepth)
    {
        if (AwaitedSince != default && at > AwaitedSince && queueDepth < Math.Max(1, QueueDepth)) AwaitedSince = default;
        LastHeartbeatAt = at;
        QueueDepth = queueDepth;
    }

    public bool CanTakeWork => State is OperationalState.Active or OperationalState.Degraded;

    public bool Has(string capability) => Array.IndexOf(Capabilities, capability) >= 0;
}
