using Mesh30K.Consistency.Journal;
using Mesh30K.Consistency.Strong.Raft;
using Mesh30K.Node.Storage;

namespace Mesh30K.Cli.Verify.Power;

/// <summary>Entries as a Raft server's log: its records in a journal, terms that grow with a vote each, compactions to a snapshot whose image is the digest of what it stands for.</summary>
internal sealed class RaftPowerLog : IPowerLog, IJournalReader
{
    private const int EntriesOfTerm = 150;
    private const int CompactEvery = 400;
    private const int KeptBehind = 20;

    private static readonly RaftMembership Members = RaftMembership.Of(new ServerId(1));

    private readonly PowerEntries _entries;
    private RaftRecovery _recovery = new();
    private GroupCommit _commit = null!;

    private RaftPowerLog(PowerEntries entries) => _entries = entries;

    public long Count { get; private set; }

    /// <summary>Reads the journal back, begins it when it is empty, and takes it over.</summary>
    public static RaftPowerLog Open(JournalFolder journal, PowerEntries entries)
    {
        RaftPowerLog log = new(entries);
        journal.CatchUp(log);
        if (log._recovery.Finish() is { } durable) log.Check(durable);
        else journal.Compact(RaftRecords.OfNewServer(Members).Select(r => ((byte)r.Kind, (ReadOnlyMemory<byte>)r.Payload)));
        log._commit = GroupCommit.Start(journal);
        return log;
    }

    public void Reset() => _recovery = new RaftRecovery();

    public void Apply(in JournalRecord record) => _recovery.Apply(record.Kind, record.Payload.Span);

    public Task AppendAsync(long n)
    {
        List<Task> durable = [];
        if (n % EntriesOfTerm == 1) durable.Add(PersistAsync(new RaftChange.Hard(StateAt(n))));
        durable.Add(PersistAsync(new RaftChange.Append([EntryAt(n)])));
        if (n % CompactEvery == 0)
        {
            RaftChange.Compact compact = new(new SnapshotMeta(EntryAt(n).Place, Members, _entries.Digest(n).Length), StateAt(n), EntryAt(n - KeptBehind).Place, [.. Enumerable.Range(1 - KeptBehind, KeptBehind).Select(i => EntryAt(n + i))]);
            byte[] image = _entries.Digest(n);
            durable.Add(_commit.ExclusiveAsync(journal => journal.Compact(RaftRecords.OfSnapshot(compact, image).Select(r => ((byte)r.Kind, (ReadOnlyMemory<byte>)r.Payload)))));
        }
        return Task.WhenAll(durable);
    }

    public ValueTask DisposeAsync() => _commit.DisposeAsync();

    private Task PersistAsync(RaftChange change)
    {
        (RaftRecordKind kind, byte[] payload) = RaftRecords.Of(change);
        return _commit.WhenDurableAsync(_commit.Enqueue((byte)kind, payload)).AsTask();
    }

    private void Check(RaftDurable durable)
    {
        foreach (RaftEntry entry in durable.Entries)
        {
            if (entry.Term != TermOf(entry.Index) || !entry.Payload.Span.SequenceEqual(_entries.Payload(entry.Index))) throw new PowerLossException($"entry {entry.Index} is not what was written");
        }
        long snapshot = durable.Snapshot.At.Index;
        if (snapshot > 0 && !durable.Image.Span.SequenceEqual(_entries.Digest(snapshot))) throw new PowerLossException($"the snapshot of entries 1 to {snapshot} is not that of what was written");
        Count = durable.Entries.Count > 0 ? durable.Entries[^1].Index : snapshot;
        // A term whose vote was durable before a crash, and its first entry not, begins once more: the same vote in the same term.
        if (Count > 0 && durable.State.Term < TermOf(Count)) throw new PowerLossException($"the vote of term {TermOf(Count)} is gone");
    }

    private RaftEntry EntryAt(long n) => new(n, TermOf(n), RaftEntryKind.Command, _entries.Payload(n));

    private static long TermOf(long n) => 1 + ((n - 1) / EntriesOfTerm);

    private static HardState StateAt(long n) => new(TermOf(n), new ServerId(1));
}
