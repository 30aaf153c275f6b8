using Mesh30K.Coordination.Arrival;
using Mesh30K.Protocol;

namespace Mesh30K.Coordination.Gathering;

/// <summary>Merges reports of disjoint parts.</summary>
internal sealed class GatherReportBuilder
{
    private readonly Sketch _arrivals = new();
    private readonly Sketch _errors = new();
    private readonly List<RosterEntry> _roster = [];
    private readonly List<AgentAnswer> _answers = [];
    private GatherCounts _counts;
    private double _confidence;

    public void Add(GatherReport report)
    {
        _counts.Add(report.Counts);
        _arrivals.Merge(report.Arrivals);
        _errors.Merge(report.PredictionErrors);
        _roster.AddRange(report.Roster);
        _answers.AddRange(report.Answers.Take(GatherReport.AnswersMax - _answers.Count));
        _confidence += report.ConfidenceSum;
    }

    /// <summary>Agents of whom nothing was heard: in transit, unless they were not to be sent to.</summary>
    public void AddSilent(int agents, SkipReason skipAllAs)
    {
        if (skipAllAs == SkipReason.None) _counts.Transit += agents;
        else _counts.Skipped += agents;
    }

    public GatherReport Build()
    {
        Invariant.Check(_arrivals.Count == _counts.Ready + _counts.Conflict);
        return new()
        {
            Counts = _counts,
            Arrivals = _arrivals.ToSparse(),
            PredictionErrors = _errors.ToSparse(),
            Roster = _roster,
            Answers = _answers,
            ConfidenceSum = _confidence,
        };
    }
}
