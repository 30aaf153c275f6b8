using Mesh30K.Protocol;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Consistency.Strong.Ledger;

/// <summary>All that a ledger knows, and what time does to it.</summary>
internal sealed class LedgerState
{
    public LedgerTable<LedgerEffect> Effects { get; } = new();

    public LedgerTable<LedgerLease> Leases { get; } = new();

    public LedgerTable<LedgerMember> Members { get; } = new();

    public LedgerTable<LedgerSeenKey> Seen { get; } = new();

    public LedgerTable<LedgerValue> Values { get; } = new();

    public LedgerOptions Options { get; set; } = new();

    /// <summary>Log time: the highest that a command has brought.</summary>
    public Instant Now { get; set; }

    /// <summary>The last epoch that was given, to an effect, a lease or a member. One count for all, so that none goes back when its owner is forgotten.</summary>
    public long EpochLast { get; set; }

    /// <summary>The version of the last write to a key.</summary>
    public long VersionLast { get; set; }

    public long Bytes => Effects.Bytes + Leases.Bytes + Members.Bytes + Seen.Bytes + Values.Bytes;

    public Instant? NextDue
    {
        get
        {
            Instant? first = null;
            foreach (Instant? due in (ReadOnlySpan<Instant?>)[Effects.NextDue, Leases.NextDue, Members.NextDue, Seen.NextDue])
            {
                if (first is null || due < first) first = due ?? first;
            }
            return first;
        }
    }

    /// <summary>
    /// Log time goes forward to <paramref name="at"/>, or stays. What is due happens as of the moment at which it was due, so that it does not matter which
    /// command brought the time.
    /// </summary>
    public void MoveTo(Instant at)
    {
        if (at > Now) Now = at;
        while (Effects.FirstDue(Now) is { } effect)
        {
            if (effect.IsOpen) Effects.Put(EffectRules.Expire(effect));
            else Effects.Remove(effect);
        }
        while (Leases.FirstDue(Now) is { } lease) Leases.Remove(lease);
        while (Members.FirstDue(Now) is { } member) Members.Remove(member);
        while (Seen.FirstDue(Now) is { } seen) Seen.Remove(seen);
        Invariant.Check(!(NextDue <= Now));
    }

    /// <summary>Adds an entry or puts it in the place of <paramref name="before"/>; or says which bound is in the way.</summary>
    public LedgerReply? Put<T>(LedgerTable<T> table, T? before, T entry, int countMax, string what)
        where T : LedgerEntry
    {
        if (before is null && table.Count >= countMax) return Full($"there are {table.Count} {what}, as many as may be");
        long more = entry.Bytes - (before?.Bytes ?? 0);
        if (more > 0 && Bytes + more > Options.BytesMax) return Full($"the ledger holds {Bytes} bytes; {more} more would be above its bound of {Options.BytesMax}");
        table.Put(entry);
        return null;
    }

    private static LedgerReply Full(string message) => new(LedgerOutcome.Full, null, message);
}
