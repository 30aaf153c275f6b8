using Mesh30K.Protocol;
using Mesh30K.Protocol.Json;
using static Mesh30K.Consistency.Strong.Ledger.LedgerCommand;

namespace Mesh30K.Consistency.Strong.Ledger;

/// <summary>The life of an effect: what each command makes of it. One that was started runs again only when it surely did not take place, or honours its key.</summary>
internal static class EffectRules
{
    public static LedgerReply Apply(LedgerState state, Effect command)
    {
        LedgerEffect? effect = state.Effects.Find(new LedgerKey(command.Principal, command.Key));
        return (command, effect) switch
        {
            (Intend intend, _) => ApplyIntend(state, intend, effect),
            (Start start, _) => ApplyStart(state, start, effect),
            (_, null) => new LedgerReply(LedgerOutcome.NotFound, null, $"no effect is known under the key {command.Key} of {command.Principal}: it was never recorded, or its retention is over"),
            (Finish finish, _) => ApplyFinish(state, finish, effect),
            (Renew renew, _) => ApplyRenew(state, renew, effect),
            (Resolve resolve, _) => ApplyResolve(state, resolve, effect),
            _ => throw new ArgumentException($"a command that this ledger does not know: {command.GetType().Name}", nameof(command)),
        };
    }

    /// <summary>What becomes of an effect whose executor did not report until its lease ended.</summary>
    public static LedgerEffect Expire(LedgerEffect effect)
    {
        Invariant.Check(effect is { Status: EffectStatus.Executing, LeaseUntil: not null });
        return effect with { Status = effect.HonoursKey ? EffectStatus.Intended : EffectStatus.InDoubt, Since = effect.LeaseUntil.Value, LeaseUntil = null };
    }

    private static LedgerReply ApplyIntend(LedgerState state, Intend intend, LedgerEffect? effect)
    {
        if (effect is not null)
            return RefuseOther(effect, intend.Request, intend.HonoursKey) ?? Recorded(effect);
        if (intend.Retention > state.Options.RetentionMax) return LedgerRules.TooLong("retention", intend.Retention, state.Options.RetentionMax);
        LedgerEffect fresh = Fresh(state, intend, intend.Request, intend.HonoursKey, intend.Retention);
        return state.Put(state.Effects, null, fresh, state.Options.EffectsMax, "effects") ?? LedgerReply.Ok(fresh);
    }

    private static LedgerReply ApplyStart(LedgerState state, Start start, LedgerEffect? effect)
    {
        if (effect is not null)
        {
            if (RefuseOther(effect, start.Request, start.HonoursKey) is { } other) return other;
            if (effect.Status == EffectStatus.Executing)
            {
                return effect.Executor == start.Executor
                    ? LedgerReply.Ok(effect)
                    : new LedgerReply(LedgerOutcome.Held, effect, $"{effect.Executor} executes it under the epoch {effect.Epoch} until {effect.LeaseUntil}");
            }
            if (effect.Status != EffectStatus.Intended) return Recorded(effect);
        }
        else if (start.Retention > state.Options.RetentionMax)
        {
            return LedgerRules.TooLong("retention", start.Retention, state.Options.RetentionMax);
        }
        if (start.Lease > state.Options.LeaseMax) return LedgerRules.TooLong("lease", start.Lease, state.Options.LeaseMax);
        LedgerEffect before = effect ?? Fresh(state, start, start.Request, start.HonoursKey, start.Retention);
        LedgerEffect started = before with
        {
            Status = EffectStatus.Executing,
            Since = state.Now,
            Epoch = state.EpochLast + 1,
            Attempts = before.Attempts + 1,
            Executor = start.Executor,
            LeaseUntil = state.Now + start.Lease,
            ResolvedBy = null,
            Note = "",
        };
        Invariant.Check(started.Epoch > before.Epoch);
        if (state.Put(state.Effects, effect, started, state.Options.EffectsMax, "effects") is { } full) return full;
        state.EpochLast++;
        return LedgerReply.Ok(started);
    }

    private static LedgerReply ApplyFinish(LedgerState state, Finish finish, LedgerEffect effect)
    {
        if (finish.Epoch != effect.Epoch) return Fenced(effect, finish.Epoch);
        EffectStatus told = finish.Report switch
        {
            EffectReport.Done => EffectStatus.Done,
            EffectReport.Failed => EffectStatus.Failed,
            _ => EffectStatus.Intended,
        };
        bool isSame = effect.Status == told && effect.Output.Span.SequenceEqual(finish.Output.Span);
        if (isSame) return LedgerReply.Ok(effect);
        if (!effect.IsOpen) return WrongState(effect, "is reported");
        return Keep(state, effect with { Status = told, Since = state.Now, LeaseUntil = null, Output = finish.Output });
    }

    private static LedgerReply ApplyRenew(LedgerState state, Renew renew, LedgerEffect effect)
    {
        if (renew.Epoch != effect.Epoch) return Fenced(effect, renew.Epoch);
        if (effect.Status != EffectStatus.Executing) return WrongState(effect, "is renewed");
        if (renew.Lease > state.Options.LeaseMax) return LedgerRules.TooLong("lease", renew.Lease, state.Options.LeaseMax);
        return Keep(state, effect with { LeaseUntil = state.Now + renew.Lease });
    }

    private static LedgerReply ApplyResolve(LedgerState state, Resolve resolve, LedgerEffect effect)
    {
        if (resolve.Epoch != effect.Epoch) return Fenced(effect, resolve.Epoch);
        EffectStatus decided = resolve.Verdict switch
        {
            EffectVerdict.Done => EffectStatus.Done,
            EffectVerdict.NotDone => EffectStatus.Intended,
            _ => EffectStatus.Abandoned,
        };
        bool isSame = effect.Status == decided && effect.ResolvedBy == resolve.By && effect.Output.Span.SequenceEqual(resolve.Output.Span);
        if (isSame) return LedgerReply.Ok(effect);
        bool mayDecide = effect.Status == EffectStatus.InDoubt || (effect.Status == EffectStatus.Intended && resolve.Verdict == EffectVerdict.Abandon);
        if (!mayDecide) return WrongState(effect, "is decided on");
        LedgerEffect resolved = effect with { Status = decided, Since = state.Now, Output = resolve.Output, ResolvedBy = resolve.By, Note = resolve.Note };
        state.Effects.Put(resolved); // no bound refuses a person's decision: it ends what takes room, or adds a note at most
        return LedgerReply.Ok(resolved);
    }

    private static LedgerEffect Fresh(LedgerState state, Effect command, PayloadHash request, bool honoursKey, TimeSpan retention) => new()
    {
        Id = new LedgerKey(command.Principal, command.Key),
        Status = EffectStatus.Intended,
        Request = request,
        HonoursKey = honoursKey,
        Retention = retention,
        IntendedAt = state.Now,
        Since = state.Now,
    };

    /// <summary>A report or a renewal takes no more room than was set aside at the start, so no bound refuses it.</summary>
    private static LedgerReply Keep(LedgerState state, LedgerEffect next)
    {
        Invariant.Check(next.Bytes <= state.Effects.Find(next.Id)?.Bytes);
        state.Effects.Put(next);
        return LedgerReply.Ok(next);
    }

    private static LedgerReply? RefuseOther(LedgerEffect effect, PayloadHash request, bool honoursKey)
    {
        if (effect.Request != request)
            return new LedgerReply(LedgerOutcome.OtherRequest, null, $"the key {effect.Id.Name} of {effect.Id.Scope} belongs to another request: recorded with {effect.Request}, now with {request}");
        return effect.HonoursKey == honoursKey
            ? null
            : new LedgerReply(LedgerOutcome.OtherRequest, null, $"the key {effect.Id.Name} of {effect.Id.Scope} was recorded as {(effect.HonoursKey ? "honoured" : "not honoured")} by its receiver, and now as the opposite");
    }

    private static LedgerReply Recorded(LedgerEffect effect) => new(LedgerOutcome.Recorded, effect, $"the effect is recorded, and {Told(effect)}");

    private static LedgerReply Fenced(LedgerEffect effect, long epoch) =>
        new(LedgerOutcome.Fenced, effect, $"the epoch {epoch} is not the effect's last one, which is {effect.Epoch}");

    private static LedgerReply WrongState(LedgerEffect effect, string what) => new(LedgerOutcome.WrongState, effect, $"an effect that {Told(effect)} {what}");

    private static string Told(LedgerEffect effect) => effect.Status switch
    {
        EffectStatus.Intended => "waits to be started",
        EffectStatus.Executing => "is being executed",
        EffectStatus.InDoubt => "is in doubt",
        EffectStatus.Done => "is done",
        EffectStatus.Failed => "has failed",
        _ => "was abandoned",
    };
}
