namespace Mesh30K.Protocol.Signing;

/// <summary>
/// A private key of Ed25519 (RFC 8032), bound to OpenSSL 3's libcrypto: .NET 10 has none of its own (docs/adr/0009). Thread-safe; dispose to wipe it.
/// </summary>
public sealed class Ed25519PrivateKey : IDisposable
{
    public const int SeedBytes = 32;

    private Ed25519PrivateKey(Ed25519PublicKey publicKey) => PublicKey = publicKey;

    public Ed25519PublicKey PublicKey { get; }

    /// <summary>A new key from the system's randomness.</summary>
    public static Ed25519PrivateKey Generate() => throw new NotSupportedException("contract");

    /// <summary>The key of a 32-byte seed (RFC 8032's secret key).</summary>
    public static Ed25519PrivateKey FromSeed(ReadOnlySpan<byte> seed) => throw new NotSupportedException("contract");

    /// <summary>Reads PEM (PKCS#8), as `openssl genpkey -algorithm ed25519` writes it. Throws <see cref="FormatException"/>; the message never holds the key.</summary>
    public static Ed25519PrivateKey FromPem(ReadOnlySpan<char> pem) => throw new NotSupportedException("contract");

    /// <summary>PEM (PKCS#8). A secret.</summary>
    public string ToPem() => throw new NotSupportedException("contract");

    /// <summary>Writes the 64 bytes of the signature.</summary>
    public void Sign(ReadOnlySpan<byte> message, Span<byte> signature) => throw new NotSupportedException("contract");

    public void Dispose() => throw new NotSupportedException("contract");

    /// <summary>Never shows the key.</summary>
    public override string ToString() => $"Ed25519PrivateKey({PublicKey.Id})";
}

/// <summary>A public key of Ed25519: canonical, and of large order; others cannot be made. Immutable, thread-safe; native memory is freed by a finaliser.</summary>
public sealed class Ed25519PublicKey : IEquatable<Ed25519PublicKey>
{
    public const int Bytes = 32;
    public const int SignatureBytes = 64;

    private Ed25519PublicKey(KeyId id) => Id = id;

    public KeyId Id { get; }

    /// <summary>The 32 bytes.</summary>
    public ReadOnlySpan<byte> Span => throw new NotSupportedException("contract");

    /// <summary>Takes 32 bytes; says why not: wrong length, not canonical, not on the curve, small order.</summary>
    public static string? TryCreate(ReadOnlySpan<byte> bytes, out Ed25519PublicKey? key) => throw new NotSupportedException("contract");

    /// <summary>As <see cref="TryCreate"/>, from base64url without padding.</summary>
    public static string? TryParse(string? base64Url, out Ed25519PublicKey? key) => throw new NotSupportedException("contract");

    /// <summary>Whether this signature is this key's over this message. Never throws, whatever the bytes.</summary>
    public bool Verify(ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature) => throw new NotSupportedException("contract");

    public bool Equals(Ed25519PublicKey? other) => throw new NotSupportedException("contract");

    public override bool Equals(object? obj) => Equals(obj as Ed25519PublicKey);

    public override int GetHashCode() => throw new NotSupportedException("contract");

    /// <summary>Base64url without padding.</summary>
    public override string ToString() => throw new NotSupportedException("contract");
}

/// <summary><c>k-</c> and the first 16 hexadecimal digits of the SHA-256 of a public key.</summary>
public readonly record struct KeyId(string Value)
{
    public static bool IsValid(string? text) => throw new NotSupportedException("contract");

    public override string ToString() => Value;
}
