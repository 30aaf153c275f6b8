using System.Diagnostics;
using Mesh30K.Consistency.Documents;
using Mesh30K.Node.Runtime;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Timing;

namespace Mesh30K.Node.Storage;

/// <summary>What a save did.</summary>
public enum SaveOutcome
{
    /// <summary>The file was still the base: it holds what was given, byte for byte, not brought into canonical form.</summary>
    Written,

    /// <summary>Others had written meanwhile: the file holds both.</summary>
    Merged,

    /// <summary>The file holds already what it should; nothing was written.</summary>
    Unchanged,

    /// <summary>The file and what was given cannot be merged, or what was given is broken; nothing was written.</summary>
    NotMergeable,

    /// <summary>Others held the lock all the time; nothing was written.</summary>
    Busy,

    /// <summary>The file was removed after the base was read; nothing was written.</summary>
    Gone,
}

/// <summary>How a save went.</summary>
/// <param name="Outcome">What it did.</param>
/// <param name="Content">What the file holds now, and so the base of the next save; null when nothing was written or compared.</param>
/// <param name="Merge">The counts, or the failure, where ours is the file and theirs what was given; null when it did not come to that.</param>
public sealed record SaveReport(SaveOutcome Outcome, byte[]? Content, MergeReport? Merge);

/// <summary>
/// A document on a file system that several processes share: each reads, changes, and saves what it made together with what it had read.
/// A save takes a lock, merges with what others wrote meanwhile and replaces the file whole, so concurrent saves lose nothing. The lock is a file beside
/// it, held by the kernel: it ends with its process, also by <c>kill -9</c>. A writer who does not save this way is not held off by the lock.
/// Links are followed when this is made. Thread-safe: a lock excludes also the threads of one process.
/// </summary>
public sealed class SharedDocument
{
    /// <summary>The largest document, in bytes: 64 MiB.</summary>
    public const int BytesMax = 64 << 20;

    private const int WouldBlockLinux = 11;
    private const int WouldBlockMac = 35;
    private const int SharingViolationWindows = unchecked((int)0x80070020);

    private static readonly Backoff LockPauses = new(TimeSpan.FromMilliseconds(2), TimeSpan.FromMilliseconds(32));

    private readonly string _path;
    private readonly string _lock;
    private readonly string _beside;

    /// <summary>Takes a path; the file need not exist yet. Fails with an <see cref="IOException"/> where something else than a file is there.</summary>
    public SharedDocument(string path, DocumentType type)
    {
        Type = type;
        _path = TargetOf(path);
        string folder = Path.GetDirectoryName(_path)!;
        string name = Path.GetFileName(_path);
        _lock = Path.Combine(folder, $".{name}.mesh-lock");
        _beside = Path.Combine(folder, $".{name}.mesh-new");
    }

    public DocumentType Type { get; }

    /// <summary>How long a save waits for others. Default 10 s. A larger value hides for longer that somebody is stuck.</summary>
    public TimeSpan WaitMax { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// The file as it is now: complete, since it is always replaced whole; empty when there is none. It is the base of the next <see cref="Save"/>.
    /// Errors: <see cref="IOException"/>, <see cref="UnauthorizedAccessException"/>.
    /// </summary>
    public byte[] Read() => Current(FileAccess.Read) ?? [];

    /// <summary>
    /// Puts <paramref name="made"/> into the file, where <paramref name="start"/> is what the file was when the caller read it. Durable when it returns.
    /// Errors: <see cref="IOException"/>, <see cref="UnauthorizedAccessException"/>, <see cref="OperationCanceledException"/>; nothing is written then.
    /// </summary>
    public SaveReport Save(ReadOnlySpan<byte> start, ReadOnlySpan<byte> made, CancellationToken cancel = default)
    {
        using FileStream? held = TakeLock(cancel);
        if (held is null) return new SaveReport(SaveOutcome.Busy, null, null);
        // For writing too: a file that the caller may not write is not replaced, though its folder would allow it.
        byte[]? current = Current(FileAccess.ReadWrite);
        if (current is null && start.Length > 0) return new SaveReport(SaveOutcome.Gone, null, null);
        current ??= [];
        MergeReport merge = DocumentMerge.Merge(Type, start, current, made, new MergeOptions { Now = Instant.From(DateTimeOffset.UtcNow) });
        if (merge.Content is not { } both) return new SaveReport(SaveOutcome.NotMergeable, null, merge);
        return current.AsSpan().SequenceEqual(start) ? Put(current, made.ToArray(), SaveOutcome.Written, merge) : Put(current, both, SaveOutcome.Merged, merge);
    }

    private SaveReport Put(byte[] current, byte[] wanted, SaveOutcome outcome, MergeReport merge)
    {
        if (current.AsSpan().SequenceEqual(wanted) && File.Exists(_path)) return new SaveReport(SaveOutcome.Unchanged, wanted, merge);
        if (wanted.Length > BytesMax) throw new IOException($"{_path} would have {wanted.Length} bytes; a document has at most {BytesMax}");
        AtomicFile.Replace(_path, wanted, _beside);
        return new SaveReport(outcome, wanted, merge);
    }

    /// <summary>
    /// Null when others held it for <see cref="WaitMax"/>. Deleted with its last use while it is held; whoever was about to lock the deleted file
    /// is sent to the new one by <see cref="FileOptions.DeleteOnClose"/>'s own check.
    /// </summary>
    private FileStream? TakeLock(CancellationToken cancel)
    {
        FileStreamOptions options = new()
        {
            Mode = FileMode.OpenOrCreate,
            Access = FileAccess.ReadWrite,
            Share = FileShare.None,
            Options = FileOptions.DeleteOnClose,
            BufferSize = 0,
        };
        long started = Stopwatch.GetTimestamp();
        for (int failures = 0; ; failures++)
        {
            cancel.ThrowIfCancellationRequested();
            try
            {
                return new FileStream(_lock, options);
            }
            catch (IOException busy) when (busy.HResult is WouldBlockLinux or WouldBlockMac or SharingViolationWindows)
            {
                if (Stopwatch.GetElapsedTime(started) > WaitMax) return null;
            }
            cancel.WaitHandle.WaitOne(LockPauses.Pause(failures, Random.Shared));
        }
    }

    private byte[]? Current(FileAccess access)
    {
        try
        {
            using FileStream file = new(_path, FileMode.Open, access, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            if (file.Length > BytesMax) throw new IOException($"{_path} has {file.Length} bytes; a document has at most {BytesMax}");
            byte[] content = new byte[file.Length];
            file.ReadExactly(content);
            return content;
        }
        catch (FileNotFoundException)
        {
            return null;
        }
    }

    private static string TargetOf(string path)
    {
        string target = AtomicFile.TargetOf(path);
        if (Directory.Exists(target)) throw new IOException($"{path} is a folder, not a file");
        return RegularFile.WhyNot(target) is { } special ? throw new IOException($"{path} is {special}, not a file") : target;
    }
}
