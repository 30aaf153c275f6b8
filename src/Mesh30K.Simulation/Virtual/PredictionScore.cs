using Mesh30K.Coordination.Gathering;

namespace Mesh30K.Simulation.Virtual;

/// <summary>
/// How good a planner's predictions were, beside the true law's, at one level (0.95) and at send time. Sums over disjoint sets of sends add up.
/// Scored is the arrival: READY − send. A lost send has no arrival and scores nothing.
/// </summary>
public sealed class PredictionScore
{
    /// <summary>The level at which every planner is scored.</summary>
    public const float Level = 0.95f;

    public long Scored { get; private set; }

    public long Covered { get; private set; }

    public long OracleCovered { get; private set; }

    public double Pinball { get; private set; }

    public double OraclePinball { get; private set; }

    /// <summary>Sum of lead − median, in ms: the buffer that the planner adds to the expected arrival.</summary>
    public double Width { get; private set; }

    public double OracleWidth { get; private set; }

    /// <summary>|arrival − predicted median| in ms.</summary>
    public Sketch Errors { get; } = new();

    public double PinballRatio => OraclePinball == 0 ? 0 : Pinball / OraclePinball;

    public double Coverage => Scored == 0 ? 0 : (double)Covered / Scored;

    public double WidthRatio => OracleWidth == 0 ? 0 : Width / OracleWidth;

    public void Add(float delayMs, float medianMs, float leadMs, float oracleMedianMs, float oracleLeadMs)
    {
        Scored++;
        if (delayMs <= leadMs) Covered++;
        if (delayMs <= oracleLeadMs) OracleCovered++;
        Pinball += Loss(delayMs, leadMs);
        OraclePinball += Loss(delayMs, oracleLeadMs);
        Width += leadMs - medianMs;
        OracleWidth += oracleLeadMs - oracleMedianMs;
        Errors.Add(Math.Abs(delayMs - medianMs));
    }

    public void Merge(PredictionScore other)
    {
        Scored += other.Scored;
        Covered += other.Covered;
        OracleCovered += other.OracleCovered;
        Pinball += other.Pinball;
        OraclePinball += other.OraclePinball;
        Width += other.Width;
        OracleWidth += other.OracleWidth;
        Errors.Merge(other.Errors);
    }

    private static double Loss(float value, float quantile) =>
        value >= quantile ? Level * (value - quantile) : (1 - Level) * (quantile - value);
}
