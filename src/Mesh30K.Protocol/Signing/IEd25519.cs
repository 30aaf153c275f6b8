using System.Runtime.InteropServices;

namespace Mesh30K.Protocol.Signing;

/// <summary>
/// Ed25519 by one native library. All of them have to judge alike, byte for byte: a signature counts or not by RFC 8032, 5.1.7 without the cofactor, with S below the group's order. What they judge differently is decided
/// before they are asked (<see cref="Ed25519PublicKey"/>): a key, and the R of a signature, are never of small order. Thread-safe. docs/adr/0016-libsodium-where-it-is.md.
/// </summary>
internal interface IEd25519
{
    /// <summary>The library and its version, for people: <c>libsodium 1.0.18</c>.</summary>
    string Name { get; }

    /// <summary>Makes a key of a seed of 32 bytes and writes its public half. The handle is for this library only; disposing it wipes the key.</summary>
    SafeHandle NewKey(ReadOnlySpan<byte> seed, Span<byte> publicKey);

    /// <summary>Writes the 32 bytes that the key was made of. A secret.</summary>
    void ReadSeed(SafeHandle key, Span<byte> seed);

    /// <summary>Writes the 64 bytes of the signature.</summary>
    void Sign(SafeHandle key, ReadOnlySpan<byte> message, Span<byte> signature);

    /// <summary>Whether the signature holds. The key is a valid one of 32 bytes; the signature has 64, otherwise anything. Never throws.</summary>
    bool Verify(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature);
}
