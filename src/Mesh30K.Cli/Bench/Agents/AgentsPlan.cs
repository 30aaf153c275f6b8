using System.Security.Cryptography;
using System.Text;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Cli.Bench.Agents;

/// <summary>What the process with the agents is told, as one line of JSON on its standard input. It answers with a line <c>connected</c>, works until a line <c>stop</c> comes (or the input ends), and ends with one line of
/// JSON, <see cref="AgentsTally"/>. Keys follow from the seed, so that both sides know them and no file holds one.</summary>
internal sealed record AgentsPlan(string Node, string MeshId, string MeshKey, int Connections, string Seed)
{
    /// <summary>The hidden verb that runs it.</summary>
    public const string Verb = "agents-worker";

    public const string Connected = "connected";
    public const string Stop = "stop";

    public static AgentId IdOf(int agent) => new($"bench-{agent}");

    public Ed25519PrivateKey KeyOf(int agent) => Ed25519PrivateKey.FromSeed(SHA256.HashData(Encoding.ASCII.GetBytes($"{Seed}/{agent}")));
}

/// <summary>What the agents saw.</summary>
/// <param name="Deliveries">COORDINATE messages.</param>
/// <param name="Repeated">Of these, such that came before.</param>
/// <param name="Broken">Connections that ended before they were to.</param>
internal sealed record AgentsTally(long Deliveries, long Repeated, long Broken);
