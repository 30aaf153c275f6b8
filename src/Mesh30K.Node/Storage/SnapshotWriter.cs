using Mesh30K.Consistency.Journal;
using Microsoft.Win32.SafeHandles;

namespace Mesh30K.Node.Storage;

/// <summary>Writes a snapshot's records behind the header of a new segment, in pieces of a bounded size; syncs nothing.</summary>
internal static class SnapshotWriter
{
    private const int PieceBytes = 1 << 20;

    /// <summary>Returns how many records there are, and the segment's length with them.</summary>
    internal static (long Records, long Bytes) Write(
        JournalFiles files, SafeFileHandle file, SegmentHeader header, IEnumerable<(byte Kind, ReadOnlyMemory<byte> Payload)> snapshot, int payloadBytesMax)
    {
        byte[] piece = new byte[PieceBytes];
        uint checksum = header.Checksum;
        long records = 0, written = SegmentHeader.Bytes;
        int have = 0;
        foreach ((byte kind, ReadOnlyMemory<byte> payload) in snapshot)
        {
            if (payload.Length > payloadBytesMax)
                throw new JournalException("too_large", $"a payload of {payload.Length} bytes in a snapshot; at most {payloadBytesMax} are allowed");
            int bytes = RecordFrame.OverheadBytes + payload.Length;
            if (have + bytes > piece.Length) Flush();
            if (bytes > piece.Length) piece = new byte[bytes];
            RecordFrame frame = new(payload.Length, header.FirstSequence - 1, ++records, header.Segment, kind, 0);
            RecordFrame.Write(piece.AsSpan(have), frame, payload.Span, written + have, checksum);
            have += bytes;
        }
        Flush();
        return (records, written);

        void Flush()
        {
            if (have > 0) files.Write(file, piece.AsSpan(0, have), written);
            (written, have) = (written + have, 0);
        }
    }
}
