using System.Reflection;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Mesh30K.Protocol.Signing;

/// <summary>
/// Ed25519 by libsodium. It may be absent, so it is loaded by hand: nothing is bound before everything that is needed was found. Verifies without the cofactor up to 1.0.18; which it does is tried, not told by the version
/// (<see cref="Ed25519Library"/>).
/// </summary>
internal sealed unsafe class LibSodium : IEd25519
{
    private static readonly string[] Names = ["libsodium.so.23", "libsodium.so.26", "libsodium.23.dylib", "libsodium.dylib", "libsodium.dll"];

    private readonly delegate* unmanaged<byte*, byte*, byte*, int> _seedKeypair;
    private readonly delegate* unmanaged<byte*, ulong*, byte*, ulong, byte*, int> _signDetached;
    private readonly delegate* unmanaged<byte*, byte*, ulong, byte*, int> _verifyDetached;

    private LibSodium(string name, nint seedKeypair, nint signDetached, nint verifyDetached)
    {
        Name = name;
        _seedKeypair = (delegate* unmanaged<byte*, byte*, byte*, int>)seedKeypair;
        _signDetached = (delegate* unmanaged<byte*, ulong*, byte*, ulong, byte*, int>)signDetached;
        _verifyDetached = (delegate* unmanaged<byte*, byte*, ulong, byte*, int>)verifyDetached;
    }

    public string Name { get; }

    public SafeHandle NewKey(ReadOnlySpan<byte> seed, Span<byte> publicKey)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(seed.Length, Ed25519PrivateKey.SeedBytes);
        ArgumentOutOfRangeException.ThrowIfNotEqual(publicKey.Length, Ed25519PublicKey.Bytes);
        Key key = new();
        fixed (byte* from = seed, to = publicKey)
            if (_seedKeypair(to, key.Bytes, from) == 0) return key;
        key.Dispose();
        throw new CryptographicException("libsodium could not make a key");
    }

    public void ReadSeed(SafeHandle key, Span<byte> seed)
    {
        bool held = false;
        try
        {
            key.DangerousAddRef(ref held);
            // Its secret key is the seed and then the public key.
            new ReadOnlySpan<byte>(((Key)key).Bytes, Ed25519PrivateKey.SeedBytes).CopyTo(seed);
        }
        finally
        {
            if (held) key.DangerousRelease();
        }
    }

    public void Sign(SafeHandle key, ReadOnlySpan<byte> message, Span<byte> signature)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(signature.Length, Ed25519PublicKey.SignatureBytes);
        bool held = false;
        try
        {
            key.DangerousAddRef(ref held);
            ulong length;
            fixed (byte* from = message, to = signature)
                if (_signDetached(to, &length, from, (ulong)message.Length, ((Key)key).Bytes) == 0 && length == Ed25519PublicKey.SignatureBytes) return;
            throw new CryptographicException("libsodium could not sign");
        }
        finally
        {
            if (held) key.DangerousRelease();
        }
    }

    public bool Verify(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature)
    {
        fixed (byte* key = publicKey, text = message, signed = signature) return _verifyDetached(signed, text, (ulong)message.Length, key) == 0;
    }

    /// <summary>Loads it; says why not, for people.</summary>
    internal static string? TryLoad(out LibSodium? library)
    {
        library = null;
        Assembly assembly = typeof(LibSodium).Assembly;
        foreach (string name in Names)
            if (NativeLibrary.TryLoad(name, assembly, searchPath: null, out nint handle)) return TryBind(name, handle, out library);
        return "libsodium is not there";
    }

    private static string? TryBind(string name, nint handle, out LibSodium? library)
    {
        library = null;
        if (!NativeLibrary.TryGetExport(handle, "sodium_init", out nint init)
            || !NativeLibrary.TryGetExport(handle, "sodium_version_string", out nint version)
            || !NativeLibrary.TryGetExport(handle, "crypto_sign_ed25519_seed_keypair", out nint seedKeypair)
            || !NativeLibrary.TryGetExport(handle, "crypto_sign_ed25519_detached", out nint sign)
            || !NativeLibrary.TryGetExport(handle, "crypto_sign_ed25519_verify_detached", out nint verify))
            return $"{name} has no Ed25519";
        if (((delegate* unmanaged<int>)init)() < 0) return $"{name} could not be initialised";
        string? number = Marshal.PtrToStringUTF8(((delegate* unmanaged<nint>)version)());
        library = new LibSodium($"libsodium {number}", seedKeypair, sign, verify);
        return null;
    }

    /// <summary>64 bytes outside of the managed heap, so that no collection leaves a copy behind; wiped when freed.</summary>
    private sealed class Key : SafeHandle
    {
        private const int Size = 64;

        internal Key()
            : base(nint.Zero, ownsHandle: true) => SetHandle((nint)NativeMemory.AllocZeroed(Size));

        public override bool IsInvalid => handle == nint.Zero;

        /// <summary>Only while a reference is held, or before anybody else has the handle.</summary>
        internal byte* Bytes => (byte*)handle;

        protected override bool ReleaseHandle()
        {
            CryptographicOperations.ZeroMemory(new Span<byte>(Bytes, Size));
            NativeMemory.Free(Bytes);
            return true;
        }
    }
}
