using System.Buffers;
using System.Buffers.Binary;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Consistency.Strong.Raft;
using Mesh30K.Protocol;

namespace Mesh30K.Simulation.Strong.Raft;

/// <summary>
/// A server's state machine: the production ledger, and a digest of all entries, so that two that differ anywhere differ from there on.
/// </summary>
/// <param name="padding">Bytes that make an image longer.</param>
internal sealed class SimStateMachine(int padding)
{
    private const int HeadBytes = 16;

    /// <summary>The last entry that it has taken.</summary>
    public long Index { get; private set; }

    public ulong Chain { get; private set; }

    public LedgerMachine Ledger { get; private set; } = new();

    /// <summary>Takes the next entry; the reply to a command, else null.</summary>
    public LedgerReply? Apply(RaftEntry entry)
    {
        Invariant.Check(entry.Index == Index + 1);
        Chain = RaftChecker.Chain(Chain, entry);
        Index = entry.Index;
        return entry.Kind == RaftEntryKind.Command ? Ledger.Apply(entry.Payload.Span) : null;
    }

    public byte[] Image()
    {
        ArrayBufferWriter<byte> ledger = new();
        Ledger.Snapshot(ledger);
        byte[] image = new byte[HeadBytes + ledger.WrittenCount + padding];
        BinaryPrimitives.WriteInt64LittleEndian(image, Index);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(8), Chain);
        ledger.WrittenSpan.CopyTo(image.AsSpan(HeadBytes));
        image.AsSpan(HeadBytes + ledger.WrittenCount).Fill((byte)(1 + Index % 255));
        return image;
    }

    /// <summary>Becomes what the image says; an empty one is the beginning.</summary>
    public void Restore(ReadOnlySpan<byte> image)
    {
        Index = IndexOf(image);
        Chain = image.IsEmpty ? 0 : BinaryPrimitives.ReadUInt64LittleEndian(image[8..]);
        Ledger = image.IsEmpty ? new LedgerMachine() : LedgerMachine.Restore(image[HeadBytes..^padding]);
    }

    public static long IndexOf(ReadOnlySpan<byte> image) => image.IsEmpty ? 0 : BinaryPrimitives.ReadInt64LittleEndian(image);
}
