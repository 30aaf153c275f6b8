using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Mesh30K.Cli.Verify;

/// <summary>Calls of libc by which a run hurts processes and disks. 64-bit Linux only. Each throws an <see cref="IOException"/> when the system refuses.</summary>
internal static partial class LinuxCalls
{
    /// <summary>Takes effect when the next bytes would make a file longer.</summary>
    private const int FileSizeLimit = 1;

    /// <summary>_IOR('X', 125, __u32): ext4 acts as if its device were gone from this moment on.</summary>
    private const uint Ext4Shutdown = 0x8004_587D;

    /// <summary>Neither its journal nor data are written any more: as when the power fails. (0 would write everything first.)</summary>
    private const uint WithoutFlush = 2;

    /// <summary>_IOWR('X', 119, int) and _IOWR('X', 120, int): a file system stands still, and goes on.</summary>
    private const uint FreezeRequest = 0xC004_5877;
    private const uint ThawRequest = 0xC004_5878;

    private const int DetachedUnmount = 2;

    public enum Signal
    {
        Kill = 9,
        Continue = 18,
        Stop = 19,
    }

    public static bool IsSupported => OperatingSystem.IsLinux() && Environment.Is64BitProcess;

    /// <summary>False when there is no such process any more.</summary>
    public static bool Send(int process, Signal signal) => Kill(process, (int)signal) == 0;

    /// <summary>Lets no file of a process grow over a size, so that writes fail as on a full disk (EFBIG); <see cref="long.MaxValue"/>: as large as they like.</summary>
    public static void LimitFileSize(int process, long bytes)
    {
        Limit limit = new() { Soft = bytes == long.MaxValue ? ulong.MaxValue : (ulong)bytes, Hard = ulong.MaxValue };
        if (SetLimit(process, FileSizeLimit, in limit, 0) != 0) throw new IOException($"cannot limit the files of process {process}: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    /// <summary>Cuts the power of the ext4 file system on which a folder is: every call on it fails with EIO until it is unmounted, and what was not synced is lost.</summary>
    public static void CutPower(string folder) => Control(folder, Ext4Shutdown, WithoutFlush, "shut the file system of", "down");

    /// <summary>
    /// Writes everything that the file system holds and lets it stand still: whoever would change it waits, and no signal ends that wait. A file system frozen already is refused. Back when it stands still.
    /// </summary>
    public static void Freeze(string folder) => Control(folder, FreezeRequest, 0, "freeze the file system of", "");

    /// <summary>Lets it go on.</summary>
    public static void Thaw(string folder) => Control(folder, ThawRequest, 0, "thaw the file system of", "");

    private static void Control(string folder, uint request, uint value, string doing, string rest)
    {
        const int readOnlyCloseOnExec = 0x80000;
        int descriptor = Open(folder, readOnlyCloseOnExec);
        if (descriptor < 0) throw new IOException($"cannot open {folder}: {Marshal.GetLastPInvokeErrorMessage()}");
        using SafeFileHandle opened = new(descriptor, ownsHandle: true);
        if (Control(opened, request, ref value) != 0) throw new IOException($"cannot {doing} {folder} {rest}: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    /// <summary>False while somebody has files of it open, or when nothing is mounted there.</summary>
    /// <param name="detach">Whether it vanishes from its place at once, and is unmounted when the last file is closed.</param>
    public static bool TryUnmount(string mountPoint, bool detach) => Unmount(mountPoint, detach ? DetachedUnmount : 0) == 0;

    /// <summary>struct rlimit64.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Limit
    {
        public ulong Soft;
        public ulong Hard;
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int process, int signal);

    [LibraryImport("libc", EntryPoint = "prlimit64", SetLastError = true)]
    private static partial int SetLimit(int process, int resource, in Limit limit, nint old);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    /// <summary>A variadic call, which passes a pointer as any other does on x64 and on Linux's arm64.</summary>
    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Control(SafeHandle file, nuint request, ref uint value);

    [LibraryImport("libc", EntryPoint = "umount2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Unmount(string target, int flags);
}
