using System.Text;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Protocol.Json;

/// <summary>What the types alone cannot say: ranges, bounds, and fields that must agree. Pure; the same rules when writing and reading.</summary>
internal static class MessageRules
{
    /// <summary>A broken rule: which field and what is wrong.</summary>
    internal readonly record struct Breach(DecodeErrorCode Code, string Path, string Message);

    private const double ScoreMax = 1000;

    /// <summary>The first rule that a message breaks; null when it keeps them all.</summary>
    internal static Breach? Check(WireMessage message, CodecLimits limits)
    {
        if (message.UnknownFields is { } unknown && unknown.Count > limits.UnknownFieldsMax)
            return new Breach(DecodeErrorCode.LimitExceeded, "$", $"more than {limits.UnknownFieldsMax} unknown fields");

        return message switch
        {
            AcknowledgeMessage m => Ack(m, limits),
            HeartbeatMessage m => Heartbeat(m, limits),
            CoordinationMessage m => Coordinate(m, limits),
            MeshMessage m => Mesh(m, limits),
            CircuitBreakerMessage m => Scoped(m.Scope, m.TargetId) ?? Text(m.Reason, "$.reason", limits),
            FreezeMessage m => ScopedOrGlobal(m.Scope, m.TargetId)
                ?? Text(m.PreserveStateTo, "$.preserve_state_to", limits),
            ClusterImpedanceSummary m => Cluster(m, limits),
            SectorImpedanceSummary m => NotNegative(m.ClusterCount, "$.cluster_count")
                ?? Share(m.ActiveAgents, m.TotalAgents, "$.active_agents", "$.total_agents")
                ?? Range(m.MeanImpedance, ScoreMax, "$.mean_impedance"),
            GlobalImpedanceStats m => Share(m.ActiveAgents, m.TotalAgents, "$.active_agents", "$.total_agents")
                ?? Range(m.ActiveRate, 1, "$.active_rate")
                ?? Range(m.GlobalMeanImpedance, ScoreMax, "$.global_mean_impedance")
                ?? Range(m.GlobalP95Impedance, ScoreMax, "$.global_p95_impedance")
                ?? NotNegative(m.SectorsHealthy, "$.sectors_healthy")
                ?? NotNegative(m.SectorsDegraded, "$.sectors_degraded"),
            _ => LinkRules.Check(message, limits),
        };
    }

    private static Breach? Ack(AcknowledgeMessage m, CodecLimits limits)
    {
        if (Range(m.ProcessingTimeMs, double.MaxValue, "$.processing_time_ms") is { } processing) return processing;
        if (m.QueueWaitMs is { } wait && Range(wait, double.MaxValue, "$.queue_wait_ms") is { } waiting) return waiting;
        if (m.Result is { } result && result.Length > limits.ResultBytesMax / 3 && Encoding.UTF8.GetByteCount(result) > limits.ResultBytesMax)
            return new Breach(DecodeErrorCode.LimitExceeded, "$.result", $"more than {limits.ResultBytesMax} bytes");
        if (m.ConflictDetail is not { } detail) return null;
        return Text(detail.ContextHash, "$.conflict_detail.context_hash", limits)
            ?? NotNegative(detail.DivergenceDepth ?? 0, "$.conflict_detail.divergence_depth")
            ?? NotNegative(detail.AffectsAgentCount ?? 0, "$.conflict_detail.affects_agent_count");
    }

    private static Breach? Heartbeat(HeartbeatMessage m, CodecLimits limits)
    {
        if ((NotNegative(m.QueueDepth ?? 0, "$.queue_depth") ?? Text(m.ContextHash, "$.context_hash", limits)) is { } breach) return breach;
        if (m.Impedance is not { } a) return null;
        if (a.AgentId != m.AgentId) return Invalid("$.impedance.agent_id", "must be the agent_id of the message");
        if (a.ClusterId.Sector != a.SectorId) return Invalid("$.impedance.sector_id", "must be the sector of cluster_id");
        return Range(a.CurrentLatencyMs, double.MaxValue, "$.impedance.current_latency_ms")
            ?? Range(a.CurrentProcessingMs, double.MaxValue, "$.impedance.current_processing_ms")
            ?? NotNegative(a.CurrentQueueDepth, "$.impedance.current_queue_depth")
            ?? Range(a.ImpedanceScore, ScoreMax, "$.impedance.impedance_score")
            ?? Range(a.ReliabilityScore, 1, "$.impedance.reliability_score")
            ?? Range(a.DriftCoefficient, double.MaxValue, "$.impedance.drift_coefficient")
            ?? Text(a.CurrentContextHash, "$.impedance.current_context_hash", limits)
            ?? CapabilityList(a.Capabilities, "$.impedance.capabilities", limits);
    }

    private static Breach? Coordinate(CoordinationMessage m, CodecLimits limits)
    {
        if (Targets(m.Compensation.Count, "$.compensation", limits) is { } tooMany) return tooMany;
        foreach ((AgentId agent, double leadMs) in m.Compensation)
            if (!(leadMs >= 0 && double.IsFinite(leadMs))) return Invalid("$.compensation." + agent.Value, "must be 0 or more");
        return m.TtlMs < 0 ? Invalid("$.ttl_ms", "must be 0 or more") : null;
    }

    private static Breach? Mesh(MeshMessage m, CodecLimits limits)
    {
        if (!IsSender(m.SourceAgentId)) return Invalid("$.source_agent_id", "must be an agent id, orchestrator, a sector or a cluster");
        if (m.TtlMs < 0) return Invalid("$.ttl_ms", "must be 0 or more");
        if (Targets(m.CompensationApplied.Count, "$.compensation_applied", limits) is { } tooMany) return tooMany;
        foreach ((AgentId agent, Compensation c) in m.CompensationApplied)
        {
            string path = "$.compensation_applied." + agent.Value;
            if (c is null) return Invalid(path, "must be an object");
            Breach? breach = Range(c.LeadTimeMs, double.MaxValue, path) ?? Range(c.ExpectedProcessingMs, double.MaxValue, path)
                ?? Range(c.Confidence, 1, path);
            if (breach is not null) return breach;
        }
        return Targets(m.TargetAgentIds.Count, "$.target_agent_ids", limits)
            ?? Range(m.PayloadWeight, double.MaxValue, "$.payload_weight")
            ?? CapabilityList(m.RequiresCapabilities, "$.requires_capabilities", limits);
    }

    private static Breach? Cluster(ClusterImpedanceSummary m, CodecLimits limits)
    {
        if (m.ClusterId.Sector != m.SectorId) return Invalid("$.sector_id", "must be the sector of cluster_id");
        return Share(m.ActiveCount, m.AgentCount, "$.active_count", "$.agent_count")
            ?? Range(m.MeanImpedance, ScoreMax, "$.mean_impedance")
            ?? Range(m.P95Impedance, ScoreMax, "$.p95_impedance")
            ?? Targets(m.DegradedAgents.Count, "$.degraded_agents", limits)
            ?? Targets(m.UnstableAgents.Count, "$.unstable_agents", limits);
    }

    private static bool IsSender(string text) =>
        AgentId.IsValid(text) || SectorId.TryParse(text, out _) || ClusterId.TryParse(text, out _);

    internal static Breach? ScopedOrGlobal(MeshScope scope, string? target) =>
        target is null && scope == MeshScope.Global ? null : Scoped(scope, target);

    private static Breach? Scoped(MeshScope scope, string? target)
    {
        bool fits = scope switch
        {
            MeshScope.Cluster => ClusterId.TryParse(target, out _),
            MeshScope.Sector => SectorId.TryParse(target, out _),
            _ => string.Equals(target, "global", StringComparison.Ordinal),
        };
        return fits ? null : Invalid("$.target_id", "must be the cluster or the sector that scope says, or global");
    }

    internal static Breach? CapabilityList(IReadOnlyList<string> list, string path, CodecLimits limits)
    {
        if (list.Count > limits.CapabilitiesMax)
            return new Breach(DecodeErrorCode.LimitExceeded, path, $"more than {limits.CapabilitiesMax} entries");
        foreach (string capability in list)
        {
            if (string.IsNullOrEmpty(capability)) return Invalid(path, "a capability must be a text that is not empty");
            if (Text(capability, path, limits) is { } tooLong) return tooLong;
        }
        return null;
    }

    private static Breach? Targets(int count, string path, CodecLimits limits) =>
        count > limits.TargetsMax ? new Breach(DecodeErrorCode.LimitExceeded, path, $"more than {limits.TargetsMax} agents") : null;

    internal static Breach? Text(string? text, string path, CodecLimits limits) =>
        text?.Length > limits.StringCharsMax
            ? new Breach(DecodeErrorCode.LimitExceeded, path, $"more than {limits.StringCharsMax} characters")
            : null;

    private static Breach? Share(int part, int whole, string partPath, string wholePath)
    {
        if (whole < 0) return Invalid(wholePath, "must be 0 or more");
        return part < 0 || part > whole ? Invalid(partPath, "must be 0 or more, and not more than the whole") : null;
    }

    internal static Breach? NotNegative(int value, string path) => value < 0 ? Invalid(path, "must be 0 or more") : null;

    /// <summary>0 to <paramref name="max"/>; refuses NaN and what overflowed to infinity.</summary>
    private static Breach? Range(double value, double max, string path) =>
        value >= 0 && value <= max ? null : Invalid(path, max == double.MaxValue ? "must be 0 or more" : $"must be 0 to {max}");

    internal static Breach Invalid(string path, string message) => new(DecodeErrorCode.InvalidValue, path, message);
}
