using System.Text.Json;
using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Protocol.Json;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Node.Api.Operations;

/// <summary>Makes views of operations. Pure, thread-safe.</summary>
internal static class OperationViews
{
    private const int AnswerGroupsMax = 20;
    private const int AnswerCharsMax = 2_000;
    private const int WhysMax = 5;

    /// <param name="operation">What the store knows.</param>
    /// <param name="answers">Whether to group the answers too; they can be long.</param>
    public static OperationView Of(StoredOperation operation, bool answers)
    {
        OperationSpec spec = operation.Spec;
        OperationView view = new()
        {
            OperationId = operation.Id.ToString(),
            Number = operation.Number,
            Verb = WireNames.Verbs.NameOf(spec.Verb),
            Strategy = WireNames.RoutingStrategies.NameOf(spec.Strategy),
            Cascade = spec.Cascade is { } cascade ? WireNames.CascadeStrategies.NameOf(cascade) : null,
            Planner = OperationRules.PlannerOf(spec),
            Priority = (int)spec.Priority,
            State = NameOf(operation.State),
            SubmittedAt = operation.SubmittedAt,
            StartedAt = operation.StartedAt,
            WindowMs = spec.WindowMs,
            TimeoutMs = spec.TimeoutMs,
        };
        return operation.Result is { } result ? WithResult(view, result, operation.DetailsKept, answers) : view;
    }

    public static string NameOf(StoredState state) => JsonNamingPolicy.SnakeCaseLower.ConvertName(state.ToString());

    public static string NameOf(OperationStatus status) => JsonNamingPolicy.SnakeCaseUpper.ConvertName(status.ToString());

    public static string NameOf(AgentOutcome outcome) =>
        outcome == AgentOutcome.InTransit ? "transit" : JsonNamingPolicy.SnakeCaseLower.ConvertName(outcome.ToString());

    public static string NameOf(SkipReason reason) => JsonNamingPolicy.SnakeCaseLower.ConvertName(reason.ToString());

    public static RosterView Of(RosterEntry entry) => new(
        entry.Agent.Value, entry.Cluster, NameOf(entry.Outcome), entry.Reason == SkipReason.None ? null : NameOf(entry.Reason),
        Ms(entry.NeedMs), Ms(entry.AvailableMs), Ms(entry.MissingMs), entry.Conflict is { } c ? WireNames.ConflictTypes.NameOf(c.Type) : null,
        Json(entry.Conflict?.ExpectedValue), Json(entry.Conflict?.ReceivedValue), ConflictWords.Of(entry.Conflict));

    private static JsonElement? Json(RawJson? value) => value is { } given ? JsonElement.Parse(given.Utf8) : null;

    private static OperationView WithResult(OperationView view, OperationResult result, bool detailsKept, bool answers)
    {
        GatherCounts counts = result.Report.Counts;
        ArrivalFigures? figures = result.Report.Arrivals.Bins.Length == 0 ? null : ArrivalFigures.Of(result.Report);
        return view with
        {
            Status = NameOf(result.Status),
            Decision = Of(result.Quorum),
            Counts = Of(counts),
            Rates = RatesOf(counts),
            WindowHitRate = result.WindowHitRate,
            ReadyByTargetRate = result.ReadyByTargetRate,
            Arrival = figures is null
                ? null
                : new ArrivalView(Ms(figures.SpreadMs), Ms(figures.StartSpreadMs), new PredictionErrorView(Ms(figures.ErrorP50Ms), Ms(figures.ErrorP90Ms))),
            Phases = [.. result.Phases.Select(p => new PhaseView(p.Name, Of(p.Quorum), Of(p.Report.Counts), RatesOf(p.Report.Counts), Ms(p.TargetInMs)))],
            SectorsReached = result.SectorsReached,
            ClustersReached = result.ClustersReached,
            AgentsReached = counts.Ready + counts.Conflict,
            TargetArrivalTime = result.Phases.Count == 0 ? null : result.Target,
            EndedAt = result.EndedAt,
            TotalMs = Ms(result.TotalMs),
            Answers = answers && result.Spec.CollectAnswers ? AnswersOf(result.Report) : null,
            DetailsKept = detailsKept,
        };
    }

    private static DecisionView Of(QuorumResult quorum) => new(
        JsonNamingPolicy.SnakeCaseUpper.ConvertName(quorum.Decision.ToString()), quorum.Reason, quorum.Recommendation, quorum.Warning, quorum.Confidence);

    private static CountsView Of(in GatherCounts counts) =>
        new(counts.Targets, counts.Sent, counts.Ready, counts.Conflict, counts.Transit, counts.Skipped);

    private static RatesView RatesOf(in GatherCounts counts)
    {
        double sent = counts.Sent;
        return counts.Sent == 0 ? new RatesView(0, 0, 0) : new RatesView(counts.Ready / sent, counts.Conflict / sent, counts.Transit / sent);
    }

    private static AnswersView AnswersOf(GatherReport report)
    {
        IGrouping<string, AgentAnswer>[] groups =
        [
            .. report.Answers.GroupBy(a => a.Result, StringComparer.Ordinal).OrderByDescending(g => g.Count()).ThenBy(g => g.Key, StringComparer.Ordinal),
        ];
        AnswerGroup[] shown =
        [
            .. groups.Take(AnswerGroupsMax).Select(g =>
                new AnswerGroup(g.Key.Length <= AnswerCharsMax ? g.Key : g.Key[..AnswerCharsMax], g.Count(), g.Key.Length > AnswerCharsMax)),
        ];
        ConflictGroup[] conflicts =
        [
            .. report.Roster.Where(r => r.Outcome == AgentOutcome.Conflict)
                .GroupBy(r => WireNames.ConflictTypes.NameOf(r.Conflict?.Type ?? ConflictType.Other), StringComparer.Ordinal)
                .Select(g => new ConflictGroup(g.Key, g.Count(), WhysOf(g)))
                .OrderByDescending(g => g.Agents).ThenBy(g => g.Type, StringComparer.Ordinal),
        ];
        return new AnswersView(report.Answers.Count, shown, groups.Length, report.Counts.Conflict, conflicts);
    }

    private static ConflictWhy[] WhysOf(IEnumerable<RosterEntry> conflicts) =>
    [
        .. conflicts.Select(r => ConflictWords.Of(r.Conflict)).OfType<string>().GroupBy(w => w, StringComparer.Ordinal).Select(g => new ConflictWhy(g.Key, g.Count()))
            .OrderByDescending(w => w.Agents).ThenBy(w => w.Why, StringComparer.Ordinal).Take(WhysMax),
    ];

    /// <summary>Rounded to a microsecond: what is behind it is not measured.</summary>
    private static double Ms(double ms) => Math.Round(ms, 3);
}
