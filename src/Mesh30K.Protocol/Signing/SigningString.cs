using System.Buffers.Text;
using System.Security.Cryptography;

namespace Mesh30K.Protocol.Signing;

/// <summary>
/// Builds the signing string of a frame and hashes it: docs/protocol/links.md. Works in one buffer of its thread's own, so that nothing is allocated for a frame.
/// </summary>
internal ref struct SigningString
{
    internal const int HashBytes = SHA256.HashSizeInBytes;

    private const int StartBytes = 1024;
    private const byte LeafMark = 0x00;
    private const byte NodeMark = 0x01;

    [ThreadStatic]
    private static byte[]? s_thread;

    private byte[] _buffer;
    private int _length;

    /// <summary>Starts one with the header's texts, exactly as they stand there.</summary>
    internal SigningString(
        ReadOnlySpan<byte> from, ReadOnlySpan<byte> to, long epoch, long seq, ReadOnlySpan<byte> sentAt, ReadOnlySpan<byte> expiresAt, ReadOnlySpan<byte> key, int messages)
    {
        _buffer = s_thread ??= new byte[StartBytes];
        _buffer[0] = LeafMark;
        _length = 1;
        Line("mesh30k-frame-v1"u8);
        Line("FRAME"u8);
        Line(from);
        Line(to);
        Line(epoch);
        Line(seq);
        Line(sentAt);
        Line(expiresAt);
        Line(key);
        Line(messages);
    }

    /// <summary>The signing string so far, without the mark of a leaf.</summary>
    internal readonly ReadOnlySpan<byte> Text => _buffer.AsSpan(1, _length - 1);

    /// <summary>Domain and root: what is signed.</summary>
    internal static ReadOnlySpan<byte> RootDomain => "mesh30k-root-v1\n"u8;

    /// <summary>Bytes of <see cref="RootDomain"/> and a root.</summary>
    internal static int SignedBytes => RootDomain.Length + HashBytes;

    /// <summary>The line of one message.</summary>
    internal void Message(ReadOnlySpan<byte> utf8)
    {
        Span<byte> hash = stackalloc byte[HashBytes];
        SHA256.HashData(utf8, hash);
        Room(2 * HashBytes);
        _ = Convert.TryToHexStringLower(hash, _buffer.AsSpan(_length), out int written);
        _length += written;
        _buffer[_length++] = (byte)'\n';
    }

    /// <summary>SHA-256(0x00 ‖ signing string).</summary>
    internal readonly void Leaf(Span<byte> hash) => SHA256.HashData(_buffer.AsSpan(0, _length), hash);

    /// <summary>SHA-256(0x01 ‖ left ‖ right). The destination may be one of the two.</summary>
    internal static void Node(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right, Span<byte> hash)
    {
        Span<byte> both = stackalloc byte[1 + (2 * HashBytes)];
        both[0] = NodeMark;
        left.CopyTo(both[1..]);
        right.CopyTo(both[(1 + HashBytes)..]);
        SHA256.HashData(both, hash);
    }

    /// <summary>Writes the <see cref="SignedBytes"/> that are signed for a root.</summary>
    internal static void Signed(ReadOnlySpan<byte> root, Span<byte> destination)
    {
        RootDomain.CopyTo(destination);
        root.CopyTo(destination[RootDomain.Length..]);
    }

    private void Line(ReadOnlySpan<byte> text)
    {
        Room(text.Length);
        text.CopyTo(_buffer.AsSpan(_length));
        _length += text.Length;
        _buffer[_length++] = (byte)'\n';
    }

    private void Line(long number)
    {
        const int digitsMax = 20;
        Room(digitsMax);
        _ = Utf8Formatter.TryFormat(number, _buffer.AsSpan(_length), out int written);
        _length += written;
        _buffer[_length++] = (byte)'\n';
    }

    /// <summary>Room for so many bytes and the line's end.</summary>
    private void Room(int bytes)
    {
        if (_buffer.Length - _length > bytes) return;
        Array.Resize(ref _buffer, Math.Max(2 * _buffer.Length, _length + bytes + 1));
        s_thread = _buffer;
    }
}
