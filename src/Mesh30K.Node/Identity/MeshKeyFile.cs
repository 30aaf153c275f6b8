using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Mesh30K.Node.Runtime;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;
using Microsoft.Win32.SafeHandles;

namespace Mesh30K.Node.Identity;

/// <summary>
/// What <c>mesh.key</c> holds: lines <c>mesh30k-mesh-key-v1</c>, <c>mesh ID</c>, <c>created TIME</c>, then for each key <c>key ID signs-from TIME</c> and its PEM (PKCS#8). The one that signs first.
/// A file that others can read, or that is not exactly so, is refused.
/// </summary>
internal sealed record MeshKeyFile(string MeshId, Instant CreatedAt, IReadOnlyList<MeshKey> Keys)
{
    private const string FirstLine = "mesh30k-mesh-key-v1";
    private const string PemEnd = "-----END PRIVATE KEY-----";
    private const int BytesMax = 4_096;
    private const int KeysMax = 2;

    /// <summary>Mode 0600, whole or not at all; with <paramref name="replace"/> false a file that is there wins.</summary>
    internal static void Write(string path, MeshKeyFile content, bool replace)
    {
        StringBuilder text = new(1_024);
        text.Append(CultureInfo.InvariantCulture, $"{FirstLine}\nmesh {content.MeshId}\ncreated {content.CreatedAt}\n");
        foreach (MeshKey key in content.Keys) text.Append(CultureInfo.InvariantCulture, $"key {key.Key.PublicKey.Id} signs-from {key.SignsFrom}\n{key.Key.ToPem().TrimEnd('\n')}\n");
        byte[] bytes = Encoding.ASCII.GetBytes(text.ToString());
        try
        {
            AtomicFile.Write(path, bytes, replace);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new MeshKeyException($"cannot write the mesh's key {path}: {error.Message}", error);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }

    internal static MeshKeyFile Read(string path)
    {
        byte[] content = new byte[BytesMax + 1];
        try
        {
            if (RegularFile.WhyNot(path) is { } special) throw new MeshKeyException($"the mesh's key {path} is {special}, not a file");
            using SafeFileHandle file = File.OpenHandle(path);
            if (!OperatingSystem.IsWindows())
            {
                UnixFileMode mode = File.GetUnixFileMode(file);
                if ((mode & ~AtomicFile.OwnerOnly) != UnixFileMode.None)
                    throw new MeshKeyException($"the mesh's key {path} can be read or changed by others (mode {Convert.ToString((int)mode, 8).PadLeft(4, '0')}): run chmod 600 {path}, and if others may have read it, mesh agent rotate-mesh-key");
            }
            int have = 0;
            while (RandomAccess.Read(file, content.AsSpan(have), have) is > 0 and int read) have += read;
            return Parse(Encoding.ASCII.GetString(content, 0, have)) ?? throw Damaged(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new MeshKeyException($"cannot read the mesh's key {path}: {error.Message}", error);
        }
        catch (FormatException error)
        {
            throw new MeshKeyException(Damaged(path).Message, error);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(content);
        }
    }

    /// <summary>Null, or a <see cref="FormatException"/>, when the text is no such file.</summary>
    private static MeshKeyFile? Parse(string text)
    {
        string[] lines = text.Split('\n');
        if (text.Length > BytesMax || lines.Length < 5 || lines[0] != FirstLine) return null;
        if (!lines[1].StartsWith("mesh ", StringComparison.Ordinal) || !Protocol.Signing.MeshId.IsValid(lines[1][5..])) return null;
        if (!lines[2].StartsWith("created ", StringComparison.Ordinal) || TimeOf(lines[2][8..]) is not { } created) return null;
        List<MeshKey> keys = [];
        int at = 3;
        while (at < lines.Length - 1)
        {
            int end = Array.IndexOf(lines, PemEnd, at);
            if (end < 0 || lines[at].Split(' ') is not ["key", string id, "signs-from", string from] || TimeOf(from) is not { } signsFrom) return null;
            Ed25519PrivateKey key = Ed25519PrivateKey.FromPem(string.Join('\n', lines[(at + 1)..(end + 1)]) + "\n");
            keys.Add(new MeshKey(key, signsFrom));
            if (key.PublicKey.Id.Value != id || keys.Count > KeysMax) return null;
            at = end + 1;
        }
        return keys.Count > 0 && lines[^1].Length == 0 ? new MeshKeyFile(lines[1][5..], created, keys) : null;
    }

    private static Instant? TimeOf(string text) =>
        DateTimeOffset.TryParseExact(text, "yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset at) ? Instant.From(at) : null;

    private static MeshKeyException Damaged(string path) => new(
        $"the mesh's key {path} is damaged: bring it back from a backup; without it every agent has to be enrolled anew, under a new key that the node makes when the file is gone");
}
