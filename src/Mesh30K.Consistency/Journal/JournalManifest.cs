using System.Buffers.Binary;

namespace Mesh30K.Consistency.Journal;

/// <summary>
/// Which segments are the journal: a file of 64 bytes that is replaced as a whole, at every new segment and every compaction. A segment is
/// complete and synced before the manifest names it, so a segment that it names and that is missing, short or another is damage, also when
/// it is the last. Layout: docs/protocol/journal.md.
/// </summary>
/// <param name="Journal">The journal's id; every segment carries it.</param>
/// <param name="Generation">Compactions so far, and 1.</param>
/// <param name="BaseSegment">The first segment; it begins with the snapshot.</param>
/// <param name="LastSegment">The segment that is appended to. All between the two belong to the journal.</param>
/// <param name="AsOf">The sequence of the last record that the snapshot stands for; 0 when there was none.</param>
/// <param name="SnapshotRecords">How many records the snapshot has.</param>
public sealed record JournalManifest(Guid Journal, long Generation, uint BaseSegment, uint LastSegment, long AsOf, long SnapshotRecords)
{
    public const int Bytes = 64;
    private const int Checked = 60;
    private const uint Version = 1;

    private static ReadOnlySpan<byte> Magic => "M30KMAN\n"u8;

    public byte[] ToBytes()
    {
        byte[] to = new byte[Bytes];
        Magic.CopyTo(to);
        BinaryPrimitives.WriteUInt32LittleEndian(to.AsSpan(8), Version);
        BinaryPrimitives.WriteUInt32LittleEndian(to.AsSpan(12), BaseSegment);
        _ = Journal.TryWriteBytes(to.AsSpan(16));
        BinaryPrimitives.WriteInt64LittleEndian(to.AsSpan(32), Generation);
        BinaryPrimitives.WriteInt64LittleEndian(to.AsSpan(40), AsOf);
        BinaryPrimitives.WriteInt64LittleEndian(to.AsSpan(48), SnapshotRecords);
        BinaryPrimitives.WriteUInt32LittleEndian(to.AsSpan(56), LastSegment);
        BinaryPrimitives.WriteUInt32LittleEndian(to.AsSpan(Checked), Crc32C.Of(to.AsSpan(0, Checked)));
        return to;
    }

    /// <summary>Reads it; the result is null, or says why these bytes are no manifest.</summary>
    public static string? Read(ReadOnlySpan<byte> from, out JournalManifest? manifest)
    {
        manifest = null;
        if (from.Length != Bytes) return $"it has {from.Length} bytes, not {Bytes}";
        if (!from.StartsWith(Magic)) return "it does not begin as a manifest";
        if (BinaryPrimitives.ReadUInt32LittleEndian(from[Checked..]) != Crc32C.Of(from[..Checked])) return "its checksum is wrong";
        uint version = BinaryPrimitives.ReadUInt32LittleEndian(from[8..]);
        if (version != Version) return $"format version {version} is not known here, only {Version}: use the mesh that wrote it";
        manifest = new JournalManifest(
            new Guid(from.Slice(16, 16)), BinaryPrimitives.ReadInt64LittleEndian(from[32..]),
            BinaryPrimitives.ReadUInt32LittleEndian(from[12..]), BinaryPrimitives.ReadUInt32LittleEndian(from[56..]),
            BinaryPrimitives.ReadInt64LittleEndian(from[40..]), BinaryPrimitives.ReadInt64LittleEndian(from[48..]));
        return null;
    }
}
