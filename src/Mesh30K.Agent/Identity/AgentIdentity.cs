using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Agent.Identity;

/// <summary>Who the agent is, and whom it trusts. Immutable; the keys are wiped by who owns the folder.</summary>
/// <param name="Id">The agent's id.</param>
/// <param name="MeshId">The mesh that it is enrolled at.</param>
/// <param name="MeshKeys">The keys that the mesh may sign with; no other is trusted.</param>
/// <param name="Key">What the agent signs with.</param>
/// <param name="Next">The key that a rotation is about to bring, saved before it is sent; null when there is none.</param>
/// <param name="RotateBy">Until when the key should be rotated.</param>
internal sealed record AgentIdentity(AgentId Id, string MeshId, IReadOnlyList<Ed25519PublicKey> MeshKeys, Ed25519PrivateKey Key, Ed25519PrivateKey? Next, Instant RotateBy)
{
    /// <summary>The mesh's key with this id; null when it is not trusted.</summary>
    internal Ed25519PublicKey? MeshKey(KeyId id)
    {
        foreach (Ed25519PublicKey key in MeshKeys)
            if (key.Id == id) return key;
        return null;
    }

    public override string ToString() => $"AgentIdentity({Id.Value} of {MeshId}, {Key.PublicKey.Id})";
}

/// <summary>The parts of a token: <c>mt1.MESH.KEY.SECRET</c>, docs/protocol/links.md. Never shows the secret.</summary>
/// <param name="MeshId">The mesh that gave it.</param>
/// <param name="MeshKey">The key by which the mesh is known.</param>
internal sealed record TokenParts(string MeshId, KeyId MeshKey)
{
    private const int IdDigits = 16;

    /// <summary>Null when the text is no token.</summary>
    internal static TokenParts? Parse(string token)
    {
        string[] parts = token.Split('.', 4);
        if (parts is not ["mt1", { Length: IdDigits } mesh, { Length: IdDigits } key, { Length: > 0 }]) return null;
        TokenParts read = new("mesh:" + mesh, new KeyId("k-" + key));
        return Protocol.Signing.MeshId.IsValid(read.MeshId) && KeyId.IsValid(read.MeshKey.Value) ? read : null;
    }
}
