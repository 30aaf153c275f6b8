using System.Buffers.Text;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Protocol.Tests;

/// <summary>Arbitrary valid messages of a session, each from one seed.</summary>
internal static partial class Samples
{
    private static WireMessage Link(MessageType type, Random r) => type switch
    {
        MessageType.Hello => new HelloMessage { Version = r.Next(1, 9), AgentId = Agent(r), Nonce = Nonce(r), Software = r.Next(2) == 0 ? null : Words(r) },
        MessageType.Challenge => new ChallengeMessage { Echo = Nonce(r), Nonce = Nonce(r), Time = At(r) },
        MessageType.Proof => new ProofMessage { Echo = Nonce(r) },
        MessageType.Welcome => new WelcomeMessage
        {
            AgentId = Agent(r),
            AgentClass = One(r, ImpedanceClasses.All),
            ClusterId = Cluster(r),
            Capabilities = Some(r, x => "c" + x.Next()),
            HeartbeatMs = r.Next(1, int.MaxValue),
            IdleMs = r.Next(1, int.MaxValue),
            Redelivered = r.Next(),
            RotateBy = Maybe(r, At),
        },
        MessageType.Refused => new RefusedMessage { Code = One(r, ["too_fast", "x", new string('y', 64)]), Message = Words(r), RetryAfterMs = Maybe(r, x => x.Next()) },
        MessageType.Bye => new ByeMessage { Reason = Words(r), Leave = r.Next(2) == 0 },
        MessageType.Cancel => new CancelMessage { MessageId = Id(r), Reason = Words(r) },
        MessageType.Clock => new ClockMessage { Echo = At(r), ReceivedAt = At(r), SentAt = At(r) },
        MessageType.Thaw => Thaw(r),
        MessageType.Rotate => new RotateMessage { PublicKey = Random64(r, 32), Proof = Random64(r, 64) },
        MessageType.Rotated => new RotatedMessage { KeyId = "k-" + r.NextInt64().ToString("x16"), OldKeyValidUntil = At(r), RotateBy = At(r) },
        MessageType.MeshKey => new MeshKeyMessage { PublicKey = Random64(r, 32) },
        _ => throw new ArgumentOutOfRangeException(nameof(type)),
    };

    private static ThawMessage Thaw(Random r)
    {
        MeshScope scope = One(r, WireNames.MeshScopes.Values);
        return new ThawMessage { Scope = scope, TargetId = scope == MeshScope.Global && r.Next(2) == 0 ? null : Target(r, scope) };
    }

    private static string Nonce(Random r) => Random64(r, r.Next(12, 49));

    private static string Random64(Random r, int bytes)
    {
        byte[] random = new byte[bytes];
        r.NextBytes(random);
        return Base64Url.EncodeToString(random);
    }
}
