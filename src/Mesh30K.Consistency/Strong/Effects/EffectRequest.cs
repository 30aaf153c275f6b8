using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Protocol.Json;

namespace Mesh30K.Consistency.Strong.Effects;

/// <summary>An effect that is to run once.</summary>
/// <param name="Principal">In whose name: the same key of two principals is two effects.</param>
/// <param name="Key">The idempotency key; both are names as in <see cref="LedgerCommand"/>.</param>
/// <param name="Request">The SHA-256 of what is to be done: the same key with another one is refused.</param>
/// <param name="HonoursKey">Whether whoever receives the effect drops a second one with the same key. Then what is unknown is tried again, else it is left in doubt.</param>
public sealed record EffectRequest(string Principal, string Key, PayloadHash Request, bool HonoursKey)
{
    /// <summary>For how long the result is kept and replayed. Default 24 h; the ledger's bound is <see cref="LedgerOptions.RetentionMax"/>. Longer costs memory for each key.</summary>
    public TimeSpan Retention { get; init; } = TimeSpan.FromHours(24);

    /// <summary>An executor that was not heard of for so long counts as crashed; it is renewed at a third of it. Default 60 s. Longer leaves a crash unnoticed for longer; shorter calls a slow executor crashed.</summary>
    public TimeSpan Lease { get; init; } = TimeSpan.FromSeconds(60);

    public LedgerKey Id => new(Principal, Key);
}

/// <summary>How an <see cref="EffectRun"/> waits and tries again.</summary>
public sealed record EffectRunOptions
{
    /// <summary>How long to wait for another executor of the same effect. Default none: <see cref="EffectEnding.Held"/> at once.</summary>
    public TimeSpan WaitForOther { get; init; }

    /// <summary>How long to try to reach the ledger, for the start and again for the report. Default 30 s. Longer keeps the caller waiting when the ledger is away.</summary>
    public TimeSpan LedgerWithin { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How often one run executes an effect whose receiver honours its key, when nobody knows whether it took place. Default 3, at least 1.</summary>
    public int ExecutionsMax { get; init; } = 3;

    /// <summary>The first pause before something is tried again; it doubles up to <see cref="PauseMost"/>, and the host takes a random part off. Default 50 ms.</summary>
    public TimeSpan PauseFirst { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>The longest pause. Default 2 s.</summary>
    public TimeSpan PauseMost { get; init; } = TimeSpan.FromSeconds(2);
}

/// <summary>What an execution brought.</summary>
/// <param name="Report">What is known of it; null: it may have taken place or not.</param>
/// <param name="Output">What is replayed to whoever repeats the request; at most <see cref="LedgerLimits.OutputBytesMax"/>, empty for <see cref="EffectReport.NotRun"/> and null.</param>
/// <param name="Why">Why it is not known, or did not run; for people, may be empty.</param>
public sealed record EffectOutcome(EffectReport? Report, ReadOnlyMemory<byte> Output = default, string Why = "");

/// <summary>How a run ended, for its caller.</summary>
public enum EffectEnding
{
    /// <summary>It took place, and that is recorded.</summary>
    Done,

    /// <summary>It did not take place and is not tried again; that is recorded.</summary>
    Failed,

    /// <summary>It surely did not take place; it may be run again under the same key.</summary>
    NotRun,

    /// <summary>A person gave it up: it does not run under this key.</summary>
    Abandoned,

    /// <summary>It may have taken place. It does not run again until a person has decided.</summary>
    InDoubt,

    /// <summary>It may have taken place. Its receiver honours the key, so it may be run again under the same key.</summary>
    RunAgain,

    /// <summary>Another executor has it, and had it for as long as the caller was ready to wait.</summary>
    Held,

    /// <summary>The ledger refused: the key belongs to another request, a bound is reached, or a field is wrong. Nothing ran.</summary>
    Refused,

    /// <summary>The ledger was not to be reached. Nothing ran.</summary>
    Unavailable,

    /// <summary>It was executed, with the output of the result, but the ledger does not have it: it was not to be reached, or has forgotten the key, or another one executes it now.</summary>
    Unrecorded,
}

/// <summary>What a run brought.</summary>
/// <param name="Ending">How it ended.</param>
/// <param name="IsReplay">Whether the output is one that was recorded before or by another: this run did not make it.</param>
/// <param name="Effect">The ledger's record, as last seen; null when it has none, or was never asked.</param>
/// <param name="Output">The result or the reason; empty when there is none.</param>
/// <param name="Message">What is to be said about it, one line; empty when all is well.</param>
public sealed record EffectResult(EffectEnding Ending, bool IsReplay, LedgerEffect? Effect, ReadOnlyMemory<byte> Output, string Message);
