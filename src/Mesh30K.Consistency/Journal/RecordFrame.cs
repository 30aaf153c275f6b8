using System.Buffers.Binary;

namespace Mesh30K.Consistency.Journal;

/// <summary>
/// How a record lies in a segment: a header of 37 bytes, the payload, a trailer of 5 bytes. Layout: docs/protocol/journal.md.
/// </summary>
/// <remarks>
/// Two choices serve the question that recovery has to answer, whether a sector was never written (SegmentScanner.cs). Both checksums are
/// spelled in five bytes of seven bits with the top bit set, so that no sector that holds the header's end or a byte of the trailer is
/// zero; and the header counts the sectors inside the payload that are zero by content. Together: a record has more zero sectors than its
/// header says if and only if a sector of it was lost.
/// </remarks>
/// <param name="PayloadBytes">Length of the payload.</param>
/// <param name="Sequence">The record's place; in a snapshot, the sequence as of which it was taken.</param>
/// <param name="Durable">The highest sequence known to be durable when this was written; in a snapshot, the record's number in it, from 1.</param>
/// <param name="Segment">The segment that it was written to.</param>
/// <param name="Kind">The kind of record.</param>
/// <param name="ZeroSectors">Sectors that lie whole in the payload and hold nothing but zeros.</param>
public readonly record struct RecordFrame(int PayloadBytes, long Sequence, long Durable, uint Segment, byte Kind, int ZeroSectors)
{
    public const int HeaderBytes = 37;
    public const int TrailerBytes = 5;
    public const int OverheadBytes = HeaderBytes + TrailerBytes;

    /// <summary>The unit in which a disk writes all or nothing: 512 bytes, the smallest in use.</summary>
    public const int SectorBytes = 512;

    /// <summary>The largest payload that any journal may allow: 1 GiB.</summary>
    public const int PayloadBytesMost = 1 << 30;

    private const int Checked = 32;

    /// <summary>Begins every record; no byte of it is zero.</summary>
    public static ReadOnlySpan<byte> Marker => "MRec"u8;

    /// <summary>Bytes of the whole record.</summary>
    public int Bytes => OverheadBytes + PayloadBytes;

    /// <summary>Writes a record. <see cref="ZeroSectors"/> and <see cref="PayloadBytes"/> are taken from the payload.</summary>
    /// <param name="to">Has room for the payload and <see cref="OverheadBytes"/>.</param>
    /// <param name="fileOffset">Where in the segment it will lie: decides where its sectors begin.</param>
    /// <param name="segmentChecksum">Of the segment's header.</param>
    public static void Write(Span<byte> to, RecordFrame frame, ReadOnlySpan<byte> payload, long fileOffset, uint segmentChecksum)
    {
        int zeroSectors = ZeroSectorsIn(payload, fileOffset + HeaderBytes, whole: true);
        Marker.CopyTo(to);
        BinaryPrimitives.WriteInt32LittleEndian(to[4..], payload.Length);
        BinaryPrimitives.WriteInt64LittleEndian(to[8..], frame.Sequence);
        BinaryPrimitives.WriteInt64LittleEndian(to[16..], frame.Durable);
        BinaryPrimitives.WriteUInt32LittleEndian(to[24..], frame.Segment);
        BinaryPrimitives.WriteInt32LittleEndian(to[28..], (zeroSectors << 8) | frame.Kind);
        uint crc = Crc32C.Of(to[..Checked], segmentChecksum);
        WriteChecksum(to[Checked..], crc);
        payload.CopyTo(to[HeaderBytes..]);
        WriteChecksum(to[(HeaderBytes + payload.Length)..], Crc32C.Of(payload, crc));
    }

    /// <summary>Reads a header; false when its checksum does not fit these bytes and this segment.</summary>
    public static bool TryRead(ReadOnlySpan<byte> from, uint segmentChecksum, out RecordFrame frame)
    {
        frame = default;
        if (!from.StartsWith(Marker) || !HasChecksum(from[Checked..], Crc32C.Of(from[..Checked], segmentChecksum))) return false;
        int kindAndZeros = BinaryPrimitives.ReadInt32LittleEndian(from[28..]);
        frame = new RecordFrame(
            BinaryPrimitives.ReadInt32LittleEndian(from[4..]), BinaryPrimitives.ReadInt64LittleEndian(from[8..]),
            BinaryPrimitives.ReadInt64LittleEndian(from[16..]), BinaryPrimitives.ReadUInt32LittleEndian(from[24..]),
            (byte)kindAndZeros, kindAndZeros >>> 8);
        return true;
    }

    /// <summary>Whether payload and trailer of a whole record, whose header was read, are as they were written.</summary>
    public static bool IsIntact(ReadOnlySpan<byte> record, uint segmentChecksum) =>
        HasChecksum(record[^TrailerBytes..], Crc32C.Of(record[HeaderBytes..^TrailerBytes], Crc32C.Of(record[..Checked], segmentChecksum)));

    /// <summary>
    /// How many sectors are zero as far as these bytes lie in them. With <paramref name="whole"/>, only sectors that lie whole in these bytes.
    /// The sector in which the bytes begin counts only when they begin it.
    /// </summary>
    internal static int ZeroSectorsIn(ReadOnlySpan<byte> bytes, long fileOffset, bool whole)
    {
        int zero = 0;
        for (int at = (int)(-fileOffset & (SectorBytes - 1)); at < bytes.Length; at += SectorBytes)
        {
            int length = Math.Min(SectorBytes, bytes.Length - at);
            if (whole && length < SectorBytes) break;
            if (!bytes.Slice(at, length).ContainsAnyExcept((byte)0)) zero++;
        }
        return zero;
    }

    private static void WriteChecksum(Span<byte> to, uint crc)
    {
        for (int i = 0; i < TrailerBytes; i++) to[i] = (byte)((crc >>> (7 * i)) | 0x80);
    }

    private static bool HasChecksum(ReadOnlySpan<byte> from, uint crc)
    {
        Span<byte> right = stackalloc byte[TrailerBytes];
        WriteChecksum(right, crc);
        return from[..TrailerBytes].SequenceEqual(right);
    }
}
