using System.Security.Cryptography;

namespace Mesh30K.Protocol.Signing;

/// <summary><c>k-</c> and the first 16 hexadecimal digits, in lower case, of the SHA-256 of a public key: names a key among those of one owner, and proves nothing.</summary>
public readonly record struct KeyId(string Value)
{
    /// <summary>Characters of the text.</summary>
    public const int Length = 18;

    private const string Prefix = "k-";

    /// <summary>Whether a text has the form of a key id. Never throws.</summary>
    public static bool IsValid(string? text) =>
        text is { Length: Length } && text.StartsWith(Prefix, StringComparison.Ordinal) && LowerHex.Is(text.AsSpan(Prefix.Length));

    /// <summary>The id of the 32 bytes of a key.</summary>
    internal static KeyId Of(ReadOnlySpan<byte> publicKey)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(publicKey, hash);
        return new KeyId(Prefix + Convert.ToHexStringLower(hash[..8]));
    }

    public override string ToString() => Value;
}

/// <summary><c>mesh:</c> and 16 hexadecimal digits in lower case: the name of a mesh where an agent's name could stand.</summary>
public static class MeshId
{
    /// <summary>What every mesh id begins with: no agent is enrolled under such a name.</summary>
    public const string Prefix = "mesh:";

    private const int RandomBytes = 8;

    /// <summary>Whether a text is a mesh id. Never throws.</summary>
    public static bool IsValid(string? text) =>
        text is not null && text.Length == Prefix.Length + (2 * RandomBytes)
        && text.StartsWith(Prefix, StringComparison.Ordinal) && LowerHex.Is(text.AsSpan(Prefix.Length));

    /// <summary>The id of 8 random bytes. Throws when there are not 8.</summary>
    public static string From(ReadOnlySpan<byte> eightBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(eightBytes.Length, RandomBytes);
        return Prefix + Convert.ToHexStringLower(eightBytes);
    }
}

internal static class LowerHex
{
    internal static bool Is(ReadOnlySpan<char> text)
    {
        foreach (char c in text)
            if (!char.IsAsciiHexDigitLower(c)) return false;
        return true;
    }
}
