using System.Reflection;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Mesh30K.Protocol.Signing;

/// <summary>A key of OpenSSL.</summary>
internal sealed class CryptoKeyHandle() : SafeHandle(nint.Zero, ownsHandle: true)
{
    public override bool IsInvalid => handle == nint.Zero;

    protected override bool ReleaseHandle()
    {
        LibCrypto.FreeKey(handle);
        return true;
    }
}

/// <summary>A context of OpenSSL for one signature at a time. One for each thread; freed by its finaliser when the thread is gone.</summary>
internal sealed class CryptoContextHandle() : SafeHandle(nint.Zero, ownsHandle: true)
{
    [ThreadStatic]
    private static CryptoContextHandle? s_thread;

    public override bool IsInvalid => handle == nint.Zero;

    /// <summary>This thread's context, empty.</summary>
    internal static CryptoContextHandle Empty()
    {
        if (s_thread is not { } context)
        {
            context = LibCrypto.NewContext();
            if (context.IsInvalid) throw new InvalidOperationException("OpenSSL gave no context");
            s_thread = context;
        }
        else if (LibCrypto.ResetContext(context) != 1)
        {
            throw new InvalidOperationException("OpenSSL cannot empty a context");
        }
        return context;
    }

    protected override bool ReleaseHandle()
    {
        LibCrypto.FreeContext(handle);
        return true;
    }
}

/// <summary>Ed25519 by the few calls of OpenSSL 3 that it needs: .NET 10 has none of its own (docs/adr/0009-frames-are-signed-in-batches.md).</summary>
internal sealed partial class LibCrypto : IEd25519
{
    private const string Library = "libcrypto";
    private const int Ed25519 = 1087;
    private const int FullVersionString = 7;
    private static readonly string[] Names = ["libcrypto.so.3", "libcrypto.3.dylib", "libcrypto-3-x64.dll"];

    static LibCrypto() => NativeLibrary.SetDllImportResolver(typeof(LibCrypto).Assembly, Resolve);

    public string Name => $"OpenSSL {Marshal.PtrToStringUTF8(Version(FullVersionString))}";

    public SafeHandle NewKey(ReadOnlySpan<byte> seed, Span<byte> publicKey)
    {
        CryptoKeyHandle key = NewPrivateKey(Ed25519, nint.Zero, seed, (nuint)seed.Length);
        nuint length = (nuint)publicKey.Length;
        if (!key.IsInvalid && GetPublicKey(key, publicKey, ref length) == 1) return key;
        key.Dispose();
        throw Failed("make a key");
    }

    public void ReadSeed(SafeHandle key, Span<byte> seed)
    {
        nuint length = (nuint)seed.Length;
        if (GetPrivateKey((CryptoKeyHandle)key, seed, ref length) != 1) throw Failed("read a key");
    }

    public void Sign(SafeHandle key, ReadOnlySpan<byte> message, Span<byte> signature)
    {
        CryptoContextHandle context = CryptoContextHandle.Empty();
        nuint length = Ed25519PublicKey.SignatureBytes;
        if (SignInit(context, nint.Zero, nint.Zero, nint.Zero, (CryptoKeyHandle)key) != 1
            || DigestSign(context, signature, ref length, message, (nuint)message.Length) != 1
            || length != Ed25519PublicKey.SignatureBytes)
            throw Failed("sign");
    }

    /// <summary>OpenSSL's own form of a key costs about a kilobyte and is made for each verification, which costs a few percent of it.</summary>
    public bool Verify(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature)
    {
        using CryptoKeyHandle key = NewPublicKey(Ed25519, nint.Zero, publicKey, (nuint)publicKey.Length);
        CryptoContextHandle context = CryptoContextHandle.Empty();
        if (!key.IsInvalid
            && VerifyInit(context, nint.Zero, nint.Zero, nint.Zero, key) == 1
            && DigestVerify(context, signature, (nuint)signature.Length, message, (nuint)message.Length) == 1)
            return true;
        ClearErrors();
        return false;
    }

    private static CryptographicException Failed(string what)
    {
        ClearErrors();
        return new CryptographicException($"OpenSSL could not {what}: Ed25519 is not available in it (is a FIPS provider configured?)");
    }

    [LibraryImport(Library, EntryPoint = "OpenSSL_version")]
    private static partial nint Version(int part);

    [LibraryImport(Library, EntryPoint = "EVP_PKEY_new_raw_private_key")]
    private static partial CryptoKeyHandle NewPrivateKey(int type, nint engine, ReadOnlySpan<byte> key, nuint bytes);

    [LibraryImport(Library, EntryPoint = "EVP_PKEY_new_raw_public_key")]
    private static partial CryptoKeyHandle NewPublicKey(int type, nint engine, ReadOnlySpan<byte> key, nuint bytes);

    [LibraryImport(Library, EntryPoint = "EVP_PKEY_get_raw_private_key")]
    private static partial int GetPrivateKey(CryptoKeyHandle key, Span<byte> destination, ref nuint bytes);

    [LibraryImport(Library, EntryPoint = "EVP_PKEY_get_raw_public_key")]
    private static partial int GetPublicKey(CryptoKeyHandle key, Span<byte> destination, ref nuint bytes);

    [LibraryImport(Library, EntryPoint = "EVP_PKEY_free")]
    internal static partial void FreeKey(nint key);

    [LibraryImport(Library, EntryPoint = "EVP_MD_CTX_new")]
    internal static partial CryptoContextHandle NewContext();

    [LibraryImport(Library, EntryPoint = "EVP_MD_CTX_reset")]
    internal static partial int ResetContext(CryptoContextHandle context);

    [LibraryImport(Library, EntryPoint = "EVP_MD_CTX_free")]
    internal static partial void FreeContext(nint context);

    [LibraryImport(Library, EntryPoint = "EVP_DigestSignInit")]
    private static partial int SignInit(CryptoContextHandle context, nint keyContext, nint digest, nint engine, CryptoKeyHandle key);

    [LibraryImport(Library, EntryPoint = "EVP_DigestSign")]
    private static partial int DigestSign(CryptoContextHandle context, Span<byte> signature, ref nuint signatureBytes, ReadOnlySpan<byte> message, nuint messageBytes);

    [LibraryImport(Library, EntryPoint = "EVP_DigestVerifyInit")]
    private static partial int VerifyInit(CryptoContextHandle context, nint keyContext, nint digest, nint engine, CryptoKeyHandle key);

    [LibraryImport(Library, EntryPoint = "EVP_DigestVerify")]
    private static partial int DigestVerify(CryptoContextHandle context, ReadOnlySpan<byte> signature, nuint signatureBytes, ReadOnlySpan<byte> message, nuint messageBytes);

    /// <summary>Empties the thread's queue of errors: what a refused signature leaves there would be taken for a failure of the next caller, also of .NET itself.</summary>
    [LibraryImport(Library, EntryPoint = "ERR_clear_error")]
    private static partial void ClearErrors();

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path)
    {
        if (!string.Equals(name, Library, StringComparison.Ordinal)) return nint.Zero;
        foreach (string candidate in Names)
            if (NativeLibrary.TryLoad(candidate, assembly, path, out nint handle)) return handle;
        throw new PlatformNotSupportedException(
            "Ed25519 needs OpenSSL 3, and " + string.Join(", ", Names)
            + " are not there. Install it: apt install libssl3, dnf install openssl-libs, apk add libcrypto3, brew install openssl@3");
    }
}
