using Mesh30K.Protocol.Identity;

namespace Mesh30K.Protocol.Signing;

/// <summary>The first line of a frame, docs/protocol/links.md. Ids are agent ids or mesh ids (<see cref="MeshId"/>).</summary>
public sealed record FrameHeader
{
    public required string From { get; init; }

    public required string To { get; init; }

    /// <summary>1 to <see cref="FrameLimits.NumberMax"/>.</summary>
    public required long Epoch { get; init; }

    /// <summary>1 to <see cref="FrameLimits.NumberMax"/>.</summary>
    public required long Seq { get; init; }

    public required Instant SentAt { get; init; }

    public required Instant ExpiresAt { get; init; }

    public required KeyId Key { get; init; }
}

/// <summary>What a frame may at most be: part of the protocol, so nobody can change it.</summary>
public static class FrameLimits
{
    /// <summary>Bytes of a whole frame.</summary>
    public const int BytesMax = 1 << 20;

    /// <summary>Bytes of the header's line.</summary>
    public const int HeaderBytesMax = 64 * 1024;

    /// <summary>Messages in one frame.</summary>
    public const int MessagesMax = 256;

    /// <summary>Entries of a path: a batch of up to 65,536 frames, although we write 256 at most.</summary>
    public const int PathMax = 16;

    /// <summary>Epochs and sequence numbers: 2^53 − 1, which every JSON reader keeps exactly.</summary>
    public const long NumberMax = (1L << 53) - 1;

    /// <summary>How far a new frame's number may lie below the highest that was seen.</summary>
    public const int Window = 64;

    /// <summary>From <c>sent_at</c> to <c>expires_at</c> at most.</summary>
    public static readonly TimeSpan LifeMax = TimeSpan.FromMinutes(5);

    /// <summary>How far <c>sent_at</c> may lie ahead of the receiver's clock.</summary>
    public static readonly TimeSpan AheadMax = TimeSpan.FromSeconds(60);
}
