using System.Diagnostics;
using System.Runtime.InteropServices;
using Mesh30K.Node.Runtime;
using Mesh30K.Protocol.Timing;
using Microsoft.Win32.SafeHandles;

namespace Mesh30K.Node.Storage;

/// <summary>
/// An advisory lock between processes, and between handles of one process: flock(2) on a file of its own. The kernel frees it when the process
/// ends, however it ends. Children do not inherit it. Not thread-safe.
/// </summary>
internal sealed class FolderLock(string path) : IDisposable
{
    private static readonly Backoff Waits = new(TimeSpan.FromMilliseconds(0.2), TimeSpan.FromMilliseconds(20));

    /// <summary>On Linux open all the time and locked now and then; elsewhere open only while locked.</summary>
    private SafeFileHandle? _file;

    internal bool IsHeld { get; private set; }

    /// <summary>Tries, waits and tries again, with waits that double up to 20 ms and are jittered so that waiters do not move in step.</summary>
    internal bool TryTake(TimeSpan atMost, CancellationToken cancel)
    {
        long from = Stopwatch.GetTimestamp();
        for (int failures = 0; !TryOnce(); failures++)
        {
            cancel.ThrowIfCancellationRequested();
            TimeSpan left = atMost - Stopwatch.GetElapsedTime(from);
            if (left <= TimeSpan.Zero) return false;
            TimeSpan pause = Waits.Pause(failures, Random.Shared);
            _ = cancel.WaitHandle.WaitOne(pause < left ? pause : left);
        }
        return IsHeld = true;
    }

    internal void Release()
    {
        IsHeld = false;
        if (!LinuxNative.IsSupported) CloseFile();
        else if (_file is not null && LinuxNative.FLock(_file, LinuxNative.LockUnlock) != 0) CloseFile();
    }

    public void Dispose()
    {
        IsHeld = false;
        CloseFile();
    }

    private bool TryOnce()
    {
        if (!LinuxNative.IsSupported) return TryOpenAlone();
        _file ??= LinuxNative.OpenOrCreate(path);
        while (LinuxNative.FLock(_file, LinuxNative.LockExclusive | LinuxNative.LockDoNotWait) != 0)
        {
            int error = Marshal.GetLastPInvokeError();
            if (error == LinuxNative.WouldBlock) return false;
            if (error != LinuxNative.Interrupted) throw new IOException($"cannot lock {path}: {Marshal.GetPInvokeErrorMessage(error)}");
        }
        return true;
    }

    /// <summary>Elsewhere than Linux: a file opened with no sharing.</summary>
    private bool TryOpenAlone()
    {
        try
        {
            _file = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            return true;
        }
        catch (IOException) when (File.Exists(path))
        {
            return false;
        }
    }

    private void CloseFile()
    {
        _file?.Dispose();
        _file = null;
    }
}
