using Mesh30K.Node.Runtime;

namespace Mesh30K.Node.Tests.Runtime;

/// <summary>A folder that may be written to and not read cannot be synced: names in it change, and the sync fails.</summary>
public sealed class AtomicFileTests : IDisposable
{
    private const UnixFileMode All = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly string _folder = Directory.CreateTempSubdirectory("mesh-atomic-").FullName;

    private string Target => Path.Combine(_folder, "file");

    public void Dispose()
    {
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(_folder, All);
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void A_new_file_whose_folder_cannot_be_synced_is_an_error_and_not_somebody_elses_file()
    {
        FoldersSyncFails();
        Assert.ThrowsAny<IOException>(() => AtomicFile.Write(Target, "mine"u8, replace: false));
        Assert.Equal("mine", File.ReadAllText(Target));
        Assert.False(AtomicFile.Write(Target, "other"u8, replace: false));
        Assert.Equal("mine", File.ReadAllText(Target));
    }

    [Fact]
    public void What_a_swap_brought_out_and_could_not_give_back_is_kept_beside_the_file()
    {
        File.WriteAllText(Target, "somebody's");
        FoldersSyncFails();
        Assert.ThrowsAny<IOException>(() => AtomicFile.Swap(Target, "merged"u8));
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(_folder, All);
        Assert.Equal(["merged", "somebody's"], Directory.EnumerateFiles(_folder).Select(File.ReadAllText).Order(StringComparer.Ordinal));
    }

    private void FoldersSyncFails()
    {
        Assert.SkipWhen(!OperatingSystem.IsLinux() || Environment.IsPrivilegedProcess, "root may read everything");
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(_folder, UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }
}
