using System.Text.Json;
using System.Text.Json.Serialization;
using Mesh30K.Node.Identity;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Api.Identity;

/// <summary>The JSON of tokens, enrolments and identities, snake_case, generated at build time; for the node that writes it and for clients that read it.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    AllowDuplicateProperties = false,
    Converters = [typeof(IsoInstantConverter)])]
[JsonSerializable(typeof(JsonDocument))]
[JsonSerializable(typeof(EnrolmentView))]
[JsonSerializable(typeof(TokenView))]
[JsonSerializable(typeof(IdentityView))]
[JsonSerializable(typeof(IdentityPage))]
[JsonSerializable(typeof(MeshKeysView))]
public sealed partial class IdentityViews : JsonSerializerContext;

/// <summary>A public key of the mesh.</summary>
/// <param name="Key">Its id.</param>
/// <param name="PublicKey">Base64url of its 32 bytes.</param>
public sealed record MeshKeyView(string Key, string PublicKey)
{
    internal static IReadOnlyList<MeshKeyView> Of(MeshIdentity mesh) => [.. mesh.Trusted.Select(k => new MeshKeyView(k.Id.Value, k.ToString()))];
}

/// <summary>The mesh's keys: the first one signs, a second one is announced and signs from <see cref="NextSignsFrom"/> on.</summary>
/// <param name="Announced">In the answer to a rotation: whether this request announced the next key (false: it was announced already).</param>
public sealed record MeshKeysView(string MeshId, IReadOnlyList<MeshKeyView> MeshKeys, Instant? NextSignsFrom, bool? Announced)
{
    internal static MeshKeysView Of(MeshIdentity mesh, bool? announced) => new(mesh.MeshId, MeshKeyView.Of(mesh), mesh.NextSignsFrom, announced);
}

/// <summary>What an agent gets when it is enrolled (docs/protocol/links.md).</summary>
public sealed record EnrolmentView(
    string AgentId, string AgentClass, IReadOnlyList<string> Capabilities, string Key, string MeshId, IReadOnlyList<MeshKeyView> MeshKeys, Instant RotateBy)
{
    internal static EnrolmentView Of(EnrolledAgent agent, MeshIdentity mesh)
    {
        EnrolledKey key = agent.Keys[^1];
        return new EnrolmentView(agent.Id.Value, agent.Class.WireName(), agent.Capabilities, key.Key.Id.Value, mesh.MeshId, MeshKeyView.Of(mesh), key.RotateBy);
    }
}

/// <summary>A token that was made. <see cref="Token"/> is a secret and is shown this once.</summary>
public sealed record TokenView(string Token, string MeshId, string? AgentId, string AgentClass, IReadOnlyList<string> Capabilities, string? Webhook, int Uses, Instant ValidUntil)
{
    internal static TokenView Of(string token, TokenGrant grant, MeshIdentity mesh) => new(
        token, mesh.MeshId, grant.AgentId?.Value, grant.Class.WireName(), grant.Capabilities, grant.Webhook?.AbsoluteUri, grant.Uses, grant.ValidUntil);

    /// <summary>Hides the token.</summary>
    public override string ToString() => $"TokenView(hidden, {AgentId ?? "any"}, {AgentClass})";
}

/// <summary>An agent's key.</summary>
/// <param name="State"><c>valid</c>, <c>rotate</c> (valid, and to be rotated by now), <c>expired</c> or <c>revoked</c>.</param>
public sealed record IdentityKeyView(string Key, string State, Instant AddedAt, Instant RotateBy, Instant ValidUntil, Instant? RevokedAt)
{
    internal static IdentityKeyView Of(EnrolledKey key, Instant now) => new(
        key.Key.Id.Value,
        key.RevokedAt is not null ? "revoked" : !key.IsValidAt(now) ? "expired" : key.RotateBy < now ? "rotate" : "valid",
        key.AddedAt, key.RotateBy, key.ValidUntil, key.RevokedAt);
}

/// <summary>An enrolled agent or person.</summary>
/// <param name="Link"><c>websocket</c>, <c>webhook</c> or <c>person</c>.</param>
/// <param name="State"><c>active</c>, <c>expired</c> (no key is valid any more) or <c>revoked</c>.</param>
public sealed record IdentityView(
    string AgentId, string AgentClass, IReadOnlyList<string> Capabilities, string Link, string? Webhook, string State, Instant EnrolledAt, Instant? RevokedAt, IReadOnlyList<IdentityKeyView> Keys)
{
    internal static IdentityView Of(EnrolledAgent agent, Instant now) => new(
        agent.Id.Value, agent.Class.WireName(), agent.Capabilities, AgentRecord.NameOf(agent.Link), agent.Webhook?.AbsoluteUri, StateOf(agent, now), agent.EnrolledAt, agent.RevokedAt,
        [.. agent.Keys.Select(k => IdentityKeyView.Of(k, now))]);

    internal static string StateOf(EnrolledAgent agent, Instant now) =>
        agent.RevokedAt is not null ? "revoked" : agent.Link == AgentLinkKind.Person || agent.Keys.Any(k => k.IsValidAt(now)) ? "active" : "expired";
}

/// <summary>One page of the enrolled, by id.</summary>
/// <param name="Total">How many match.</param>
/// <param name="NextAfter">What to give as <c>after</c> for the next page; absent at the end.</param>
public sealed record IdentityPage(int Total, IReadOnlyList<IdentityView> Identities, string? NextAfter);
