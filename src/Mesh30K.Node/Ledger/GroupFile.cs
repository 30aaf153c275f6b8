using System.Text.Json;
using System.Text.Json.Serialization;

namespace Mesh30K.Node.Ledger;

/// <summary>
/// A group of coordinators as its folder describes it, which <c>mesh coordinator init FOLDER</c> makes: <c>group.json</c> (the group's id and its servers), <c>ca.pem</c> and
/// <c>ca.key</c> (who signs), <c>server-N.pem</c> and <c>server-N.key</c> for each server, <c>client.pem</c> and <c>client.key</c> for clients. Keys have mode 0600. A machine needs group.json,
/// ca.pem and its own pair; ca.key is needed only to add one.
/// </summary>
/// <param name="Id">A random id: servers and clients of another group are refused.</param>
/// <param name="Servers">The first voters. Servers that are added later are in the ledger's own membership.</param>
public sealed record GroupFile(string Id, IReadOnlyList<GroupServer> Servers)
{
    public const string FileName = "group.json";

    private const int BytesMax = 64 << 10;
    private const int ServersMax = 32;

    /// <summary>Reads a group's file. Throws <see cref="GroupFolderException"/> for one that is missing or wrong.</summary>
    public static GroupFile Read(string folder)
    {
        string path = Path.Combine(folder, FileName);
        try
        {
            FileInfo file = new(path);
            if (file.Length > BytesMax) throw new GroupFolderException($"{path} has {file.Length} bytes; a group's file has at most {BytesMax}");
            GroupFile? read = JsonSerializer.Deserialize(File.ReadAllBytes(path), GroupFileJson.Default.GroupFile);
            return read is not null && WhyNot(read) is null ? read : throw new GroupFolderException($"{path} is no group's file: {(read is null ? "it is empty" : WhyNot(read))}");
        }
        catch (JsonException wrong)
        {
            throw new GroupFolderException($"{path} is no group's file: {wrong.Message}", wrong);
        }
        catch (Exception gone) when (gone is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new GroupFolderException($"there is no {path}: mesh coordinator init makes a group", gone);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException && error is not GroupFolderException)
        {
            throw new GroupFolderException($"cannot read {path}: {error.Message}", error);
        }
    }

    internal byte[] ToBytes() => [.. JsonSerializer.SerializeToUtf8Bytes(this, GroupFileJson.Default.GroupFile), (byte)'\n'];

    private static string? WhyNot(GroupFile file)
    {
        if (file.Id is not { Length: >= 8 and <= 64 } || !file.Id.All(char.IsAsciiLetterOrDigit)) return "its id is not 8 to 64 letters and digits";
        if (file.Servers is not { Count: >= 1 and <= ServersMax }) return $"it names no servers, or more than {ServersMax}";
        GroupServer? wrong = file.Servers.FirstOrDefault(s => s is null || s.Number < 1 || string.IsNullOrWhiteSpace(s.Host) || s.Port is < 1 or > 65_535);
        if (wrong is not null || file.Servers.Any(s => s is null)) return "a server has no number from 1, no host, or no port from 1 to 65535";
        return file.Servers.DistinctBy(s => s.Number).Count() == file.Servers.Count ? null : "two servers have one number";
    }
}

/// <summary>A coordinator.</summary>
/// <param name="Number">From 1; never used again for another.</param>
/// <param name="Host">A name or an address, as clients and other servers reach it.</param>
/// <param name="Port">Of its one listener, for servers and clients alike.</param>
public sealed record GroupServer(int Number, string Host, int Port);

/// <summary>A group's folder cannot be used; the message says what is wrong and what would be right.</summary>
public sealed class GroupFolderException(string message, Exception? inner = null) : IOException(message, inner);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(GroupFile))]
[JsonSerializable(typeof(Group.CoordinatorStatus))]
internal sealed partial class GroupFileJson : JsonSerializerContext;
