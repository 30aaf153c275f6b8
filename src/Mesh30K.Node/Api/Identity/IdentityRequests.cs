using System.Text.Json;
using Mesh30K.Node.Api.Operations;
using Mesh30K.Node.Identity;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Node.Api.Identity;

/// <summary>Reads the bodies of the identity endpoints strictly. Null where something is wrong; the list says what.</summary>
internal static class IdentityRequests
{
    internal const int CapabilitiesMax = 64;
    internal const int CapabilityCharsMax = 64;
    internal static readonly TimeSpan ValidDefault = TimeSpan.FromHours(1);
    private static readonly TimeSpan ValidMax = TimeSpan.FromDays(30);

    internal sealed record Enrol(string Token, AgentId? AgentId, string PublicKey, string Proof)
    {
        /// <summary>Hides the token.</summary>
        public override string ToString() => $"Enrol({AgentId})";
    }

    internal static Enrol? ReadEnrol(JsonElement body, List<FieldProblem> errors)
    {
        if (JsonFields.Of(body, "", errors, ["token", "agent_id", "public_key", "proof"]) is not { } fields) return null;
        (string token, string key, string proof) = (Needed(fields, "token"), Needed(fields, "public_key"), Needed(fields, "proof"));
        AgentId? id = IdOf(fields);
        return errors.Count > 0 ? null : new Enrol(token, id, key, proof);
    }

    internal static TokenGrant? ReadGrant(JsonElement body, List<FieldProblem> errors, Instant now)
    {
        if (JsonFields.Of(body, "", errors, ["agent_id", "class", "capabilities", "webhook", "uses", "valid_ms"]) is not { } fields) return null;
        AgentId? id = IdOf(fields);
        ImpedanceClass? agentClass = OperationRules.ClassOf(Needed(fields, "class"), "class", errors);
        IReadOnlyList<string> capabilities = Capabilities(fields);
        Uri? webhook = Webhook(fields);
        int uses = fields.Integer("uses") ?? 1;
        if (uses is < 1 or > TokenGrant.UsesMax) fields.Add("uses", $"{uses}", $"must be 1 to {TokenGrant.UsesMax}");
        else if (uses > 1 && id is not null) fields.Add("uses", $"{uses}", "must be 1 for a token that names its agent: an id is enrolled once");
        if (webhook is not null && uses > 1) fields.Add("uses", $"{uses}", "must be 1 for a webhook: each agent has an address of its own");
        double validMs = fields.Number("valid_ms") ?? ValidDefault.TotalMilliseconds;
        if (!(validMs >= 1_000 && validMs <= ValidMax.TotalMilliseconds)) fields.Add("valid_ms", FormattableString.Invariant($"{validMs}"), FormattableString.Invariant($"must be 1000 to {ValidMax.TotalMilliseconds}"));
        if (errors.Count > 0 || agentClass is not { } known) return null;
        return new TokenGrant { AgentId = id, Class = known, Capabilities = capabilities, Webhook = webhook, Uses = uses, ValidUntil = now.PlusMs(validMs) };
    }

    internal static (AgentId Id, IReadOnlyList<string> Capabilities)? ReadPerson(JsonElement body, List<FieldProblem> errors)
    {
        if (JsonFields.Of(body, "", errors, ["agent_id", "capabilities"]) is not { } fields) return null;
        AgentId? id = IdOf(fields);
        if (id is null && errors.Count == 0) fields.Add("agent_id", null, "is needed: the person's name in the mesh");
        IReadOnlyList<string> capabilities = Capabilities(fields);
        return errors.Count > 0 ? null : (id!.Value, capabilities);
    }

    /// <summary>The key to revoke; null for the agent as a whole.</summary>
    internal static KeyId? ReadRevocation(JsonElement body, List<FieldProblem> errors)
    {
        if (JsonFields.Of(body, "", errors, ["key"])?.Text("key") is not { } key) return null;
        if (KeyId.IsValid(key)) return new KeyId(key);
        JsonFields.Add(errors, "key", key, "must be a key id: k- and 16 hexadecimal digits in lower case");
        return null;
    }

    private static string Needed(JsonFields fields, string name)
    {
        int before = fields.Errors.Count;
        string? text = fields.Text(name);
        if (text is null && fields.Errors.Count == before) fields.Add(name, null, "is needed: a text");
        return text ?? "";
    }

    private static AgentId? IdOf(JsonFields fields)
    {
        if (fields.Text("agent_id") is not { } id) return null;
        if (DirectoryRules.WhyNotId(id) is not { } why) return new AgentId(id);
        fields.Add("agent_id", id, $"is not usable: {why}");
        return null;
    }

    private static IReadOnlyList<string> Capabilities(JsonFields fields)
    {
        IReadOnlyList<string> list = fields.Texts("capabilities") ?? [];
        if (list.Count > CapabilitiesMax) fields.Add("capabilities", $"{list.Count} of them", $"must be at most {CapabilitiesMax}");
        foreach (string capability in list)
            if (capability.Length is 0 or > CapabilityCharsMax || capability.Any(c => c is <= ' ' or > '~')) fields.Add("capabilities", capability, $"must each be 1 to {CapabilityCharsMax} visible ASCII characters without spaces");
        return [.. list.Distinct(StringComparer.Ordinal)];
    }

    private static Uri? Webhook(JsonFields fields)
    {
        if (fields.Text("webhook") is not { } text) return null;
        bool isFine = Uri.TryCreate(text, UriKind.Absolute, out Uri? uri) && uri.Scheme is "http" or "https" && uri.UserInfo.Length == 0 && uri.Fragment.Length == 0 && text.Length <= 2_048;
        if (isFine) return uri;
        fields.Add("webhook", text, "must be an http or https address of at most 2048 characters, without a name, password or fragment in it");
        return null;
    }
}
