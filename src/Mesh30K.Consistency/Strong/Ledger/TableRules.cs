using static Mesh30K.Consistency.Strong.Ledger.LedgerCommand;

namespace Mesh30K.Consistency.Strong.Ledger;

/// <summary>Leases, members, seen keys and values: what each command makes of them. Time has removed what is over before any of these runs.</summary>
internal static class TableRules
{
    public static LedgerReply Acquire(LedgerState state, AcquireLease acquire)
    {
        LedgerKey id = new("", acquire.Name);
        LedgerLease? lease = state.Leases.Find(id);
        if (acquire.Lease > state.Options.LeaseMax) return LedgerRules.TooLong("lease", acquire.Lease, state.Options.LeaseMax);
        if (lease is not null && lease.Holder != acquire.Holder)
            return new LedgerReply(LedgerOutcome.Held, lease, $"{lease.Holder} holds {acquire.Name} under the epoch {lease.Epoch} until {lease.Until}");
        LedgerLease taken = lease is not null
            ? lease with { Until = state.Now + acquire.Lease }
            : new LedgerLease { Id = id, Holder = acquire.Holder, Epoch = state.EpochLast + 1, AcquiredAt = state.Now, Until = state.Now + acquire.Lease };
        if (state.Put(state.Leases, lease, taken, state.Options.LeasesMax, "leases") is { } full) return full;
        if (lease is null) state.EpochLast++;
        return LedgerReply.Ok(taken);
    }

    public static LedgerReply Renew(LedgerState state, RenewLease renew)
    {
        if (renew.Lease > state.Options.LeaseMax) return LedgerRules.TooLong("lease", renew.Lease, state.Options.LeaseMax);
        LedgerLease? lease = state.Leases.Find(new LedgerKey("", renew.Name));
        if (Refuse(lease, lease?.Epoch, renew.Name, renew.Epoch) is { } refusal) return refusal;
        LedgerLease renewed = lease! with { Until = state.Now + renew.Lease };
        state.Leases.Put(renewed);
        return LedgerReply.Ok(renewed);
    }

    public static LedgerReply Release(LedgerState state, ReleaseLease release)
    {
        LedgerLease? lease = state.Leases.Find(new LedgerKey("", release.Name));
        if (Refuse(lease, lease?.Epoch, release.Name, release.Epoch) is { } refusal) return refusal;
        state.Leases.Remove(lease!);
        return LedgerReply.Ok(lease);
    }

    public static LedgerReply Register(LedgerState state, RegisterMember register)
    {
        if (register.Lease > state.Options.LeaseMax) return LedgerRules.TooLong("lease", register.Lease, state.Options.LeaseMax);
        LedgerKey id = new("", register.Member);
        LedgerMember entered = new() { Id = id, Data = register.Data, Epoch = state.EpochLast + 1, JoinedAt = state.Now, Until = state.Now + register.Lease };
        if (state.Put(state.Members, state.Members.Find(id), entered, state.Options.MembersMax, "members") is { } full) return full;
        state.EpochLast++;
        return LedgerReply.Ok(entered);
    }

    public static LedgerReply Renew(LedgerState state, RenewMember renew)
    {
        if (renew.Lease > state.Options.LeaseMax) return LedgerRules.TooLong("lease", renew.Lease, state.Options.LeaseMax);
        LedgerMember? member = state.Members.Find(new LedgerKey("", renew.Member));
        if (Refuse(member, member?.Epoch, renew.Member, renew.Epoch) is { } refusal) return refusal;
        LedgerMember renewed = member! with { Until = state.Now + renew.Lease };
        state.Members.Put(renewed);
        return LedgerReply.Ok(renewed);
    }

    public static LedgerReply Remove(LedgerState state, RemoveMember remove)
    {
        LedgerMember? member = state.Members.Find(new LedgerKey("", remove.Member));
        if (Refuse(member, member?.Epoch, remove.Member, remove.Epoch) is { } refusal) return refusal;
        state.Members.Remove(member!);
        return LedgerReply.Ok(member);
    }

    public static LedgerReply Mark(LedgerState state, MarkSeen mark)
    {
        LedgerKey id = new(mark.Scope, mark.Key);
        if (state.Seen.Find(id) is { } seen)
            return seen.Owner == mark.Owner ? LedgerReply.Ok(seen) : new LedgerReply(LedgerOutcome.Seen, seen, $"{seen.Owner} named {id} at {seen.SeenAt}");
        if (mark.Retention > state.Options.RetentionMax) return LedgerRules.TooLong("retention", mark.Retention, state.Options.RetentionMax);
        LedgerSeenKey fresh = new() { Id = id, Owner = mark.Owner, SeenAt = state.Now, Until = state.Now + mark.Retention };
        return state.Put(state.Seen, null, fresh, state.Options.SeenMax, "seen keys") ?? LedgerReply.Ok(fresh);
    }

    public static LedgerReply Set(LedgerState state, SetKey set)
    {
        LedgerKey id = new("", set.Key);
        LedgerValue? before = state.Values.Find(id);
        bool fits = set.Expected switch
        {
            null => true,
            KeyExpectation.OfVersion of => before?.Version == of.Version,
            KeyExpectation.OfValue of => before is not null && before.Value.Span.SequenceEqual(of.Value.Span),
            _ => before is null,
        };
        if (!fits) return new LedgerReply(LedgerOutcome.Mismatch, before, before is null ? $"{set.Key} has no value" : $"{set.Key} has another value, of version {before.Version}");
        if (set.Value is null)
        {
            if (before is not null) state.Values.Remove(before);
            return LedgerReply.Ok(before);
        }
        LedgerValue after = new() { Id = id, Value = set.Value.Value, Version = state.VersionLast + 1 };
        if (state.Put(state.Values, before, after, state.Options.KeysMax, "keys") is { } full) return full;
        state.VersionLast++;
        return LedgerReply.Ok(after);
    }

    /// <summary>Whether it is there, under this epoch.</summary>
    private static LedgerReply? Refuse(LedgerEntry? entry, long? current, string name, long epoch)
    {
        if (entry is null) return new LedgerReply(LedgerOutcome.NotFound, null, $"{name} is not there: its lease has ended, or it was given back");
        return current == epoch ? null : new LedgerReply(LedgerOutcome.Fenced, entry, $"the epoch {epoch} is not that of {name}, which is {current}");
    }
}
