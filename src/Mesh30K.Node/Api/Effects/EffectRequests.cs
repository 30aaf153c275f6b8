using System.Text.Json.Serialization;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Protocol.Json;

namespace Mesh30K.Node.Api.Effects;

/// <summary>The bodies of the effects' endpoints, as they come.</summary>
internal static class EffectRequests
{
    internal sealed record Start(string Principal, string Key, string Request, string Executor, bool HonoursKey = false, double RetentionS = 86_400, double LeaseS = 60)
    {
        public LedgerCommand.Effect? Command(List<FieldProblem> errors) => HashOf(Request, errors) is { } hash
            ? new LedgerCommand.Start(Principal, Key, hash, HonoursKey, SpanOf("retention_s", RetentionS, errors), Executor, SpanOf("lease_s", LeaseS, errors))
            : null;
    }

    internal sealed record Renew(string Principal, string Key, long Epoch, double LeaseS = 60)
    {
        public LedgerCommand.Effect Command(List<FieldProblem> errors) => new LedgerCommand.Renew(Principal, Key, Epoch, SpanOf("lease_s", LeaseS, errors));
    }

    internal sealed record Finish(string Principal, string Key, long Epoch, string Report, byte[]? Output = null)
    {
        public LedgerCommand.Effect Command(List<FieldProblem> errors) =>
            new LedgerCommand.Finish(Principal, Key, Epoch, WordOf("report", Report, errors, ("done", EffectReport.Done), ("failed", EffectReport.Failed), ("not_run", EffectReport.NotRun)), Output ?? []);
    }

    internal sealed record Resolve(string Principal, string Key, long Epoch, string Verdict, string By, string Note = "", byte[]? Output = null)
    {
        public LedgerCommand.Effect Command(List<FieldProblem> errors) => new LedgerCommand.Resolve(
            Principal, Key, Epoch, WordOf("verdict", Verdict, errors, ("done", EffectVerdict.Done), ("not_done", EffectVerdict.NotDone), ("abandon", EffectVerdict.Abandon)), By, Note, Output ?? []);
    }

    private static PayloadHash? HashOf(string text, List<FieldProblem> errors)
    {
        if (PayloadHash.TryParse(System.Text.Encoding.UTF8.GetBytes(text), out PayloadHash hash)) return hash;
        errors.Add(new FieldProblem("request", text.Length > 64 ? text[..64] : text, "must be sha256: and the 64 hexadecimal digits, in lower case, of the SHA-256 of what is to be done"));
        return null;
    }

    private static TimeSpan SpanOf(string field, double seconds, List<FieldProblem> errors)
    {
        if (seconds > 0 && seconds <= LedgerLimits.SpanMax.TotalSeconds) return TimeSpan.FromSeconds(seconds);
        errors.Add(new FieldProblem(field, FormattableString.Invariant($"{seconds}"), FormattableString.Invariant($"must be seconds, more than 0 and at most {LedgerLimits.SpanMax.TotalSeconds}")));
        return TimeSpan.FromSeconds(1);
    }

    private static T WordOf<T>(string field, string word, List<FieldProblem> errors, params (string Word, T Value)[] words)
    {
        foreach ((string known, T value) in words)
        {
            if (known == word) return value;
        }
        errors.Add(new FieldProblem(field, word.Length > 64 ? word[..64] : word, $"must be {string.Join(", ", words.Select(w => w.Word))}"));
        return words[0].Value;
    }
}

/// <summary>How the bodies are read.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, RespectRequiredConstructorParameters = true, RespectNullableAnnotations = true, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(EffectRequests.Start))]
[JsonSerializable(typeof(EffectRequests.Renew))]
[JsonSerializable(typeof(EffectRequests.Finish))]
[JsonSerializable(typeof(EffectRequests.Resolve))]
internal sealed partial class EffectRequestJson : JsonSerializerContext;
