using Mesh30K.Cli.Verify.Power;

namespace Mesh30K.Cli.Verify.Cluster;

/// <summary>
/// Where one server's data lies, and how it can fail: a disk of its own where that can be mounted, which can lose its power or be filled; else a folder, and a limit of the size of files, which is
/// as good as a full disk. One owner.
/// </summary>
internal sealed class ServerDisk : IDisposable
{
    private const long DiskBytes = 512L << 20;
    private const string Filler = "filler";

    private readonly LoopDisk? _disk;

    public ServerDisk(string root, int server, bool mounts)
    {
        string name = $"disk-{server}";
        Folder = Path.Combine(root, name);
        if (!mounts)
        {
            Directory.CreateDirectory(Folder);
            return;
        }
        _disk = new LoopDisk(root, name, DiskBytes);
        _disk.Format();
        _disk.Mount();
    }

    public string Folder { get; }

    public bool CanFail(FaultKind how) => _disk is not null || how == FaultKind.DiskFull;

    /// <summary>Has every write fail from now on.</summary>
    public void Break(FaultKind how, int process)
    {
        if (_disk is null) LinuxCalls.LimitFileSize(process, 1);
        else if (how == FaultKind.DiskFails) _disk.CutPower();
        else Fill();
    }

    /// <summary>Takes what was not synced; its process is dead. The disk works again at once.</summary>
    public void LosePower()
    {
        _disk!.CutPower();
        _disk.Unmount();
        _disk.Mount();
    }

    /// <summary>Makes it work again; its process is dead.</summary>
    public void Mend(FaultKind how)
    {
        if (_disk is null) return; // the limit ended with the process
        if (how == FaultKind.DiskFull)
        {
            File.Delete(Path.Combine(Folder, Filler));
            return;
        }
        _disk.Unmount();
        _disk.Mount();
    }

    public void Dispose() => _disk?.Dispose();

    /// <summary>Takes all room that there is: what is left over after the first try is taken in ever smaller pieces.</summary>
    private void Fill()
    {
        using FileStream filler = new(Path.Combine(Folder, Filler), FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        byte[] piece = new byte[4 << 20];
        for (int bytes = piece.Length; bytes >= 4_096;)
        {
            try
            {
                filler.Write(piece, 0, bytes);
            }
            catch (IOException)
            {
                bytes /= 4;
            }
        }
    }
}
