using System.Buffers;
using Mesh30K.Protocol.Messages;
using Mesh30K.Protocol.Signing;
using static Mesh30K.Protocol.Json.MessageRules;

namespace Mesh30K.Protocol.Json;

/// <summary>The rules of the messages that open, keep and end a session: docs/protocol/links.md. Pure.</summary>
internal static class LinkRules
{
    private const int NonceCharsMin = 16;
    private const int NonceCharsMax = 64;
    private const int CodeCharsMax = 64;
    private const int KeyChars = 43;
    private const int SignatureChars = 86;

    private static readonly SearchValues<char> Base64UrlCharacters = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
    private static readonly SearchValues<char> CodeCharacters = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789_");

    internal static Breach? Check(WireMessage message, CodecLimits limits) => message switch
    {
        HelloMessage m => Positive(m.Version, "$.version") ?? Nonce(m.Nonce, "$.nonce") ?? Text(m.Software, "$.software", limits),
        ChallengeMessage m => Nonce(m.Echo, "$.echo") ?? Nonce(m.Nonce, "$.nonce"),
        ProofMessage m => Nonce(m.Echo, "$.echo"),
        WelcomeMessage m => CapabilityList(m.Capabilities, "$.capabilities", limits)
            ?? Positive(m.HeartbeatMs, "$.heartbeat_ms")
            ?? Positive(m.IdleMs, "$.idle_ms")
            ?? NotNegative(m.Redelivered, "$.redelivered"),
        RefusedMessage m => Code(m.Code) ?? Text(m.Message, "$.message", limits) ?? NotNegative(m.RetryAfterMs ?? 0, "$.retry_after_ms"),
        ByeMessage m => Text(m.Reason, "$.reason", limits),
        CancelMessage m => Text(m.Reason, "$.reason", limits),
        ThawMessage m => ScopedOrGlobal(m.Scope, m.TargetId),
        RotateMessage m => Base64UrlOf(m.PublicKey, KeyChars, "$.public_key") ?? Base64UrlOf(m.Proof, SignatureChars, "$.proof"),
        RotatedMessage m => KeyId.IsValid(m.KeyId) ? null : Invalid("$.key_id", "must be k- and 16 hexadecimal digits in lower case"),
        MeshKeyMessage m => Base64UrlOf(m.PublicKey, KeyChars, "$.public_key"),
        _ => null,
    };

    private static Breach? Positive(int value, string path) => value < 1 ? Invalid(path, "must be 1 or more") : null;

    private static Breach? Nonce(string text, string path) =>
        text.Length is >= NonceCharsMin and <= NonceCharsMax && !text.AsSpan().ContainsAnyExcept(Base64UrlCharacters)
            ? null
            : Invalid(path, "must be 16 to 64 characters of base64url");

    private static Breach? Base64UrlOf(string text, int characters, string path) =>
        text.Length == characters && !text.AsSpan().ContainsAnyExcept(Base64UrlCharacters)
            ? null
            : Invalid(path, $"must be {characters} characters of base64url without padding");

    private static Breach? Code(string text) =>
        text.Length is >= 1 and <= CodeCharsMax && !text.AsSpan().ContainsAnyExcept(CodeCharacters)
            ? null
            : Invalid("$.code", "must be a word in snake_case of at most 64 characters");
}
