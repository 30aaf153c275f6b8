namespace Mesh30K.Node.Storage;

/// <summary>
/// Group commit: many callers append, one thread writes and syncs what has gathered meanwhile, and all of them are told at once.
/// Owns a journal that is locked and caught up, until it is disposed. Thread-safe.
/// </summary>
public sealed class GroupCommit : IAsyncDisposable
{
    /// <summary>Takes the journal over, with its lock, and starts the thread.</summary>
    public static GroupCommit Start(JournalFolder journal, GroupCommitOptions? options = null) => throw new InvalidOperationException("contract only");

    /// <summary>Sequence up to which everything is durable.</summary>
    public long Durable => throw new InvalidOperationException("contract only");

    /// <summary>
    /// Puts a record in line; the order of calls is the order in the journal. Waits for room when too many bytes are in line (backpressure).
    /// Throws the <see cref="JournalException"/> that ended the journal.
    /// </summary>
    public long Enqueue(byte kind, ReadOnlySpan<byte> payload) => throw new InvalidOperationException("contract only");

    /// <summary>Completes when that record is durable; fails when the journal failed.</summary>
    public ValueTask WhenDurableAsync(long sequence) => throw new InvalidOperationException("contract only");

    /// <summary>Commits what is in line, then runs the action on the journal on the committing thread: compaction.</summary>
    public Task ExclusiveAsync(Action<JournalFolder> action) => throw new InvalidOperationException("contract only");

    public ValueTask DisposeAsync() => throw new InvalidOperationException("contract only");
}

/// <summary>Bounds of a group commit.</summary>
public sealed record GroupCommitOptions
{
    /// <summary>Bytes in line before callers wait. Default 64 MiB.</summary>
    public long QueueBytesMax { get; init; } = 64L << 20;
}
