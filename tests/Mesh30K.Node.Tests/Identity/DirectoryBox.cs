using System.Buffers.Text;
using Mesh30K.Node.Identity;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Node.Tests.Identity;

/// <summary>A data directory with a mesh's key and a directory of agents in it; removed at the end. The clock is the test's.</summary>
internal sealed class DirectoryBox : IAsyncDisposable
{
    public static readonly Instant Start = Instant.From(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));

    private readonly DirectoryInfo _folder = System.IO.Directory.CreateTempSubdirectory("mesh-identity-");

    public DirectoryBox(DirectoryOptions? options = null)
    {
        Options = options ?? new DirectoryOptions();
        Mesh = MeshIdentity.LoadOrCreate(Data, Start);
        Directory = AgentDirectory.Open(Data, Start, Options);
    }

    public string Data => _folder.FullName;

    public string JournalPath => Path.Combine(Data, "identity");

    public DirectoryOptions Options { get; }

    public MeshIdentity Mesh { get; }

    public AgentDirectory Directory { get; private set; }

    public static Instant At(double days) => Start + TimeSpan.FromDays(days);

    public async Task ReopenAsync(Instant? now = null)
    {
        await Directory.DisposeAsync();
        Directory = AgentDirectory.Open(Data, now ?? Start, Options);
    }

    /// <summary>The directory as a crash at this moment would leave it, in a folder of its own.</summary>
    public DirectoryInfo Copy()
    {
        DirectoryInfo copy = System.IO.Directory.CreateTempSubdirectory("mesh-identity-");
        System.IO.Directory.CreateDirectory(Path.Combine(copy.FullName, "identity"));
        foreach (string file in System.IO.Directory.GetFiles(JournalPath).Where(f => !f.EndsWith("lock", StringComparison.Ordinal))) File.Copy(file, Path.Combine(copy.FullName, "identity", Path.GetFileName(file)));
        return copy;
    }

    public Task<string> TokenAsync(string? id = null, int uses = 1, double validDays = 1, Instant? now = null) => Directory.IssueTokenAsync(
        new TokenGrant { AgentId = id is null ? null : new AgentId(id), Class = ImpedanceClass.Serverless, Capabilities = ["count"], Uses = uses, ValidUntil = (now ?? Start) + TimeSpan.FromDays(validDays) },
        Mesh, now ?? Start);

    public Task<EnrolResult> EnrolAsync(string token, string? wanted, Ed25519PrivateKey key, Instant? now = null, string? proofFor = null) => Directory.EnrolAsync(
        token, wanted is null ? null : new AgentId(wanted), key.PublicKey.ToString(), Proof(key, proofFor ?? wanted ?? "a"), Mesh, now ?? Start);

    public Task<EnrolResult> RotateAsync(string id, Ed25519PrivateKey from, Ed25519PrivateKey to, Instant now) =>
        Directory.RotateAsync(new AgentId(id), from.PublicKey.Id, to.PublicKey.ToString(), Proof(to, id), Mesh, now);

    public string Proof(Ed25519PrivateKey key, string id)
    {
        byte[] signature = new byte[Ed25519PublicKey.SignatureBytes];
        key.Sign(KeyProof.BytesOf(new AgentId(id), Mesh.MeshId, key.PublicKey), signature);
        return Base64Url.EncodeToString(signature);
    }

    /// <summary>Enrols one agent with a token of its own.</summary>
    public async Task<Ed25519PrivateKey> AddAsync(string id)
    {
        Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        Assert.Null((await EnrolAsync(await TokenAsync(id), id, key)).Code);
        return key;
    }

    public bool IsValid(string id, Ed25519PrivateKey key, Instant now) => Directory.KeyOf(new AgentId(id), key.PublicKey.Id, now) is not null;

    public async ValueTask DisposeAsync()
    {
        await Directory.DisposeAsync();
        Mesh.Dispose();
        _folder.Delete(recursive: true);
    }
}
