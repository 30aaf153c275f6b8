using Mesh30K.Coordination.Impedance;
using Mesh30K.Coordination.Impedance.Estimation;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Coordination.Arrival;

/// <summary>Which rule decides how early a send leaves.</summary>
public enum PlannerKind : byte
{
    /// <summary>Leads are quantiles of each agent's learned delay: the default.</summary>
    Learned,

    /// <summary>Leads follow the formulas of M 3.1 with class base times.</summary>
    Spec,

    /// <summary>Everything is sent at once: what people do today.</summary>
    FireNow,

    /// <summary>Leads come from the true law of each agent's delay; exists in simulation only, as the limit to measure against.</summary>
    Oracle,
}

/// <summary>What a planner says of one agent, in ms from send to READY: when to expect it, and how early to send.</summary>
/// <param name="MedianMs">Predicted median; the expected arrival is the send plus this.</param>
/// <param name="LeadMs">How early the send should leave for the agent to be READY at T with the wanted probability.</param>
/// <param name="LeastMs">
/// How early it must leave to be worth sending, at most <paramref name="LeadMs"/>. T is chosen from 0.95 quantiles, and the budget of misses may want more certainty than that: where
/// all agents are alike, every one of the slowest would be skipped at every T without this.
/// </param>
public readonly record struct LeadEstimate(float MedianMs, float LeadMs, float LeastMs);

/// <summary>How early to send to an agent. Implementations read the agent's record, which their caller owns.</summary>
public interface IArrivalPlanner
{
    PlannerKind Kind { get; }

    /// <param name="payloadWeight">Complexity of the message, 1 for the standard payload (M 2.4).</param>
    /// <param name="budget">How often the agent may miss T.</param>
    LeadEstimate Estimate(AgentRecord agent, Instant now, float payloadWeight, MissBudget budget);
}

/// <summary>The true law of an agent's delay, which only a simulation knows.</summary>
public interface IArrivalOracle
{
    /// <summary>The quantile in ms of READY − send for a send to this agent at <paramref name="sendAt"/>, given all that is known then; NaN for an agent that is not simulated.</summary>
    float QuantileMs(int agentIndex, Instant sendAt, float payloadWeight, float level);
}

/// <summary>Leads from the agent's learned quantiles (design section 5).</summary>
public sealed class LearnedPlanner : IArrivalPlanner
{
    public PlannerKind Kind => PlannerKind.Learned;

    public LeadEstimate Estimate(AgentRecord agent, Instant now, float payloadWeight, MissBudget budget)
    {
        Quantiles quantiles = agent.Estimator.For(payloadWeight, agent.QueueDepth, agent.SilentMs);
        return Estimate(quantiles, agent.Estimator.Pool.Shape.Curve, budget);
    }

    /// <summary>The same from quantiles that are at hand.</summary>
    public static LeadEstimate Estimate(in Quantiles quantiles, in TailCurve curve, MissBudget budget)
    {
        float leadMs = budget.LeadOf(quantiles, curve);
        return new(quantiles.Median, leadMs, MathF.Min(leadMs, quantiles.Lead));
    }
}

/// <summary>
/// The formulas of M 3.1: half the rolling round trip, class base time × weight factor × queue factor, and a buffer. M leaves
/// <c>calculate_buffer</c> open; here it is twice the standard deviation of the measured delay (drift × mean).
/// </summary>
public sealed class SpecPlanner : IArrivalPlanner
{
    public const double BufferSigmas = 2;

    public PlannerKind Kind => PlannerKind.Spec;

    public LeadEstimate Estimate(AgentRecord agent, Instant now, float payloadWeight, MissBudget budget)
    {
        double oneWay = agent.Estimator.MedianNetworkMs;
        double median = oneWay + ImpedanceMath.SpecProcessingMs(agent.Class, payloadWeight, agent.QueueDepth);
        double buffer = BufferSigmas * agent.Estimator.DriftCoefficient * (oneWay + agent.Estimator.MedianServiceMs);
        return new((float)median, (float)(median + buffer), (float)(median + buffer));
    }
}

/// <summary>Sends at once; predicts with the learned median so that its prediction error is comparable.</summary>
public sealed class FireNowPlanner : IArrivalPlanner
{
    public PlannerKind Kind => PlannerKind.FireNow;

    public LeadEstimate Estimate(AgentRecord agent, Instant now, float payloadWeight, MissBudget budget) =>
        new(agent.Estimator.For(payloadWeight, agent.QueueDepth, agent.SilentMs).Median, 0, 0);
}

/// <summary>Leads from the true law, under the same budget of misses; the learned ones for agents that joined beside the simulated fleet, whose law nobody knows.</summary>
public sealed class OraclePlanner(IArrivalOracle oracle) : IArrivalPlanner
{
    private readonly LearnedPlanner _learned = new();

    public PlannerKind Kind => PlannerKind.Oracle;

    public LeadEstimate Estimate(AgentRecord agent, Instant now, float payloadWeight, MissBudget budget)
    {
        float median = oracle.QuantileMs(agent.AgentIndex, now, payloadWeight, 0.5f);
        if (float.IsNaN(median)) return _learned.Estimate(agent, now, payloadWeight, budget);
        float lead95 = oracle.QuantileMs(agent.AgentIndex, now, payloadWeight, 0.95f);
        float miss = budget.MissOf(MissBudget.TailScaleMs(median, lead95));
        float leadMs = oracle.QuantileMs(agent.AgentIndex, now, payloadWeight, 1 - miss);
        return new(median, leadMs, MathF.Min(leadMs, lead95));
    }
}

/// <summary>The planners that a mesh offers. Immutable.</summary>
/// <param name="oracle">Present in simulations only; without it <see cref="PlannerKind.Oracle"/> is not offered.</param>
public sealed class PlannerSet(IArrivalOracle? oracle = null)
{
    private readonly IArrivalPlanner _learned = new LearnedPlanner();
    private readonly IArrivalPlanner _spec = new SpecPlanner();
    private readonly IArrivalPlanner _fireNow = new FireNowPlanner();
    private readonly IArrivalPlanner? _truth = oracle is null ? null : new OraclePlanner(oracle);

    public IArrivalPlanner? Find(PlannerKind kind) => kind switch
    {
        PlannerKind.Learned => _learned,
        PlannerKind.Spec => _spec,
        PlannerKind.FireNow => _fireNow,
        _ => _truth,
    };
}
