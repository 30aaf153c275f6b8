using Mesh30K.Coordination.Impedance.Estimation;

namespace Mesh30K.Coordination.Arrival;

/// <summary>
/// How the share of agents that may miss T is spent (ADR 0005). The operator asks for a share of the whole mesh READY at T. Giving every agent
/// that same probability is not the cheapest way: one more percent of certainty costs an edge function a fraction of a millisecond and a GPU
/// box hundreds. The least total waiting for a given number of misses has the same density of arrivals at every agent's lead
/// (Lagrange), and with the exponential tails that delays have beyond their median, miss probability = density × tail scale. So an agent may
/// miss in proportion to its own noise: <c>miss = MissPerMs × θ</c>, with θ = (q95 − median) / ln 10.
/// </summary>
/// <param name="Level">The wanted share READY at T, in [0.5, 1).</param>
/// <param name="MissPerMs">Miss probability per ms of tail scale, chosen so that the mesh's mean is 1 − Level; 0 gives every agent the level itself.</param>
public readonly record struct MissBudget(float Level, float MissPerMs)
{
    /// <summary>No agent is planned to miss more often than this: beyond its median a lead no longer means anything.</summary>
    public const float MissMax = 0.4f;

    /// <summary>No agent is planned to miss more rarely than this: no estimate of ours knows its tail any better.</summary>
    public const float MissMin = 0.001f;

    private static readonly float LnTen = MathF.Log(10);

    /// <summary>From 0.95 to 0.98: ln(0.05/0.02).</summary>
    private static readonly float LnLeadToTail = MathF.Log(0.05f / 0.02f);

    /// <summary>The scale θ in ms of an agent's upper tail.</summary>
    public static float TailScaleMs(float medianMs, float lead95Ms) => MathF.Max(0, lead95Ms - medianMs) / LnTen;

    /// <summary>The probability with which an agent with this tail may miss T.</summary>
    public float MissOf(float tailScaleMs) => MissPerMs == 0 ? 1 - Level : Math.Clamp(MissPerMs * tailScaleMs, MissMin, MissMax);

    /// <summary>
    /// The lead in ms that an agent with these quantiles needs: on the exponential tail between the known quantiles, and beyond the last one.
    /// </summary>
    public float LeadOf(in Quantiles quantiles) => LeadOf(quantiles, TailCurve.Exponential);

    /// <summary>The same with a known curve between the median and the 0.95 quantile.</summary>
    public float LeadOf(in Quantiles quantiles, in TailCurve curve)
    {
        float theta = TailScaleMs(quantiles.Median, quantiles.Lead);
        float miss = MissOf(theta);
        if (miss >= 0.05f) return quantiles.Median + (theta * LnTen * curve.At(miss));
        float tailTheta = MathF.Max(0, quantiles.Tail - quantiles.Lead) / LnLeadToTail;
        return quantiles.Lead + (tailTheta * MathF.Log(0.05f / miss));
    }
}
