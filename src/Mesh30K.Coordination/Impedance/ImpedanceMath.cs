using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Coordination.Impedance;

/// <summary>
/// The formulas of impedance: M 3.1 (processing time, confidence), M 4.2 (flags), and the score that M names but does not define.
/// Pure; safe on any thread. All times in ms.
/// </summary>
public static class ImpedanceMath
{
    /// <summary>The score at which the scale ends: 1000 means 1000 ms or more.</summary>
    public const double ScoreMax = 1000;

    /// <summary>A score above this flags an agent as degraded (M 4.2).</summary>
    public const double DegradedAbove = 800;

    /// <summary>A drift (σ/μ) above this flags an agent as unstable (M 4.2).</summary>
    public const double UnstableAbove = 0.5;

    /// <summary>A heartbeat that is younger than this, in ms, makes an estimate more trusted (M 3.1).</summary>
    public const double RecentHeartbeatMs = 10_000;

    /// <summary>How many times its own baseline a slow class may take before it is degraded.</summary>
    public const double SlowClassFactor = 2;

    private const double StandardWeight = 1;

    /// <summary>
    /// Expected processing time by the formula of M 3.1: base × (1 + 0.5 · weight) × (1 + 0.1 · queue depth). Weight and depth are 0 or more.
    /// </summary>
    public static double SpecProcessingMs(ImpedanceClass agentClass, double payloadWeight, int queueDepth) =>
        agentClass.BaseProcessingMs() * (1 + (payloadWeight * 0.5)) * (1 + (queueDepth * 0.1));

    /// <summary>
    /// Expected total delay of a standard payload: the round trip, the processing, and the processing of all that waits before it.
    /// </summary>
    public static double TotalDelayMs(double latencyMs, double processingMs, int queueDepth) =>
        latencyMs + (processingMs * (1 + (double)queueDepth));

    /// <summary>The impedance score: <see cref="TotalDelayMs"/>, at most <see cref="ScoreMax"/>.</summary>
    public static double Score(double latencyMs, double processingMs, int queueDepth) =>
        Math.Min(ScoreMax, TotalDelayMs(latencyMs, processingMs, queueDepth));

    /// <summary>
    /// Whether an agent is flagged as degraded: a score above 800, or, for a class whose base time is itself above 800 (people), a total delay
    /// above twice the baseline.
    /// </summary>
    /// <param name="agent">The agent's snapshot.</param>
    /// <param name="baselineMs">Its usual total delay, where it is known; else the class's time for a standard payload. Used for slow classes only.</param>
    public static bool IsDegraded(AgentImpedance agent, double? baselineMs = null)
    {
        if (agent.AgentClass.BaseProcessingMs() <= DegradedAbove) return agent.ImpedanceScore > DegradedAbove;

        // The score ends at 1000 and says nothing of people: the delay behind it does.
        double usualMs = baselineMs ?? SpecProcessingMs(agent.AgentClass, StandardWeight, 0);
        return TotalDelayMs(agent.CurrentLatencyMs, agent.CurrentProcessingMs, agent.CurrentQueueDepth) > SlowClassFactor * usualMs;
    }

    /// <summary>Whether an agent's delay varies too much to plan with.</summary>
    public static bool IsUnstable(AgentImpedance agent) => agent.DriftCoefficient > UnstableAbove;

    /// <summary>
    /// How sure an estimate is, 0 to 1 (M 3.1): 0.5 · reliability − 0.3 · drift + 0.2 when the last heartbeat is younger than 10 s. With this
    /// formula it is 0.7 at best.
    /// </summary>
    public static double Confidence(double reliability, double drift, Instant lastHeartbeat, Instant now)
    {
        double recency = now.MsSince(lastHeartbeat) < RecentHeartbeatMs ? 0.2 : 0;
        return Math.Clamp((reliability * 0.5) - (drift * 0.3) + recency, 0, 1);
    }

    /// <summary>As <see cref="Confidence(double, double, Instant, Instant)"/>, of a snapshot.</summary>
    public static double Confidence(AgentImpedance agent, Instant now) =>
        Confidence(agent.ReliabilityScore, agent.DriftCoefficient, agent.LastHeartbeat, now);

    /// <summary>
    /// A quantile with linear interpolation between neighbours (type 7 of Hyndman and Fan): the one value where there is one, 0 where there is none.
    /// Sorts <paramref name="values"/> in place.
    /// </summary>
    public static double QuantileInPlace(Span<double> values, double quantile)
    {
        if (values.IsEmpty) return 0;
        values.Sort();
        double at = (values.Length - 1) * quantile;
        int below = (int)at;
        return below + 1 >= values.Length ? values[^1] : values[below] + ((at - below) * (values[below + 1] - values[below]));
    }
}
