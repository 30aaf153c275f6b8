namespace Mesh30K.Consistency.Strong.Ledger;

/// <summary>What kind of entry the ledger keeps.</summary>
public enum LedgerEntryKind
{
    /// <summary><see cref="LedgerEffect"/>.</summary>
    Effect,

    /// <summary><see cref="LedgerLease"/>.</summary>
    Lease,

    /// <summary><see cref="LedgerMember"/>.</summary>
    Member,

    /// <summary><see cref="LedgerSeenKey"/>.</summary>
    Seen,

    /// <summary><see cref="LedgerValue"/>.</summary>
    Value,
}

/// <summary>A question to the ledger. It changes nothing and may be asked again.</summary>
public abstract record LedgerQuery
{
    private LedgerQuery()
    {
    }

    /// <summary>One entry.</summary>
    public sealed record Find(LedgerEntryKind Kind, LedgerKey Id) : LedgerQuery;

    /// <summary>Entries in ascending order of their ids.</summary>
    /// <param name="Status">Of effects: only those in it; null for all.</param>
    /// <param name="After">Where the part begins: the <see cref="LedgerPage{T}.Next"/> of the part before; null: at the first.</param>
    /// <param name="Limit">1 to <see cref="LedgerLimits.PageMax"/>.</param>
    public sealed record List(LedgerEntryKind Kind, EffectStatus? Status = null, LedgerKey? After = null, int Limit = LedgerLimits.PageMax) : LedgerQuery;
}
