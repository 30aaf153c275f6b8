using System.Text.Json.Serialization;

namespace Mesh30K.Agent.Effects;

internal sealed record StartBody(string Principal, string Key, string Request, string Executor, bool HonoursKey, double RetentionS, double LeaseS);

internal sealed record RenewBody(string Principal, string Key, long Epoch, double LeaseS);

internal sealed record FinishBody(string Principal, string Key, long Epoch, string Report, byte[] Output);

internal sealed record ReplyBody(string Outcome, EffectBody? Effect);

internal sealed record EffectBody(string Principal, string Key, string Status, long Epoch, long Attempts, string? Executor, string? ResolvedBy, string? Note, byte[]? Output);

internal sealed record ProblemBody(string? Title, string? Detail, string? Code);

/// <summary>The bodies of docs/protocol/http-api.md, Effects.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(StartBody))]
[JsonSerializable(typeof(RenewBody))]
[JsonSerializable(typeof(FinishBody))]
[JsonSerializable(typeof(ReplyBody))]
[JsonSerializable(typeof(ProblemBody))]
internal sealed partial class EffectJson : JsonSerializerContext;
