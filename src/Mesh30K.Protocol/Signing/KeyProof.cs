using System.Text;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Protocol.Signing;

/// <summary>What a new key signs so that nobody can register a key that is not theirs.</summary>
public static class KeyProof
{
    /// <summary>
    /// The bytes: <c>mesh30k-key-v1\n</c>, the agent id, the mesh id, the new public key in base64url, each ended by <c>\n</c>. At enrolment and at rotation alike.
    /// </summary>
    public static byte[] BytesOf(AgentId agent, string meshId, Ed25519PublicKey key) =>
        Encoding.ASCII.GetBytes($"mesh30k-key-v1\n{agent.Value}\n{meshId}\n{key}\n");
}
