using System.Buffers;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Protocol.Signing;

/// <summary>The first line of a frame, docs/protocol/links.md. Ids are agent ids or mesh ids (<see cref="MeshId"/>).</summary>
public sealed record FrameHeader
{
    public required string From { get; init; }
    public required string To { get; init; }
    public required long Epoch { get; init; }
    public required long Seq { get; init; }
    public required Instant SentAt { get; init; }
    public required Instant ExpiresAt { get; init; }
    public required KeyId Key { get; init; }
}

/// <summary><c>mesh:</c> and 16 hexadecimal digits.</summary>
public static class MeshId
{
    public static bool IsValid(string? text) => throw new NotSupportedException("contract");
    public static string From(ReadOnlySpan<byte> eightBytes) => throw new NotSupportedException("contract");
}

/// <summary>
/// Frames on their way out. Add any number of frames, then <see cref="Seal"/> them with one signature (Merkle tree over the leaves when there is more than one), then write each.
/// Reusable, not thread-safe. A message is UTF-8 JSON without a line feed (a bug otherwise).
/// </summary>
public sealed class FrameBatch
{
    public const int FramesMax = 256;
    public const int MessagesMax = 256;

    public int Count => throw new NotSupportedException("contract");

    /// <summary>Starts a frame; its messages follow by <see cref="AddMessage"/>. Returns its index.</summary>
    public int Begin(FrameHeader header) => throw new NotSupportedException("contract");

    /// <summary>Copies one message into the frame that was begun last.</summary>
    public void AddMessage(ReadOnlySpan<byte> utf8) => throw new NotSupportedException("contract");

    /// <summary>Signs all frames at once.</summary>
    public void Seal(Ed25519PrivateKey key) => throw new NotSupportedException("contract");

    /// <summary>Writes a sealed frame, header and messages.</summary>
    public void Write(int frame, IBufferWriter<byte> output) => throw new NotSupportedException("contract");

    /// <summary>Empties it for the next use.</summary>
    public void Clear() => throw new NotSupportedException("contract");
}

/// <summary>Why a frame was refused. The wire's word is in snake_case.</summary>
public enum FrameRefusal : byte
{
    /// <summary>Accepted.</summary>
    None,
    /// <summary>Too large, not UTF-8, no header, or a header that breaks its form.</summary>
    Malformed,
    /// <summary>Not from the peer of this session, or not to me.</summary>
    WrongAddress,
    /// <summary>Of another session.</summary>
    WrongEpoch,
    /// <summary>Its time is over, or its times are impossible.</summary>
    Expired,
    /// <summary>The key is unknown for this sender, not valid now, or revoked.</summary>
    UnknownKey,
    /// <summary>The number was seen, or is too far below the highest.</summary>
    Replayed,
    /// <summary>The signature does not hold.</summary>
    BadSignature,
}

/// <summary>The result of opening a frame: refused, or its header and where its messages are.</summary>
public readonly struct OpenedFrame
{
    public FrameRefusal Refusal { get; init; }

    /// <summary>What was wrong, for people; null when accepted. Never repeats content.</summary>
    public string? Why { get; init; }

    public FrameHeader? Header { get; init; }

    /// <summary>Ranges of the messages in the bytes that were opened.</summary>
    public IReadOnlyList<Range> Messages { get; init; }
}

/// <summary>
/// The receiving end of one session: checks frames in the order of docs/protocol/links.md and keeps the replay window. One owner; pure: time comes in.
/// Both sides use it: the mesh for an agent, an agent for the mesh.
/// </summary>
public sealed class FrameGate
{
    /// <param name="peer">Who must have signed.</param>
    /// <param name="self">Who must be addressed.</param>
    /// <param name="epoch">The session; 0 takes the epoch of the first frame (an agent before its CHALLENGE).</param>
    /// <param name="keyOf">The peer's key by its id, when it is valid now; null otherwise.</param>
    public FrameGate(string peer, string self, long epoch, Func<KeyId, Instant, Ed25519PublicKey?> keyOf) => throw new NotSupportedException("contract");

    public long Epoch => throw new NotSupportedException("contract");

    /// <summary>Reads and checks one frame; on acceptance its number counts as seen. Never throws, whatever the bytes.</summary>
    /// <param name="now">The mesh's clock, as the receiver knows it.</param>
    public OpenedFrame Open(ReadOnlySpan<byte> frame, Instant now) => throw new NotSupportedException("contract");
}
