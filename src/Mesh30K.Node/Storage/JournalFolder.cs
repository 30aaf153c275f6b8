using Mesh30K.Consistency.Journal;

namespace Mesh30K.Node.Storage;

/// <summary>Whoever is built from a journal's records.</summary>
public interface IJournalReader
{
    /// <summary>Forget everything: the journal was compacted, and what follows starts from its snapshot.</summary>
    void Reset();

    /// <summary>Takes the next record.</summary>
    void Apply(in JournalRecord record);
}

/// <summary>The journal cannot be used; the message names file, offset and what to do. <see cref="Code"/> is a stable snake_case word.</summary>
public sealed class JournalException(string code, string message, Exception? inner = null) : IOException(message, inner)
{
    /// <summary><c>damaged</c>, <c>locked</c>, <c>sync_failed</c>, <c>full</c>, <c>not_a_journal</c>, …</summary>
    public string Code { get; } = code;
}

/// <summary>
/// One process's handle on a journal: a folder of append-only segments that several processes may share, one at a time by a lock.
/// DUTIES OF THE CALLER: <see cref="CatchUp"/> after every <see cref="TryLock"/> and before <see cref="Append"/>; nothing is acknowledged before
/// <see cref="Commit"/> has returned; after a <see cref="JournalException"/> from <see cref="Commit"/> the process must not go on with this journal.
/// Not thread-safe.
/// </summary>
public sealed class JournalFolder : IDisposable
{
    /// <summary>Opens or makes the folder. Reads nothing yet.</summary>
    public static JournalFolder Open(string path, JournalOptions? options = null) => throw new InvalidOperationException("contract only");

    /// <summary>Bytes of records since the last snapshot: when this is large, <see cref="Compact"/>.</summary>
    public long BytesSinceSnapshot => throw new InvalidOperationException("contract only");

    /// <summary>Takes the lock between processes; false when another process held it all this time.</summary>
    public bool TryLock(TimeSpan atMost, CancellationToken cancel = default) => throw new InvalidOperationException("contract only");

    public void Unlock() => throw new InvalidOperationException("contract only");

    /// <summary>
    /// Hands over every record that this handle has not handed over yet. Under the lock it cuts a torn tail; without it a torn tail ends the reading.
    /// </summary>
    public void CatchUp(IJournalReader reader) => throw new InvalidOperationException("contract only");

    /// <summary>Adds a record to what <see cref="Commit"/> will write; returns its sequence.</summary>
    public long Append(byte kind, ReadOnlySpan<byte> payload) => throw new InvalidOperationException("contract only");

    /// <summary>Writes what was appended and syncs it. When it returns, all of it is durable.</summary>
    public void Commit() => throw new InvalidOperationException("contract only");

    /// <summary>Forgets what was appended and not committed.</summary>
    public void Discard() => throw new InvalidOperationException("contract only");

    /// <summary>
    /// Replaces everything so far by these records, atomically and durably: a crash leaves the old or the new. Other processes' handles get
    /// <see cref="IJournalReader.Reset"/> at their next <see cref="CatchUp"/>.
    /// </summary>
    public void Compact(IEnumerable<(byte Kind, ReadOnlyMemory<byte> Payload)> snapshot) => throw new InvalidOperationException("contract only");

    public void Dispose() => throw new InvalidOperationException("contract only");
}

/// <summary>Bounds of a journal.</summary>
public sealed record JournalOptions
{
    /// <summary>The largest payload, in bytes. Default 16 MiB.</summary>
    public int PayloadBytesMax { get; init; } = 16 << 20;

    /// <summary>A segment is closed when it is larger, in bytes. Default 64 MiB.</summary>
    public long SegmentBytes { get; init; } = 64L << 20;
}
