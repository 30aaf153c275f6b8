using Mesh30K.Protocol;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Coordination.Delegation;

/// <summary>One agent that may be asked.</summary>
/// <param name="ExpectedMs">How long it is expected to take at the median, in ms.</param>
/// <param name="ExpectedP95Ms">How long in 19 of 20 cases.</param>
public sealed record DelegationCandidate(AgentId Agent, double ExpectedMs, double ExpectedP95Ms);

/// <summary>What became of one candidate.</summary>
public enum CandidateOutcome : byte
{
    /// <summary>It was not needed: nobody asked it.</summary>
    NotAsked,

    /// <summary>It was asked and has not answered.</summary>
    Asked,

    /// <summary>It did the task, first of all.</summary>
    Done,

    /// <summary>It answered CONFLICT.</summary>
    Conflict,

    /// <summary>It could not be asked: offline, busy, gone.</summary>
    Refused,

    /// <summary>Another was faster: it was told to stop.</summary>
    Cancelled,

    /// <summary>It had not answered when the time was up, and was told to stop.</summary>
    TimedOut,
}

/// <summary>How a delegation ended.</summary>
public enum DelegationOutcome : byte
{
    /// <summary>Somebody did the task.</summary>
    Done,

    /// <summary>Everyone who could be asked answered CONFLICT or could not be asked.</summary>
    NobodyCould,

    /// <summary>The time was up first.</summary>
    TimedOut,
}

/// <summary>What a delegation wants done.</summary>
public enum DelegationEffectKind : byte
{
    /// <summary>Ask the candidate.</summary>
    Ask,

    /// <summary>Tell the candidate to stop.</summary>
    Cancel,

    /// <summary>Call <see cref="DelegationRun.TimerFired"/> at or after the time.</summary>
    SetTimer,

    /// <summary>It has ended; nothing comes after this.</summary>
    Complete,
}

/// <summary>One effect. <paramref name="Candidate"/> is meant by Ask and Cancel, <paramref name="At"/> by SetTimer.</summary>
public readonly record struct DelegationEffect(DelegationEffectKind Kind, int Candidate, Instant At);

/// <summary>
/// Finds somebody who does a task (M 7.1): the best candidate is asked first; when it answers CONFLICT or cannot be asked, the next one is at once. With a hedge the second is asked too when the first has taken longer than it does in 19
/// of 20 cases; the first READY wins and the others are told to stop. When the time is up all are told to stop. Nobody is asked twice.
/// Pure: time comes in, effects go out in the order in which they are to be carried out. Not thread-safe; owned by whoever runs the delegation.
/// </summary>
public sealed class DelegationRun
{
    private readonly IReadOnlyList<DelegationCandidate> _candidates;
    private readonly CandidateOutcome[] _outcomes;
    private readonly double _timeoutMs;
    private readonly bool _hedge;
    private Instant _deadline;
    private int _asked;
    private bool _started;

    /// <param name="candidates">Best first.</param>
    /// <param name="timeoutMs">The longest it may take, in ms, above 0.</param>
    /// <param name="hedge">Whether to ask a second one when the first is late.</param>
    public DelegationRun(IReadOnlyList<DelegationCandidate> candidates, double timeoutMs, bool hedge)
    {
        Invariant.Check(timeoutMs > 0);
        _candidates = candidates;
        _timeoutMs = timeoutMs;
        _hedge = hedge;
        _outcomes = new CandidateOutcome[candidates.Count];
    }

    /// <summary>What became of each candidate so far, in their order.</summary>
    public IReadOnlyList<CandidateOutcome> Outcomes => _outcomes;

    /// <summary>How it ended; null while it goes on.</summary>
    public DelegationOutcome? Ended { get; private set; }

    /// <summary>Begins; once.</summary>
    public void Start(Instant now, ICollection<DelegationEffect> effects)
    {
        Invariant.Check(!_started);
        _started = true;
        _deadline = now.PlusMs(_timeoutMs);
        if (_candidates.Count > 0) effects.Add(new DelegationEffect(DelegationEffectKind.SetTimer, -1, _deadline));
        AskNext(effects);
        if (_hedge && _candidates.Count > 1)
        {
            Instant late = now.PlusMs(Math.Max(0, _candidates[0].ExpectedP95Ms));
            if (late < _deadline) effects.Add(new DelegationEffect(DelegationEffectKind.SetTimer, -1, late));
        }
    }

    /// <summary>A candidate answered READY.</summary>
    public void Ready(int candidate, ICollection<DelegationEffect> effects)
    {
        if (!IsOpen(candidate)) return;
        _outcomes[candidate] = CandidateOutcome.Done;
        StopOpen(CandidateOutcome.Cancelled, effects);
        End(DelegationOutcome.Done, effects);
    }

    /// <summary>A candidate will not do it.</summary>
    /// <param name="refused">It could not even be asked; else it answered CONFLICT.</param>
    public void Failed(int candidate, bool refused, ICollection<DelegationEffect> effects)
    {
        if (!IsOpen(candidate)) return;
        _outcomes[candidate] = refused ? CandidateOutcome.Refused : CandidateOutcome.Conflict;
        AskNext(effects);
    }

    /// <summary>A timer that was asked for; may be late, and may be one that means nothing any more.</summary>
    public void TimerFired(Instant now, ICollection<DelegationEffect> effects)
    {
        if (Ended is not null) return;
        if (now >= _deadline)
        {
            StopOpen(CandidateOutcome.TimedOut, effects);
            End(DelegationOutcome.TimedOut, effects);
        }
        else if (_hedge && _asked == 1 && _outcomes[0] == CandidateOutcome.Asked)
        {
            AskNext(effects);
        }
    }

    private bool IsOpen(int candidate) => Ended is null && _outcomes[candidate] == CandidateOutcome.Asked;

    private void AskNext(ICollection<DelegationEffect> effects)
    {
        if (_asked < _candidates.Count)
        {
            _outcomes[_asked] = CandidateOutcome.Asked;
            effects.Add(new DelegationEffect(DelegationEffectKind.Ask, _asked++, default));
        }
        else if (Array.IndexOf(_outcomes, CandidateOutcome.Asked) < 0)
        {
            End(DelegationOutcome.NobodyCould, effects);
        }
    }

    private void StopOpen(CandidateOutcome outcome, ICollection<DelegationEffect> effects)
    {
        for (int i = 0; i < _asked; i++)
        {
            if (_outcomes[i] != CandidateOutcome.Asked) continue;
            _outcomes[i] = outcome;
            effects.Add(new DelegationEffect(DelegationEffectKind.Cancel, i, default));
        }
    }

    private void End(DelegationOutcome outcome, ICollection<DelegationEffect> effects)
    {
        Ended = outcome;
        effects.Add(new DelegationEffect(DelegationEffectKind.Complete, -1, default));
    }
}
