using System.Buffers.Binary;

namespace Mesh30K.Consistency.Journal;

/// <summary>
/// The first 64 bytes of a segment. Its checksum begins the checksum of every record in the segment, so that a record of another segment,
/// generation or journal does not pass, whatever it holds. Layout: docs/protocol/journal.md.
/// </summary>
/// <param name="Journal">The journal's id, drawn when it was made.</param>
/// <param name="Generation">Compactions so far, and 1.</param>
/// <param name="Segment">The segment's number, from 1; part of its file name; never used again for other content.</param>
/// <param name="FirstSequence">Of the first record that is not of the snapshot.</param>
public readonly record struct SegmentHeader(Guid Journal, long Generation, uint Segment, long FirstSequence)
{
    public const int Bytes = 64;
    private const int Checked = 60;
    private const uint Version = 1;

    private static ReadOnlySpan<byte> Magic => "M30KSEG\n"u8;

    /// <summary>What every record's checksum begins with.</summary>
    public uint Checksum
    {
        get
        {
            Span<byte> bytes = stackalloc byte[Bytes];
            Write(bytes);
            return Crc32C.Of(bytes[..Checked]);
        }
    }

    /// <summary>Writes the 64 bytes.</summary>
    public void Write(Span<byte> to)
    {
        to[..Bytes].Clear();
        Magic.CopyTo(to);
        BinaryPrimitives.WriteUInt32LittleEndian(to[8..], Version);
        BinaryPrimitives.WriteUInt32LittleEndian(to[12..], Segment);
        _ = Journal.TryWriteBytes(to[16..]);
        BinaryPrimitives.WriteInt64LittleEndian(to[32..], Generation);
        BinaryPrimitives.WriteInt64LittleEndian(to[40..], FirstSequence);
        BinaryPrimitives.WriteUInt32LittleEndian(to[Checked..], Crc32C.Of(to[..Checked]));
    }

    /// <summary>Reads it; the result is null, or says why these bytes are no segment header.</summary>
    public static string? Read(ReadOnlySpan<byte> from, out SegmentHeader header)
    {
        header = default;
        if (from.Length < Bytes) return $"the file ends after {from.Length} bytes, inside the segment header";
        if (!from.StartsWith(Magic)) return "it does not begin as a segment";
        if (BinaryPrimitives.ReadUInt32LittleEndian(from[Checked..]) != Crc32C.Of(from[..Checked])) return "the segment header's checksum is wrong";
        uint version = BinaryPrimitives.ReadUInt32LittleEndian(from[8..]);
        if (version != Version) return $"format version {version} is not known here, only {Version}: use the mesh that wrote it";
        header = new SegmentHeader(
            new Guid(from.Slice(16, 16)), BinaryPrimitives.ReadInt64LittleEndian(from[32..]),
            BinaryPrimitives.ReadUInt32LittleEndian(from[12..]), BinaryPrimitives.ReadInt64LittleEndian(from[40..]));
        return null;
    }
}
