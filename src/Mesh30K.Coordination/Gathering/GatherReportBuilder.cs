using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Time;

namespace Mesh30K.Coordination.Gathering;

/// <summary>Merges reports of disjoint parts.</summary>
internal sealed class GatherReportBuilder
{
    private readonly Sketch arrivals = new();
    private readonly Sketch errors = new();
    private readonly List<RosterEntry> roster = [];
    private readonly List<AgentAnswer> answers = [];
    private GatherCounts counts;
    private double confidence;

    public void Add(GatherReport report)
    {
        counts.Add(report.Counts);
        arrivals.Merge(report.Arrivals);
        errors.Merge(report.PredictionErrors);
        roster.AddRange(report.Roster);
        answers.AddRange(report.Answers.Take(GatherReport.AnswersMax - answers.Count));
        confidence += report.ConfidenceSum;
    }

    /// <summary>Agents of whom nothing was heard: in transit, unless they were not to be sent to.</summary>
    public void AddSilent(int agents, SkipReason skipAllAs)
    {
        if (skipAllAs == SkipReason.None) counts.Transit += agents;
        else counts.Skipped += agents;
    }

    public GatherReport Build()
    {
        Invariant.Check(arrivals.Count == counts.Ready + counts.Conflict);
        return new()
        {
            Counts = counts,
            Arrivals = arrivals.ToSparse(),
            PredictionErrors = errors.ToSparse(),
            Roster = roster,
            Answers = answers,
            ConfidenceSum = confidence,
        };
    }
}
