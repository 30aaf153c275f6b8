namespace Mesh30K.Coordination.Gathering;

/// <summary>How closely a gathering's agents arrived together, in ms (design section 5). Quantiles are true to 1%.</summary>
/// <param name="SpreadMs">p95 − p5 of READY − T.</param>
/// <param name="StartSpreadMs">p95 − p5 of max(T, READY): early agents hold until T, so this is what a user sees.</param>
/// <param name="StartSpreadP99Ms">p99 − p5 of max(T, READY): the start spread with its tail.</param>
/// <param name="ErrorP50Ms">Median of |arrival − predicted arrival|.</param>
/// <param name="ErrorP90Ms">90th percentile of it.</param>
public sealed record ArrivalFigures(double SpreadMs, double StartSpreadMs, double StartSpreadP99Ms, double ErrorP50Ms, double ErrorP90Ms)
{
    public static ArrivalFigures Of(GatherReport report)
    {
        Sketch arrivals = new();
        arrivals.Merge(report.Arrivals);
        Sketch errors = new();
        errors.Merge(report.PredictionErrors);
        double p5 = arrivals.Quantile(0.05);
        double p95 = arrivals.Quantile(0.95);
        double start = Math.Max(0, p5);
        return new(p95 - p5, Math.Max(0, p95) - start, Math.Max(0, arrivals.Quantile(0.99)) - start, errors.Quantile(0.5), errors.Quantile(0.9));
    }
}
