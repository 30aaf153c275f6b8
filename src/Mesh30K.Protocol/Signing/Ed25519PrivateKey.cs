using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Mesh30K.Protocol.Signing;

/// <summary>
/// A private key of Ed25519 (RFC 8032), by the library of <see cref="Ed25519Library"/>: .NET 10 has none of its own. Signatures are deterministic. Thread-safe; dispose to wipe it. Where there is no library every member
/// throws <see cref="PlatformNotSupportedException"/>, which says what to install.
/// </summary>
public sealed class Ed25519PrivateKey : IDisposable
{
    public const int SeedBytes = 32;

    private const string PemLabel = "PRIVATE KEY";

    private readonly IEd25519 _library;
    private readonly SafeHandle _handle;

    private Ed25519PrivateKey(IEd25519 library, SafeHandle handle, Ed25519PublicKey publicKey)
    {
        _library = library;
        _handle = handle;
        PublicKey = publicKey;
    }

    public Ed25519PublicKey PublicKey { get; }

    /// <summary>PKCS#8 (RFC 5958, RFC 8410) of a private key without attributes is these bytes and the 32 of the seed.</summary>
    private static ReadOnlySpan<byte> Pkcs8Prefix => [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

    /// <summary>A new key from the system's randomness.</summary>
    public static Ed25519PrivateKey Generate()
    {
        Span<byte> seed = stackalloc byte[SeedBytes];
        RandomNumberGenerator.Fill(seed);
        try
        {
            return FromSeed(seed);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(seed);
        }
    }

    /// <summary>The key of a 32-byte seed (RFC 8032's secret key). Throws when there are not 32.</summary>
    public static Ed25519PrivateKey FromSeed(ReadOnlySpan<byte> seed) => FromSeed(Ed25519Library.Current, seed);

    /// <summary>As the other, by one library.</summary>
    internal static Ed25519PrivateKey FromSeed(IEd25519 library, ReadOnlySpan<byte> seed)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(seed.Length, SeedBytes);
        Span<byte> bytes = stackalloc byte[Ed25519PublicKey.Bytes];
        SafeHandle handle = library.NewKey(seed, bytes);
        return new Ed25519PrivateKey(library, handle, Ed25519PublicKey.Trusted(bytes));
    }

    /// <summary>Reads PEM (PKCS#8), as `openssl genpkey -algorithm ed25519` writes it. Throws <see cref="FormatException"/>; the message never holds the key.</summary>
    public static Ed25519PrivateKey FromPem(ReadOnlySpan<char> pem)
    {
        if (!PemEncoding.TryFind(pem, out PemFields fields) || !pem[fields.Label].SequenceEqual(PemLabel))
            throw new FormatException("not a private key in PEM: there is no block labelled PRIVATE KEY (openssl genpkey -algorithm ed25519 writes one)");
        Span<byte> der = stackalloc byte[Pkcs8Prefix.Length + SeedBytes];
        try
        {
            if (fields.DecodedDataLength != der.Length || !Convert.TryFromBase64Chars(pem[fields.Base64Data], der, out int written)
                || written != der.Length || !der.StartsWith(Pkcs8Prefix))
                throw new FormatException("a private key in PEM, but none of Ed25519 (openssl genpkey -algorithm ed25519 makes one)");
            return FromSeed(der[Pkcs8Prefix.Length..]);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(der);
        }
    }

    /// <summary>PEM (PKCS#8). A secret.</summary>
    public string ToPem()
    {
        Span<byte> der = stackalloc byte[Pkcs8Prefix.Length + SeedBytes];
        Pkcs8Prefix.CopyTo(der);
        try
        {
            _library.ReadSeed(_handle, der[Pkcs8Prefix.Length..]);
            return PemEncoding.WriteString(PemLabel, der) + "\n";
        }
        finally
        {
            CryptographicOperations.ZeroMemory(der);
        }
    }

    /// <summary>Writes the 64 bytes of the signature. Throws when there is less room.</summary>
    public void Sign(ReadOnlySpan<byte> message, Span<byte> signature)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(signature.Length, Ed25519PublicKey.SignatureBytes);
        _library.Sign(_handle, message, signature[..Ed25519PublicKey.SignatureBytes]);
    }

    public void Dispose() => _handle.Dispose();

    /// <summary>Never shows the key.</summary>
    public override string ToString() => $"Ed25519PrivateKey({PublicKey.Id})";
}
