using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Mesh30K.Node.Runtime;

/// <summary>The disk did not take what was written; what it holds is unknown.</summary>
public sealed class SyncFailedException(string message) : IOException(message);

/// <summary>Waits until the disk has what was written. By libc: .NET on Linux hides the errors of fsync. Thread-safe.</summary>
public static class DiskSync
{
    /// <summary>
    /// The file's data and length (fdatasync). Throws <see cref="SyncFailedException"/>; NEVER call it again for that file then: the kernel may have dropped
    /// the data and would say yes.
    /// </summary>
    public static void Data(SafeFileHandle file)
    {
        if (!LinuxNative.IsSupported) RandomAccess.FlushToDisk(file);
        else if (LinuxNative.FDataSync(file) != 0) throw new SyncFailedException($"fdatasync failed with error {Marshal.GetLastPInvokeError()}");
    }

    /// <summary>Names in a folder: files made, renamed and deleted. Not needed, and not done, elsewhere than on Linux.</summary>
    internal static void Folder(string folder)
    {
        if (!LinuxNative.IsSupported) return;
        using SafeFileHandle handle = LinuxNative.OpenFolder(folder);
        if (LinuxNative.FSync(handle) != 0) throw new SyncFailedException($"fsync of {folder} failed with error {Marshal.GetLastPInvokeError()}");
    }
}
