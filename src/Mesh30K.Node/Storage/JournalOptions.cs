using Mesh30K.Consistency.Journal;
using Mesh30K.Protocol;

namespace Mesh30K.Node.Storage;

/// <summary>Bounds of a journal. All who share it have to agree on <see cref="PayloadBytesMax"/>; the rest may differ.</summary>
public sealed record JournalOptions
{
    private const int PreallocateBytesMost = 1 << 30;

    /// <summary>The largest payload, in bytes, 1 to 1 GiB. Default 16 MiB. A reader holds one in memory.</summary>
    public int PayloadBytesMax { get; init; } = 16 << 20;

    /// <summary>
    /// A segment that is larger, in bytes, is closed before the next batch. Default 64 MiB. Larger: fewer files, but a damaged place may cost a
    /// longer search. A batch is never split, so a segment can be larger by one batch; a snapshot lies whole in one segment.
    /// </summary>
    public long SegmentBytes { get; init; } = 64L << 20;

    /// <summary>The most bytes between two commits, framing included. Default 256 MiB; what is over it is refused with <c>too_large</c>.</summary>
    public int BatchBytesMax { get; init; } = 256 << 20;

    /// <summary>
    /// How far ahead of its records the last segment's file is made longer, in bytes; 0 to 1 GiB, at most up to <see cref="SegmentBytes"/>. Default 0: not at
    /// all. A sync of a file that does not grow is cheaper (docs/benchmarks.md). Larger: fewer such calls, more room taken on the disk by each open
    /// journal; what is not used is given back when the segment or the journal is closed. Linux only; ignored where the file system cannot, or has no room.
    /// </summary>
    public int PreallocateBytes { get; init; }

    internal void Check()
    {
        Invariant.Check(PreallocateBytes is >= 0 and <= PreallocateBytesMost);
        Invariant.Check(PayloadBytesMax is >= 1 and <= RecordFrame.PayloadBytesMost);
        Invariant.Check(SegmentBytes >= SegmentHeader.Bytes);
        Invariant.Check(BatchBytesMax > 0);
    }
}
