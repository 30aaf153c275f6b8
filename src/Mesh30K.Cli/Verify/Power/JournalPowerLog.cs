using System.Buffers.Binary;
using Mesh30K.Consistency.Journal;
using Mesh30K.Node.Storage;

namespace Mesh30K.Cli.Verify.Power;

/// <summary>Entries as records of a journal. A snapshot is how many there were, and their digest.</summary>
internal sealed class JournalPowerLog : IPowerLog, IJournalReader
{
    private const byte EntryKind = 1;
    private const byte SnapshotKind = 2;
    private const int CompactEvery = 400;

    private readonly PowerEntries _entries;
    private GroupCommit _commit = null!;

    private JournalPowerLog(PowerEntries entries) => _entries = entries;

    public long Count { get; private set; }

    /// <summary>Reads the journal back and takes it over.</summary>
    public static JournalPowerLog Open(JournalFolder journal, PowerEntries entries)
    {
        JournalPowerLog log = new(entries);
        journal.CatchUp(log);
        log._commit = GroupCommit.Start(journal);
        return log;
    }

    public void Reset() => Count = 0;

    public void Apply(in JournalRecord record)
    {
        if (record.Kind == SnapshotKind)
        {
            long n = BinaryPrimitives.ReadInt64LittleEndian(record.Payload.Span);
            if (!record.Payload.Span[8..].SequenceEqual(_entries.Digest(n))) throw new PowerLossException($"the snapshot of entries 1 to {n} is not that of what was written");
            Count = n;
            return;
        }
        Count++;
        if (!record.Payload.Span.SequenceEqual(_entries.Payload(Count))) throw new PowerLossException($"entry {Count} is not what was written");
    }

    public Task AppendAsync(long n)
    {
        long sequence = _commit.Enqueue(EntryKind, _entries.Payload(n));
        Task durable = _commit.WhenDurableAsync(sequence).AsTask();
        if (n % CompactEvery != 0) return durable;
        byte[] snapshot = [.. BitConverter.GetBytes(n), .. _entries.Digest(n)];
        return Task.WhenAll(durable, _commit.ExclusiveAsync(journal => journal.Compact([(SnapshotKind, snapshot)])));
    }

    public ValueTask DisposeAsync() => _commit.DisposeAsync();
}
