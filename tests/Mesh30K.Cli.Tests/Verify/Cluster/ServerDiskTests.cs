using Mesh30K.Cli.Verify.Cluster;
using Mesh30K.Cli.Verify.Power;
using Mesh30K.Node.Runtime;
using Microsoft.Win32.SafeHandles;

namespace Mesh30K.Cli.Tests.Verify.Cluster;

/// <summary>What a server's disk holds after it has lost its power. A real ext4 on a drive that stalls.</summary>
public sealed class ServerDiskTests
{
    [Fact]
    public async Task A_power_cut_takes_what_was_not_synced_and_nothing_else()
    {
        Assert.SkipWhen(LoopDisk.WhyNot() is not null, LoopDisk.WhyNot() ?? "");
        using TemporaryFolder folder = new();
        using ServerDisk disk = new(folder.FullName, 1, mounts: true);
        string path = Path.Combine(disk.Folder, "log");
        for (int round = 1; round <= 3; round++)
        {
            Task<bool> syncing;
            long before = File.Exists(path) ? new FileInfo(path).Length : 0;
            Assert.Equal((round - 1) * 100, before);
            using (SafeFileHandle file = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.Write))
            {
                RandomAccess.Write(file, new byte[100], before);
                DiskSync.Data(file);
                if (round == 2) disk.Stall();
                RandomAccess.Write(file, new byte[50], before + 100);
                syncing = round == 2 ? SyncedAsync(file) : Task.FromResult(false);
                if (round == 2) await Assert.ThrowsAsync<TimeoutException>(() => syncing.WaitAsync(TimeSpan.FromMilliseconds(300), TestContext.Current.CancellationToken));
                disk.CutPower();
                // The sync that was under way says that it failed; a kernel that said otherwise would make liars of servers that keep their word.
                Assert.False(await syncing);
            }
            disk.PowerOn();
        }
        Assert.Equal(300, new FileInfo(path).Length);
    }

    [Fact]
    public async Task A_stalled_disk_goes_on_with_what_it_was_given()
    {
        Assert.SkipWhen(LoopDisk.WhyNot() is not null, LoopDisk.WhyNot() ?? "");
        using TemporaryFolder folder = new();
        using ServerDisk disk = new(folder.FullName, 1, mounts: true);
        using SafeFileHandle file = File.OpenHandle(Path.Combine(disk.Folder, "log"), FileMode.Create, FileAccess.Write);
        disk.Stall();
        RandomAccess.Write(file, new byte[100], 0);
        Task<bool> syncing = SyncedAsync(file);
        await Assert.ThrowsAsync<TimeoutException>(() => syncing.WaitAsync(TimeSpan.FromMilliseconds(300), TestContext.Current.CancellationToken));
        disk.GoOn();
        Assert.True(await syncing);
    }

    /// <summary>On a thread of its own: it waits for the disk.</summary>
    private static Task<bool> SyncedAsync(SafeFileHandle file) => Task.Factory.StartNew(() => Synced(file), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private static bool Synced(SafeFileHandle file)
    {
        try
        {
            DiskSync.Data(file);
            return true;
        }
        catch (SyncFailedException)
        {
            return false;
        }
    }
}
