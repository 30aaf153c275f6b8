using System.Text.Json;
using System.Text.Json.Serialization;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Agent.Identity;

/// <summary>
/// An agent's identity on disk: <c>key.pem</c> (what it signs with), <c>next.pem</c> (only during a rotation), <c>agent.json</c> (id, mesh, trusted keys). Files are replaced whole, and a new key is on disk before
/// anybody hears of it, so that a crash at any point leaves a key that the mesh knows. One process at a time holds the folder. Once enrolled, thread-safe.
/// </summary>
internal sealed class IdentityFolder : IDisposable
{
    internal const string KeyFile = "key.pem";
    internal const string NextFile = "next.pem";
    internal const string AgentFile = "agent.json";
    private const string LockFile = "lock";
    private const int MeshKeysMax = 8;
    private const long FileBytesMax = 64 * 1024;

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode OthersMay = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    private readonly string _path;
    private readonly FileStream _held;
    private readonly Lock _gate = new();
    private readonly List<Ed25519PrivateKey> _keys = [];
    private volatile AgentIdentity? _current;

    private IdentityFolder(string path, FileStream held) => (_path, _held) = (path, held);

    /// <summary>Who the agent is; null before it is enrolled.</summary>
    internal AgentIdentity? Current => _current;

    /// <summary>Opens or makes the folder. Throws <see cref="AgentIdentityException"/>.</summary>
    internal static IdentityFolder Open(string path)
    {
        IdentityFolder? folder = null;
        try
        {
            string full = Path.GetFullPath(path);
            if (OperatingSystem.IsWindows()) Directory.CreateDirectory(full);
            else Directory.CreateDirectory(full, OwnerOnly | UnixFileMode.UserExecute);
            RefuseOthers(full, "chmod 700");
            folder = new IdentityFolder(full, Hold(full));
            folder.Load();
            return folder;
        }
        catch (Exception broken) when (broken is IOException or UnauthorizedAccessException)
        {
            folder?.Dispose();
            throw new AgentIdentityException($"{path} cannot be used as an identity folder: {broken.Message}", broken);
        }
        catch (AgentIdentityException)
        {
            folder?.Dispose();
            throw;
        }
    }

    /// <summary>The key to enrol with: kept from the start, so that an enrolment whose answer was lost can be tried again with the same key.</summary>
    internal Ed25519PrivateKey KeyToEnrol() => File.Exists(PathOf(KeyFile)) ? ReadKey(KeyFile) : NewKey(KeyFile);

    /// <summary>The mesh knows the key: who the agent is from now on.</summary>
    internal void Enrolled(AgentId id, string meshId, IReadOnlyList<Ed25519PublicKey> meshKeys, Ed25519PrivateKey key, Instant rotateBy) =>
        Save(new AgentIdentity(id, meshId, meshKeys, key, null, rotateBy));

    /// <summary>First phase of a rotation: the new key is on disk, and the same one however often this is called.</summary>
    internal Ed25519PrivateKey BeginRotation()
    {
        lock (_gate)
        {
            AgentIdentity now = _current!;
            Ed25519PrivateKey next = now.Next ?? NewKey(NextFile);
            _current = now with { Next = next };
            return next;
        }
    }

    /// <summary>Second phase: the mesh knows the new key, and the agent signs with it from now on.</summary>
    internal void EndRotation(Instant rotateBy)
    {
        lock (_gate)
        {
            AgentIdentity now = _current!;
            if (now.Next is null) return;
            File.Move(PathOf(NextFile), PathOf(KeyFile), overwrite: true);
            Save(now with { Key = now.Next, Next = null, RotateBy = rotateBy });
        }
    }

    /// <summary>The mesh said, under a key that is trusted, that it will sign with this one too. The newest 8 are kept.</summary>
    internal void Trust(Ed25519PublicKey key)
    {
        lock (_gate)
        {
            AgentIdentity now = _current!;
            if (now.MeshKey(key.Id) is not null) return;
            Save(now with { MeshKeys = [.. now.MeshKeys.TakeLast(MeshKeysMax - 1), key] });
        }
    }

    public void Dispose()
    {
        foreach (Ed25519PrivateKey key in _keys) key.Dispose();
        _held.Dispose();
    }

    /// <summary>Two processes with one identity would take the connection from each other for ever.</summary>
    private static FileStream Hold(string full)
    {
        try
        {
            return new FileStream(Path.Combine(full, LockFile), Private(FileMode.OpenOrCreate, FileShare.None));
        }
        catch (IOException held)
        {
            throw new AgentIdentityException($"{full} is in use by another process: an identity is for one agent at a time; give each its own folder", held);
        }
    }

    private static FileStreamOptions Private(FileMode mode, FileShare share = FileShare.Read)
    {
        FileStreamOptions options = new() { Mode = mode, Access = FileAccess.ReadWrite, Share = share };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = OwnerOnly;
        return options;
    }

    private static void RefuseOthers(string path, string remedy)
    {
        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & OthersMay) != UnixFileMode.None)
            throw new AgentIdentityException($"{path} can be read or changed by others: who has the key is the agent. Run: {remedy} {path}; if somebody may have read it, revoke the key and enrol again");
    }

    private string PathOf(string name) => Path.Combine(_path, name);

    private void Load()
    {
        if (!File.Exists(PathOf(AgentFile))) return;
        RefuseOthers(PathOf(AgentFile), "chmod 600");
        AgentFileContent? content;
        try
        {
            content = JsonSerializer.Deserialize(ReadText(AgentFile), AgentFileJson.Default.AgentFileContent);
        }
        catch (JsonException)
        {
            throw Damaged(AgentFile);
        }
        if (content is not { AgentId: { } id, MeshId: { } mesh, MeshKeys: { Length: > 0 } texts } || !AgentId.IsValid(id) || !Protocol.Signing.MeshId.IsValid(mesh)) throw Damaged(AgentFile);
        List<Ed25519PublicKey> meshKeys = [];
        foreach (string text in texts)
        {
            if (Ed25519PublicKey.TryParse(text, out Ed25519PublicKey? key) is not null) throw Damaged(AgentFile);
            meshKeys.Add(key!);
        }
        Ed25519PrivateKey? next = File.Exists(PathOf(NextFile)) ? ReadKey(NextFile) : null;
        _current = new AgentIdentity(new AgentId(id), mesh, meshKeys, ReadKey(KeyFile), next, Instant.From(content.RotateBy));
    }

    private Ed25519PrivateKey NewKey(string name)
    {
        Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        _keys.Add(key);
        Replace(name, key.ToPem());
        return key;
    }

    private Ed25519PrivateKey ReadKey(string name)
    {
        if (!File.Exists(PathOf(name))) throw new AgentIdentityException($"{PathOf(name)} is missing: revoke the agent's key and enrol again with a new folder");
        RefuseOthers(PathOf(name), "chmod 600");
        try
        {
            Ed25519PrivateKey key = Ed25519PrivateKey.FromPem(ReadText(name));
            _keys.Add(key);
            return key;
        }
        catch (FormatException)
        {
            throw Damaged(name);
        }
    }

    private AgentIdentityException Damaged(string name) => new($"{PathOf(name)} is damaged; take it from a backup, or enrol again with a new folder");

    private string ReadText(string name) => new FileInfo(PathOf(name)).Length <= FileBytesMax ? File.ReadAllText(PathOf(name)) : throw Damaged(name);

    private void Save(AgentIdentity identity)
    {
        AgentFileContent content = new(identity.Id.Value, identity.MeshId, [.. identity.MeshKeys.Select(key => key.ToString())], identity.Key.PublicKey.Id.Value, identity.RotateBy.ToDateTimeOffset());
        Replace(AgentFile, JsonSerializer.Serialize(content, AgentFileJson.Default.AgentFileContent) + "\n");
        _current = identity;
    }

    /// <summary>Written beside and moved over, on disk before it is moved.</summary>
    private void Replace(string name, string text)
    {
        string beside = PathOf(name + ".new");
        File.Delete(beside);
        using (FileStream file = new(beside, Private(FileMode.CreateNew)))
        {
            file.Write(System.Text.Encoding.UTF8.GetBytes(text));
            file.Flush(flushToDisk: true);
        }
        File.Move(beside, PathOf(name), overwrite: true);
    }
}

/// <summary>What agent.json holds: no secret.</summary>
internal sealed record AgentFileContent(string? AgentId, string? MeshId, string[]? MeshKeys, string? Key, DateTimeOffset RotateBy);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(AgentFileContent))]
internal sealed partial class AgentFileJson : JsonSerializerContext;
