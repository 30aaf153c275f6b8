using Mesh30K.Node.Links;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Api.Status;

/// <summary>The mesh at a glance (M 7.1). Times in ms.</summary>
/// <param name="Mode">FULL, DEGRADED_LIGHT, DEGRADED_MODERATE, DEGRADED_SEVERE or EMERGENCY, by the share of active agents (M 6.3).</param>
/// <param name="ActiveRate">Active by total, 0 to 1.</param>
/// <param name="MeanImpedanceMs">Mean score over all agents.</param>
/// <param name="ConflictsLastHour">Conflicts in operations that ended in the last 60 minutes.</param>
/// <param name="OperationsUnfinished">Operations that wait or run.</param>
/// <param name="Links">Agents on WebSockets.</param>
public sealed record StatusView(
    string Mode, int AgentsActive, int AgentsTotal, double ActiveRate, int SectorsHealthy, int SectorsTotal, double MeanImpedanceMs, double P95ImpedanceMs,
    int ConflictsLastHour, int OperationsUnfinished, LastCascadeView? LastCascade, bool Simulated, bool AcceptsWork, string? NotReadyBecause, Instant Now,
    Instant StartedAt, HostView Host, LinksSummary? Links = null);

/// <summary>The cascade that ended last.</summary>
/// <param name="MsAgo">How long ago it ended.</param>
public sealed record LastCascadeView(string OperationId, string Cascade, string Status, string Decision, int AgentsReached, int Targets, Instant EndedAt, double MsAgo);

/// <summary>How the node itself is doing, since its start.</summary>
/// <param name="LostBatches">Batches that found a full mailbox; deadlines covered for them.</param>
/// <param name="ExpiredSends">Sends that were not released because their time to live had ended.</param>
/// <param name="LateAcks">Acks after their gathering closed; they taught the estimators only.</param>
/// <param name="DuplicateAcks">Second acks of one agent for one operation.</param>
/// <param name="UnknownAcks">Acks that fit nothing.</param>
/// <param name="DroppedEvents">Changes of operations that became no event, because too many waited.</param>
public sealed record HostView(
    IReadOnlyList<LoopView> Loops, ReleaseView Release, long LostBatches, long ExpiredSends, long LateAcks, long DuplicateAcks, long UnknownAcks, long DroppedEvents,
    int EventReaders);

/// <summary>One event loop. Two readings of <paramref name="BusyMs"/> give the share of any span.</summary>
/// <param name="BusyShare">Share of the time since the start in which it worked, 0 to 1.</param>
/// <param name="Waiting">Batches in its mailbox now.</param>
public sealed record LoopView(double BusyShare, double BusyMs, double LongestTurnMs, long Batches, long Waiting, long Rejected);

/// <summary>The thread that releases sends: how late each left against its plan.</summary>
public sealed record ReleaseView(long Released, long Pending, double LatenessP50Ms, double LatenessP99Ms, double LatenessMaxMs);

/// <summary>One agent as the mesh knows it (M 2.3).</summary>
/// <param name="ImpedanceScore">Expected total delay of a standard payload in ms, 0 to 1000.</param>
/// <param name="TrendMsPerHour">How the score changes; absent with fewer than three points, and in lists.</param>
public sealed record AgentView(
    string AgentId, string AgentClass, string SectorId, string ClusterId, string OperationalState, double ImpedanceScore, double CurrentLatencyMs,
    double CurrentProcessingMs, int CurrentQueueDepth, double ReliabilityScore, double DriftCoefficient, Instant LastHeartbeat, string CurrentContextHash,
    IReadOnlyList<string> Capabilities, double? TrendMsPerHour, IReadOnlyList<ScoreView>? History);

/// <summary>The score at one moment of the last hour.</summary>
public sealed record ScoreView(Instant At, double Score);

/// <summary>A page of agents.</summary>
/// <param name="Total">How many match the filters.</param>
/// <param name="NextAfter">Give it as <c>after</c> for the next page; absent at the end.</param>
public sealed record AgentPage(int Total, IReadOnlyList<AgentView> Agents, string? NextAfter);

/// <summary>One sector (M 4.3).</summary>
/// <param name="Index">Its number, from 0: what <c>/v1/sectors/{id}</c> and selectors take.</param>
/// <param name="Healthy">Whether more than 95% of its agents are active.</param>
public sealed record SectorView(
    string SectorId, int Index, bool Healthy, int Clusters, int AgentsActive, int AgentsTotal, double MeanImpedanceMs, string? HealthiestCluster, string? SickestCluster);

/// <summary>All sectors, in order.</summary>
public sealed record SectorList(int Total, int Healthy, IReadOnlyList<SectorView> Sectors);

/// <summary>One sector with its clusters.</summary>
public sealed record SectorDetail(SectorView Sector, IReadOnlyList<ClusterView> Clusters);

/// <summary>One cluster (M 4.2), as its lead summed it up last, at most 5 s ago.</summary>
public sealed record ClusterView(
    string ClusterId, int Index, int AgentsActive, int AgentsTotal, double MeanImpedanceMs, double P95ImpedanceMs, string? SlowestAgent, string? FastestAgent,
    IReadOnlyList<string> DegradedAgents, IReadOnlyList<string> UnstableAgents, Instant LastUpdated);
