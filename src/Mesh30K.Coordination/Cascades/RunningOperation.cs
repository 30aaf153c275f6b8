using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Coordination.Cascades;

/// <summary>Which sectors confirmed a step of a wave, and with how many clusters.</summary>
internal sealed class ConfirmationRound(bool withClusters)
{
    public bool WithClusters { get; } = withClusters;

    public Dictionary<int, int> Confirmed { get; } = [];
}

/// <summary>One gathering as the orchestrator sees it: a report a sector. Merging is order-independent but for the roster, which is sorted by sector at the end.</summary>
internal sealed class PhaseGather(OperationOrder order, Instant startedAt, int[] agentsOfSector)
{
    private readonly HashSet<int> _waiting = [];
    private readonly List<SectorReport> _reports = [];

    public OperationOrder Order { get; } = order;

    public Instant StartedAt { get; } = startedAt;

    /// <summary>Sectors that have not reported.</summary>
    public int Waiting => _waiting.Count;

    public IReadOnlyList<SectorReport> Reports => _reports;

    public void Expect(int sector) => _waiting.Add(sector);

    public bool Take(SectorReport report)
    {
        if (!_waiting.Remove(report.Sector)) return false;
        _reports.Add(report);
        return true;
    }

    /// <summary>The whole phase. The agents of a sector that did not report are in transit, as far as anyone knows.</summary>
    public GatherReport Merge()
    {
        _reports.Sort(static (a, b) => a.Sector.CompareTo(b.Sector));
        GatherReportBuilder builder = new();
        foreach (SectorReport report in _reports) builder.Add(report.Report);
        foreach (int sector in _waiting) builder.AddSilent(agentsOfSector[sector], Order.SkipAllAs);
        return builder.Build();
    }
}

/// <summary>An operation from its admission to its result. Owner: the orchestrator.</summary>
internal sealed class RunningOperation(long number, MessageId id, OperationSpec spec, PhasePlan[] phases, Instant submittedAt)
{
    private readonly List<PhaseResult> _results = [];
    private Instant? _target;

    public long Number { get; } = number;

    public MessageId Id { get; } = id;

    public OperationSpec Spec { get; } = spec;

    public PhasePlan[] Phases { get; } = phases;

    public Instant SubmittedAt { get; } = submittedAt;

    public Instant ExpiresAt { get; } = submittedAt.PlusMs(spec.TtlMs);

    /// <summary>The next phase to run; equals the number of phases when all are done.</summary>
    public int PhaseIndex { get; private set; }

    public PhasePlan CurrentPhase => Phases[PhaseIndex];

    /// <summary>The content for the current phase: a pipeline's stage gets the first answer of the one before.</summary>
    public string Payload { get; private set; } = spec.Payload;

    /// <summary>The handle of the current round or gathering.</summary>
    public long Handle { get; private set; }

    public ConfirmationRound? Round { get; private set; }

    public PhaseGather? Gather { get; private set; }

    public int SectorsReached { get; set; }

    public int ClustersReached { get; set; }

    public void Begin(long handle, ConfirmationRound round) => (Handle, Round, Gather) = (handle, round, null);

    public void Begin(long handle, PhaseGather gather) => (Handle, Round, Gather) = (handle, null, gather);

    /// <summary>Closes the current gathering, lets the quorum decide, and moves on to the next phase.</summary>
    public PhaseResult EndPhase()
    {
        PhaseGather gather = Gather!;
        GatherReport report = gather.Merge();
        QuorumResult quorum = TrinaryQuorum.Decide(report.Counts.Ready, report.Counts.Conflict, report.Counts.Transit, CurrentPhase.Thresholds);
        PhaseResult result = new(CurrentPhase.Name, quorum, report, gather.Order.Target.MsSince(gather.StartedAt));
        _results.Add(result);
        SectorsReached = Math.Max(SectorsReached, gather.Reports.Count);
        ClustersReached = Math.Max(ClustersReached, gather.Reports.Sum(r => r.Clusters));
        if (gather.Order.SkipAllAs == SkipReason.None) _target = gather.Order.Target;
        if (report.Answers.Count > 0) Payload = report.Answers[0].Result;
        PhaseIndex++;
        Gather = null;
        return result;
    }

    public OperationResult End(OperationStatus status, Instant now)
    {
        GatherReportBuilder builder = new();
        foreach (PhaseResult result in _results) builder.Add(result.Report);
        GatherReport whole = _results.Count == 1 ? _results[0].Report : builder.Build();
        return new OperationResult
        {
            Number = Number,
            OperationId = Id,
            Spec = Spec,
            Status = status,
            Quorum = _results.Count == 1
                ? _results[0].Quorum
                : TrinaryQuorum.Decide(whole.Counts.Ready, whole.Counts.Conflict, whole.Counts.Transit, Spec.Thresholds),
            Report = whole,
            Phases = _results,
            SubmittedAt = SubmittedAt,
            EndedAt = now,
            Target = _target ?? SubmittedAt,
            SectorsReached = SectorsReached,
            ClustersReached = ClustersReached,
        };
    }
}
