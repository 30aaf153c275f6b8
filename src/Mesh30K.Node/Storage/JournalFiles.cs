using Mesh30K.Node.Runtime;
using Microsoft.Win32.SafeHandles;

namespace Mesh30K.Node.Storage;

/// <summary>
/// Every call by which a journal changes its folder, in the order in which the disk has to see them. Tests make any of them fail. Each throws
/// <see cref="IOException"/> or <see cref="UnauthorizedAccessException"/>; after a failed write any part of it may be in the file.
/// </summary>
internal class JournalFiles
{
    internal static readonly JournalFiles OfSystem = new();

    /// <summary>Opens for reading and writing; with <paramref name="create"/> made anew (mode 0600), what was there is forgotten.</summary>
    internal virtual SafeFileHandle Open(string path, bool create)
    {
        FileStreamOptions options = new()
        {
            Mode = create ? FileMode.Create : FileMode.Open,
            Access = FileAccess.ReadWrite,
            Share = FileShare.ReadWrite | FileShare.Delete,
            BufferSize = 0,
        };
        if (create && !OperatingSystem.IsWindows()) options.UnixCreateMode = AtomicFile.OwnerOnly;
        return new FileStream(path, options).SafeFileHandle;
    }

    internal virtual void Write(SafeFileHandle file, ReadOnlySpan<byte> bytes, long offset) => RandomAccess.Write(file, bytes, offset);

    internal virtual void Sync(SafeFileHandle file) => DiskSync.Data(file);

    internal virtual void SyncFolder(string folder) => DiskSync.Folder(folder);

    internal virtual void SetLength(SafeFileHandle file, long length) => RandomAccess.SetLength(file, length);

    internal virtual void Rename(string from, string to) => File.Move(from, to, overwrite: true);

    internal virtual void Delete(string path) => File.Delete(path);
}
