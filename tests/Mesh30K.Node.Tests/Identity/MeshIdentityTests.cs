using Mesh30K.Node.Identity;
using Mesh30K.Protocol.Signing;
using static Mesh30K.Node.Tests.Identity.DirectoryBox;

namespace Mesh30K.Node.Tests.Identity;

public sealed class MeshIdentityTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("mesh-key-");

    private string KeyFile => Path.Combine(_folder.FullName, "mesh.key");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void It_is_made_once_private_to_its_owner_and_read_again()
    {
        using MeshIdentity first = MeshIdentity.LoadOrCreate(_folder.FullName, Start);
        Assert.True(MeshId.IsValid(first.MeshId));
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(KeyFile));
        using MeshIdentity again = MeshIdentity.LoadOrCreate(_folder.FullName, At(1));
        Assert.Equal((first.MeshId, first.Signing.PublicKey), (again.MeshId, again.Signing.PublicKey));
        Assert.Equal([again.Signing.PublicKey], again.Trusted);
    }

    [Fact]
    public void The_next_key_is_announced_before_it_signs_over_restarts()
    {
        List<Ed25519PublicKey> announced = [];
        using MeshIdentity mesh = MeshIdentity.LoadOrCreate(_folder.FullName, Start);
        mesh.Announced = announced.Add;
        Ed25519PublicKey old = mesh.Signing.PublicKey;
        Ed25519PrivateKey held = mesh.Signing;
        mesh.Advance(At(22.9));
        Assert.Empty(announced);
        mesh.Advance(At(23));
        Ed25519PublicKey next = Assert.Single(announced);
        Assert.Equal([old, next], mesh.Trusted);
        Assert.Equal((old, At(30)), (mesh.Signing.PublicKey, mesh.NextSignsFrom!.Value));
        mesh.Advance(At(29.9));
        Assert.Equal(old, mesh.Signing.PublicKey);
        using (MeshIdentity restarted = MeshIdentity.LoadOrCreate(_folder.FullName, At(29.9))) Assert.Equal([old, next], restarted.Trusted);
        mesh.Advance(At(30));
        Assert.Equal((next, (next, 1)), (mesh.Signing.PublicKey, (mesh.Trusted[0], mesh.Trusted.Count)));
        held.Sign("in flight"u8, new byte[64]); // whoever took the old one before may still finish
        using (MeshIdentity restarted = MeshIdentity.LoadOrCreate(_folder.FullName, At(30.1))) Assert.Equal([next], restarted.Trusted);
        mesh.Advance(At(53));
        Assert.Equal(2, announced.Count);
    }

    [Fact]
    public void An_operator_can_ask_for_the_next_key_once_at_a_time()
    {
        using MeshIdentity mesh = MeshIdentity.LoadOrCreate(_folder.FullName, Start);
        Ed25519PublicKey old = mesh.Signing.PublicKey;
        Assert.True(mesh.Rotate(At(1)));
        Assert.False(mesh.Rotate(At(2)));
        Assert.Equal(At(8), mesh.NextSignsFrom);
        Ed25519PublicKey next = mesh.Trusted[1];
        mesh.Advance(At(8));
        Assert.Equal(next, mesh.Signing.PublicKey);
        Assert.NotEqual(old, next);
        Assert.Null(mesh.NextSignsFrom);
    }

    [Fact]
    public void After_a_long_time_off_the_next_key_is_still_announced_for_a_week_first()
    {
        MeshIdentity.LoadOrCreate(_folder.FullName, Start).Dispose();
        using MeshIdentity mesh = MeshIdentity.LoadOrCreate(_folder.FullName, At(400));
        Assert.Equal((2, At(407)), (mesh.Trusted.Count, mesh.NextSignsFrom!.Value));
    }

    [Theory]
    [InlineData(UnixFileMode.GroupRead)]
    [InlineData(UnixFileMode.OtherRead)]
    [InlineData(UnixFileMode.OtherWrite)]
    public void A_file_that_others_can_use_is_refused(UnixFileMode more)
    {
        if (OperatingSystem.IsWindows()) return;
        MeshIdentity.LoadOrCreate(_folder.FullName, Start).Dispose();
        File.SetUnixFileMode(KeyFile, File.GetUnixFileMode(KeyFile) | more);
        MeshKeyException refused = Assert.Throws<MeshKeyException>(() => MeshIdentity.LoadOrCreate(_folder.FullName, Start));
        Assert.Contains("chmod 600", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_damaged_file_is_refused_wherever_it_is_damaged_and_never_shown()
    {
        string pem;
        using (MeshIdentity mesh = MeshIdentity.LoadOrCreate(_folder.FullName, Start))
        {
            mesh.Rotate(Start);
            pem = mesh.Signing.ToPem().Split('\n')[1];
        }
        string good = File.ReadAllText(KeyFile);
        string[] lines = good.Split('\n');
        string[] bad =
        [
            "", "x", good[..^1], good[..(good.Length / 2)], good + "more\n", good.Replace("v1", "v2", StringComparison.Ordinal), good.Replace("mesh mesh:", "mesh m:", StringComparison.Ordinal),
            good.Replace("signs-from", "from", StringComparison.Ordinal), good.Replace("key k-", "key k-0", StringComparison.Ordinal), string.Join('\n', lines.Take(3)) + "\n",
            good.Replace(pem, pem[..^4] + "AAAA", StringComparison.Ordinal), good.Replace(pem, "!", StringComparison.Ordinal), good + string.Join('\n', lines.Skip(3)), new string('a', 10_000),
        ];
        foreach (string content in bad)
        {
            File.WriteAllText(KeyFile, content);
            MeshKeyException refused = Assert.Throws<MeshKeyException>(() => MeshIdentity.LoadOrCreate(_folder.FullName, Start));
            Assert.Contains("damaged", refused.Message, StringComparison.Ordinal);
            Assert.DoesNotContain(pem[10..^8], refused.ToString(), StringComparison.Ordinal);
        }
        File.WriteAllText(KeyFile, good);
        MeshIdentity.LoadOrCreate(_folder.FullName, Start).Dispose();
    }
}
