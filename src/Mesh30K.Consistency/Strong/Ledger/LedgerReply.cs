namespace Mesh30K.Consistency.Strong.Ledger;

/// <summary>How a command ended.</summary>
public enum LedgerOutcome
{
    /// <summary>Done; or it was done before, by the same command.</summary>
    Ok,

    /// <summary>The effect is known under this key with this request: the entry says how it is or how it ended. It is not the caller's to execute.</summary>
    Recorded,

    /// <summary>The key belongs to another request.</summary>
    OtherRequest,

    /// <summary>Somebody else holds it, until the entry's lease ends.</summary>
    Held,

    /// <summary>The epoch is not the current one: somebody else has come after.</summary>
    Fenced,

    /// <summary>There is no such thing, or no more.</summary>
    NotFound,

    /// <summary>It is not in a state for that.</summary>
    WrongState,

    /// <summary>The key does not hold what was expected; the entry is what it holds, null for nothing.</summary>
    Mismatch,

    /// <summary>Another owner named the key first; the entry says who.</summary>
    Seen,

    /// <summary>A bound is reached. What is there is kept as long as was promised; try again later.</summary>
    Full,

    /// <summary>A field is too long, empty, or out of range.</summary>
    Invalid,
}

/// <summary>What a command brought.</summary>
/// <param name="Outcome">How it ended.</param>
/// <param name="Entry">What the command is about, as it is after it; of what was removed, as it was. Null when there is none.</param>
/// <param name="Message">What is wrong; empty for <see cref="LedgerOutcome.Ok"/>.</param>
public sealed record LedgerReply(LedgerOutcome Outcome, LedgerEntry? Entry, string Message = "")
{
    internal static LedgerReply Ok(LedgerEntry? entry) => new(LedgerOutcome.Ok, entry);
}

/// <summary>A part of a list.</summary>
/// <param name="Items">In ascending order of their ids.</param>
/// <param name="Next">Where the next part begins (<c>after</c>); null at the end. A part may be empty and not the last, when few entries fit the filter.</param>
public sealed record LedgerPage<T>(IReadOnlyList<T> Items, LedgerKey? Next);
