using System.Buffers;
using System.Buffers.Text;
using System.Text;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Protocol.Signing;

/// <summary>
/// Frames on their way out. Add frames, then <see cref="Seal"/> them with one signature (a Merkle tree over the leaves when there is more than one), then write each.
/// Reusable, not thread-safe. A message is UTF-8 JSON without a line break (a bug otherwise, which throws).
/// </summary>
/// <remarks>The tree: neighbours are hashed in pairs, level by level; the last of an odd level goes up as it is, so its path is shorter.</remarks>
public sealed class FrameBatch
{
    /// <summary>Frames under one signature: their paths have 8 entries at most.</summary>
    public const int FramesMax = 256;

    public const int MessagesMax = FrameLimits.MessagesMax;

    /// <summary>A header at its longest, with a path of 8: what a frame needs beside its messages.</summary>
    private const int HeaderBytesAbout = 1024;

    private const int HashBytes = SigningString.HashBytes;
    private const int KeptBytesMax = 4 << 20;

    private readonly List<Entry> _frames = [];
    private readonly List<int> _messageEnds = [];

    /// <summary>All levels of the tree one after the other, leaves first.</summary>
    private readonly byte[] _tree = new byte[2 * FramesMax * HashBytes];
    private readonly byte[] _signature = new byte[Ed25519PublicKey.SignatureBytes];
    private byte[] _bytes = new byte[4096];
    private int _length;
    private bool _sealed;

    /// <summary>Frames that were begun since the last <see cref="Clear"/>.</summary>
    public int Count => _frames.Count;

    /// <summary>Starts a frame; its messages follow by <see cref="AddMessage"/>. Returns its index. Throws for a header that breaks its form, and when the batch is full or sealed.</summary>
    public int Begin(FrameHeader header)
    {
        if (_sealed || _frames.Count == FramesMax) throw new InvalidOperationException("the batch is sealed or full");
        if (!AgentId.IsValid(header.From) || !AgentId.IsValid(header.To) || !KeyId.IsValid(header.Key.Value)) throw new ArgumentException("an id that the wire does not know", nameof(header));
        if (header.Epoch is < 1 or > FrameLimits.NumberMax || header.Seq is < 1 or > FrameLimits.NumberMax) throw new ArgumentException("epoch and seq are 1 to 2^53 - 1", nameof(header));
        _frames.Add(new Entry(header, _messageEnds.Count, _length));
        return _frames.Count - 1;
    }

    /// <summary>Whether the frame that was begun last has room for one more message of so many bytes.</summary>
    public bool Fits(int messageBytes)
    {
        Entry last = _frames[^1];
        return _messageEnds.Count - last.FirstMessage < MessagesMax && _length - last.Start + messageBytes + 1 <= FrameLimits.BytesMax - HeaderBytesAbout;
    }

    /// <summary>Copies one message into the frame that was begun last. Throws when it does not fit or is not one line of JSON: a bug of the caller.</summary>
    public void AddMessage(ReadOnlySpan<byte> utf8)
    {
        if (_sealed || !Fits(utf8.Length)) throw new InvalidOperationException("the batch is sealed, or the frame has no room for the message");
        if (utf8.Length < 2 || utf8[0] != '{' || utf8[^1] != '}' || utf8.IndexOfAny((byte)'\n', (byte)'\r') >= 0)
            throw new ArgumentException("a message is one JSON object without line breaks", nameof(utf8));
        if (_bytes.Length - _length < utf8.Length + 1) Array.Resize(ref _bytes, Math.Max(2 * _bytes.Length, _length + utf8.Length + 1));
        // Each message with the line feed before it, so that a frame's messages are written as they lie here.
        _bytes[_length] = (byte)'\n';
        utf8.CopyTo(_bytes.AsSpan(_length + 1));
        _length += utf8.Length + 1;
        _messageEnds.Add(_length);
    }

    /// <summary>Signs all frames at once. Throws when there is none, one has no message, or the key is not the one that the headers name.</summary>
    public void Seal(Ed25519PrivateKey key)
    {
        if (_sealed || _frames.Count == 0) throw new InvalidOperationException("the batch is sealed already, or empty");
        for (int i = 0; i < _frames.Count; i++) Leaf(i, key.PublicKey.Id);
        int level = 0, width = _frames.Count;
        while (width > 1)
        {
            int above = level + width;
            for (int i = 0; i < width; i += 2)
            {
                Span<byte> node = Hash(above + (i / 2));
                if (i + 1 < width) SigningString.Node(Hash(level + i), Hash(level + i + 1), node);
                else Hash(level + i).CopyTo(node);
            }
            level = above;
            width = (width + 1) / 2;
        }
        Span<byte> signed = stackalloc byte[SigningString.SignedBytes];
        SigningString.Signed(Hash(level), signed);
        key.Sign(signed, _signature);
        _sealed = true;
    }

    /// <summary>Writes a sealed frame, header and messages.</summary>
    public void Write(int frame, IBufferWriter<byte> output)
    {
        if (!_sealed) throw new InvalidOperationException("the batch is not sealed");
        Entry entry = _frames[frame];
        FrameHeader header = entry.Header;
        HeaderWriter line = new(output.GetSpan(HeaderBytesAbout));
        line.Raw("{\"type\":\"FRAME\",\"from\":\""u8);
        line.Ascii(header.From);
        line.Raw("\",\"to\":\""u8);
        line.Ascii(header.To);
        line.Raw("\",\"epoch\":"u8);
        line.Number(header.Epoch);
        line.Raw(",\"seq\":"u8);
        line.Number(header.Seq);
        line.Raw(",\"sent_at\":\""u8);
        line.Time(header.SentAt);
        line.Raw("\",\"expires_at\":\""u8);
        line.Time(header.ExpiresAt);
        line.Raw("\",\"key\":\""u8);
        line.Ascii(header.Key.Value);
        line.Raw("\""u8);
        WritePath(frame, ref line);
        line.Raw(",\"sig\":\""u8);
        line.Base64(_signature);
        line.Raw("\"}"u8);
        output.Advance(line.Length);
        output.Write(_bytes.AsSpan(entry.Start..End(frame)));
    }

    /// <summary>Empties it for the next use. What it grew to beyond 4 MiB is given back.</summary>
    public void Clear()
    {
        _frames.Clear();
        _messageEnds.Clear();
        _length = 0;
        _sealed = false;
        if (_bytes.Length > KeptBytesMax) _bytes = new byte[4096];
    }

    private Span<byte> Hash(int node) => _tree.AsSpan(node * HashBytes, HashBytes);

    private int End(int frame) => frame + 1 < _frames.Count ? _frames[frame + 1].Start : _length;

    private void Leaf(int frame, KeyId key)
    {
        Entry entry = _frames[frame];
        FrameHeader header = entry.Header;
        int messagesEnd = frame + 1 < _frames.Count ? _frames[frame + 1].FirstMessage : _messageEnds.Count;
        int messages = messagesEnd - entry.FirstMessage;
        if (messages == 0) throw new InvalidOperationException("a frame of the batch has no message");
        if (header.Key != key) throw new InvalidOperationException("a frame of the batch names another key than the one that signs");
        Span<byte> from = stackalloc byte[AgentId.LengthMax], to = stackalloc byte[AgentId.LengthMax], keyText = stackalloc byte[KeyId.Length];
        Span<byte> sentAt = stackalloc byte[FrameTime.LengthMax], expiresAt = stackalloc byte[FrameTime.LengthMax];
        int fromBytes = Encoding.ASCII.GetBytes(header.From, from), toBytes = Encoding.ASCII.GetBytes(header.To, to);
        _ = Encoding.ASCII.GetBytes(header.Key.Value, keyText);
        int sentBytes = FrameTime.Write(header.SentAt, sentAt), expiresBytes = FrameTime.Write(header.ExpiresAt, expiresAt);
        SigningString text = new(from[..fromBytes], to[..toBytes], header.Epoch, header.Seq, sentAt[..sentBytes], expiresAt[..expiresBytes], keyText, messages);
        int start = entry.Start;
        for (int i = entry.FirstMessage; i < messagesEnd; i++)
        {
            text.Message(_bytes.AsSpan((start + 1).._messageEnds[i]));
            start = _messageEnds[i];
        }
        text.Leaf(Hash(frame));
    }

    private void WritePath(int frame, ref HeaderWriter line)
    {
        if (_frames.Count == 1) return;
        line.Raw(",\"path\":["u8);
        bool first = true;
        int level = 0, width = _frames.Count, at = frame;
        while (width > 1)
        {
            int neighbour = at ^ 1;
            if (neighbour < width)
            {
                line.Raw(first ? "\""u8 : ",\""u8);
                line.Raw(neighbour < at ? "l"u8 : "r"u8);
                line.Base64(Hash(level + neighbour));
                line.Raw("\""u8);
                first = false;
            }
            level += width;
            width = (width + 1) / 2;
            at /= 2;
        }
        line.Raw("]"u8);
    }

    private readonly record struct Entry(FrameHeader Header, int FirstMessage, int Start);

    /// <summary>Writes the header's line into room that is known to suffice.</summary>
    private ref struct HeaderWriter(Span<byte> room)
    {
        private readonly Span<byte> _room = room;

        internal int Length { get; private set; }

        internal void Raw(ReadOnlySpan<byte> text)
        {
            text.CopyTo(_room[Length..]);
            Length += text.Length;
        }

        internal void Ascii(string text) => Length += Encoding.ASCII.GetBytes(text, _room[Length..]);

        internal void Time(Instant at) => Length += FrameTime.Write(at, _room[Length..]);

        internal void Base64(ReadOnlySpan<byte> bytes) => Length += Base64Url.EncodeToUtf8(bytes, _room[Length..]);

        internal void Number(long number)
        {
            _ = Utf8Formatter.TryFormat(number, _room[Length..], out int written);
            Length += written;
        }
    }
}
