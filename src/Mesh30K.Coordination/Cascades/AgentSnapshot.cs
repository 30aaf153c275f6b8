using Mesh30K.Coordination.Impedance;
using Mesh30K.Coordination.Topology;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Coordination.Cascades;

/// <summary>Turns a lead's live records into the public records of M 2.3 and M 4.2. Called by the lead's owner.</summary>
internal static class AgentSnapshot
{
    /// <summary>The agent as the registry shows it, and what planning reads prepared: its confidence and whether it is degraded.</summary>
    public static AgentImpedance Take(AgentRecord agent, ClusterAddress cluster, Instant now)
    {
        double latency = 2 * agent.Estimator.MedianNetworkMs;
        double processing = agent.Estimator.MedianServiceMs;
        double reliability = agent.Reliability.Rate(now);
        double drift = agent.Estimator.DriftCoefficient;
        agent.Confidence = (float)ImpedanceMath.Confidence(reliability, drift, agent.LastHeartbeatAt, now);
        AgentImpedance snapshot = new()
        {
            AgentId = agent.Id,
            AgentClass = agent.Class,
            SectorId = new SectorId(cluster.Sector),
            ClusterId = new ClusterId(cluster.Sector, cluster.Cluster),
            CurrentLatencyMs = latency,
            CurrentProcessingMs = processing,
            CurrentQueueDepth = agent.QueueDepth,
            LastHeartbeat = agent.LastHeartbeatAt,
            ImpedanceScore = ImpedanceMath.Score(latency, processing, agent.QueueDepth),
            ReliabilityScore = reliability,
            DriftCoefficient = drift,
            OperationalState = agent.State,
            CurrentContextHash = agent.ContextHash,
            Capabilities = agent.Capabilities,
        };
        agent.Snapshot = snapshot;
        agent.Dirty = false;
        return snapshot;
    }

    /// <summary>The cluster as its lead reports it: over the snapshots published last.</summary>
    public static ClusterImpedanceSummary Summarize(ClusterLead lead, Instant now)
    {
        AgentImpedance[] snapshots = new AgentImpedance[lead.Agents.Length];
        int count = 0;
        foreach (AgentRecord? agent in lead.Agents)
            if (agent?.Snapshot is { } snapshot) snapshots[count++] = snapshot;
        return ClusterAggregator.Summarize(new ClusterId(lead.Address.Sector, lead.Address.Cluster), snapshots.AsSpan(0, count), now);
    }
}
