using System.Diagnostics;
using Mesh30K.Node.Runtime;
using Microsoft.Win32.SafeHandles;

namespace Mesh30K.Cli.Bench;

/// <summary>What the benches of durable work share: a folder on a real disk, and the bare loop that is their limit.</summary>
internal sealed class BenchDisk : IDisposable
{
    private readonly DirectoryInfo _folder;
    private int _made;

    private BenchDisk(DirectoryInfo folder, string fileSystem) => (_folder, FileSystem) = (folder, fileSystem);

    public string FileSystem { get; }

    /// <summary>A new folder, removed when disposed. Throws <see cref="CliException"/> where nothing would be durable.</summary>
    public static BenchDisk Create(string bench)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory($"mesh-bench-{bench}-");
        string fileSystem = new DriveInfo(folder.FullName).DriveFormat;
        if (fileSystem is not ("tmpfs" or "ramfs")) return new BenchDisk(folder, fileSystem);
        folder.Delete();
        throw new CliException(new CliError(ExitCode.Usage, "no_disk", $"the temporary folder is on {fileSystem}, where nothing is durable", "Set TMPDIR to a folder on a disk."));
    }

    /// <summary>A path in it that is not used yet.</summary>
    public string Fresh() => Path.Combine(_folder.FullName, $"{_made++}");

    /// <summary>Items a second of a loop that does nothing but pwrite and fdatasync, so many bytes and items a batch.</summary>
    /// <param name="preallocateBytes">How far ahead the file is made longer each time that it would grow; 0: not.</param>
    public double Bare(int bytesPerBatch, double itemsPerBatch, double seconds, int preallocateBytes = 0)
    {
        byte[] batch = new byte[bytesPerBatch];
        new Random(1).NextBytes(batch);
        using SafeFileHandle file = File.OpenHandle(Fresh(), FileMode.CreateNew, FileAccess.Write);
        long batches = 0, has = 0;
        long from = Stopwatch.GetTimestamp();
        for (; Stopwatch.GetElapsedTime(from).TotalSeconds < seconds; batches++)
        {
            long end = (batches + 1) * batch.Length;
            if (preallocateBytes > 0 && end > has) has = DiskSpace.TryExtend(file, end + preallocateBytes) ? end + preallocateBytes : long.MaxValue;
            RandomAccess.Write(file, batch, end - batch.Length);
            DiskSync.Data(file);
        }
        return batches * itemsPerBatch / Stopwatch.GetElapsedTime(from).TotalSeconds;
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
