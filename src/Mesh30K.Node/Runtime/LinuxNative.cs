using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Mesh30K.Node.Runtime;

/// <summary>The few calls of libc that .NET does not offer. Used only where <see cref="IsSupported"/>: 64-bit Linux.</summary>
internal static partial class LinuxNative
{
    internal const int ClockMonotonic = 1;
    internal const int TimerAbsolute = 1;
    internal const int Interrupted = 4;
    internal const int WouldBlock = 11;
    internal const int LockExclusive = 2;
    internal const int LockDoNotWait = 4;
    internal const int LockUnlock = 8;
    private const int SetTimerSlack = 29;
    private const uint FirstInFirstOut = 1;
    private const ulong ResetOnFork = 1;

    /// <summary>64-bit only: on 32-bit the layout of a timespec depends on the libc.</summary>
    internal static bool IsSupported { get; } = OperatingSystem.IsLinux() && Environment.Is64BitProcess;

    [StructLayout(LayoutKind.Sequential)]
    internal struct TimeSpec
    {
        public long Seconds;
        public long Nanoseconds;
    }

    /// <summary>Returns 0 or the error number itself (not by errno).</summary>
    [LibraryImport("libc", EntryPoint = "clock_nanosleep")]
    internal static partial int ClockNanosleep(int clock, int flags, in TimeSpec until, IntPtr remaining);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    internal static partial int Kill(int process, int signal);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    internal static partial int FSync(SafeHandle file);

    [LibraryImport("libc", EntryPoint = "fdatasync", SetLastError = true)]
    internal static partial int FDataSync(SafeHandle file);

    /// <summary>Mode 0: the file gets room, and the length, for a range that reads as zero.</summary>
    [LibraryImport("libc", EntryPoint = "fallocate", SetLastError = true)]
    internal static partial int FAllocate(SafeHandle file, int mode, long offset, long length);

    /// <summary>An advisory lock of the open file, which the kernel drops when its last descriptor is closed, also by kill -9.</summary>
    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    internal static partial int FLock(SafeHandle file, int operation);

    /// <summary>
    /// A file opened for reading and writing, made when missing (mode 0600), not inherited by children. Unlike .NET's own opening it takes no
    /// lock by itself. Throws <see cref="IOException"/>.
    /// </summary>
    internal static SafeFileHandle OpenOrCreate(string path)
    {
        const int ReadWriteCreateCloseOnExec = 0x80042;
        const uint OwnerReadWrite = 0x180;
        int descriptor = Open(path, ReadWriteCreateCloseOnExec, OwnerReadWrite);
        if (descriptor < 0) throw new IOException($"cannot open {path}: {Marshal.GetLastPInvokeErrorMessage()}");
        return new SafeFileHandle(descriptor, ownsHandle: true);
    }

    /// <summary>The kernel's file types (S_IFMT) that matter here.</summary>
    internal enum FileType
    {
        Unknown = 0,
        Pipe = 0x1000,
        CharacterDevice = 0x2000,
        BlockDevice = 0x6000,
        Socket = 0xC000,
    }

    /// <summary>What is at the path, links followed; <see cref="FileType.Unknown"/> when there is nothing, or it cannot be asked.</summary>
    internal static FileType TypeOf(string path)
    {
        const int currentFolder = -100;
        const uint typeOnly = 1;
        const int modeOffset = 28; // of struct statx, which is the same on every architecture
        const int typeMask = 0xF000;
        if (!IsSupported || path.Contains('\0', StringComparison.Ordinal)) return FileType.Unknown;
        byte[] status = new byte[256];
        try
        {
            if (StatX(currentFolder, path, 0, typeOnly, status) != 0) return FileType.Unknown;
        }
        catch (EntryPointNotFoundException)
        {
            return FileType.Unknown; // a libc older than glibc 2.28
        }
        return (FileType)(BitConverter.ToUInt16(status, modeOffset) & typeMask);
    }

    /// <summary>Exchanges what two paths name, in one step. False where the file system cannot, or one of them does not exist: nothing was done.</summary>
    internal static bool TryExchange(string a, string b)
    {
        const int currentFolder = -100;
        const uint exchange = 2;
        try
        {
            return IsSupported && RenameAt2(currentFolder, a, currentFolder, b, exchange) == 0;
        }
        catch (EntryPointNotFoundException)
        {
            return false; // a libc older than glibc 2.28
        }
    }

    /// <summary>
    /// Renames to a name that nothing has, in one step: whether it did; false when there is something, null where the system cannot. (.NET's own looks first and then renames over what has come meanwhile.)
    /// </summary>
    internal static bool? TryMoveNew(string from, string to)
    {
        const int currentFolder = -100;
        const uint noReplace = 1;
        const int exists = 17;
        try
        {
            if (!IsSupported) return null;
            if (RenameAt2(currentFolder, from, currentFolder, to, noReplace) == 0) return true;
            return Marshal.GetLastPInvokeError() == exists ? false : null;
        }
        catch (EntryPointNotFoundException)
        {
            return null; // a libc older than glibc 2.28
        }
    }

    /// <summary>A folder opened for reading, which .NET does not offer, so that a rename in it can be synced. Throws when it cannot.</summary>
    internal static SafeFileHandle OpenFolder(string path)
    {
        const int ReadOnlyCloseOnExec = 0x80000;
        int descriptor = Open(path, ReadOnlyCloseOnExec);
        if (descriptor < 0) throw new IOException($"cannot open the folder {path}: {Marshal.GetLastPInvokeErrorMessage()}");
        return new SafeFileHandle(descriptor, ownsHandle: true);
    }

    /// <summary>How late the kernel may make this thread's timers to save power: 1 ns instead of 50,000. Best effort.</summary>
    internal static bool TrySetTimerSlackOfThisThread() => IsSupported && PrCtl(SetTimerSlack, 1, 0, 0, 0) == 0;

    /// <summary>
    /// Lets this thread run before others when it wakes, which <see cref="Thread.Priority"/> does not do on Linux: the lowest real-time
    /// priority; without the right to that (CAP_SYS_NICE, or a limit of real-time priority above 0), a slice of 0.1 ms, with nice −10 where
    /// allowed (since Linux 6.12 a thread with a shorter slice preempts on wake-up, and asking for one needs no privilege); on older
    /// kernels nice −10 alone. Best effort: false when none is granted.
    /// Beside busy processes nice and slice leave bursts of lateness, one time slice of another process each; real time ends most of them:
    /// docs/benchmarks.md. A thread that runs away is held by the kernel to 95% of one core. Threads that it starts do not inherit the class.
    /// </summary>
    internal static bool TryRaisePriorityOfThisThread() =>
        IsSupported && (TrySetRealTime() || TrySetSlice(nice: -10) || TrySetSlice(nice: 0) || SetPriority(0, 0, -10) == 0);

    private static bool TrySetRealTime() => TrySetScheduling(new SchedulingAttributes { Policy = FirstInFirstOut, Flags = ResetOnFork, Priority = 1 });

    private static bool TrySetSlice(int nice) => TrySetScheduling(new SchedulingAttributes { Nice = nice, SliceNs = 100_000 });

    private static bool TrySetScheduling(SchedulingAttributes attributes)
    {
        long number = RuntimeInformation.ProcessArchitecture switch
        {
            Architecture.X64 => 314,
            Architecture.Arm64 => 274,
            _ => -1,
        };
        attributes.Size = (uint)Marshal.SizeOf<SchedulingAttributes>();
        return number > 0 && SetScheduling(number, 0, in attributes, 0) == 0;
    }

    /// <summary>The kernel's <c>sched_attr</c>, first version (48 bytes); policy 0 is the ordinary class.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct SchedulingAttributes
    {
        public uint Size;
        public uint Policy;
        public ulong Flags;
        public int Nice;
        public uint Priority;
        public ulong SliceNs;
        public ulong DeadlineNs;
        public ulong PeriodNs;
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "renameat2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int RenameAt2(int folderOfA, string a, int folderOfB, string b, uint flags);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatX(int folder, string path, int flags, uint mask, [Out] byte[] status);

    [LibraryImport("libc", EntryPoint = "prctl")]
    private static partial int PrCtl(int option, nuint a, nuint b, nuint c, nuint d);

    /// <summary>sched_setattr has no wrapper in the libc; on these two architectures a variadic call passes integers as any other does.</summary>
    [LibraryImport("libc", EntryPoint = "syscall")]
    private static partial long SetScheduling(long number, nint thread, in SchedulingAttributes attributes, nuint flags);

    [LibraryImport("libc", EntryPoint = "setpriority")]
    private static partial int SetPriority(int which, uint who, int nice);
}
