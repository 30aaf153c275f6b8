using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Protocol.Tests.Signing;

/// <summary>Whether a signature counts must not depend on the machine: both libraries are held against each other, and against the curve written plainly.</summary>
public sealed class Ed25519LibraryTests
{
    [Theory]
    [InlineData(Ed25519Libraries.OpenSsl)]
    [InlineData(Ed25519Libraries.Sodium)]
    public void Each_library_may_be_used(string name)
    {
        IEd25519 library = Ed25519Libraries.Require(name);
        Assert.Null(Ed25519Library.Fault(library));
        Assert.Matches(name == Ed25519Libraries.Sodium ? @"^libsodium 1\.0\.\d+$" : @"^OpenSSL 3\.\d+\.\d+", library.Name);
    }

    [Fact]
    public void Libsodium_is_in_use_where_it_is()
    {
        IEd25519 sodium = Ed25519Libraries.Require(Ed25519Libraries.Sodium);
        Assert.Equal(sodium.Name, Ed25519Library.InUse);
        Assert.Null(Ed25519Library.WhyNotSodium);
    }

    [Fact]
    public void A_library_that_verifies_with_the_cofactor_or_cannot_verify_is_not_used()
    {
        IEd25519 openSsl = Ed25519Libraries.Require(Ed25519Libraries.OpenSsl);
        Assert.Contains("with the cofactor", Ed25519Library.Fault(new Judge(openSsl, CofactorModel)), StringComparison.Ordinal);
        Assert.Contains("does not verify", Ed25519Library.Fault(new Judge(openSsl, static (_, _, _) => false)), StringComparison.Ordinal);
    }

    /// <summary>What a key's owner can make, a stranger can change, and what only arithmetic can make: small order, S + L, encodings that are not canonical, parts of order 8 in the key and in R.</summary>
    [Fact]
    public void Both_libraries_judge_every_signature_alike()
    {
        IEd25519 openSsl = Ed25519Libraries.Require(Ed25519Libraries.OpenSsl), sodium = Ed25519Libraries.Require(Ed25519Libraries.Sodium);
        int seed = int.TryParse(Environment.GetEnvironmentVariable("MESH_SIGNATURE_SEED"), CultureInfo.InvariantCulture, out int given) ? given : Random.Shared.Next();
        Random r = new(seed);
        int good = 0, bad = 0;
        for (int i = 0; i < 400; i++)
        {
            (string what, byte[] publicKey, byte[] message, byte[] signature) = SignatureCases.Next(r);
            if (Ed25519PublicKey.TryCreate(publicKey, out Ed25519PublicKey? key) is not null) continue;
            bool one = key!.Verify(openSsl, message, signature), two = key.Verify(sodium, message, signature);
            Assert.True(one == two, $"{what}: OpenSSL {one}, libsodium {two}; replay: MESH_SIGNATURE_SEED={seed}, number {i}, key {Convert.ToHexStringLower(publicKey)}, signature {Convert.ToHexStringLower(signature)}");
            bool expected = SignatureCases.Model(publicKey, message, signature);
            Assert.True(one == expected, $"{what}: both say {one}, the curve {expected}; replay: MESH_SIGNATURE_SEED={seed}, number {i}");
            if (one) good++;
            else bad++;
        }
        Assert.True(good > 40 && bad > 120, $"{good} good and {bad} bad: the cases are lopsided; MESH_SIGNATURE_SEED={seed}");
    }

    [Fact]
    public void Both_libraries_make_the_same_keys_and_signatures()
    {
        IEd25519 openSsl = Ed25519Libraries.Require(Ed25519Libraries.OpenSsl), sodium = Ed25519Libraries.Require(Ed25519Libraries.Sodium);
        byte[] one = new byte[Ed25519PublicKey.SignatureBytes], two = new byte[Ed25519PublicKey.SignatureBytes];
        for (int length = 0; length < 300; length++)
        {
            byte[] seed = RandomNumberGenerator.GetBytes(Ed25519PrivateKey.SeedBytes), message = RandomNumberGenerator.GetBytes(length);
            using Ed25519PrivateKey a = Ed25519PrivateKey.FromSeed(openSsl, seed), b = Ed25519PrivateKey.FromSeed(sodium, seed);
            Assert.Equal(a.PublicKey, b.PublicKey);
            Assert.Equal(a.ToPem(), b.ToPem());
            a.Sign(message, one);
            b.Sign(message, two);
            Assert.Equal(one, two);
        }
    }

    /// <summary>8·S·B = 8·R + 8·h·A, as newer releases of libsodium judge.</summary>
    private static bool CofactorModel(byte[] publicKey, byte[] message, byte[] signature) => SignatureCases.Model(publicKey, message, signature, cofactor: 8);

    /// <summary>A library with a judgement of its own.</summary>
    private sealed class Judge(IEd25519 inner, Func<byte[], byte[], byte[], bool> verify) : IEd25519
    {
        public string Name => "a library";

        public SafeHandle NewKey(ReadOnlySpan<byte> seed, Span<byte> publicKey) => inner.NewKey(seed, publicKey);

        public void ReadSeed(SafeHandle key, Span<byte> seed) => inner.ReadSeed(key, seed);

        public void Sign(SafeHandle key, ReadOnlySpan<byte> message, Span<byte> signature) => inner.Sign(key, message, signature);

        public bool Verify(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature) => verify(publicKey.ToArray(), message.ToArray(), signature.ToArray());
    }
}
