using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Json;
using static Mesh30K.Consistency.Strong.Ledger.LedgerCommand;

namespace Mesh30K.Consistency.Tests.Strong.Ledger;

/// <summary>
/// What a ledger should do, written as plainly as possible: lists, searched from end to end, and time that moves tick by tick of what is due. It shares no
/// code with the ledger but the commands; messages and field rules are tested elsewhere.
/// </summary>
internal sealed class LedgerModel
{
    public sealed class Effect
    {
        public required string Principal;
        public required string Key;
        public required PayloadHash Request;
        public required bool Honours;
        public required TimeSpan Retention;
        public required Instant IntendedAt;
        public required Instant Since;
        public EffectStatus Status;
        public long Epoch;
        public int Attempts;
        public string? Executor;
        public Instant? Lease;
        public string Output = "";
        public string? By;
        public string Note = "";

        public bool HasEnded => Status is EffectStatus.Done or EffectStatus.Failed or EffectStatus.Abandoned;
    }

    /// <summary>A lease, member, seen key or value.</summary>
    public sealed class Thing
    {
        public required char Kind;
        public required string Scope;
        public required string Name;
        public string Text = "";
        public long Number;
        public Instant Since;
        public Instant? Until;
    }

    private readonly List<Effect> _effects = [];
    private readonly List<Thing> _things = [];
    private LedgerOptions _options = new();
    private Instant _now;
    private long _epochs;
    private long _versions;

    private long Bytes => _effects.Sum(BytesOf) + _things.Sum(BytesOf);

    public LedgerOutcome Apply(LedgerCommand command, Instant at)
    {
        if (at > _now) _now = at;
        foreach (Effect effect in _effects.Where(e => e.Lease <= _now).ToList())
            (effect.Status, effect.Since, effect.Lease) = (effect.Honours ? EffectStatus.Intended : EffectStatus.InDoubt, effect.Lease!.Value, null);
        _effects.RemoveAll(e => e.HasEnded && e.Since + e.Retention <= _now);
        _things.RemoveAll(t => t.Until <= _now);
        return command switch
        {
            Intend c => Take(c.Principal, c.Key, c.Request, c.HonoursKey, c.Retention, null, default),
            Start c => Take(c.Principal, c.Key, c.Request, c.HonoursKey, c.Retention, c.Executor, c.Lease),
            Finish c => Known(c.Principal, c.Key, c.Epoch, e => FinishOne(e, c)),
            Renew c => Known(c.Principal, c.Key, c.Epoch, e => RenewOne(e, c.Lease)),
            Resolve c => Known(c.Principal, c.Key, c.Epoch, e => ResolveOne(e, c)),
            AcquireLease c => Acquire(c),
            RenewLease c => Held('L', c.Name, c.Epoch, c.Lease),
            ReleaseLease c => Held('L', c.Name, c.Epoch, null),
            RegisterMember c => Register(c),
            RenewMember c => Held('M', c.Member, c.Epoch, c.Lease),
            RemoveMember c => Held('M', c.Member, c.Epoch, null),
            MarkSeen c => Mark(c),
            SetKey c => Set(c),
            Configure c => Configured(c.Options),
            Tick => LedgerOutcome.Ok,
            _ => throw new ArgumentOutOfRangeException(nameof(command)),
        };
    }

    public string Dump() => string.Join('\n', (string[])
    [
        $"{_now} {_epochs} {_versions} {Bytes}",
        .. _effects.OrderBy(e => e.Principal, StringComparer.Ordinal).ThenBy(e => e.Key, StringComparer.Ordinal)
            .Select(e => $"{e.Principal}/{e.Key} {e.Status} {e.Request} {e.Honours} {e.Retention} {e.IntendedAt} {e.Since} {e.Epoch} {e.Attempts} {e.Executor} {e.Lease} {e.Output} {e.By} {e.Note}"),
        .. _things.OrderBy(t => "LMSV".IndexOf(t.Kind, StringComparison.Ordinal)).ThenBy(t => t.Scope, StringComparer.Ordinal).ThenBy(t => t.Name, StringComparer.Ordinal)
            .Select(t => $"{t.Kind} {t.Scope}/{t.Name} {t.Text} {t.Number} {t.Since} {t.Until}"),
    ]);

    private static string Text(ReadOnlyMemory<byte> bytes) => System.Text.Encoding.UTF8.GetString(bytes.Span);

    private static long BytesOf(Effect e)
    {
        bool reserves = !e.HasEnded && e.Epoch > 0;
        return 400 + (2 * (e.Principal.Length + e.Key.Length + (e.Executor ?? "").Length + (e.By ?? "").Length + e.Note.Length)) + (reserves ? 65_536 : e.Output.Length);
    }

    private static long BytesOf(Thing t) => 400 + (2 * (t.Scope.Length + t.Name.Length)) + (t.Kind is 'M' or 'V' ? t.Text.Length : 2 * t.Text.Length);

    private LedgerOutcome Configured(LedgerOptions options)
    {
        _options = options;
        return LedgerOutcome.Ok;
    }

    /// <summary>Makes the change when the bounds allow it; else undoes it.</summary>
    private LedgerOutcome Within(int count, int max, Action change, Action undo)
    {
        long before = Bytes;
        change();
        if (count <= max && (Bytes <= before || Bytes <= _options.BytesMax)) return LedgerOutcome.Ok;
        undo();
        return LedgerOutcome.Full;
    }

    private LedgerOutcome Take(string principal, string key, PayloadHash request, bool honours, TimeSpan retention, string? executor, TimeSpan lease)
    {
        Effect? known = _effects.Find(e => e.Principal == principal && e.Key == key);
        if (known is not null && (known.Request != request || known.Honours != honours)) return LedgerOutcome.OtherRequest;
        if (known is not null && executor is null) return LedgerOutcome.Recorded;
        if (known?.Status == EffectStatus.Executing) return known.Executor == executor ? LedgerOutcome.Ok : LedgerOutcome.Held;
        if (known is not null && known.Status != EffectStatus.Intended) return LedgerOutcome.Recorded;
        if (known is null && retention > _options.RetentionMax) return LedgerOutcome.Invalid;
        if (executor is not null && lease > _options.LeaseMax) return LedgerOutcome.Invalid;
        Effect effect = known ?? new Effect { Principal = principal, Key = key, Request = request, Honours = honours, Retention = retention, IntendedAt = _now, Since = _now };
        var was = (effect.Status, effect.Since, effect.Epoch, effect.Attempts, effect.Executor, effect.Lease, effect.By, effect.Note);
        LedgerOutcome outcome = Within(known is null ? _effects.Count + 1 : 0, _options.EffectsMax, Change, Undo);
        if (outcome == LedgerOutcome.Ok && executor is not null) _epochs++;
        return outcome;

        void Change()
        {
            if (known is null) _effects.Add(effect);
            if (executor is not null)
                (effect.Status, effect.Since, effect.Epoch, effect.Attempts, effect.Executor, effect.Lease, effect.By, effect.Note) = (EffectStatus.Executing, _now, _epochs + 1, effect.Attempts + 1, executor, _now + lease, null, "");
        }

        void Undo()
        {
            if (known is null) _effects.Remove(effect);
            else (effect.Status, effect.Since, effect.Epoch, effect.Attempts, effect.Executor, effect.Lease, effect.By, effect.Note) = was;
        }
    }

    private LedgerOutcome Known(string principal, string key, long epoch, Func<Effect, LedgerOutcome> change)
    {
        Effect? known = _effects.Find(e => e.Principal == principal && e.Key == key);
        if (known is null) return LedgerOutcome.NotFound;
        return known.Epoch == epoch ? change(known) : LedgerOutcome.Fenced;
    }

    private LedgerOutcome FinishOne(Effect effect, Finish c)
    {
        EffectStatus told = c.Report == EffectReport.Done ? EffectStatus.Done : c.Report == EffectReport.Failed ? EffectStatus.Failed : EffectStatus.Intended;
        if (effect.Status == told && effect.Output == Text(c.Output)) return LedgerOutcome.Ok;
        if (effect.HasEnded) return LedgerOutcome.WrongState;
        (effect.Status, effect.Since, effect.Lease, effect.Output) = (told, _now, null, Text(c.Output));
        return LedgerOutcome.Ok;
    }

    private LedgerOutcome RenewOne(Effect effect, TimeSpan lease)
    {
        if (effect.Status != EffectStatus.Executing) return LedgerOutcome.WrongState;
        if (lease > _options.LeaseMax) return LedgerOutcome.Invalid;
        effect.Lease = _now + lease;
        return LedgerOutcome.Ok;
    }

    private LedgerOutcome ResolveOne(Effect effect, Resolve c)
    {
        EffectStatus decided = c.Verdict == EffectVerdict.Done ? EffectStatus.Done : c.Verdict == EffectVerdict.NotDone ? EffectStatus.Intended : EffectStatus.Abandoned;
        if (effect.Status == decided && effect.By == c.By && effect.Output == Text(c.Output)) return LedgerOutcome.Ok;
        bool waits = effect.Status == EffectStatus.Intended && c.Verdict == EffectVerdict.Abandon;
        if (effect.Status != EffectStatus.InDoubt && !waits) return LedgerOutcome.WrongState;
        (effect.Status, effect.Since, effect.Output, effect.By, effect.Note) = (decided, _now, Text(c.Output), c.By, c.Note);
        return LedgerOutcome.Ok;
    }

    private Thing? Find(char kind, string scope, string name) => _things.Find(t => t.Kind == kind && t.Scope == scope && t.Name == name);

    private LedgerOutcome Acquire(AcquireLease c)
    {
        if (c.Lease > _options.LeaseMax) return LedgerOutcome.Invalid;
        Thing? held = Find('L', "", c.Name);
        if (held is not null && held.Text != c.Holder) return LedgerOutcome.Held;
        if (held is not null)
        {
            held.Until = _now + c.Lease;
            return LedgerOutcome.Ok;
        }
        return Add(new Thing { Kind = 'L', Scope = "", Name = c.Name, Text = c.Holder, Number = _epochs + 1, Since = _now, Until = _now + c.Lease }, _options.LeasesMax, () => _epochs++);
    }

    private LedgerOutcome Register(RegisterMember c)
    {
        if (c.Lease > _options.LeaseMax) return LedgerOutcome.Invalid;
        return Add(new Thing { Kind = 'M', Scope = "", Name = c.Member, Text = Text(c.Data), Number = _epochs + 1, Since = _now, Until = _now + c.Lease }, _options.MembersMax, () => _epochs++);
    }

    private LedgerOutcome Mark(MarkSeen c)
    {
        if (Find('S', c.Scope, c.Key) is { } seen) return seen.Text == c.Owner ? LedgerOutcome.Ok : LedgerOutcome.Seen;
        if (c.Retention > _options.RetentionMax) return LedgerOutcome.Invalid;
        return Add(new Thing { Kind = 'S', Scope = c.Scope, Name = c.Key, Text = c.Owner, Since = _now, Until = _now + c.Retention }, _options.SeenMax, static () => { });
    }

    private LedgerOutcome Set(SetKey c)
    {
        Thing? before = Find('V', "", c.Key);
        if (c.Expected is KeyExpectation.Absent && before is not null) return LedgerOutcome.Mismatch;
        if (c.Expected is KeyExpectation.OfVersion of && before?.Number != of.Version) return LedgerOutcome.Mismatch;
        if (c.Expected is KeyExpectation.OfValue like && before?.Text != Text(like.Value)) return LedgerOutcome.Mismatch;
        if (c.Value is { } value) return Add(new Thing { Kind = 'V', Scope = "", Name = c.Key, Text = Text(value), Number = _versions + 1 }, _options.KeysMax, () => _versions++);
        if (before is not null) _things.Remove(before);
        return LedgerOutcome.Ok;
    }

    /// <summary>Adds it in the place of one of the same kind and name.</summary>
    private LedgerOutcome Add(Thing thing, int max, Action then)
    {
        Thing? before = Find(thing.Kind, thing.Scope, thing.Name);
        LedgerOutcome outcome = Within(before is null ? _things.Count(t => t.Kind == thing.Kind) + 1 : 0, max, () => Swap(before, thing), () => Swap(thing, before));
        if (outcome == LedgerOutcome.Ok) then();
        return outcome;
    }

    private void Swap(Thing? from, Thing? to)
    {
        if (from is not null) _things.Remove(from);
        if (to is not null) _things.Add(to);
    }

    private LedgerOutcome Held(char kind, string name, long epoch, TimeSpan? lease)
    {
        if (lease > _options.LeaseMax) return LedgerOutcome.Invalid;
        if (Find(kind, "", name) is not { } thing) return LedgerOutcome.NotFound;
        if (thing.Number != epoch) return LedgerOutcome.Fenced;
        if (lease is { } span) thing.Until = _now + span;
        else _things.Remove(thing);
        return LedgerOutcome.Ok;
    }
}
