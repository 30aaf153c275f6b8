using System.Runtime.InteropServices;

namespace Mesh30K.Protocol.Signing;

/// <summary>
/// Remembers which signatures over which roots were found good under which key, so that many receivers in one process verify the one signature of a batch once. As safe as verifying each time: an entry is
/// the whole statement (key, root and signature, each in full), whether it holds never changes, and each frame's way to the root is still computed from its own bytes. Whether the key is valid now is not remembered.
/// Bounded: the oldest goes first (policy <c>evict-oldest</c>), and what is gone is verified again. Thread-safe.
/// </summary>
public sealed class VerifiedRoots
{
    private readonly Lock _gate = new();
    private readonly HashSet<Statement> _known;
    private readonly Statement[] _ring;
    private int _next;

    /// <param name="entriesMax">1 to 65,536; an entry costs some 300 bytes.</param>
    public VerifiedRoots(int entriesMax = 1024)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(entriesMax, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(entriesMax, 65_536);
        _ring = new Statement[entriesMax];
        _known = new HashSet<Statement>(entriesMax);
    }

    /// <summary>As <see cref="Ed25519PublicKey.Verify(ReadOnlySpan{byte}, ReadOnlySpan{byte})"/> over the domain and the root; only what is good is remembered.</summary>
    internal bool Verify(Ed25519PublicKey key, ReadOnlySpan<byte> root, ReadOnlySpan<byte> signature, ReadOnlySpan<byte> signed)
    {
        Statement statement = new(Block.Of(key.Span), Block.Of(root), Block.Of(signature), Block.Of(signature[SigningString.HashBytes..]));
        lock (_gate)
            if (_known.Contains(statement)) return true;
        if (!key.Verify(signed, signature)) return false;
        lock (_gate)
        {
            if (!_known.Add(statement)) return true;
            // A slot that was never used holds the default statement, which is nobody's key.
            _ = _known.Remove(_ring[_next]);
            _ring[_next] = statement;
            _next = (_next + 1) % _ring.Length;
        }
        return true;
    }

    private readonly record struct Block(ulong A, ulong B, ulong C, ulong D)
    {
        internal static Block Of(ReadOnlySpan<byte> bytes)
        {
            ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(bytes[..SigningString.HashBytes]);
            return new Block(words[0], words[1], words[2], words[3]);
        }
    }

    private readonly record struct Statement(Block Key, Block Root, Block R, Block S);
}
