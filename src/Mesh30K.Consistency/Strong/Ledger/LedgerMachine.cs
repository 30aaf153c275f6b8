using System.Buffers;
using Mesh30K.Protocol.Identity;
using static Mesh30K.Consistency.Strong.Ledger.LedgerCommand;

namespace Mesh30K.Consistency.Strong.Ledger;

/// <summary>
/// What a group of coordinators agrees on: effects that run once, leases, members, keys of tasks, values. A deterministic state machine: the same commands in the
/// same order make the same state, byte for byte, at every replica. Sans-IO, no clock; not thread-safe: the loop that applies the log owns it.
/// </summary>
/// <remarks>
/// <para>A command comes with its log time, which its proposer gave. The ledger's time is the highest that it has seen, and never goes back: a proposer whose clock
/// lags lets leases live longer; one whose clock is ahead ends them early, which the epochs make harmless, and ends retentions early, which nothing does. DUTY OF
/// THE HOST: a proposer whose clock is off its peers' by more than leases can bear does not propose.</para>
/// <para>DUTY OF THE HOST: an entry is durable (for a group: committed) before it is applied, and its reply goes out after that. A ledger by itself is
/// a group of one whose log is a journal: encode, append, sync, apply; on start, restore the snapshot, then apply what came after it.</para>
/// <para>Exactly once holds for effects whose receiver honours the key. For others it is at most once without a person's word: a crash between execution and
/// report leaves the effect in doubt. Source: the spec of layered consistency, section 4, layer 3.</para>
/// </remarks>
public sealed class LedgerMachine
{
    private readonly LedgerState _state;

    /// <summary>An empty ledger at the log time 0, with the default bounds.</summary>
    public LedgerMachine()
        : this(new LedgerState())
    {
    }

    private LedgerMachine(LedgerState state) => _state = state;

    /// <summary>Log time.</summary>
    public Instant Now => _state.Now;

    /// <summary>The log time from which on a <see cref="Tick"/> would change something; null: none.</summary>
    public Instant? NextDue => _state.NextDue;

    public LedgerOptions Options => _state.Options;

    /// <summary>What all entries count against <see cref="LedgerOptions.BytesMax"/>.</summary>
    public long Bytes => _state.Bytes;

    public LedgerCounts Counts => new(_state.Effects.Count, _state.Leases.Count, _state.Members.Count, _state.Seen.Count, _state.Values.Count);

    /// <summary>What is wrong with a command whatever the state, so that it need not be proposed; null when nothing is.</summary>
    public static LedgerReply? Refuse(LedgerCommand command)
    {
        ArgumentNullException.ThrowIfNull(command);
        return LedgerRules.Refuse(command);
    }

    /// <summary>Applies an entry of the log (<see cref="LedgerCodec"/>). Throws <see cref="LedgerFormatException"/> for one that does not fit, and has then changed nothing.</summary>
    public LedgerReply Apply(ReadOnlySpan<byte> entry)
    {
        (LedgerCommand command, Instant at) = LedgerCodec.Decode(entry);
        return Apply(command, at);
    }

    /// <summary>
    /// Applies a command. First log time goes forward to <paramref name="at"/> if that is later, and what is due by then happens, whatever comes of the command. A
    /// refusal is a reply and changes nothing else. O(log n), and what is due. Throws for a moment that is no log time: below 0, or after the year 9997.
    /// </summary>
    public LedgerReply Apply(LedgerCommand command, Instant at)
    {
        ArgumentNullException.ThrowIfNull(command);
        ArgumentOutOfRangeException.ThrowIfNegative(at.Ticks, nameof(at));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(at.Ticks, LedgerLimits.TicksMax, nameof(at));
        _state.MoveTo(at);
        return LedgerRules.Refuse(command) ?? command switch
        {
            Effect effect => EffectRules.Apply(_state, effect),
            AcquireLease acquire => TableRules.Acquire(_state, acquire),
            RenewLease renew => TableRules.Renew(_state, renew),
            ReleaseLease release => TableRules.Release(_state, release),
            RegisterMember register => TableRules.Register(_state, register),
            RenewMember renew => TableRules.Renew(_state, renew),
            RemoveMember remove => TableRules.Remove(_state, remove),
            MarkSeen mark => TableRules.Mark(_state, mark),
            SetKey set => TableRules.Set(_state, set),
            Configure configure => Reconfigure(configure.Options),
            _ => LedgerReply.Ok(null),
        };
    }

    public LedgerEffect? FindEffect(string principal, string key) => _state.Effects.Find(new LedgerKey(principal, key));

    public LedgerValue? FindValue(string key) => _state.Values.Find(new LedgerKey("", key));

    /// <summary>Effects after <paramref name="after"/>, those in <paramref name="status"/> or all. A part has at most <see cref="LedgerLimits.PageMax"/>.</summary>
    public LedgerPage<LedgerEffect> ListEffects(EffectStatus? status = null, LedgerKey? after = null, int limit = LedgerLimits.PageMax) =>
        _state.Effects.Page(after, Limit(limit), e => status is null || e.Status == status);

    /// <summary>Leases after <paramref name="after"/>. A part has at most <see cref="LedgerLimits.PageMax"/>.</summary>
    public LedgerPage<LedgerLease> ListLeases(LedgerKey? after = null, int limit = LedgerLimits.PageMax) => _state.Leases.Page(after, Limit(limit), static _ => true);

    /// <summary>Members after <paramref name="after"/>. A part has at most <see cref="LedgerLimits.PageMax"/>.</summary>
    public LedgerPage<LedgerMember> ListMembers(LedgerKey? after = null, int limit = LedgerLimits.PageMax) => _state.Members.Page(after, Limit(limit), static _ => true);

    /// <summary>Keys of tasks after <paramref name="after"/>. A part has at most <see cref="LedgerLimits.PageMax"/>.</summary>
    public LedgerPage<LedgerSeenKey> ListSeen(LedgerKey? after = null, int limit = LedgerLimits.PageMax) => _state.Seen.Page(after, Limit(limit), static _ => true);

    /// <summary>Values after <paramref name="after"/>. A part has at most <see cref="LedgerLimits.PageMax"/>.</summary>
    public LedgerPage<LedgerValue> ListValues(LedgerKey? after = null, int limit = LedgerLimits.PageMax) => _state.Values.Page(after, Limit(limit), static _ => true);

    /// <summary>Answers a question as of now. Throws <see cref="ArgumentException"/> for a kind that there is not, or a limit below 1.</summary>
    public LedgerPage<LedgerEntry> Look(LedgerQuery query) => query switch
    {
        LedgerQuery.Find { Kind: LedgerEntryKind.Effect, Id: var id } => Single(_state.Effects.Find(id)),
        LedgerQuery.Find { Kind: LedgerEntryKind.Lease, Id: var id } => Single(_state.Leases.Find(id)),
        LedgerQuery.Find { Kind: LedgerEntryKind.Member, Id: var id } => Single(_state.Members.Find(id)),
        LedgerQuery.Find { Kind: LedgerEntryKind.Seen, Id: var id } => Single(_state.Seen.Find(id)),
        LedgerQuery.Find { Kind: LedgerEntryKind.Value, Id: var id } => Single(_state.Values.Find(id)),
        LedgerQuery.List { Kind: LedgerEntryKind.Effect } list => Plain(ListEffects(list.Status, list.After, list.Limit)),
        LedgerQuery.List { Kind: LedgerEntryKind.Lease } list => Plain(ListLeases(list.After, list.Limit)),
        LedgerQuery.List { Kind: LedgerEntryKind.Member } list => Plain(ListMembers(list.After, list.Limit)),
        LedgerQuery.List { Kind: LedgerEntryKind.Seen } list => Plain(ListSeen(list.After, list.Limit)),
        LedgerQuery.List { Kind: LedgerEntryKind.Value } list => Plain(ListValues(list.After, list.Limit)),
        _ => throw new ArgumentException("a question of an unknown kind", nameof(query)),
    };

    /// <summary>Writes the whole state: the same state gives the same bytes, with the format's version at their head.</summary>
    public void Snapshot(IBufferWriter<byte> to) => Freeze().Write(to);

    /// <summary>The whole state as it is now, for another thread to write. Costs a copy of references, not of bytes.</summary>
    public LedgerImage Freeze() => new(_state);

    /// <summary>The ledger of a snapshot. Throws <see cref="LedgerFormatException"/> for one that does not fit.</summary>
    public static LedgerMachine Restore(ReadOnlySpan<byte> snapshot) => new(LedgerSnapshot.Read(snapshot));

    private LedgerReply Reconfigure(LedgerOptions options)
    {
        _state.Options = options;
        return LedgerReply.Ok(null);
    }

    private static LedgerPage<LedgerEntry> Single(LedgerEntry? entry) => new(entry is null ? [] : [entry], null);

    private static LedgerPage<LedgerEntry> Plain<T>(LedgerPage<T> page)
        where T : LedgerEntry => new(page.Items, page.Next);

    private static int Limit(int limit)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        return Math.Min(limit, LedgerLimits.PageMax);
    }
}

/// <summary>How many entries of each kind there are.</summary>
public readonly record struct LedgerCounts(int Effects, int Leases, int Members, int Seen, int Values);
