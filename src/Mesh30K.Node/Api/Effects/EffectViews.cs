using System.Text.Json.Serialization;
using Mesh30K.Consistency.Strong.Ledger;

namespace Mesh30K.Node.Api.Effects;

/// <summary>An effect as the ledger has it.</summary>
/// <param name="Principal">In whose name.</param>
/// <param name="Key">Its idempotency key.</param>
/// <param name="Status"><c>intended</c>, <c>executing</c>, <c>in_doubt</c>, <c>done</c>, <c>failed</c> or <c>abandoned</c>.</param>
/// <param name="Request">The SHA-256 of the request.</param>
/// <param name="HonoursKey">Whether its receiver drops a second one with the same key.</param>
/// <param name="Epoch">The fencing epoch of the last start; 0: never started.</param>
/// <param name="Attempts">Starts so far.</param>
/// <param name="Executor">Who started it last.</param>
/// <param name="IntendedAt">When it was recorded, as ISO 8601 UTC, as all moments here.</param>
/// <param name="Since">Since when it has had this status.</param>
/// <param name="LeaseUntil">When its executor counts as crashed; null when nobody executes it.</param>
/// <param name="ForgottenAt">When its key is new again; null while it is open.</param>
/// <param name="ResolvedBy">Who decided on it.</param>
/// <param name="Note">Why.</param>
/// <param name="OutputBytes">The size of what is replayed.</param>
/// <param name="Output">What is replayed, as base64; null in lists and before the end.</param>
public sealed record EffectView(
    string Principal, string Key, string Status, string Request, bool HonoursKey, long Epoch, long Attempts, string? Executor, string IntendedAt, string Since, string? LeaseUntil,
    string? ForgottenAt, string? ResolvedBy, string? Note, int OutputBytes, byte[]? Output)
{
    /// <param name="effect">The record.</param>
    /// <param name="withOutput">Whether what is replayed is wanted.</param>
    public static EffectView Of(LedgerEffect effect, bool withOutput)
    {
        ArgumentNullException.ThrowIfNull(effect);
        return new EffectView(
            effect.Id.Scope, effect.Id.Name, NameOf(effect.Status), effect.Request.ToString()!, effect.HonoursKey, effect.Epoch, effect.Attempts, effect.Executor, effect.IntendedAt.ToString(),
            effect.Since.ToString(), effect.LeaseUntil?.ToString(), effect.IsOpen ? null : effect.Due.ToString(), effect.ResolvedBy, effect.Note.Length == 0 ? null : effect.Note, effect.Output.Length,
            withOutput && !effect.IsOpen ? effect.Output.ToArray() : null);
    }

    /// <summary>The status as one word.</summary>
    public static string NameOf(EffectStatus status) => status switch
    {
        EffectStatus.Intended => "intended",
        EffectStatus.Executing => "executing",
        EffectStatus.InDoubt => "in_doubt",
        EffectStatus.Done => "done",
        EffectStatus.Failed => "failed",
        _ => "abandoned",
    };

    /// <summary>The status of that name, with <c>-</c> or <c>_</c>; null when there is none.</summary>
    public static EffectStatus? StatusOf(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        foreach (EffectStatus status in Enum.GetValues<EffectStatus>())
        {
            if (NameOf(status) == name.Replace('-', '_')) return status;
        }
        return null;
    }
}

/// <summary>A part of the list.</summary>
/// <param name="Effects">By principal, then key.</param>
/// <param name="NextPrincipal">With <paramref name="NextKey"/>, where the next part begins (<c>after_principal</c>, <c>after_key</c>); null at the end.</param>
/// <param name="NextKey">See there.</param>
public sealed record EffectPage(IReadOnlyList<EffectView> Effects, string? NextPrincipal, string? NextKey)
{
    public static EffectPage Of(LedgerPage<LedgerEntry> page)
    {
        ArgumentNullException.ThrowIfNull(page);
        return new EffectPage([.. page.Items.Cast<LedgerEffect>().Select(e => EffectView.Of(e, withOutput: false))], page.Next?.Scope, page.Next?.Name);
    }
}

/// <summary>How the views are written. By metadata alone: generated writers, which .NET takes up after some answers of a kind, write bytes that are null as "".</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, GenerationMode = JsonSourceGenerationMode.Metadata)]
[JsonSerializable(typeof(EffectView))]
[JsonSerializable(typeof(EffectPage))]
[JsonSerializable(typeof(EffectReplyView))]
public sealed partial class EffectViews : JsonSerializerContext;

/// <summary>The ledger's reply to a command about an effect.</summary>
/// <param name="Outcome"><c>ok</c>: for a start, the caller executes it now; <c>recorded</c>: it is not the caller's to execute, the effect says how it is; <c>held</c>: another one executes it.</param>
/// <param name="Effect">The effect after it.</param>
public sealed record EffectReplyView(string Outcome, EffectView? Effect);
