using System.Diagnostics;
using System.Security.Cryptography;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Protocol.Tests.Signing;

public sealed class Ed25519Tests
{
    [Theory]
    [InlineData(Ed25519Libraries.OpenSsl)]
    [InlineData(Ed25519Libraries.Sodium)]
    public void Every_vector_of_the_RFC_is_signed_and_verified(string by)
    {
        IEd25519 library = Ed25519Libraries.Require(by);
        foreach (var (name, seed, publicKey, message, signature) in Rfc8032Vectors.All)
        {
            using Ed25519PrivateKey key = Ed25519PrivateKey.FromSeed(library, Convert.FromHexString(seed));
            Assert.Equal(publicKey, Convert.ToHexStringLower(key.PublicKey.Span));
            byte[] bytes = Convert.FromHexString(message), signed = new byte[Ed25519PublicKey.SignatureBytes];
            key.Sign(bytes, signed);
            Assert.True(signature == Convert.ToHexStringLower(signed), name);
            Assert.True(key.PublicKey.Verify(library, bytes, signed), name);
            Assert.False(key.PublicKey.Verify(library, [.. bytes, 0], signed), name);
        }
    }

    [Fact]
    public void A_key_goes_through_PEM_and_OpenSSL_reads_it()
    {
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        string pem = key.ToPem();
        using Ed25519PrivateKey again = Ed25519PrivateKey.FromPem(pem);
        Assert.Equal(key.PublicKey, again.PublicKey);
        Assert.Equal("PRIVATE KEY", pem[PemEncoding.Find(pem).Label]);
        Assert.EndsWith("\n", pem, StringComparison.Ordinal);
    }

    /// <summary>Written by `openssl genpkey -algorithm ed25519` with the seed of the RFC's second vector.</summary>
    [Fact]
    public void A_PEM_of_the_openssl_tool_is_read()
    {
        // The lines around it are made here: no file of the repository holds what looks like a key.
        byte[] der = Convert.FromBase64String("MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7");
        using Ed25519PrivateKey key = Ed25519PrivateKey.FromPem(PemEncoding.WriteString("PRIVATE KEY", der) + "\n");
        Assert.Equal(Rfc8032Vectors.All[1].PublicKey, Convert.ToHexStringLower(key.PublicKey.Span));
    }

    [Fact]
    public void A_PEM_of_something_else_is_refused_without_repeating_it()
    {
        using ECDsa other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        string pem = other.ExportPkcs8PrivateKeyPem();
        foreach (string text in (string[])["", "nothing", pem, other.ExportSubjectPublicKeyInfoPem(), pem.Replace("PRIVATE", "SECRET", StringComparison.Ordinal)])
        {
            FormatException refused = Assert.Throws<FormatException>(() => Ed25519PrivateKey.FromPem(text));
            Assert.Contains("openssl genpkey -algorithm ed25519", refused.Message, StringComparison.Ordinal);
            Assert.DoesNotContain("MIG", refused.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Nothing_shows_the_private_key()
    {
        (_, string seed, _, _, _) = Rfc8032Vectors.All[0];
        using Ed25519PrivateKey key = Ed25519PrivateKey.FromSeed(Convert.FromHexString(seed));
        string shown = key.ToString();
        Assert.Equal($"Ed25519PrivateKey({key.PublicKey.Id})", shown);
        Assert.DoesNotContain(typeof(Ed25519PrivateKey).GetProperties(), p => p.PropertyType != typeof(Ed25519PublicKey));
    }

    [Fact]
    public void A_signature_of_another_length_is_no_signature()
    {
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        byte[] signature = new byte[Ed25519PublicKey.SignatureBytes];
        key.Sign("text"u8, signature);
        for (int length = 0; length < signature.Length; length++) Assert.False(key.PublicKey.Verify("text"u8, signature.AsSpan(0, length)));
        Assert.False(key.PublicKey.Verify("text"u8, [.. signature, 0]));
    }

    /// <summary>What a refused signature leaves in OpenSSL's queue of errors must not reach .NET's own use of OpenSSL.</summary>
    [Fact]
    public void Refused_signatures_leave_the_thread_usable()
    {
        IEd25519 library = Ed25519Libraries.Require(Ed25519Libraries.OpenSsl);
        using Ed25519PrivateKey key = Ed25519PrivateKey.FromSeed(library, RandomNumberGenerator.GetBytes(Ed25519PrivateKey.SeedBytes));
        using ECDsa other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        byte[] good = new byte[Ed25519PublicKey.SignatureBytes], data = [1];
        key.Sign("text"u8, good);
        for (int i = 0; i < 100; i++)
        {
            Assert.False(key.PublicKey.Verify(library, "another"u8, good));
            Assert.True(other.VerifyData(data, other.SignData(data, HashAlgorithmName.SHA256), HashAlgorithmName.SHA256));
            Assert.True(key.PublicKey.Verify(library, "text"u8, good));
        }
    }

    [Theory]
    [InlineData(Ed25519Libraries.OpenSsl)]
    [InlineData(Ed25519Libraries.Sodium)]
    public async Task One_key_serves_many_threads(string name)
    {
        IEd25519 library = Ed25519Libraries.Require(name);
        using Ed25519PrivateKey key = Ed25519PrivateKey.FromSeed(library, RandomNumberGenerator.GetBytes(Ed25519PrivateKey.SeedBytes));
        await Parallel.ForAsync(0, 8, TestContext.Current.CancellationToken, (worker, _) =>
        {
            byte[] signature = new byte[Ed25519PublicKey.SignatureBytes];
            for (int i = 0; i < 100; i++)
            {
                byte[] message = BitConverter.GetBytes((worker * 1000) + i);
                key.Sign(message, signature);
                Assert.True(key.PublicKey.Verify(library, message, signature));
            }
            return ValueTask.CompletedTask;
        });
    }

    [Theory]
    [InlineData(Ed25519Libraries.OpenSsl)]
    [InlineData(Ed25519Libraries.Sodium)]
    public void Signing_and_verifying_allocate_next_to_nothing(string name)
    {
        IEd25519 library = Ed25519Libraries.Require(name);
        using Ed25519PrivateKey key = Ed25519PrivateKey.FromSeed(library, RandomNumberGenerator.GetBytes(Ed25519PrivateKey.SeedBytes));
        byte[] signature = new byte[Ed25519PublicKey.SignatureBytes];
        key.Sign("warm"u8, signature);
        _ = key.PublicKey.Verify(library, "warm"u8, signature);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            key.Sign("text"u8, signature);
            if (!key.PublicKey.Verify(library, "text"u8, signature)) throw new UnreachableException();
        }
        Assert.InRange((GC.GetAllocatedBytesForCurrentThread() - before) / 100, 0, 128);
    }

    [Fact]
    public void A_key_id_is_the_start_of_the_SHA_256()
    {
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        Assert.Equal("k-" + Convert.ToHexStringLower(SHA256.HashData(key.PublicKey.Span))[..16], key.PublicKey.Id.Value);
        Assert.True(KeyId.IsValid(key.PublicKey.Id.Value));
        foreach (string? bad in (string?[])[null, "", "k-", "k-0123456789abcde", "k-0123456789abcdef0", "k-0123456789ABCDEF", "K-0123456789abcdef", "k-0123456789abcdeg"])
            Assert.False(KeyId.IsValid(bad));
    }

    [Fact]
    public void A_mesh_id_has_one_form()
    {
        Assert.Equal("mesh:0123456789abcdef", MeshId.From([0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF]));
        Assert.True(MeshId.IsValid("mesh:0123456789abcdef"));
        foreach (string? bad in (string?[])[null, "", "mesh:", "mesh:0123456789abcde", "mesh:0123456789ABCDEF", "mash:0123456789abcdef", "mesh:0123456789abcdef0"])
            Assert.False(MeshId.IsValid(bad));
    }
}
