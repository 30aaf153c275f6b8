using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Delegation;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Coordination.Impedance;
using Mesh30K.Node.Api.Operations;
using Mesh30K.Node.Hosting;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Node.Delegation;

/// <summary>What is to be done, and how long it may take.</summary>
public sealed record DelegationTask(string Payload, double TimeoutMs, bool Hedge, Priority Priority);

/// <summary>One candidate as of now. Times in ms; null where there is none yet.</summary>
public sealed record CandidateState(
    AgentId Agent, CandidateOutcome Outcome, double ExpectedMs, double? AskedAfterMs, double? TookMs, string? OperationId, string? Result, string? Why);

/// <summary>
/// One delegation: carries out what <see cref="DelegationRun"/> wants, each ask as a direct operation of its own. Its steps run one at a time under a lock; others read <see cref="Candidates"/> at any time.
/// </summary>
internal sealed class DelegationJob
{
    private readonly MeshHost _mesh;
    private readonly DelegationTask _task;
    private readonly DelegationRun _run;
    private readonly Lock _gate = new();
    private readonly CandidateState[] _candidates;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationToken _stopping;

    public DelegationJob(MeshHost mesh, MessageId id, DelegationTask task, IReadOnlyList<DelegationCandidate> candidates, CancellationToken stopping)
    {
        _mesh = mesh;
        Id = id;
        _task = task;
        _stopping = stopping;
        StartedAt = mesh.Clock.Now;
        _run = new DelegationRun(candidates, task.TimeoutMs, task.Hedge);
        _candidates = [.. candidates.Select(c => new CandidateState(c.Agent, CandidateOutcome.NotAsked, c.ExpectedMs, null, null, null, null, null))];
    }

    public MessageId Id { get; }

    public Instant StartedAt { get; }

    public DelegationOutcome? Outcome { get; private set; }

    public double? DurationMs { get; private set; }

    /// <summary>Ends with the delegation, at the latest when its time is up; cancelled when the node stops first.</summary>
    public Task Ended => _ended.Task;

    public IReadOnlyList<CandidateState> Candidates
    {
        get
        {
            lock (_gate) return [.. _candidates];
        }
    }

    public void Start() => Step((now, effects) => _run.Start(now, effects));

    private void Step(Action<Instant, List<DelegationEffect>> step)
    {
        List<DelegationEffect> effects = [];
        lock (_gate)
        {
            Instant now = _mesh.Clock.Now;
            step(now, effects);
            double at = now.MsSince(StartedAt);
            for (int i = 0; i < _candidates.Length; i++)
            {
                CandidateState known = _candidates[i];
                if (known.Outcome == _run.Outcomes[i]) continue;
                bool asked = _run.Outcomes[i] == CandidateOutcome.Asked;
                _candidates[i] = known with { Outcome = _run.Outcomes[i], AskedAfterMs = known.AskedAfterMs ?? at, TookMs = asked ? null : at - known.AskedAfterMs };
            }
            if (_run.Ended is { } outcome && Outcome is null) (Outcome, DurationMs) = (outcome, at);
        }
        foreach (DelegationEffect effect in effects)
        {
            switch (effect.Kind)
            {
                case DelegationEffectKind.Ask: _ = ObserveAsync(AskAsync(effect.Candidate)); break;
                case DelegationEffectKind.Cancel: Cancel(effect.Candidate); break;
                case DelegationEffectKind.SetTimer: _ = ObserveAsync(TimerAsync(effect.At)); break;
                default: _ended.TrySetResult(); break;
            }
        }
    }

    /// <summary>A bug in a step ends the delegation with that bug: nobody waits for ever, and it is not swallowed.</summary>
    private async Task ObserveAsync(Task step)
    {
        try
        {
            await step.ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            _ended.TrySetCanceled(CancellationToken.None);
        }
#pragma warning disable CA1031 // surfaced through Ended
        catch (Exception bug)
#pragma warning restore CA1031
        {
            _ended.TrySetException(bug);
        }
    }

    private async Task TimerAsync(Instant at)
    {
        // A timeout of the runtime may end a little early; what is asked for is at or after.
        for (double ms = at.MsSince(_mesh.Clock.Now); ms > 0; ms = at.MsSince(_mesh.Clock.Now))
        {
            await Task.WhenAny(_ended.Task, Task.Delay(TimeSpan.FromMilliseconds(Math.Ceiling(ms)), _stopping)).ConfigureAwait(false);
            if (_ended.Task.IsCompleted) return;
            _stopping.ThrowIfCancellationRequested();
        }
        Step((now, effects) => _run.TimerFired(now, effects));
    }

    private async Task AskAsync(int candidate)
    {
        AgentId agent = _candidates[candidate].Agent;
        double leftMs = Math.Max(1, _task.TimeoutMs - _mesh.Clock.Now.MsSince(StartedAt));
        if (_mesh.Registry.FindCell(agent) is not { } cell)
        {
            Fail(candidate, refused: true, "it left");
            return;
        }
        OperationTicket ticket = await _mesh.SubmitAsync(SpecFor(cell, leftMs)).ConfigureAwait(false);
        if (ticket.Error is { } error)
        {
            Fail(candidate, refused: true, error);
            return;
        }
        bool late;
        lock (_gate)
        {
            _candidates[candidate] = _candidates[candidate] with { OperationId = ticket.Id.ToString() };
            late = _candidates[candidate].Outcome != CandidateOutcome.Asked;
        }
        if (late) Cancel(candidate);
        Take(candidate, await ticket.Completion.WaitAsync(_stopping).ConfigureAwait(false));
    }

    /// <summary>At once, to one agent, gathered until it answers or the time is up.</summary>
    private OperationSpec SpecFor(RegistryCell cell, double leftMs) => new()
    {
        Verb = Verb.Act,
        Strategy = RoutingStrategy.Direct,
        Planner = PlannerKind.FireNow,
        Payload = _task.Payload,
        Priority = _task.Priority,
        TargetInMs = 0,
        WindowMs = leftMs,
        TimeoutMs = leftMs,
        TtlMs = leftMs,
        CollectAnswers = true,
        Selector = new Selector { Scope = SelectorScope.Agents, Places = [cell.Home.Place], Ids = [cell.AgentId] },
    };

    private void Take(int candidate, OperationResult result)
    {
        GatherCounts counts = result.Report.Counts;
        if (counts.Ready == 1)
        {
            Step((_, effects) =>
            {
                if (_candidates[candidate].Outcome == CandidateOutcome.Asked)
                    _candidates[candidate] = _candidates[candidate] with { Result = result.Report.Answers.Count > 0 ? result.Report.Answers[0].Result : null };
                _run.Ready(candidate, effects);
            });
            return;
        }
        // Sent and not answered while its time went by: the delegation's own timer is due in this moment too, and says how it ends.
        if (counts.Transit == 1 && _mesh.Registry.FindCell(_candidates[candidate].Agent) is not null) return;
        RosterEntry? entry = result.Report.Roster.Count > 0 ? result.Report.Roster[0] : null;
        if (counts.Conflict == 1)
            Fail(candidate, refused: false, WireNames.ConflictTypes.NameOf(entry?.Conflict?.Type ?? ConflictType.Other) + (ConflictWords.Of(entry?.Conflict) is { } words ? ": " + words : ""));
        else
            Fail(candidate, refused: true, counts.Skipped == 1 && entry is not null ? OperationViews.NameOf(entry.Reason) : "it left");
    }

    private void Fail(int candidate, bool refused, string why) => Step((_, effects) =>
    {
        if (_candidates[candidate].Outcome == CandidateOutcome.Asked) _candidates[candidate] = _candidates[candidate] with { Why = why };
        _run.Failed(candidate, refused, effects);
    });

    /// <summary>Tells the agent's link; nothing to tell while its operation is on its way to the mesh: <see cref="AskAsync"/> comes back to it.</summary>
    private void Cancel(int candidate)
    {
        CandidateState state;
        lock (_gate) state = _candidates[candidate];
        if (state.OperationId is not { } operation || _mesh.Registry.FindCell(state.Agent) is not { } cell) return;
        _mesh.Cancel(cell.Home.AgentIndex, MessageId.Parse(operation), state.Outcome == CandidateOutcome.TimedOut ? "the time is up" : "another agent was faster");
    }
}
