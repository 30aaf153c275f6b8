using System.Runtime.Versioning;
using System.Security.Cryptography;
using Mesh30K.Agent.Identity;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Agent.Tests.Identity;

[UnsupportedOSPlatform("windows")]
public sealed class IdentityFolderTests : IDisposable
{
    private static readonly Instant RotateBy = Instant.FromUnixMs(1_900_000_000_000);

    private readonly string _root = Directory.CreateTempSubdirectory("mesh-agent-").FullName;

    private string Folder => Path.Combine(_root, "identity");

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void What_was_enrolled_is_read_again_and_only_its_owner_can_read_it()
    {
        using Ed25519PrivateKey mesh = Ed25519PrivateKey.Generate();
        KeyId key = Enrol(mesh);
        using IdentityFolder again = IdentityFolder.Open(Folder);
        AgentIdentity self = again.Current!;
        Assert.Equal("worker-1", self.Id.Value);
        Assert.Equal(key, self.Key.PublicKey.Id);
        Assert.Equal(mesh.PublicKey, self.MeshKey(mesh.PublicKey.Id));
        Assert.Equal(RotateBy, self.RotateBy);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(Folder));
        foreach (string file in Directory.GetFiles(Folder)) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
    }

    [Theory]
    [InlineData("key.pem")]
    [InlineData("agent.json")]
    [InlineData("")]
    public void What_others_can_read_is_refused_with_the_remedy(string name)
    {
        using Ed25519PrivateKey mesh = Ed25519PrivateKey.Generate();
        _ = Enrol(mesh);
        string path = Path.Combine(Folder, name);
        File.SetUnixFileMode(path, File.GetUnixFileMode(path) | UnixFileMode.GroupRead);
        AgentIdentityException refused = Assert.Throws<AgentIdentityException>(() => IdentityFolder.Open(Folder));
        Assert.Contains("chmod", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("key.pem", "a key that is too short")]
    [InlineData("key.pem", "")]
    [InlineData("agent.json", "{\"agent_id\":\"worker-1\"}")]
    [InlineData("agent.json", "not json")]
    public void A_damaged_file_is_named_and_not_repeated(string name, string content)
    {
        using Ed25519PrivateKey mesh = Ed25519PrivateKey.Generate();
        _ = Enrol(mesh);
        // Made here: no file of the repository holds what looks like a key.
        if (content == "a key that is too short") content = PemEncoding.WriteString("PRIVATE KEY", new byte[3]) + "\n";
        File.WriteAllText(Path.Combine(Folder, name), content);
        AgentIdentityException refused = Assert.Throws<AgentIdentityException>(() => IdentityFolder.Open(Folder));
        Assert.Contains(name + " is damaged", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("AAAA", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Two_processes_cannot_be_one_agent()
    {
        using IdentityFolder first = IdentityFolder.Open(Folder);
        Assert.Contains("in use", Assert.Throws<AgentIdentityException>(() => IdentityFolder.Open(Folder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_enrolment_that_was_cut_off_goes_on_with_the_same_key()
    {
        KeyId before;
        using (IdentityFolder first = IdentityFolder.Open(Folder)) before = first.KeyToEnrol().PublicKey.Id;
        using IdentityFolder second = IdentityFolder.Open(Folder);
        Assert.Null(second.Current);
        Assert.Equal(before, second.KeyToEnrol().PublicKey.Id);
    }

    /// <summary>A rotation that is cut off after each of its steps: the key that the mesh may know is always there.</summary>
    [Fact]
    public void A_crash_in_a_rotation_loses_no_key()
    {
        using Ed25519PrivateKey mesh = Ed25519PrivateKey.Generate();
        KeyId old = Enrol(mesh), next;
        using (IdentityFolder cut = IdentityFolder.Open(Folder)) next = cut.BeginRotation().PublicKey.Id;

        using (IdentityFolder again = IdentityFolder.Open(Folder))
        {
            Assert.Equal(old, again.Current!.Key.PublicKey.Id);
            Assert.Equal(next, again.Current.Next!.PublicKey.Id);
            Assert.Equal(next, again.BeginRotation().PublicKey.Id);
            again.EndRotation(RotateBy.PlusMs(1));
            Assert.Equal(next, again.Current.Key.PublicKey.Id);
        }
        using IdentityFolder after = IdentityFolder.Open(Folder);
        Assert.Equal(next, after.Current!.Key.PublicKey.Id);
        Assert.Null(after.Current.Next);
        Assert.Equal(RotateBy.PlusMs(1), after.Current.RotateBy);
    }

    [Fact]
    public void A_crash_between_the_two_files_of_a_rotation_keeps_the_new_key()
    {
        using Ed25519PrivateKey mesh = Ed25519PrivateKey.Generate();
        _ = Enrol(mesh);
        KeyId next;
        using (IdentityFolder cut = IdentityFolder.Open(Folder)) next = cut.BeginRotation().PublicKey.Id;
        File.Move(Path.Combine(Folder, "next.pem"), Path.Combine(Folder, "key.pem"), overwrite: true);
        using IdentityFolder after = IdentityFolder.Open(Folder);
        Assert.Equal(next, after.Current!.Key.PublicKey.Id);
        Assert.Null(after.Current.Next);
    }

    [Fact]
    public void Keys_that_the_mesh_brings_are_kept_the_newest_eight()
    {
        using Ed25519PrivateKey mesh = Ed25519PrivateKey.Generate();
        _ = Enrol(mesh);
        List<Ed25519PublicKey> brought = [];
        using (IdentityFolder folder = IdentityFolder.Open(Folder))
        {
            for (int i = 0; i < 10; i++)
            {
                using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
                brought.Add(key.PublicKey);
                folder.Trust(key.PublicKey);
                folder.Trust(key.PublicKey);
            }
        }
        using IdentityFolder again = IdentityFolder.Open(Folder);
        Assert.Equal(brought[2..], again.Current!.MeshKeys);
    }

    [Theory]
    [InlineData("mt1.0123456789abcdef.fedcba9876543210.secret", "mesh:0123456789abcdef", "k-fedcba9876543210")]
    [InlineData("mt1.0123456789ABCDEF.fedcba9876543210.secret", null, null)]
    [InlineData("mt1.0123456789abcdef.fedcba9876543210.", null, null)]
    [InlineData("mt2.0123456789abcdef.fedcba9876543210.secret", null, null)]
    [InlineData("", null, null)]
    public void A_token_names_its_mesh_and_its_key(string token, string? mesh, string? key)
    {
        TokenParts? parts = TokenParts.Parse(token);
        Assert.Equal(mesh, parts?.MeshId);
        Assert.Equal(key, parts?.MeshKey.Value);
    }

    private KeyId Enrol(Ed25519PrivateKey mesh)
    {
        using IdentityFolder folder = IdentityFolder.Open(Folder);
        Ed25519PrivateKey key = folder.KeyToEnrol();
        folder.Enrolled(new AgentId("worker-1"), "mesh:0123456789abcdef", [mesh.PublicKey], key, RotateBy);
        return key.PublicKey.Id;
    }
}
