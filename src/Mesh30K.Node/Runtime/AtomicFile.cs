using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Mesh30K.Node.Runtime;

/// <summary>Whole files that a reader sees complete or not at all, durable when a call has returned. Thread-safe.</summary>
public static class AtomicFile
{
    internal const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Where a path leads when it is a link, also to a file that does not exist yet; else the path itself, in full.</summary>
    public static string TargetOf(string path)
    {
        FileInfo file = new(path);
        return file.LinkTarget is null ? file.FullName : file.ResolveLinkTarget(returnFinalTarget: true)!.FullName;
    }

    /// <summary>
    /// Replaces a file, or makes it: written beside it, synced, renamed over it. A file keeps its mode; its owner becomes the writer. Several writers at
    /// once need a lock of their own, and with it may name the file beside it, so that a crash leaves at most one behind. A link is replaced, not
    /// followed: <see cref="TargetOf"/>. Errors: <see cref="IOException"/>, <see cref="UnauthorizedAccessException"/>.
    /// </summary>
    public static void Replace(string path, ReadOnlySpan<byte> content, string? beside = null)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        string temporary = beside ?? TemporaryFor(folder, path);
        if (beside is not null) File.Delete(beside);
        try
        {
            WriteBeside(temporary, path, content);
            File.Move(temporary, path, overwrite: true);
            SyncFolder(folder);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    /// <summary>
    /// As <see cref="Replace"/>, and gives what it replaced; null when there was no file. Where the file system can exchange two names in one step (Linux,
    /// not NFS), no write of others gets lost in between; elsewhere one that comes between reading and renaming does. When it throws after that step, what it
    /// replaced stays beside the file.
    /// </summary>
    public static byte[]? Swap(string path, ReadOnlySpan<byte> content)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        string temporary = TemporaryFor(folder, path);
        bool isOthers = false;
        try
        {
            WriteBeside(temporary, path, content);
            byte[]? replaced;
            if (LinuxNative.TryExchange(temporary, path))
            {
                isOthers = true;
                replaced = File.ReadAllBytes(temporary);
            }
            else
            {
                replaced = File.Exists(path) ? File.ReadAllBytes(path) : null;
                File.Move(temporary, path, overwrite: true);
            }
            SyncFolder(folder);
            isOthers = false;
            return replaced;
        }
        finally
        {
            if (!isOthers) File.Delete(temporary);
        }
    }

    private static void WriteBeside(string temporary, string path, ReadOnlySpan<byte> content)
    {
        using FileStream file = new(temporary, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 0 });
        if (!OperatingSystem.IsWindows() && File.Exists(path)) File.SetUnixFileMode(file.SafeFileHandle, File.GetUnixFileMode(path));
        file.Write(content);
        Sync(file.SafeFileHandle);
    }

    /// <summary>
    /// A small file that is private to its owner (mode 0600). Writes beside the target, syncs, then renames. With <paramref name="replace"/> false an existing target wins and the result is false.
    /// The folder is made when missing (mode 0700). Errors: <see cref="IOException"/>, <see cref="UnauthorizedAccessException"/>.
    /// </summary>
    internal static bool Write(string path, ReadOnlySpan<byte> content, bool replace)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        if (OperatingSystem.IsWindows()) Directory.CreateDirectory(folder);
        else Directory.CreateDirectory(folder, OwnerOnly | UnixFileMode.UserExecute);
        string temporary = TemporaryFor(folder, path);
        try
        {
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 0 };
            if (!OperatingSystem.IsWindows()) options.UnixCreateMode = OwnerOnly;
            using (var file = new FileStream(temporary, options))
            {
                file.Write(content);
                Sync(file.SafeFileHandle);
            }

            if (!TryMove(temporary, path, replace)) return false;
            SyncFolder(folder);
            return true;
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    /// <summary>False when an existing target wins.</summary>
    private static bool TryMove(string temporary, string path, bool replace)
    {
        if (!replace && LinuxNative.TryMoveNew(temporary, path) is { } isNew) return isNew;
        try
        {
            File.Move(temporary, path, replace);
            return true;
        }
        catch (IOException) when (!replace && File.Exists(path))
        {
            return false;
        }
    }

    private static string TemporaryFor(string folder, string path) => Path.Combine(folder, $".{Path.GetFileName(path)}.{Guid.NewGuid():N}");

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
