using System.Buffers.Text;
using System.Runtime.InteropServices;

namespace Mesh30K.Protocol.Signing;

/// <summary>
/// A public key of Ed25519: canonical, on the curve and of large order; others cannot be made. Immutable, thread-safe. Its 32 bytes are all that it holds.
/// </summary>
public sealed class Ed25519PublicKey : IEquatable<Ed25519PublicKey>
{
    public const int Bytes = 32;
    public const int SignatureBytes = 64;

    private readonly byte[] _bytes;

    private Ed25519PublicKey(byte[] bytes)
    {
        _bytes = bytes;
        Id = KeyId.Of(bytes);
    }

    public KeyId Id { get; }

    /// <summary>The 32 bytes.</summary>
    public ReadOnlySpan<byte> Span => _bytes;

    /// <summary>Takes 32 bytes; says why not: wrong length, not canonical, not on the curve, small order. Some 10 µs.</summary>
    public static string? TryCreate(ReadOnlySpan<byte> bytes, out Ed25519PublicKey? key)
    {
        key = null;
        if (bytes.Length != Bytes) return $"a key has {Bytes} bytes";
        if (Ed25519Point.Fault(bytes) is { } fault) return fault;
        key = new Ed25519PublicKey(bytes.ToArray());
        return null;
    }

    /// <summary>As <see cref="TryCreate"/>, from base64url without padding.</summary>
    public static string? TryParse(string? base64Url, out Ed25519PublicKey? key)
    {
        key = null;
        Span<byte> bytes = stackalloc byte[Bytes];
        return StrictBase64Url.TryDecode(base64Url, bytes) ? TryCreate(bytes, out key) : "a key is 43 characters of base64url without padding";
    }

    /// <summary>
    /// Whether this signature is this key's over this message (RFC 8032, 5.1.7, without the cofactor; S must be below the group's order, R not of small order). The same whichever library is in use. Never throws, whatever
    /// the bytes.
    /// </summary>
    public bool Verify(ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature) => Verify(Ed25519Library.Current, message, signature);

    /// <summary>As the other, by one library.</summary>
    internal bool Verify(IEd25519 library, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature) =>
        // libsodium refuses an R of small order and OpenSSL does not; nobody who follows the RFC makes one. The rule is ours, so that it does not depend on the machine.
        signature.Length == SignatureBytes && !Ed25519Point.IsOfSmallOrder(signature[..Bytes]) && library.Verify(_bytes, message, signature);

    public bool Equals(Ed25519PublicKey? other) => other is not null && _bytes.AsSpan().SequenceEqual(other._bytes);

    public override bool Equals(object? obj) => Equals(obj as Ed25519PublicKey);

    public override int GetHashCode() => MemoryMarshal.Read<int>(_bytes);

    /// <summary>Base64url without padding.</summary>
    public override string ToString() => Base64Url.EncodeToString(_bytes);

    /// <summary>The key of bytes that a library computed from a seed: always a point of large order.</summary>
    internal static Ed25519PublicKey Trusted(ReadOnlySpan<byte> bytes) => new(bytes.ToArray());
}
