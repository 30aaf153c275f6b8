using System.Buffers;
using Mesh30K.Consistency.Journal;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Node.Storage;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Ledger;

/// <summary>A ledger as one process has it, built from its journal. Not thread-safe.</summary>
/// <remarks>
/// The journal's records: 1 is a command (<see cref="LedgerCodec"/>, which has its version at its head); 2 is a piece of a snapshot and 3 its last one
/// (<see cref="LedgerMachine.Snapshot"/>, likewise), since a snapshot may be larger than a record. A kind's layout never changes: another layout is another kind.
/// </remarks>
internal sealed class LedgerReplica : IJournalReader
{
    private const byte Command = 1;
    private const byte SnapshotPiece = 2;
    private const byte SnapshotEnd = 3;
    private const int PieceBytes = 4 << 20;

    private readonly ArrayBufferWriter<byte> _pieces = new();
    private readonly ArrayBufferWriter<byte> _entry = new();

    /// <summary>The size of the snapshot that this state began with.</summary>
    private long _snapshotBytes;

    public LedgerMachine Machine { get; private set; } = new();

    public void Reset()
    {
        Machine = new LedgerMachine();
        _pieces.ResetWrittenCount();
        _snapshotBytes = 0;
    }

    /// <summary>Throws <see cref="LedgerFormatException"/> for a record that this version does not know.</summary>
    public void Apply(in JournalRecord record)
    {
        if (record.Kind is SnapshotPiece or SnapshotEnd)
        {
            _pieces.Write(record.Payload.Span);
            if (record.Kind == SnapshotPiece) return;
            Machine = LedgerMachine.Restore(_pieces.WrittenSpan);
            _snapshotBytes = _pieces.WrittenCount;
            _pieces.Clear();
            return;
        }
        if (record.Kind != Command || _pieces.WrittenCount > 0) throw new LedgerFormatException($"a ledger's journal has a record of kind {record.Kind} at sequence {record.Sequence}, where none belongs");
        Machine.Apply(record.Payload.Span);
    }

    /// <summary>Appends a command; the machine takes it after the commit (<see cref="LedgerMachine.Apply(LedgerCommand, Instant)"/>), so that no reply tells what is not durable.</summary>
    public void Append(JournalFolder journal, LedgerCommand command, Instant at)
    {
        _entry.ResetWrittenCount();
        LedgerCodec.Encode(command, at, _entry);
        journal.Append(Command, _entry.WrittenSpan);
    }

    /// <summary>Whether the journal has grown by twice its snapshot, so that compaction costs a constant share of the writing, and by at least <paramref name="least"/>.</summary>
    public bool IsCompactionDue(long sinceSnapshot, long least) => sinceSnapshot > least && sinceSnapshot > 2 * _snapshotBytes;

    /// <summary>Replaces the journal by the ledger as it is.</summary>
    public void Compact(JournalFolder journal)
    {
        ArrayBufferWriter<byte> snapshot = new();
        Machine.Snapshot(snapshot);
        journal.Compact(Pieces(snapshot.WrittenMemory));
        _snapshotBytes = snapshot.WrittenCount;
    }

    private static IEnumerable<(byte Kind, ReadOnlyMemory<byte> Payload)> Pieces(ReadOnlyMemory<byte> snapshot)
    {
        for (; snapshot.Length > PieceBytes; snapshot = snapshot[PieceBytes..]) yield return (SnapshotPiece, snapshot[..PieceBytes]);
        yield return (SnapshotEnd, snapshot);
    }
}
