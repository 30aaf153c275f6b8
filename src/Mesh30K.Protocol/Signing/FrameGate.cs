using System.Text;
using System.Text.Unicode;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Protocol.Signing;

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

/// <summary>The wire's words for refusals, as REFUSED carries them.</summary>
public static class FrameRefusalWords
{
    /// <summary>The word, in snake_case.</summary>
    public static string Word(this FrameRefusal refusal) => refusal switch
    {
        FrameRefusal.None => "none",
        FrameRefusal.Malformed => "malformed",
        FrameRefusal.WrongAddress => "wrong_address",
        FrameRefusal.WrongEpoch => "wrong_epoch",
        FrameRefusal.Expired => "expired",
        FrameRefusal.UnknownKey => "unknown_key",
        FrameRefusal.Replayed => "replayed",
        FrameRefusal.BadSignature => "bad_signature",
        _ => throw new ArgumentOutOfRangeException(nameof(refusal), refusal, "no such refusal"),
    };
}

/// <summary>The result of opening a frame: refused, or its header and where its messages are.</summary>
public readonly struct OpenedFrame
{
    private readonly Range[]? _messages;

    private OpenedFrame(FrameRefusal refusal, string? why, FrameHeader? header, Range[]? messages)
    {
        Refusal = refusal;
        Why = why;
        Header = header;
        _messages = messages;
    }

    /// <summary><see cref="FrameRefusal.None"/> when it was accepted.</summary>
    public FrameRefusal Refusal { get; }

    /// <summary>What was wrong, for people; null when accepted. Never repeats content.</summary>
    public string? Why { get; }

    /// <summary>Null when refused.</summary>
    public FrameHeader? Header { get; }

    /// <summary>Ranges of the messages in the bytes that were opened; empty when refused.</summary>
    public IReadOnlyList<Range> Messages => _messages ?? [];

    internal static OpenedFrame Accepted(FrameHeader header, Range[] messages) => new(FrameRefusal.None, null, header, messages);

    internal static OpenedFrame Refused(FrameRefusal refusal, string why) => new(refusal, why, null, null);
}

/// <summary>
/// The receiving end of one session: checks frames in the order of docs/protocol/links.md and keeps the replay window. One owner; pure: time comes in.
/// Both sides use it: the mesh for an agent, an agent for the mesh.
/// </summary>
public sealed class FrameGate
{
    private readonly string _peer;
    private readonly string _self;
    private readonly byte[] _peerBytes;
    private readonly byte[] _selfBytes;
    private readonly Func<KeyId, Instant, Ed25519PublicKey?> _keyOf;
    private readonly VerifiedRoots? _roots;
    private KeyId _lastKey;
    private long _highest;

    /// <summary>Bit i: the number that is i + 1 below the highest was seen.</summary>
    private ulong _below;

    /// <param name="peer">Who must have signed.</param>
    /// <param name="self">Who must be addressed.</param>
    /// <param name="epoch">The session; 0 takes the epoch of the first frame that is accepted (an agent before its CHALLENGE).</param>
    /// <param name="keyOf">The peer's key by its id, when it is valid now; null otherwise.</param>
    /// <param name="roots">Shared by the gates of one process that get frames of the same batches; null verifies each.</param>
    public FrameGate(string peer, string self, long epoch, Func<KeyId, Instant, Ed25519PublicKey?> keyOf, VerifiedRoots? roots = null)
    {
        ArgumentNullException.ThrowIfNull(keyOf);
        ArgumentOutOfRangeException.ThrowIfNegative(epoch);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(epoch, FrameLimits.NumberMax);
        _peer = peer;
        _self = self;
        _peerBytes = Encoding.UTF8.GetBytes(peer);
        _selfBytes = Encoding.UTF8.GetBytes(self);
        _keyOf = keyOf;
        _roots = roots;
        Epoch = epoch;
    }

    /// <summary>The session; 0 while none is known.</summary>
    public long Epoch { get; private set; }

    /// <summary>Reads and checks one frame; on acceptance its number counts as seen. Never throws, whatever the bytes.</summary>
    /// <param name="now">The mesh's clock, as the receiver knows it.</param>
    public OpenedFrame Open(ReadOnlySpan<byte> frame, Instant now)
    {
        if (Form(frame, out int headerEnd, out int messages) is { } broken) return OpenedFrame.Refused(FrameRefusal.Malformed, broken);
        Span<byte> path = stackalloc byte[FrameLimits.PathMax * RawHeader.PathEntryBytes];
        Span<byte> signature = stackalloc byte[Ed25519PublicKey.SignatureBytes];
        if (RawHeader.Read(frame[..headerEnd], path, signature, out RawHeader header) is { } fault)
            return OpenedFrame.Refused(FrameRefusal.Malformed, fault);

        if (!header.To.SequenceEqual(_selfBytes)) return OpenedFrame.Refused(FrameRefusal.WrongAddress, "the frame is not for this receiver");
        if (!header.From.SequenceEqual(_peerBytes)) return OpenedFrame.Refused(FrameRefusal.WrongAddress, "the frame is not from the peer of this session");
        if (Epoch != 0 && header.Epoch != Epoch) return OpenedFrame.Refused(FrameRefusal.WrongEpoch, "the frame is of another session");
        if (Times(header, now, out Instant sentAt, out Instant expiresAt) is { } late) return OpenedFrame.Refused(FrameRefusal.Expired, late);
        KeyId keyId = KeyIdOf(header.Key);
        if (_keyOf(keyId, now) is not { } key) return OpenedFrame.Refused(FrameRefusal.UnknownKey, "the key is not known for this sender, not valid now, or revoked");
        if (!IsNew(header.Seq)) return OpenedFrame.Refused(FrameRefusal.Replayed, "the frame's number was seen, or is too far below the highest");

        Range[] ranges = new Range[messages];
        if (!SignatureHolds(frame, headerEnd, header, path, signature, key, ranges))
            return OpenedFrame.Refused(FrameRefusal.BadSignature, "the signature does not hold");

        Epoch = header.Epoch;
        _lastKey = keyId;
        Count(header.Seq);
        FrameHeader accepted = new()
        {
            From = _peer,
            To = _self,
            Epoch = header.Epoch,
            Seq = header.Seq,
            SentAt = sentAt,
            ExpiresAt = expiresAt,
            Key = keyId,
        };
        return OpenedFrame.Accepted(accepted, ranges);
    }

    /// <summary>Checks the lines without looking into them.</summary>
    private static string? Form(ReadOnlySpan<byte> frame, out int headerEnd, out int messages)
    {
        headerEnd = messages = 0;
        if (frame.Length > FrameLimits.BytesMax) return "the frame is larger than 1 MiB";
        if (!Utf8.IsValid(frame)) return "the frame is not UTF-8";
        if (frame.Contains((byte)'\r')) return "the frame has a carriage return: lines end with a line feed alone";
        headerEnd = frame.IndexOf((byte)'\n');
        if (headerEnd < 0) return "the frame has no message";
        if (headerEnd > FrameLimits.HeaderBytesMax) return "the header is larger than 64 KiB";
        ReadOnlySpan<byte> rest = frame[(headerEnd + 1)..];
        while (true)
        {
            int end = rest.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = end < 0 ? rest : rest[..end];
            if (line.Length < 2 || line[0] != '{' || line[^1] != '}') return "a message is not a JSON object alone on its line (or the frame ends with a line feed)";
            if (++messages > FrameLimits.MessagesMax) return "the frame has more than 256 messages";
            if (end < 0) return null;
            rest = rest[(end + 1)..];
        }
    }

    private static string? Times(in RawHeader header, Instant now, out Instant sentAt, out Instant expiresAt)
    {
        _ = FrameTime.TryParse(header.SentAt, out sentAt);
        _ = FrameTime.TryParse(header.ExpiresAt, out expiresAt);
        if (now > expiresAt) return "the frame's time is over";
        if (expiresAt <= sentAt) return "expires_at must be after sent_at";
        if (expiresAt - sentAt > FrameLimits.LifeMax) return "expires_at must be at most 5 minutes after sent_at";
        return sentAt - now > FrameLimits.AheadMax ? "sent_at is more than 60 s ahead of the mesh's clock" : null;
    }

    private KeyId KeyIdOf(ReadOnlySpan<byte> text) =>
        _lastKey.Value is { } last && Ascii.Equals(text, last) ? _lastKey : new KeyId(Encoding.ASCII.GetString(text));

    private bool SignatureHolds(
        ReadOnlySpan<byte> frame, int headerEnd, in RawHeader header, ReadOnlySpan<byte> path, ReadOnlySpan<byte> signature, Ed25519PublicKey key, Range[] ranges)
    {
        SigningString text = new(header.From, header.To, header.Epoch, header.Seq, header.SentAt, header.ExpiresAt, header.Key, ranges.Length);
        int start = headerEnd + 1;
        for (int i = 0; i < ranges.Length; i++)
        {
            int length = frame[start..].IndexOf((byte)'\n');
            int end = length < 0 ? frame.Length : start + length;
            ranges[i] = start..end;
            text.Message(frame[start..end]);
            start = end + 1;
        }
        Span<byte> root = stackalloc byte[SigningString.HashBytes];
        text.Leaf(root);
        for (int i = 0; i < header.PathEntries; i++)
        {
            ReadOnlySpan<byte> entry = path.Slice(i * RawHeader.PathEntryBytes, RawHeader.PathEntryBytes);
            if (entry[0] == 'l') SigningString.Node(entry[1..], root, root);
            else SigningString.Node(root, entry[1..], root);
        }
        Span<byte> signed = stackalloc byte[SigningString.SignedBytes];
        SigningString.Signed(root, signed);
        return _roots is null ? key.Verify(signed, signature) : _roots.Verify(key, root, signature, signed);
    }

    private bool IsNew(long seq)
    {
        if (seq > _highest) return true;
        long distance = _highest - seq;
        return distance is >= 1 and <= FrameLimits.Window && (_below & (1UL << (int)(distance - 1))) == 0;
    }

    private void Count(long seq)
    {
        if (seq < _highest)
        {
            _below |= 1UL << (int)(_highest - seq - 1);
            return;
        }
        long step = seq - _highest;
        // The old highest becomes a bit among those below; 0 was never seen, but nobody can send it either.
        _below = step > FrameLimits.Window ? 0 : step == FrameLimits.Window ? 1UL << (FrameLimits.Window - 1) : (_below << (int)step) | (1UL << (int)(step - 1));
        _highest = seq;
    }
}
