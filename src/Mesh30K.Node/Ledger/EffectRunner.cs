using Mesh30K.Consistency.Strong.Effects;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Timing;

namespace Mesh30K.Node.Ledger;

/// <summary>What an effect gets while it is executed.</summary>
/// <param name="Request">What is to run once.</param>
/// <param name="Epoch">The fencing epoch of this start: grows with each one.</param>
/// <param name="Execution">The how manieth time in this run, from 1; more than 1 only when the receiver honours the key.</param>
/// <param name="TakenOver">
/// Cancelled when the ledger says that another executor was given the effect, or that a person decided on it, which takes a lease that was lost. Known a third of the lease later at most, while the ledger can be reached.
/// </param>
public sealed record EffectContext(EffectRequest Request, long Epoch, int Execution, CancellationToken TakenOver);

/// <summary>
/// Runs effects once over any ledger: carries out what <see cref="EffectRun"/> decides, and renews the lease meanwhile. Thread-safe.
/// </summary>
/// <remarks>
/// What the effect throws counts as "it may have taken place": an effect that knows better says so with its outcome. Cancelling before the effect has begun gives it back as not
/// run; afterwards the effect itself decides what to do, and what it says is recorded all the same, within <see cref="EffectRunOptions.LedgerWithin"/>.
/// </remarks>
/// <param name="ledger">Where it is recorded; the caller disposes of it.</param>
/// <param name="options">How long it waits and tries.</param>
/// <param name="clock">By whose monotonic clock it waits and renews; null for the system's.</param>
public sealed class EffectRunner(ILedger ledger, EffectRunOptions? options = null, TimeProvider? clock = null)
{
    private readonly EffectRunOptions _options = options ?? new EffectRunOptions();
    private readonly TimeProvider _clock = clock ?? TimeProvider.System;

    private Instant Now => new(_clock.GetElapsedTime(0).Ticks);

    /// <summary>
    /// Runs the effect if it is to run, and gives what is recorded of it. Throws <see cref="OperationCanceledException"/> when cancelled before it was executed, and
    /// <see cref="IOException"/> when the ledger's folder is damaged and nothing was executed; else that is told as <see cref="EffectEnding.Unrecorded"/>, or as not known.
    /// </summary>
    public async Task<EffectResult> RunAsync(EffectRequest request, Func<EffectContext, CancellationToken, Task<EffectOutcome>> effect, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(effect);
        using CancellationTokenSource takenOver = new();
        EffectRun run = new(request, NewExecutor(), _options);
        bool hasBegun = false;
        cancel.ThrowIfCancellationRequested();
        for (EffectStep step = run.Begin(Now); ;)
        {
            if (step is EffectStep.End end)
                return cancel.IsCancellationRequested && !hasBegun && end.Result.Ending is not (EffectEnding.Done or EffectEnding.Failed) ? throw new OperationCanceledException(cancel) : end.Result;
            try
            {
                if (step is EffectStep.Execute && !hasBegun) cancel.ThrowIfCancellationRequested();
                hasBegun |= step is EffectStep.Execute;
                step = await CarryOutAsync(run, step, effect, request, takenOver, cancel).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (cancel.IsCancellationRequested && run.MayCancel)
            {
                step = run.Cancel(hasBegun, Now);
            }
            catch (IOException unusable) when (hasBegun)
            {
                step = run.Unusable(unusable.Message);
            }
        }
    }

    private async Task<EffectStep> CarryOutAsync(
        EffectRun run, EffectStep step, Func<EffectContext, CancellationToken, Task<EffectOutcome>> effect, EffectRequest request, CancellationTokenSource takenOver, CancellationToken cancel)
    {
        CancellationToken until = run.MayCancel ? cancel : CancellationToken.None;
        switch (step)
        {
            case EffectStep.Ask ask:
                return run.Answered(await ledger.AskAsync(ask.Command, ask.Within, until).ConfigureAwait(false), Now);
            case EffectStep.Look look:
                return await LookAsync(run, look, until).ConfigureAwait(false);
            case EffectStep.Execute execute:
                Task<EffectOutcome> executing = ExecuteAsync(effect, new EffectContext(request, execute.Epoch, execute.Execution, takenOver.Token), cancel);
                await WhileRenewingAsync(run, executing, takenOver).ConfigureAwait(false);
                return run.Executed(await executing.ConfigureAwait(false), Now);
            default:
                await WhileRenewingAsync(run, Task.Delay(Backoff.PartOf(((EffectStep.Pause)step).AtMost, Random.Shared), _clock, until), takenOver).ConfigureAwait(false);
                return run.Resumed(Now);
        }
    }

    /// <summary>A name that no other attempt has: the same one would be given the same epoch.</summary>
    private static string NewExecutor()
    {
        string machine = Environment.MachineName.Length > 64 ? Environment.MachineName[..64] : Environment.MachineName;
        return FormattableString.Invariant($"{machine}/{Environment.ProcessId}/{Guid.NewGuid():N}");
    }

    private async Task<EffectStep> LookAsync(EffectRun run, EffectStep.Look look, CancellationToken cancel)
    {
        try
        {
            LedgerPage<LedgerEntry> found = await ledger.ReadAsync(new LedgerQuery.Find(LedgerEntryKind.Effect, look.Id), look.Within, cancel).ConfigureAwait(false);
            return run.Seen(isAnswered: true, found.Items is [LedgerEffect effect] ? effect : null, Now);
        }
        catch (LedgerUnavailableException)
        {
            return run.Seen(isAnswered: false, null, Now);
        }
    }

    private static async Task<EffectOutcome> ExecuteAsync(Func<EffectContext, CancellationToken, Task<EffectOutcome>> effect, EffectContext context, CancellationToken cancel)
    {
        await Task.Yield(); // an effect that blocks must not keep its lease from being renewed
        try
        {
            return await effect(context, cancel).ConfigureAwait(false);
        }
        catch (Exception thrown)
        {
            return new EffectOutcome(null, default, $"{thrown.GetType().Name}: {thrown.Message}");
        }
    }

    /// <summary>Waits for the work, renewing the lease each time when it is due. A renewal under way when the work ends is left: its answer is of no more use.</summary>
    private async Task WhileRenewingAsync(EffectRun run, Task work, CancellationTokenSource takenOver)
    {
        while (!work.IsCompleted && run.RenewAt is { } at)
        {
            using CancellationTokenSource ended = new();
            TimeSpan pause = at - Now;
            if (pause > TimeSpan.Zero && await Task.WhenAny(work, Task.Delay(pause, _clock, ended.Token)).ConfigureAwait(false) == work)
            {
                await ended.CancelAsync().ConfigureAwait(false);
                break;
            }
            EffectStep.Ask renewal = run.Renewal(Now);
            Task<LedgerAnswer> asking = ledger.AskAsync(renewal.Command, renewal.Within, ended.Token);
            await Task.WhenAny(work, asking).ConfigureAwait(false);
            await ended.CancelAsync().ConfigureAwait(false);
            if (await AnswerAsync(asking).ConfigureAwait(false) is not { } answer) break;
            run.Renewed(answer, Now);
            if (run.IsTakenOver) await takenOver.CancelAsync().ConfigureAwait(false);
            else if (answer.Certainty != LedgerCertainty.Answered) await Task.WhenAny(work, Task.Delay(Backoff.PartOf(_options.PauseFirst * 2, Random.Shared), _clock, CancellationToken.None)).ConfigureAwait(false);
        }
        await work.ConfigureAwait(false);
    }

    /// <summary>The answer; null when it was left. A folder that cannot be used answers no renewal either: the report will say so.</summary>
    private static async Task<LedgerAnswer?> AnswerAsync(Task<LedgerAnswer> asking)
    {
        try
        {
            return await asking.ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return null;
        }
        catch (IOException unusable)
        {
            return new LedgerAnswer(LedgerCertainty.Unknown, null, unusable.Message);
        }
    }
}
