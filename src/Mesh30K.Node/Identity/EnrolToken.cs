using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Node.Identity;

/// <summary>
/// The text of an enrolment token: <c>mt1.&lt;mesh's 16 digits&gt;.&lt;mesh key's 16 digits&gt;.&lt;secret&gt;</c> (docs/protocol/links.md). What is kept of it is the SHA-256 of the secret's text; the first
/// 16 digits of that name the token here, and nobody gets from them to the secret.
/// </summary>
internal static class EnrolToken
{
    private const string Prefix = "mt1.";
    private const int Digits = 16;
    private const int SecretBytes = 32;
    private const int SecretChars = 43;
    private const int Length = 4 + Digits + 1 + Digits + 1 + SecretChars;

    /// <summary>A new token's text, which holds the secret, and the hash to keep.</summary>
    internal static (string Text, byte[] Hash) Make(MeshIdentity mesh)
    {
        string secret = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(SecretBytes));
        string text = string.Concat(Prefix, DigitsOf(mesh), ".") + string.Concat(mesh.Signing.PublicKey.Id.Value.AsSpan(2), ".", secret);
        return (text, HashOf(secret));
    }

    /// <summary>The hash of a token's secret; null when the text is no token of this mesh.</summary>
    internal static byte[]? HashOf(string? text, MeshIdentity mesh)
    {
        if (text is not { Length: Length } || !text.StartsWith(Prefix, StringComparison.Ordinal)) return null;
        if (!text.AsSpan(Prefix.Length, Digits).SequenceEqual(DigitsOf(mesh)) || text[Prefix.Length + Digits] != '.' || text[Prefix.Length + (2 * Digits) + 1] != '.') return null;
        return HashOf(text.AsSpan(Length - SecretChars));
    }

    /// <summary>By which a token is found.</summary>
    internal static string NameOf(ReadOnlySpan<byte> hash) => Convert.ToHexStringLower(hash[..8]);

    private static ReadOnlySpan<char> DigitsOf(MeshIdentity mesh) => mesh.MeshId.AsSpan(MeshId.Prefix.Length);

    private static byte[] HashOf(ReadOnlySpan<char> secret)
    {
        Span<byte> bytes = stackalloc byte[SecretChars * 3];
        int written = Encoding.UTF8.GetBytes(secret, bytes);
        byte[] hash = SHA256.HashData(bytes[..written]);
        CryptographicOperations.ZeroMemory(bytes);
        return hash;
    }
}
