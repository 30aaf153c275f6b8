using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Mesh30K.Node.Runtime;

/// <summary>Whole small files, private to their owner (mode 0600), that a reader sees complete or not at all. Thread-safe.</summary>
internal static class AtomicFile
{
    internal const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>
    /// Writes beside the target, syncs, then renames. With <paramref name="replace"/> false an existing target wins and the result is false.
    /// The folder is made when missing (mode 0700). Errors: <see cref="IOException"/>, <see cref="UnauthorizedAccessException"/>.
    /// </summary>
    internal static bool Write(string path, ReadOnlySpan<byte> content, bool replace)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        if (OperatingSystem.IsWindows()) Directory.CreateDirectory(folder);
        else Directory.CreateDirectory(folder, OwnerOnly | UnixFileMode.UserExecute);
        string temporary = Path.Combine(folder, $".{Path.GetFileName(path)}.{Guid.NewGuid():N}");
        try
        {
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 0 };
            if (!OperatingSystem.IsWindows()) options.UnixCreateMode = OwnerOnly;
            using (var file = new FileStream(temporary, options))
            {
                file.Write(content);
                Sync(file.SafeFileHandle);
            }

            if (!replace && File.Exists(path)) return false;
            File.Move(temporary, path, replace);
            SyncFolder(folder);
            return true;
        }
        catch (IOException) when (!replace && File.Exists(path))
        {
            return false;
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    /// <summary>By libc: .NET on Linux hides the errors of fsync.</summary>
    private static void Sync(SafeFileHandle file)
    {
        if (!LinuxNative.IsSupported) RandomAccess.FlushToDisk(file);
        else if (LinuxNative.FSync(file) != 0) throw new IOException($"fsync failed with error {Marshal.GetLastPInvokeError()}");
    }

    private static void SyncFolder(string folder)
    {
        if (!LinuxNative.IsSupported) return;
        using SafeFileHandle handle = LinuxNative.OpenFolder(folder);
        Sync(handle);
    }
}
