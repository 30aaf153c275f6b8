using Mesh30K.Cli.Fleet;
using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Node.Runtime;

namespace Mesh30K.Cli.Demo;

/// <summary>p50 and p90 of |arrival − predicted arrival|, in ms.</summary>
internal sealed record PredictionErrorMs(double P50, double P90);

/// <summary>One bar of an arrival histogram: arrivals with READY − T in (FromMs, ToMs].</summary>
internal sealed record HistogramBar(double FromMs, double ToMs, long Arrivals);

/// <summary>What one planner achieved over its rounds, all rounds' agents together. Rates are of what was sent.</summary>
internal sealed record PlannerReport(
    string Planner,
    string Decision,
    double WindowHitRate,
    double ReadyRate,
    double ReadyByTargetRate,
    double SpreadMs,
    double StartSpreadMs,
    double StartSpreadP99Ms,
    PredictionErrorMs PredictionErrorMs,
    int Sent,
    int Ready,
    int Conflict,
    int Transit,
    int Skipped,
    double TargetInMs,
    IReadOnlyList<HistogramBar> Histogram);

/// <summary>How the learned planner stands beside the others; a spread of 0 on both sides is a ratio of 1, one over 0 is none (null).</summary>
internal sealed record LearnedComparison(
    double? SpreadToOracle, double? StartSpreadToOracle, double FireNowSpreadToLearned, double? FireNowStartSpreadToLearned);

/// <summary>How late sends were released against their planned time, in ms.</summary>
internal sealed record ReleaseMs(double P50, double P99, double Max);

/// <summary>The demo's result.</summary>
internal sealed record DemoReport(
    int Agents, int Rounds, IReadOnlyList<PlannerReport> Planners, LearnedComparison Learned, ReleaseMs ReleaseMs, double ResidentMb, double PeakResidentMb, double WallS)
{
    private const double BarMs = 50;
    private const int BarsEachSide = 10;

    public static DemoReport Of(
        int agents, IReadOnlyDictionary<PlannerKind, List<OperationResult>> results, LatencySnapshot release, double residentMb, double peakResidentMb, double wallS)
    {
        List<PlannerReport> planners = [.. DemoRun.Planners.Select(p => Report(p, results[p]))];
        PlannerReport Of(PlannerKind kind) => planners.First(p => p.Planner == PlannerNames.Of(kind));
        PlannerReport learned = Of(PlannerKind.Learned);
        PlannerReport oracle = Of(PlannerKind.Oracle);
        PlannerReport fireNow = Of(PlannerKind.FireNow);
        LearnedComparison comparison = new(
            Ratio(learned.SpreadMs, oracle.SpreadMs),
            Ratio(learned.StartSpreadMs, oracle.StartSpreadMs),
            Math.Round(fireNow.SpreadMs / learned.SpreadMs, 2),
            learned.StartSpreadMs == 0 ? null : Math.Round(fireNow.StartSpreadMs / learned.StartSpreadMs, 2));
        return new DemoReport(agents, results[PlannerKind.Learned].Count, planners, comparison,
            new ReleaseMs(Math.Round(release.P50.TotalMilliseconds, 3), Math.Round(release.P99.TotalMilliseconds, 3), Math.Round(release.Max.TotalMilliseconds, 3)), residentMb, peakResidentMb, Math.Round(wallS, 1));
    }

    private static double? Ratio(double of, double to) => to > 0 ? Math.Round(of / to, 3) : of == 0 ? 1 : null;

    private static PlannerReport Report(PlannerKind planner, List<OperationResult> rounds)
    {
        GatherReport all = GatherReport.Merge(rounds.Select(r => r.Report));
        ArrivalFigures figures = ArrivalFigures.Of(all);
        GatherCounts counts = all.Counts;
        QuorumResult quorum = TrinaryQuorum.Decide(counts.Ready, counts.Conflict, counts.Transit, rounds[0].Spec.Thresholds);
        return new PlannerReport(
            PlannerNames.Of(planner),
            WireDecision(quorum.Decision),
            Math.Round((double)counts.WindowHits / Math.Max(1, counts.Sent), 4),
            Math.Round((double)counts.Ready / Math.Max(1, counts.Sent), 4),
            Math.Round((double)counts.ReadyByTarget / Math.Max(1, counts.Sent), 4),
            Math.Round(figures.SpreadMs, 1),
            Math.Round(figures.StartSpreadMs, 1),
            Math.Round(figures.StartSpreadP99Ms, 1),
            new PredictionErrorMs(Math.Round(figures.ErrorP50Ms, 2), Math.Round(figures.ErrorP90Ms, 2)),
            counts.Sent, counts.Ready, counts.Conflict, counts.Transit, counts.Skipped,
            Math.Round(rounds.Average(r => r.Phases[^1].TargetInMs), 0),
            Histogram(all));
    }

    private static List<HistogramBar> Histogram(GatherReport report)
    {
        Sketch sketch = new();
        sketch.Merge(report.Arrivals);
        List<HistogramBar> bars = [];
        for (int i = -BarsEachSide - 1; i <= BarsEachSide; i++)
        {
            double from = i < -BarsEachSide ? double.NegativeInfinity : i * BarMs;
            double to = i == BarsEachSide ? double.PositiveInfinity : (i + 1) * BarMs;
            bars.Add(new HistogramBar(Math.Max(from, -1e9), Math.Min(to, 1e9), sketch.CountBetween(from, to)));
        }
        return bars;
    }

    private static string WireDecision(QuorumDecision decision) => decision switch
    {
        QuorumDecision.Proceed => "PROCEED",
        QuorumDecision.Wait => "WAIT",
        QuorumDecision.ResolveConflicts => "RESOLVE_CONFLICTS",
        QuorumDecision.Retry => "RETRY",
        _ => "NO_TARGETS",
    };
}
