namespace Mesh30K.Consistency.Strong.Ledger;

/// <summary>What a caller knows of a command it asked for.</summary>
public enum LedgerCertainty
{
    /// <summary>The ledger has taken it, durably, and the reply is its reply.</summary>
    Answered,

    /// <summary>It surely was not taken and never will be: nothing was changed.</summary>
    NotTaken,

    /// <summary>It was taken, or will be, or never: the reply was lost, or the deadline passed. Ask what the ledger holds, or repeat what may be repeated.</summary>
    Unknown,
}

/// <summary>What came of a command.</summary>
/// <param name="Certainty">What is known.</param>
/// <param name="Reply">The ledger's reply; null unless <see cref="LedgerCertainty.Answered"/>.</param>
/// <param name="Why">What was in the way, for people; empty when answered.</param>
public sealed record LedgerAnswer(LedgerCertainty Certainty, LedgerReply? Reply, string Why = "");
