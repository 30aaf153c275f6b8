namespace Mesh30K.Protocol.Signing;

/// <summary>
/// Which native library does Ed25519 in this process: libsodium where it is and judges as it must, because it takes three fifths of the time of OpenSSL's; libcrypto otherwise. Chosen at the first use, once. Thread-safe.
/// </summary>
public static class Ed25519Library
{
    private static readonly Lazy<(IEd25519 Library, string? WhyNotSodium)> Chosen = new(static () =>
    {
        string? why = LibSodium.TryLoad(out LibSodium? sodium) ?? Fault(sodium!);
        return (why is null ? sodium! : new LibCrypto(), why);
    });

    /// <summary>Its name and version. Throws <see cref="PlatformNotSupportedException"/> where there is neither.</summary>
    public static string InUse => Current.Name;

    /// <summary>Why it is not libsodium, for people; null when it is.</summary>
    public static string? WhyNotSodium => Chosen.Value.WhyNotSodium;

    internal static IEd25519 Current => Chosen.Value.Library;

    /// <summary>A key with a part of order 8: of large order and canonical, so it may be enrolled.</summary>
    private static ReadOnlySpan<byte> MixedKey =>
    [
        0xb1, 0x54, 0xbd, 0x62, 0x18, 0x8a, 0xe2, 0x83, 0xdd, 0x18, 0x7f, 0xef, 0xe8, 0xc3, 0x1f, 0x5e, 0x27, 0x6e, 0xdf, 0x08, 0x3b, 0x4c, 0xff, 0x11, 0xc9, 0xd5, 0xcf, 0xf8, 0x56, 0xc7, 0x44, 0x40,
    ];

    /// <summary>A signature of <c>cofactor 0</c> that holds for <see cref="MixedKey"/> only when both sides are multiplied by the cofactor.</summary>
    private static ReadOnlySpan<byte> HoldsByCofactor =>
    [
        0x80, 0xb4, 0x6c, 0x70, 0xfa, 0xfd, 0x06, 0xfb, 0x37, 0xd4, 0x5d, 0x30, 0xe6, 0x12, 0xaf, 0xbd, 0xe4, 0x93, 0x24, 0x8f, 0x63, 0xb2, 0x9d, 0xa4, 0xe0, 0xeb, 0xed, 0x79, 0x82, 0xc3, 0x4e, 0xfb,
        0x42, 0x2c, 0x13, 0x2a, 0x99, 0x7c, 0x49, 0x00, 0xe7, 0xd0, 0x68, 0x2a, 0xfd, 0x66, 0x97, 0xa9, 0x6a, 0x51, 0x2a, 0x0b, 0xa6, 0xa3, 0xb4, 0x61, 0x1d, 0x42, 0x88, 0xe6, 0x20, 0x20, 0x5d, 0x08,
    ];

    /// <summary>
    /// Why a library must not be used, for people; null when it may. Newer releases of libsodium than 1.0.18 multiply by the cofactor: with them, and not with OpenSSL, whoever made a key with a part of order 8 could have
    /// signatures accepted, and two machines of one mesh would not agree about a frame.
    /// </summary>
    internal static string? Fault(IEd25519 library)
    {
        Span<byte> seed = stackalloc byte[Ed25519PrivateKey.SeedBytes], publicKey = stackalloc byte[Ed25519PublicKey.Bytes], signature = stackalloc byte[Ed25519PublicKey.SignatureBytes];
        seed.Clear();
        using System.Runtime.InteropServices.SafeHandle key = library.NewKey(seed, publicKey);
        library.Sign(key, "probe"u8, signature);
        if (!library.Verify(publicKey, "probe"u8, signature)) return $"{library.Name} does not verify what it signed";
        return library.Verify(MixedKey, "cofactor 0"u8, HoldsByCofactor) ? $"{library.Name} verifies with the cofactor, libcrypto without: a mesh needs one rule" : null;
    }
}
