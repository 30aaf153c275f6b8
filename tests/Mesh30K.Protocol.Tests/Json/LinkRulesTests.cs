using System.Text;
using Mesh30K.Protocol.Json;

namespace Mesh30K.Protocol.Tests.Json;

/// <summary>What the messages of a session may not say.</summary>
public sealed class LinkRulesTests
{
    private const string Nonce = "\"AAAAAAAAAAAAAAAA\"";

    private static readonly string Key = "\"" + new string('A', 43) + "\"", Signature = "\"" + new string('A', 86) + "\"";

    [Theory]
    [InlineData("HELLO", "$.version", "version", "0")]
    [InlineData("HELLO", "$.version", "version", "1.5")]
    [InlineData("HELLO", "$.nonce", "nonce", "\"AAAAAAAAAAAAAAA\"")]
    [InlineData("HELLO", "$.nonce", "nonce", "\"AAAAAAAAAAAAAAA+\"")]
    [InlineData("HELLO", "$.agent_id", "agent_id", "\"a b\"")]
    [InlineData("CHALLENGE", "$.echo", "echo", "\"\"")]
    [InlineData("CHALLENGE", "$.nonce", "nonce", "\"AAAAAAAAAAAAAAA=\"")]
    [InlineData("CHALLENGE", "$.time", "time", "\"2026-01-02T03:04:05\"")]
    [InlineData("PROOF", "$.echo", "echo", "\"short\"")]
    [InlineData("WELCOME", "$.heartbeat_ms", "heartbeat_ms", "0")]
    [InlineData("WELCOME", "$.idle_ms", "idle_ms", "-1")]
    [InlineData("WELCOME", "$.redelivered", "redelivered", "-1")]
    [InlineData("WELCOME", "$.capabilities", "capabilities", "[\"\"]")]
    [InlineData("REFUSED", "$.code", "code", "\"Too fast\"")]
    [InlineData("REFUSED", "$.code", "code", "\"\"")]
    [InlineData("REFUSED", "$.retry_after_ms", "retry_after_ms", "-1")]
    [InlineData("BYE", "$.leave", "leave", "1")]
    [InlineData("CANCEL", "$.message_id", "message_id", "\"1\"")]
    [InlineData("CLOCK", "$.echo", "echo", "7")]
    [InlineData("THAW", "$.target_id", "target_id", "\"sector/7\"")]
    [InlineData("ROTATE", "$.public_key", "public_key", "\"AAAA\"")]
    [InlineData("ROTATE", "$.proof", "proof", "\"AAAA\"")]
    [InlineData("ROTATED", "$.key_id", "key_id", "\"k-1\"")]
    [InlineData("MESH_KEY", "$.public_key", "public_key", "\"AAAA\"")]
    public void A_value_that_a_field_cannot_have_is_refused_by_its_path(string type, string path, string field, string json)
    {
        Dictionary<string, string> fields = Fields(type);
        Assert.True(Decode(type, fields).IsMessage, $"{Decode(type, fields).Error}");
        fields[field] = json;
        DecodeError? error = Decode(type, fields).Error;
        Assert.Equal((DecodeErrorCode.InvalidValue, path), (error?.Code, error?.Path));
    }

    [Theory]
    [InlineData("REFUSED", "message")]
    [InlineData("BYE", "reason")]
    [InlineData("CANCEL", "reason")]
    [InlineData("HELLO", "software")]
    public void A_text_for_people_has_256_characters_at_most(string type, string field)
    {
        Dictionary<string, string> fields = Fields(type);
        fields[field] = "\"" + new string('x', 257) + "\"";
        Assert.Equal(DecodeErrorCode.LimitExceeded, Decode(type, fields).Error?.Code);
    }

    private static DecodeResult Decode(string type, Dictionary<string, string> fields) =>
        MeshCodec.Default.Decode(Encoding.UTF8.GetBytes($"{{\"type\":\"{type}\",{string.Join(',', fields.Select(f => $"\"{f.Key}\":{f.Value}"))}}}"));

    private static Dictionary<string, string> Fields(string type)
    {
        const string time = "\"2026-01-02T03:04:05Z\"";
        return type switch
        {
            "HELLO" => new(StringComparer.Ordinal) { ["version"] = "1", ["agent_id"] = "\"a\"", ["nonce"] = Nonce },
            "CHALLENGE" => new(StringComparer.Ordinal) { ["echo"] = Nonce, ["nonce"] = Nonce, ["time"] = time },
            "PROOF" => new(StringComparer.Ordinal) { ["echo"] = Nonce },
            "WELCOME" => new(StringComparer.Ordinal)
            {
                ["agent_id"] = "\"a\"",
                ["agent_class"] = "\"CLASS_E_LOCAL\"",
                ["cluster_id"] = "\"sector/0/cluster/0\"",
                ["capabilities"] = "[]",
                ["heartbeat_ms"] = "5000",
                ["idle_ms"] = "15000",
                ["redelivered"] = "0",
            },
            "REFUSED" => new(StringComparer.Ordinal) { ["code"] = "\"too_fast\"", ["message"] = "\"\"" },
            "BYE" => new(StringComparer.Ordinal) { ["reason"] = "\"\"" },
            "CANCEL" => new(StringComparer.Ordinal) { ["message_id"] = "\"01ARZ3NDEKTSV4RRFFQ69G5FAV\"", ["reason"] = "\"\"" },
            "CLOCK" => new(StringComparer.Ordinal) { ["echo"] = time, ["received_at"] = time, ["sent_at"] = time },
            "THAW" => new(StringComparer.Ordinal) { ["scope"] = "\"global\"" },
            "ROTATE" => new(StringComparer.Ordinal) { ["public_key"] = Key, ["proof"] = Signature },
            "ROTATED" => new(StringComparer.Ordinal) { ["key_id"] = "\"k-0123456789abcdef\"", ["old_key_valid_until"] = time, ["rotate_by"] = time },
            _ => new(StringComparer.Ordinal) { ["public_key"] = Key },
        };
    }
}
