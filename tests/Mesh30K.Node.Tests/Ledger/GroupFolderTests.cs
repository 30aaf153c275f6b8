using Mesh30K.Node.Ledger;

namespace Mesh30K.Node.Tests.Ledger;

[System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
public sealed class GroupFolderTests : IDisposable
{
    private static readonly GroupServer[] Three = [new(1, "a", 1), new(2, "b", 2), new(3, "c", 3)];
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("mesh-group-");

    private string Folder => Path.Combine(_folder.FullName, "group");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void A_group_has_a_pair_for_each_and_keys_are_private()
    {
        GroupFile made = GroupFolder.Create(Folder, Three);
        GroupFile read = GroupFile.Read(Folder);
        Assert.Equal((made.Id, string.Join(' ', made.Servers)), (read.Id, string.Join(' ', read.Servers)));
        foreach (string key in Directory.GetFiles(Folder, "*.key")) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(key));
        foreach (GroupRole role in (GroupRole[])[GroupRole.Client, GroupRole.Server(1), GroupRole.Server(3)])
        {
            using GroupIdentity identity = GroupFolder.Open(Folder, role);
            Assert.Equal(role, identity.RoleOf(identity.Own));
        }
        Assert.Equal(["ca.key", "ca.pem", "client.key", "client.pem", "group.json", "server-1.key", "server-1.pem", "server-2.key", "server-2.pem", "server-3.key", "server-3.pem"], Files());
    }

    [Fact]
    public void A_folder_is_never_overwritten_and_nothing_is_left_beside_it()
    {
        _ = GroupFolder.Create(Folder, Three);
        string before = File.ReadAllText(Path.Combine(Folder, "ca.pem"));
        Assert.Throws<GroupFolderException>(() => GroupFolder.Create(Folder, Three));
        Assert.Equal(before, File.ReadAllText(Path.Combine(Folder, "ca.pem")));
        Assert.Single(_folder.GetFileSystemInfos());
    }

    [Fact]
    public void A_certificate_of_another_group_has_no_role_here()
    {
        _ = GroupFolder.Create(Folder, Three);
        string other = Path.Combine(_folder.FullName, "other");
        _ = GroupFolder.Create(other, Three);
        using GroupIdentity here = GroupFolder.Open(Folder, GroupRole.Server(1)), there = GroupFolder.Open(other, GroupRole.Server(1));
        Assert.Null(here.RoleOf(there.Own));
        File.Copy(Path.Combine(other, "server-1.pem"), Path.Combine(Folder, "server-1.pem"), overwrite: true);
        Assert.Throws<GroupFolderException>(() => GroupFolder.Open(Folder, GroupRole.Server(1)));
    }

    [Fact]
    public void A_key_that_others_can_read_is_refused()
    {
        _ = GroupFolder.Create(Folder, Three);
        File.SetUnixFileMode(Path.Combine(Folder, "client.key"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        Assert.Contains("chmod 600", Assert.Throws<GroupFolderException>(() => GroupFolder.Open(Folder, GroupRole.Client)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_number_is_given_once()
    {
        _ = GroupFolder.Create(Folder, Three);
        Assert.Throws<GroupFolderException>(() => GroupFolder.AddServer(Folder, 2));
        GroupFolder.AddServer(Folder, 4);
        using (GroupIdentity added = GroupFolder.Open(Folder, GroupRole.Server(4))) Assert.Equal(GroupRole.Server(4), added.RoleOf(added.Own));
        Assert.Throws<GroupFolderException>(() => GroupFolder.AddServer(Folder, 4));
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("null")]
    [InlineData("{\"id\":\"0123456789\",\"servers\":[]}")]
    [InlineData("{\"id\":\"0123456789\",\"servers\":[{\"number\":1,\"host\":\"a\",\"port\":0}]}")]
    [InlineData("{\"id\":\"0123456789\",\"servers\":[{\"number\":1,\"host\":\"a\",\"port\":1},{\"number\":1,\"host\":\"b\",\"port\":1}]}")]
    [InlineData("{\"id\":\"../..\",\"servers\":[{\"number\":1,\"host\":\"a\",\"port\":1}]}")]
    [InlineData("not json")]
    public void A_wrong_file_is_refused(string text)
    {
        File.WriteAllText(Path.Combine(_folder.FullName, GroupFile.FileName), text);
        Assert.Contains(GroupFile.FileName, Assert.Throws<GroupFolderException>(() => GroupFile.Read(_folder.FullName)).Message, StringComparison.Ordinal);
    }

    private string[] Files() => [.. Directory.GetFiles(Folder).Select(f => Path.GetFileName(f)).Order(StringComparer.Ordinal)];
}
