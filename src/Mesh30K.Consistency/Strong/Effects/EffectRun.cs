using System.Globalization;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Protocol;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Timing;

namespace Mesh30K.Consistency.Strong.Effects;

/// <summary>
/// One caller's way through an effect: start, execute under the epoch that the ledger gave, report, and only then answer. Each step comes out as data, and the host says what
/// came of it. Sans-IO: the same decisions run in the host and in the simulator. One owner; the time is any clock that only goes forward.
/// </summary>
/// <remarks>
/// <para>A lost answer is no refusal. A start is asked again under the same executor's name, and the ledger says what it holds: the same epoch when it had taken it. A report
/// likewise. What was executed and cannot be reported is <see cref="EffectEnding.Unrecorded"/>.</para>
/// <para>A lease counts from when it was asked for. When more than half of it has passed before the answer comes, it is renewed before anything is executed; when that fails, the
/// effect is given back as not run. A lease is no lock: an executor that was silent for too long may still be at work. What must not be done by a stale one has to check the epoch.</para>
/// <para>DUTIES OF THE HOST: an executor's name of its own for each run; while <see cref="RenewAt"/> has passed, <see cref="Renewal"/> is asked and <see cref="Renewed"/>
/// told, also during a <see cref="EffectStep.Pause"/>. Source: the spec of layered consistency, section 4, layer 3.</para>
/// </remarks>
public sealed class EffectRun
{
    /// <summary>How long a start that may have been taken is looked for before it is left to its lease.</summary>
    private static readonly TimeSpan CancelWithin = TimeSpan.FromSeconds(2);

    private readonly EffectRequest _request;
    private readonly EffectRunOptions _options;
    private readonly string _executor;
    private readonly Backoff _pauses;
    private Phase _phase = Phase.Starting;

    /// <summary>When the ledger is given up, in this phase.</summary>
    private Instant _giveUpAt;

    /// <summary>When another executor is waited for no more.</summary>
    private Instant _waitUntil;

    /// <summary>When the lease was asked for: it surely holds for its length from here.</summary>
    private Instant _leaseFrom;
    private Instant _renewalFrom;
    private bool _isLeaseLost;
    private bool _isCancelled;
    private bool _mayHaveTakenPlace;
    private int _failures;
    private long _epoch;
    private int _executions;
    private LedgerEffect? _effect;
    private EffectOutcome? _outcome;

    /// <param name="request">What is to run once.</param>
    /// <param name="executor">A name that no other run has or had.</param>
    public EffectRun(EffectRequest request, string executor, EffectRunOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentException.ThrowIfNullOrWhiteSpace(executor);
        (_request, _executor, _options) = (request, executor, options ?? new EffectRunOptions());
        ArgumentOutOfRangeException.ThrowIfLessThan(_options.ExecutionsMax, 1, nameof(options));
        _pauses = new Backoff(_options.PauseFirst, _options.PauseMost);
    }

    private enum Phase
    {
        /// <summary>Asks for the effect.</summary>
        Starting,

        /// <summary>Another executor has it.</summary>
        Waiting,

        /// <summary>Has it, and makes sure that the lease is still long enough.</summary>
        Securing,

        /// <summary>Has it.</summary>
        Executing,

        /// <summary>Has a report, and tells it.</summary>
        Reporting,

        /// <summary>Has given up on finding out, and tells that.</summary>
        Yielding,

        /// <summary>Nothing more.</summary>
        Ended,
    }

    /// <summary>
    /// When the lease is to be renewed, and once it is lost, when the ledger is to be asked again whether it is anybody else's matter by now, by the same command; null when there is nothing more to ask.
    /// </summary>
    public Instant? RenewAt => _phase == Phase.Executing && !IsTakenOver ? (_isLeaseLost ? _renewalFrom : _leaseFrom) + (_request.Lease / 3) : null;

    /// <summary>
    /// Whether the ledger says that another executor was given the effect, or that a person decided on it. A lost lease alone is neither: the effect waits in doubt, and a late report takes the doubt away. What is under way
    /// is reported in any case: the ledger decides whether it counts.
    /// </summary>
    public bool IsTakenOver { get; private set; }

    /// <summary>Whether there is anything left to cancel.</summary>
    public bool MayCancel => !_isCancelled && _phase <= Phase.Executing;

    /// <summary>The first step.</summary>
    public EffectStep Begin(Instant now)
    {
        _waitUntil = now + _options.WaitForOther;
        _leaseFrom = now;
        return AskStart(now);
    }

    /// <summary>The ledger's answer to an <see cref="EffectStep.Ask"/>.</summary>
    public EffectStep Answered(LedgerAnswer answer, Instant now)
    {
        ArgumentNullException.ThrowIfNull(answer);
        if (answer.Reply?.Entry is LedgerEffect effect) _effect = effect;
        return (_phase, answer.Reply) switch
        {
            (Phase.Starting, null) => Unreached(answer, now),
            (Phase.Starting, { } reply) => Started(reply, now),
            (Phase.Securing, { } reply) => Secured(reply, now),
            (Phase.Securing, null) => Withdraw("the ledger answered too late for the lease", now),
            (Phase.Reporting, null) => Unreached(answer, now),
            (Phase.Reporting, { } reply) => Reported(reply),
            (Phase.Yielding, { Entry: LedgerEffect { IsOpen: false } }) => EndRecorded($"whether this run's own execution took place is not known: {_outcome?.Why}"),
            (Phase.Yielding, _) => Unknown(),
            _ => throw new InvalidOperationException($"nothing was asked ({_phase})"),
        };
    }

    /// <summary>The ledger cannot be used any more, and will not be by asking again: what was executed is told as what it is. Only when something was.</summary>
    public EffectStep Unusable(string why)
    {
        Invariant.Check(_executions > 0 && _phase is Phase.Reporting or Phase.Yielding);
        return _phase == Phase.Yielding ? Unknown() : End(EffectEnding.Unrecorded, isReplay: false, _outcome!.Output, $"the ledger cannot be used: {why}");
    }

    /// <summary>What an <see cref="EffectStep.Look"/> found.</summary>
    /// <param name="isAnswered">Whether the ledger answered.</param>
    /// <param name="effect">The effect; null when the ledger knows none, or did not answer.</param>
    public EffectStep Seen(bool isAnswered, LedgerEffect? effect, Instant now)
    {
        Invariant.Check(_phase == Phase.Waiting);
        if (isAnswered && effect is not { Status: EffectStatus.Executing }) return AskStart(now);
        _effect = effect ?? _effect;
        return WaitOn(isAnswered ? "" : "; the ledger was not to be reached at last", now);
    }

    /// <summary>A <see cref="EffectStep.Pause"/> is over.</summary>
    public EffectStep Resumed(Instant now)
    {
        if (_phase == Phase.Executing) return Execute(now);
        if (_phase == Phase.Waiting) return new EffectStep.Look(_request.Id, _options.LedgerWithin);
        return new EffectStep.Ask(Command(), Left(now));
    }

    /// <summary>An <see cref="EffectStep.Execute"/> has ended.</summary>
    public EffectStep Executed(EffectOutcome outcome, Instant now)
    {
        ArgumentNullException.ThrowIfNull(outcome);
        Invariant.Check(_phase == Phase.Executing);
        _outcome = outcome;
        if (outcome.Report is not null) return Tell(Phase.Reporting, now);
        _mayHaveTakenPlace = true;
        bool isTriedAgain = _request.HonoursKey && _executions < _options.ExecutionsMax && !IsOverdue(now);
        return isTriedAgain ? Pause() : Tell(Phase.Yielding, now);
    }

    /// <summary>
    /// The caller wants no more of it: what has not begun is given back as not run, what may have taken place is not tried again. Not while <see cref="MayCancel"/> is false: what has
    /// been executed is reported.
    /// </summary>
    /// <param name="hasBegun">Whether an execution was begun.</param>
    public EffectStep Cancel(bool hasBegun, Instant now)
    {
        Invariant.Check(MayCancel);
        const string Why = "it was cancelled";
        _isCancelled = true;
        if (_phase == Phase.Waiting) return End(EffectEnding.Held, isReplay: false, default, Why);
        if (_phase != Phase.Starting && !hasBegun) return Withdraw(Why, now);
        if (_phase != Phase.Starting) return Tell(Phase.Yielding, now);
        _giveUpAt = now + CancelWithin; // the start that was asked for may have been taken
        return new EffectStep.Ask(Command(), CancelWithin);
    }

    /// <summary>The command that renews the lease, and until when its answer is of use.</summary>
    public EffectStep.Ask Renewal(Instant now)
    {
        Invariant.Check(RenewAt is not null);
        _renewalFrom = now;
        TimeSpan left = _leaseFrom + _request.Lease - now;
        return new EffectStep.Ask(new LedgerCommand.Renew(_request.Principal, _request.Key, _epoch, _request.Lease), left > TimeSpan.Zero ? left : _request.Lease / 3);
    }

    /// <summary>The ledger's answer to a renewal. Without one the lease is as long as it was; when that is over, it is lost.</summary>
    public void Renewed(LedgerAnswer answer, Instant now)
    {
        ArgumentNullException.ThrowIfNull(answer);
        if (answer.Reply is { Outcome: LedgerOutcome.Ok }) _leaseFrom = _renewalFrom;
        else if (answer.Reply is { } refused) (_isLeaseLost, IsTakenOver) = (true, IsOfOthers(refused));
        _ = IsOverdue(now);
    }

    /// <summary>What a renewal that was refused says. Open and of this run's epoch, nobody has touched it, unless a person said that it did not take place.</summary>
    private static bool IsOfOthers(LedgerReply refused) =>
        refused.Outcome == LedgerOutcome.Fenced || refused is { Outcome: LedgerOutcome.WrongState, Entry: LedgerEffect { IsOpen: false } or LedgerEffect { Status: EffectStatus.Intended, ResolvedBy: not null } };

    private EffectStep AskStart(Instant now)
    {
        if (_phase != Phase.Starting) _leaseFrom = now;
        (_phase, _giveUpAt, _failures) = (Phase.Starting, now + _options.LedgerWithin, 0);
        return new EffectStep.Ask(Command(), Left(now));
    }

    /// <summary>No answer, or none in time: the same again, which does no harm, until it is given up.</summary>
    private EffectStep Unreached(LedgerAnswer answer, Instant now)
    {
        if (now < _giveUpAt) return Pause();
        string why = $"the ledger was not to be reached: {answer.Why}";
        bool isTaken = _phase == Phase.Reporting;
        if (isTaken && _executions > 0) return End(EffectEnding.Unrecorded, isReplay: false, _outcome!.Output, why);
        string silent = isTaken ? "; it has the start, and will find the executor silent" : answer.Certainty == LedgerCertainty.Unknown ? "; it may have taken the start, and will then find the executor silent" : "";
        return End(EffectEnding.Unavailable, isReplay: false, default, why + silent);
    }

    private EffectStep Started(LedgerReply reply, Instant now)
    {
        switch (reply.Outcome)
        {
            case LedgerOutcome.Ok:
                _epoch = _effect!.Epoch;
                if (_isCancelled) return Withdraw("it was cancelled", now);
                if (now - _leaseFrom < _request.Lease / 2) return Take(now);
                _phase = Phase.Securing;
                _renewalFrom = now;
                return new EffectStep.Ask(Command(), _request.Lease / 2);
            case LedgerOutcome.Recorded when _effect is { Status: EffectStatus.InDoubt } mine && mine.Executor == _executor:
                _epoch = mine.Epoch; // taken, unheard, and over: only this run knows that it never began
                return Withdraw("the ledger answered too late for the lease", now);
            case LedgerOutcome.Recorded:
                return EndRecorded("");
            case LedgerOutcome.Held when _isCancelled:
                return End(EffectEnding.Held, isReplay: false, default, reply.Message);
            case LedgerOutcome.Held:
                _phase = Phase.Waiting;
                _failures = 0;
                return WaitOn("", now);
            default:
                return End(EffectEnding.Refused, isReplay: false, default, reply.Message);
        }
    }

    private EffectStep Secured(LedgerReply reply, Instant now)
    {
        if (reply.Outcome != LedgerOutcome.Ok) return Withdraw(reply.Message, now);
        _leaseFrom = _renewalFrom;
        return now - _leaseFrom < _request.Lease / 2 ? Take(now) : Withdraw("the ledger answers too slowly for the lease", now);
    }

    private EffectStep Take(Instant now)
    {
        (_phase, _failures) = (Phase.Executing, 0);
        return Execute(now);
    }

    private EffectStep Execute(Instant now)
    {
        if (_executions > 0 && IsOverdue(now)) return Tell(Phase.Yielding, now); // another one may be at it
        return new EffectStep.Execute(_epoch, ++_executions);
    }

    /// <summary>Nothing was executed, which only this run knows: said, it leaves no doubt behind.</summary>
    private EffectStep Withdraw(string why, Instant now)
    {
        _outcome = new EffectOutcome(EffectReport.NotRun, default, why);
        return Tell(Phase.Reporting, now);
    }

    private EffectStep Tell(Phase phase, Instant now)
    {
        (_phase, _giveUpAt, _failures) = (phase, now + _options.LedgerWithin, 0);
        return new EffectStep.Ask(Command(), Left(now));
    }

    private EffectStep Reported(LedgerReply reply)
    {
        EffectReport report = _outcome!.Report!.Value;
        if (report == EffectReport.NotRun) return EndNotRun();
        if (reply.Outcome == LedgerOutcome.Ok)
        {
            EffectEnding told = report switch { EffectReport.Done => EffectEnding.Done, _ => EffectEnding.Failed };
            return End(told, isReplay: false, _outcome.Output, _outcome.Why);
        }
        Invariant.Check(reply.Outcome is LedgerOutcome.Fenced or LedgerOutcome.WrongState or LedgerOutcome.NotFound);
        bool isEnded = reply.Entry is LedgerEffect { IsOpen: false };
        return isEnded ? EndRecorded("this run came too late with its own report") : End(EffectEnding.Unrecorded, isReplay: false, _outcome.Output, reply.Message);
    }

    /// <summary>That this execution did not run says nothing of those before it, of this run or an earlier one.</summary>
    private EffectStep EndNotRun()
    {
        bool mayHaveBefore = _request.HonoursKey && (_mayHaveTakenPlace || _effect?.Attempts > 1);
        return End(mayHaveBefore ? EffectEnding.RunAgain : EffectEnding.NotRun, isReplay: false, default, _outcome!.Why);
    }

    private EffectStep EndRecorded(string more)
    {
        (EffectEnding ending, string message) = _effect!.Status switch
        {
            EffectStatus.Done => (EffectEnding.Done, ""),
            EffectStatus.Failed => (EffectEnding.Failed, ""),
            EffectStatus.Abandoned => (EffectEnding.Abandoned, $"{_effect.ResolvedBy} gave it up{(_effect.Note.Length > 0 ? ": " + _effect.Note : "")}"),
            _ => (EffectEnding.InDoubt, $"{_effect.Executor} started it under the epoch {_effect.Epoch} and did not report; it may have taken place"),
        };
        return End(ending, isReplay: ending is EffectEnding.Done or EffectEnding.Failed, _effect.Output, message.Length > 0 && more.Length > 0 ? $"{message}; {more}" : message + more);
    }

    private EffectStep Unknown() => _request.HonoursKey
        ? End(EffectEnding.RunAgain, isReplay: false, default, $"it may have taken place: {_outcome!.Why}")
        : End(EffectEnding.InDoubt, isReplay: false, default, $"it may have taken place: {_outcome!.Why}");

    private EffectStep WaitOn(string more, Instant now)
    {
        if (now < _waitUntil) return Pause(most: _waitUntil - now);
        return End(EffectEnding.Held, isReplay: false, default, string.Create(CultureInfo.InvariantCulture, $"{_effect?.Executor} executes it under the epoch {_effect?.Epoch}{more}"));
    }

    private EffectStep.Pause Pause(TimeSpan? most = null)
    {
        TimeSpan ceiling = _pauses.Ceiling(_failures++);
        return new EffectStep.Pause(most < ceiling ? most.Value : ceiling);
    }

    private EffectStep.End End(EffectEnding ending, bool isReplay, ReadOnlyMemory<byte> output, string message)
    {
        _phase = Phase.Ended;
        return new EffectStep.End(new EffectResult(ending, isReplay, _effect, output, message));
    }

    private LedgerCommand Command() => _phase switch
    {
        Phase.Starting => new LedgerCommand.Start(_request.Principal, _request.Key, _request.Request, _request.HonoursKey, _request.Retention, _executor, _request.Lease),
        Phase.Securing => new LedgerCommand.Renew(_request.Principal, _request.Key, _epoch, _request.Lease),
        Phase.Reporting => new LedgerCommand.Finish(_request.Principal, _request.Key, _epoch, _outcome!.Report!.Value, _outcome.Output),
        Phase.Yielding => new LedgerCommand.Renew(_request.Principal, _request.Key, _epoch, TimeSpan.FromTicks(1)), // the doubt begins now, not when the lease ends
        _ => throw new InvalidOperationException($"nothing is to be asked ({_phase})"),
    };

    private bool IsOverdue(Instant now) => _isLeaseLost |= now - _leaseFrom >= _request.Lease;

    private TimeSpan Left(Instant now) => _giveUpAt > now ? _giveUpAt - now : TimeSpan.Zero;
}
