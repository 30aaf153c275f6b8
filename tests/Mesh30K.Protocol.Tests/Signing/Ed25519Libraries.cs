using Mesh30K.Protocol.Signing;

namespace Mesh30K.Protocol.Tests.Signing;

/// <summary>The libraries of this machine, by name; what is absent skips with the command that brings it.</summary>
internal static class Ed25519Libraries
{
    internal const string OpenSsl = "libcrypto";
    internal const string Sodium = "libsodium";

    private static readonly Lazy<LibCrypto> Crypto = new();

    internal static IEd25519 Require(string name)
    {
        if (name == OpenSsl) return Crypto.Value;
        string? why = LibSodium.TryLoad(out LibSodium? sodium) ?? Ed25519Library.Fault(sodium!);
        if (why is not null) Assert.Skip($"needs libsodium 1.0.18 (apt install libsodium23): {why}");
        return sodium!;
    }
}
