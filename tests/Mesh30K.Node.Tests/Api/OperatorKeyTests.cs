using Mesh30K.Node.Api;

namespace Mesh30K.Node.Tests.Api;

public sealed class OperatorKeyTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("mesh-key-");

    private string KeyPath => Path.Combine(_folder.FullName, "state", "operator.key");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void The_key_is_made_once_private_and_hidden()
    {
        OperatorKey made = OperatorKey.LoadOrCreate(KeyPath);
        string text = made.ToHeader().Parameter!;
        Assert.Equal(43, text.Length);
        Assert.True(made.Matches(text));
        Assert.False(made.Matches(text.AsSpan(0, 42)));
        Assert.False(made.Matches(text[..42] + (text[42] == 'A' ? 'E' : 'A')));
        Assert.Equal(text, OperatorKey.LoadOrCreate(KeyPath).ToHeader().Parameter);
        Assert.DoesNotContain(text, made.ToString(), StringComparison.Ordinal);
        Assert.Equal([KeyPath], Directory.GetFiles(Path.GetDirectoryName(KeyPath)!));
        if (OperatingSystem.IsWindows()) return;
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(KeyPath));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(Path.GetDirectoryName(KeyPath)!));
    }

    [Fact]
    public void Many_at_once_get_the_same_key()
    {
        for (int round = 0; round < 100; round++)
        {
            string path = $"{KeyPath}-{round}";
            var keys = new string?[8];
            Parallel.For(0, keys.Length, i => keys[i] = OperatorKey.LoadOrCreate(path).ToHeader().Parameter);
            Assert.Single(keys.Distinct());
        }
    }

    [Theory]
    [InlineData(UnixFileMode.GroupRead)]
    [InlineData(UnixFileMode.OtherRead)]
    [InlineData(UnixFileMode.OtherWrite)]
    public void A_key_that_others_can_reach_is_refused(UnixFileMode extra)
    {
        if (OperatingSystem.IsWindows()) return;
        OperatorKey.LoadOrCreate(KeyPath);
        File.SetUnixFileMode(KeyPath, UnixFileMode.UserRead | UnixFileMode.UserWrite | extra);
        var refused = Assert.Throws<OperatorKeyException>(() => OperatorKey.LoadOrCreate(KeyPath));
        Assert.Contains($"chmod 600 {KeyPath}", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_damaged_or_missing_key_says_what_to_do()
    {
        Assert.Contains("start the node", Assert.Throws<OperatorKeyException>(() => OperatorKey.Load(Path.Combine(_folder.FullName, "none"))).Message, StringComparison.Ordinal);
        OperatorKey.LoadOrCreate(KeyPath);
        foreach (string content in new[] { "", "short\n", new string('A', 44), new string('!', 43) })
        {
            File.WriteAllText(KeyPath, content);
            Assert.Contains("damaged", Assert.Throws<OperatorKeyException>(() => OperatorKey.Load(KeyPath)).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void The_state_file_is_private_replaced_whole_and_removed_only_by_its_node()
    {
        string path = Path.Combine(_folder.FullName, "node.json");
        Assert.Null(NodeStateFile.TryRead(path));
        var own = new NodeState("http://127.0.0.1:7430", Environment.ProcessId, DateTimeOffset.UnixEpoch);
        NodeStateFile.Write(path, own with { Pid = int.MaxValue });
        Assert.False(NodeStateFile.TryRead(path)!.IsProcessAlive());
        NodeStateFile.RemoveIfOwn(path);
        Assert.True(File.Exists(path));
        NodeStateFile.Write(path, own);
        Assert.Equal(own, NodeStateFile.TryRead(path));
        Assert.True(own.IsProcessAlive());
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        NodeStateFile.RemoveIfOwn(path);
        Assert.False(File.Exists(path));
        File.WriteAllText(path, "{\"address\":");
        Assert.Null(NodeStateFile.TryRead(path));
    }
}
