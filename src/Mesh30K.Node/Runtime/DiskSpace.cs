using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Mesh30K.Node.Runtime;

/// <summary>Room on the disk ahead of what is written. Thread-safe.</summary>
public static class DiskSpace
{
    /// <summary>
    /// Makes a file longer, by zeros that have their room already (fallocate): a later write into them needs none. False where the system or the
    /// file system does not know how, where there is no room, quota or right to such a length, or when a signal broke it off: whoever then writes hears the
    /// error, if it is one. Throws <see cref="IOException"/> for any other.
    /// </summary>
    public static bool TryExtend(SafeFileHandle file, long length)
    {
        const int tooLarge = 27;
        const int noSpace = 28;
        const int notKnown = 38;
        const int notSupported = 95;
        const int quotaExceeded = 122;
        if (!LinuxNative.IsSupported) return false;
        long has = RandomAccess.GetLength(file);
        if (has >= length || LinuxNative.FAllocate(file, 0, has, length - has) == 0) return true;
        int error = Marshal.GetLastPInvokeError();
        return error is LinuxNative.Interrupted or tooLarge or noSpace or notKnown or notSupported or quotaExceeded
            ? false
            : throw new IOException($"cannot allocate {length - has} bytes: {Marshal.GetPInvokeErrorMessage(error)}", error);
    }
}
