using Mesh30K.Consistency.Strong.Ledger;

namespace Mesh30K.Consistency.Strong.Effects;

/// <summary>What the host of an <see cref="EffectRun"/> is to do next, and with which call it tells what came of it.</summary>
public abstract record EffectStep
{
    private EffectStep()
    {
    }

    /// <summary>Have this taken by the ledger, then <see cref="EffectRun.Answered"/>.</summary>
    /// <param name="Within">At most so long.</param>
    public sealed record Ask(LedgerCommand Command, TimeSpan Within) : EffectStep;

    /// <summary>Find the effect in the ledger, then <see cref="EffectRun.Seen"/>.</summary>
    public sealed record Look(LedgerKey Id, TimeSpan Within) : EffectStep;

    /// <summary>Wait, with up to half of it taken off by chance, then <see cref="EffectRun.Resumed"/>.</summary>
    public sealed record Pause(TimeSpan AtMost) : EffectStep;

    /// <summary>Execute the effect now, then <see cref="EffectRun.Executed"/>; meanwhile renew its lease.</summary>
    /// <param name="Epoch">The fencing epoch: whoever receives it refuses a lower one than it has seen.</param>
    /// <param name="Execution">The how manieth time in this run, from 1.</param>
    public sealed record Execute(long Epoch, int Execution) : EffectStep;

    /// <summary>Nothing more.</summary>
    public sealed record End(EffectResult Result) : EffectStep;
}
