using Mesh30K.Cli.Verify.Power;

namespace Mesh30K.Cli.Verify.Cluster;

/// <summary>
/// Where one server's data lies, and how it can fail: a disk of its own where that can be mounted, which can stall, lose its power or be filled; else a folder, and a limit of the size of files,
/// which is as good as a full disk. One owner at a time.
/// </summary>
/// <remarks>
/// The disk is an ext4 in a file, and the file lies on another ext4 that stands for the drive. While that is frozen the drive answers nothing: what the server writes stays in the kernel, its sync waits.
/// When it is shut down while it is frozen, and then thawed, everything that the drive had not finished fails: the disk holds what was synced and nothing of what was under way. A shut-down of the
/// disk's own ext4 is less than that: a sync that is under way then may return well (ADR 15).
/// </remarks>
internal sealed class ServerDisk : IDisposable
{
    private const long DiskBytes = 256L << 20;
    private const string Filler = "filler";

    private readonly LoopDisk? _drive;
    private readonly LoopDisk? _disk;
    private bool _stalls;
    private bool _isOff;

    public ServerDisk(string root, int server, bool mounts)
    {
        string name = $"disk-{server}";
        Folder = Path.Combine(root, name);
        if (!mounts)
        {
            Directory.CreateDirectory(Folder);
            return;
        }
        _drive = new LoopDisk(root, name, DiskBytes + (DiskBytes / 8));
        try
        {
            _drive.Format(journals: false);
            _drive.Mount();
            _disk = new LoopDisk(_drive.MountPoint, "data", DiskBytes);
            Folder = _disk.MountPoint;
            _disk.Format();
            _disk.Mount();
        }
        catch
        {
            Dispose();
            throw;
        }
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

    /// <summary>Nothing that is written or synced comes to an end from now on, and whoever waits for that cannot be killed. Nothing when it stalls already. Back when that is so.</summary>
    public void Stall()
    {
        if (_stalls) return;
        LinuxCalls.Freeze(_drive!.MountPoint);
        _stalls = true;
    }

    /// <summary>What was held is done. Nothing when it does not stall.</summary>
    public void GoOn()
    {
        if (!_stalls) return;
        _stalls = false;
        LinuxCalls.Thaw(_drive!.MountPoint);
    }

    /// <summary>Takes what was not synced. Whoever uses it gets EIO from here on.</summary>
    public void CutPower()
    {
        Stall();
        _isOff = true;
        _drive!.CutPower();
        GoOn();
        _disk!.CutPower(); // after the drive: it writes a last word, which the drive has to refuse and not to hold
    }

    /// <summary>Makes it work again with what it held when its power was cut; nothing when it has power. Its process is dead.</summary>
    public void PowerOn()
    {
        if (!_isOff) return;
        _disk!.Unmount();
        _drive!.Unmount();
        _drive.Mount();
        _disk.Mount();
        _isOff = false;
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

    public void Dispose()
    {
        GoOn();
        _disk?.Release(); // its file goes with the drive, which may have no power
        _drive?.Dispose();
    }

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
