using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Topology;
using Mesh30K.Protocol;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Coordination.Cascades;

/// <summary>Limits of the orchestrator. Immutable.</summary>
public sealed record OrchestratorOptions
{
    /// <summary>Operations in progress at once, at least 1, at most <see cref="ClusterLead.OpenGathersMax"/>; default 4.</summary>
    public int ConcurrentMax { get; init; } = 4;

    /// <summary>
    /// Direct operations in progress at once, beside the others: they go to named agents, may wait for minutes, and must not hold up a cascade, nor a cascade them. At least 1; default 1,000. Each costs a few kilobytes
    /// while it lasts; a lead has room for <see cref="ClusterLead.OpenDirectMax"/> of them.
    /// </summary>
    public int DirectMax { get; init; } = 1_000;

    /// <summary>Operations that wait for a place, direct ones and others counted apart, by priority, then in order; default 256. One more is refused (policy: reject newest).</summary>
    public int QueuedMax { get; init; } = 256;
}

/// <summary>The answer to a submission: a number, or what was wrong.</summary>
public readonly record struct SubmitResult(long Number, string? Error)
{
    public bool Accepted => Error is null;
}

/// <summary>
/// The role that serves the operator: admits operations by priority, chooses T, sends one order to each sector, merges one report
/// from each, and lets the quorum decide. It reads sector reports and never single acks. Owner: one event loop. Pure.
/// An operation is a list of gatherings (<see cref="CascadePhases"/>); a wave asks its sectors and clusters for confirmation first.
/// </summary>
public sealed class Orchestrator
{
    /// <summary>How long after the end of a gathering the orchestrator waits for its sectors, in ms.</summary>
    public const double GraceMs = 250;

    private readonly MeshShape _shape;
    private readonly PlannerSet _planners;
    private readonly OrchestratorOptions _options;
    private readonly TargetChoice _targets;
    private readonly Lane _direct;
    private readonly Lane _others;
    private readonly Dictionary<long, RunningOperation> _byHandle = [];
    private long _nextNumber = 1;
    private long _nextHandle = 1;

    public Orchestrator(MeshShape shape, PlannerSet planners, ArrivalOptions arrival, OrchestratorOptions options)
    {
        Invariant.Check(options.ConcurrentMax >= 1 && options.ConcurrentMax <= ClusterLead.OpenGathersMax && options.DirectMax >= 1);
        _direct = new Lane(options.DirectMax);
        _others = new Lane(options.ConcurrentMax);
        _shape = shape;
        _planners = planners;
        _options = options;
        _targets = new TargetChoice(shape.Sectors, arrival);
    }

    /// <summary>Operations in progress.</summary>
    public int Running => _direct.Running + _others.Running;

    /// <summary>Operations that wait for a place.</summary>
    public int Queued => _direct.Queue.Count + _others.Queue.Count;

    /// <summary>Admits an operation, or says what is wrong with it. An accepted one ends in exactly one <see cref="Effects.Completed"/>.</summary>
    public SubmitResult Submit(OperationSpec spec, MessageId id, Instant now, Effects effects)
    {
        Lane lane = LaneOf(spec);
        string? wrong = spec.Validate()
            ?? (_planners.Find(spec.Planner) is null ? "the planner oracle exists in simulations only; use learned, spec or fire-now" : null)
            ?? spec.Stages.Append(spec.Selector).Select(WrongWith).FirstOrDefault(w => w is not null)
            ?? (lane.IsFull && lane.Queue.Count >= _options.QueuedMax ? $"{lane.Queue.Count} operations are waiting already; try again later" : null);
        if (wrong is not null) return new(0, wrong);

        RunningOperation operation = new(_nextNumber++, id, spec, CascadePhases.Of(spec), now);
        lane.Queue.Enqueue(operation, (-(int)spec.Priority, operation.Number));
        Admit(lane, now, effects);
        return new(operation.Number, null);
    }

    /// <summary>Takes a signal from a sector.</summary>
    public void Step(object body, Instant now, Effects effects)
    {
        switch (body)
        {
            case SectorReport report: Step(report, now, effects); break;
            case SectorSummary summary: Take(summary); break;
            case Confirmation confirmation: Step(confirmation, now, effects); break;
            default: throw new InvariantException($"the orchestrator takes no {body.GetType().Name}");
        }
    }

    /// <summary>Takes what a sector says of its agents.</summary>
    public void Take(SectorSummary summary) => _targets.Take(summary);

    /// <summary>Time is up for a gathering or a confirmation round.</summary>
    public void Step(in TimerRequest fired, Instant now, Effects effects)
    {
        if (!_byHandle.TryGetValue(fired.Operation, out RunningOperation? operation)) return;
        if (operation.Round is not null) EndRound(operation, now, effects);
        else EndPhase(operation, now, effects);
    }

    private void Step(SectorReport report, Instant now, Effects effects)
    {
        if (!_byHandle.TryGetValue(report.Handle, out RunningOperation? operation) || operation.Gather is not { } gather) return;
        if (!gather.Take(report)) return;
        if (gather.Waiting == 0) EndPhase(operation, now, effects);
    }

    private void Step(Confirmation confirmation, Instant now, Effects effects)
    {
        if (!_byHandle.TryGetValue(confirmation.Handle, out RunningOperation? operation) || operation.Round is not { } round) return;
        if (!round.Confirmed.TryAdd(confirmation.Sector, confirmation.Clusters)) return;
        if (round.Confirmed.Count == _shape.Sectors) EndRound(operation, now, effects);
    }

    private Lane LaneOf(OperationSpec spec) => spec.Strategy == RoutingStrategy.Direct ? _direct : _others;

    private void Admit(Lane lane, Instant now, Effects effects)
    {
        while (!lane.IsFull && lane.Queue.TryDequeue(out RunningOperation? operation, out _))
        {
            if (now > operation.ExpiresAt)
            {
                effects.Completed.Add(operation.End(OperationStatus.Expired, now));
                continue;
            }
            lane.Running++;
            effects.Started.Add(new OperationStarted(operation.Number, operation.Id, operation.Spec, operation.SubmittedAt, now));
            if (operation.Spec.Cascade == CascadeStrategy.Wave) StartRound(operation, withClusters: false, now, effects);
            else StartPhase(operation, now, effects);
        }
    }

    private void StartRound(RunningOperation operation, bool withClusters, Instant now, Effects effects)
    {
        long handle = _nextHandle++;
        Instant until = now.PlusMs(withClusters ? CascadePhases.WaveClusterMs : CascadePhases.WaveSectorMs);
        operation.Begin(handle, new ConfirmationRound(withClusters));
        _byHandle.Add(handle, operation);
        Preparation preparation = new(handle, withClusters, until);
        for (int s = 0; s < _shape.Sectors; s++) effects.Signals.Add(new Signal(RoleAddress.OfSector(s), preparation));
        effects.Timers.Add(new TimerRequest(until, RoleAddress.Orchestrator, handle, 0));
    }

    private void EndRound(RunningOperation operation, Instant now, Effects effects)
    {
        ConfirmationRound round = operation.Round!;
        _byHandle.Remove(operation.Handle);
        if (!round.WithClusters)
        {
            operation.SectorsReached = round.Confirmed.Count;
            if (round.Confirmed.Count < CascadePhases.WaveSectorRate * _shape.Sectors) Finish(operation, OperationStatus.FailedAtSector, now, effects);
            else StartRound(operation, withClusters: true, now, effects);
            return;
        }
        operation.ClustersReached = round.Confirmed.Values.Sum();
        if (operation.ClustersReached < CascadePhases.WaveClusterRate * _shape.Clusters) Finish(operation, OperationStatus.FailedAtCluster, now, effects);
        else StartPhase(operation, now, effects);
    }

    private void StartPhase(RunningOperation operation, Instant now, Effects effects)
    {
        OperationSpec spec = operation.Spec;
        PhasePlan phase = operation.CurrentPhase;
        bool broadcast = spec.Strategy == RoutingStrategy.Broadcast;
        double targetInMs = broadcast ? 0
            : operation.PhaseIndex == 0 && spec.TargetInMs is { } given ? given
            : _targets.TargetInMs(spec, phase.Selector, spec.TimeoutMs - spec.WindowMs);
        Instant target = now.PlusMs(targetInMs);
        long handle = _nextHandle++;
        OperationOrder order = new()
        {
            Handle = handle,
            OperationId = operation.Id,
            Phase = operation.PhaseIndex,
            Spec = broadcast ? spec with { Planner = PlannerKind.FireNow }
                : spec.Strategy == RoutingStrategy.Pipeline ? spec with { CollectAnswers = true }
                : spec,
            Selector = phase.Selector,
            Payload = operation.Payload,
            Target = target,
            GatherUntil = broadcast ? now.PlusMs(spec.TimeoutMs) : target.PlusMs(spec.WindowMs),
            ExpiresAt = operation.ExpiresAt,
            SkipAllAs = phase.SkipAllAs,
            MissPerMs = _targets.MissPerMs(spec, phase.Selector),
        };
        int[] matching = new int[_shape.Sectors];
        for (int s = 0; s < matching.Length; s++) matching[s] = _targets.Matching(s, phase.Selector);
        if (phase.Selector.Scope == SelectorScope.Cluster)
            matching[phase.Selector.Sector] = Math.Min(matching[phase.Selector.Sector], _shape.AgentsPerCluster);
        int[]? quota = phase.Selector.SampleSize is { } sample ? AgentSelection.Divide(sample, matching, handle) : null;

        PhaseGather gather = new(order, now, quota ?? matching);
        for (int s = 0; s < _shape.Sectors; s++)
        {
            if (!phase.Selector.CoversSector(s) || quota is not null && quota[s] == 0) continue;
            gather.Expect(s);
            effects.Signals.Add(new Signal(RoleAddress.OfSector(s), quota is null ? order : order with { Quota = quota[s] }));
        }
        operation.Begin(handle, gather);
        _byHandle.Add(handle, operation);
        if (gather.Waiting == 0) EndPhase(operation, now, effects);
        else effects.Timers.Add(new TimerRequest(order.GatherUntil.PlusMs(GraceMs), RoleAddress.Orchestrator, handle, 0));
    }

    private void EndPhase(RunningOperation operation, Instant now, Effects effects)
    {
        _byHandle.Remove(operation.Handle);
        PhaseResult result = operation.EndPhase();
        bool last = operation.PhaseIndex == operation.Phases.Length;
        bool stop = operation.Spec.Strategy == RoutingStrategy.Pipeline && !result.Quorum.Achieved;
        if (!last && !stop)
        {
            StartPhase(operation, now, effects);
            return;
        }
        OperationStatus status = operation.Spec switch
        {
            _ when stop => OperationStatus.FailedAtStage,
            { Cascade: CascadeStrategy.PriorityFirst } => OperationStatus.Complete,
            { Strategy: RoutingStrategy.Broadcast } when result.Report.Counts.Sent > 0 => OperationStatus.Success,
            _ => result.Quorum.Achieved ? OperationStatus.Success : OperationStatus.Partial,
        };
        Finish(operation, status, now, effects);
    }

    private void Finish(RunningOperation operation, OperationStatus status, Instant now, Effects effects)
    {
        Lane lane = LaneOf(operation.Spec);
        lane.Running--;
        effects.Completed.Add(operation.End(status, now));
        Admit(lane, now, effects);
    }

    private string? WrongWith(Selector selector) =>
        selector.Scope is SelectorScope.Sector or SelectorScope.Cluster && (selector.Sector < 0 || selector.Sector >= _shape.Sectors)
            ? $"there is no sector {selector.Sector}; sectors are 0 to {_shape.Sectors - 1}"
        : selector.Scope == SelectorScope.Cluster && (selector.Cluster < 0 || selector.Cluster >= _shape.ClustersPerSector)
            ? $"there is no cluster {selector.Cluster} in a sector; clusters are 0 to {_shape.ClustersPerSector - 1}"
        : selector.Scope == SelectorScope.Agents && selector.Places.Count == 0 ? "name at least one agent"
        : null;

    /// <summary>Operations that take each other's place: some in progress, the others waiting.</summary>
    private sealed class Lane(int runningMax)
    {
        public PriorityQueue<RunningOperation, (int, long)> Queue { get; } = new();

        public int Running { get; set; }

        public bool IsFull => Running >= runningMax;
    }
}
