using System.ComponentModel;
using System.Diagnostics;

namespace Mesh30K.Cli.Verify.Power;

/// <summary>
/// A disk of its own for one run: an ext4 in a file, mounted through a loop device, whose power can be cut. Needs root, or the rights to mount. Disposed, nothing of it is mounted any more.
/// One owner.
/// </summary>
internal sealed class LoopDisk : IDisposable
{
    private static readonly TimeSpan ReleaseWithin = TimeSpan.FromSeconds(10);

    private readonly string _image;
    private bool _mounted;

    /// <param name="folder">A folder of the run: the image and the mount point lie in it.</param>
    /// <param name="name">Tells disks in one folder apart.</param>
    /// <param name="bytes">The disk's size; the file is sparse.</param>
    public LoopDisk(string folder, string name, long bytes)
    {
        _image = Path.Combine(folder, name + ".img");
        MountPoint = Path.Combine(folder, name);
        Directory.CreateDirectory(MountPoint);
        using FileStream image = new(_image, FileMode.CreateNew, FileAccess.Write);
        image.SetLength(bytes);
    }

    public string MountPoint { get; }

    /// <summary>Why such disks cannot be had here; null when they can: tried out.</summary>
    public static string? WhyNot()
    {
        if (!LinuxCalls.IsSupported) return "only Linux can cut a file system's power";
        DirectoryInfo folder = Directory.CreateTempSubdirectory("mesh-disk-");
        try
        {
            using LoopDisk disk = new(folder.FullName, "try", 8 << 20);
            disk.Format();
            disk.Mount();
            LinuxCalls.Freeze(disk.MountPoint);
            LinuxCalls.Thaw(disk.MountPoint);
            LinuxCalls.CutPower(disk.MountPoint);
            return null;
        }
        catch (IOException refused)
        {
            return $"an ext4 in a file cannot be mounted here ({refused.Message}): it needs root, /dev/loop-control and mkfs.ext4";
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>Makes a new, empty file system.</summary>
    /// <param name="journals">Whether it has a journal of its own: without one it is quicker, and a power cut may break it unless it is frozen.</param>
    public void Format(bool journals = true) => Run("mkfs.ext4", ["-q", "-F", "-E", "nodiscard", .. journals ? (string[])[] : ["-O", "^has_journal"], _image]);

    /// <summary>Mounts it; after a power cut, ext4 replays its own journal here.</summary>
    public void Mount()
    {
        Run("mount", "-t", "ext4", "-o", "loop", _image, MountPoint);
        _mounted = true;
    }

    public void CutPower() => LinuxCalls.CutPower(MountPoint);

    /// <summary>Unmounts it, once everybody has closed its files. Throws an <see cref="IOException"/> when they do not within 10 s.</summary>
    public void Unmount()
    {
        long from = Stopwatch.GetTimestamp();
        while (!LinuxCalls.TryUnmount(MountPoint, detach: false))
        {
            if (Stopwatch.GetElapsedTime(from) > ReleaseWithin) throw new IOException($"{MountPoint} is still in use");
            Thread.Sleep(2);
        }
        _mounted = false;
    }

    /// <summary>Unmounts it now, or as soon as its last file is closed.</summary>
    public void Release()
    {
        if (_mounted && !LinuxCalls.TryUnmount(MountPoint, detach: false)) LinuxCalls.TryUnmount(MountPoint, detach: true);
        _mounted = false;
    }

    public void Dispose()
    {
        Release();
        File.Delete(_image);
    }

    private static void Run(string command, params string[] arguments)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(command, arguments) { RedirectStandardError = true, RedirectStandardOutput = true, UseShellExecute = false })!;
            string error = process.StandardError.ReadToEnd();
            process.WaitForExit();
            if (process.ExitCode != 0) throw new IOException($"{command}: {error.Trim().ReplaceLineEndings(" ")}");
        }
        catch (Win32Exception missing)
        {
            throw new IOException($"{command}: {missing.Message}", missing);
        }
    }
}
