using Mesh30K.Node.Runtime;
using Microsoft.Win32.SafeHandles;

namespace Mesh30K.Node.Storage;

/// <summary>
/// Every call by which a journal changes its folder, in the order in which the disk has to see them. Tests and <c>mesh verify journal</c> make any of them
/// fail. Each throws <see cref="IOException"/> or <see cref="UnauthorizedAccessException"/>; after a failed write any part of it may be in the file.
/// Not thread-safe, but for <see cref="OfSystem"/>.
/// </summary>
public class JournalFiles
{
    /// <summary>The system's, as they are.</summary>
    public static readonly JournalFiles OfSystem = new();

    /// <summary>Opens for reading and writing; with <paramref name="create"/> made anew (mode 0600), what was there is forgotten.</summary>
    public virtual SafeFileHandle Open(string path, bool create)
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

    /// <summary>Writes all of these bytes there.</summary>
    public virtual void Write(SafeFileHandle file, ReadOnlySpan<byte> bytes, long offset) => RandomAccess.Write(file, bytes, offset);

    /// <summary>
    /// Makes the file that long, with zeros that have their room on the disk. False where the system does not know how or has no room for it; the file may be
    /// longer all the same then, with zeros.
    /// </summary>
    public virtual bool TryAllocate(SafeFileHandle file, long length) => DiskSpace.TryExtend(file, length);

    /// <summary>Waits until the file's bytes and length are on the disk. Never called again for a file for which it failed.</summary>
    public virtual void Sync(SafeFileHandle file) => DiskSync.Data(file);

    /// <summary>Waits until the folder's names are on the disk.</summary>
    public virtual void SyncFolder(string folder) => DiskSync.Folder(folder);

    /// <summary>Cuts the file.</summary>
    public virtual void SetLength(SafeFileHandle file, long length) => RandomAccess.SetLength(file, length);

    /// <summary>Gives a file another name, and takes that of the file that had it, in one step.</summary>
    public virtual void Rename(string from, string to) => File.Move(from, to, overwrite: true);

    /// <summary>Takes a file away.</summary>
    public virtual void Delete(string path) => File.Delete(path);
}
