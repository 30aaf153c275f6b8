using Mesh30K.Protocol;

namespace Mesh30K.Consistency.Journal;

/// <summary>What the scanner found at its place.</summary>
public enum ScanVerdict
{
    /// <summary>A good record; the scanner stands behind it.</summary>
    Record,

    /// <summary>The window is too short: hand over at least <see cref="ScanStep.Bytes"/> from the same place.</summary>
    NeedMore,

    /// <summary>The segment's records end here: nothing follows, or nothing but zeros.</summary>
    End,

    /// <summary>
    /// The window holds nothing but zeros, and more follows: the caller looks at all of the rest. Is it zero too, this is the end
    /// (<c>isAll</c>); else <c>isFollowed</c> tells so.
    /// </summary>
    Zeros,

    /// <summary>The last append was broken off: the rest of the segment is to be cut.</summary>
    Torn,

    /// <summary>
    /// A sector here was never written: torn like <see cref="Torn"/>, unless <see cref="SegmentScanner.ProvesSynced"/> says of the rest of the
    /// segment that this place had been synced.
    /// </summary>
    Unwritten,

    /// <summary>What was durable is no longer right: refuse.</summary>
    Damaged,
}

/// <summary>One step of a <see cref="SegmentScanner"/>.</summary>
/// <param name="Bytes">Length of the record, or how much is needed.</param>
/// <param name="Record">Points into the window.</param>
/// <param name="Reason">Why it is damaged, torn or unwritten.</param>
public readonly record struct ScanStep(ScanVerdict Verdict, int Bytes = 0, JournalRecord Record = default, string Reason = "");

/// <summary>What is known of a segment from the manifest.</summary>
/// <param name="SnapshotRecords">Records of the snapshot at its start; 0 for all but the base segment.</param>
/// <param name="PayloadBytesMax">Longer payloads are refused before anything is allocated for them.</param>
public readonly record struct SegmentRole(long SnapshotRecords, int PayloadBytesMax);

/// <summary>
/// Reads a segment's records from windows of its bytes and decides what is wrong where one is not right. Not thread-safe.
/// </summary>
/// <remarks>
/// <para>
/// A log that a crash broke off has to be cut, and a log that a disk damaged has to be refused: to cut it would lose what was acknowledged. The
/// bytes are all there is to tell the two apart by. What a crash can leave, when every batch is synced before the next is written:
/// all batches but the last are whole; of the last, the file is either short (the append was broken off), or as long as it should be with
/// sectors that were never written (the machine lost power between the file's growth and its data). An unwritten sector reads as it was
/// before: zero from the end of what it held. A file may have been made longer ahead of its records (JournalOptions.PreallocateBytes); what is not
/// used yet is zero. Everything else is damage. So:
/// </para>
/// <list type="number">
/// <item>Zeros from the end of a record to the end of the file are the end of the log: no record begins with a zero. In a segment that is not the last,
/// the next one's first sequence tells when records are missing before them.</item>
/// <item>A header has its own checksum, so its length can be believed. A record that a good header announces and whose bytes run out is torn.
/// So is a rest shorter than a header, when it begins as a record. No bad length can turn damage into a torn tail.</item>
/// <item>All bytes are there but one is wrong: damage, unless a sector of the record is zero that was not zero by content (RecordFrame.cs makes
/// this exact).</item>
/// <item>A zero sector is damage after all when the place was synced: a record that says so follows (<see cref="RecordFrame.Durable"/> at or
/// above this sequence: written in a later batch), the manifest says so (the snapshot), or the segment is not the last.</item>
/// <item>A good record with another sequence than the next is damage: a write that went astray, was lost, or came twice. A record of another
/// segment, generation or journal does not pass, since its checksum begins with its own segment's header.</item>
/// </list>
/// <para>
/// Not to be told apart: of the last batch, damage that zeroes whole sectors, or cuts the file, looks as a crash does, and so does a file cut back
/// further, or zero up to its end, from any place behind the last segment's header. These are cut. A write that a kill broke off ends where a page ends, so
/// that in space allocated before it leaves whole sectors of zeros; one that ends elsewhere there (a disk that gave an error in the middle, and
/// then refused to cut the file) is refused. Garbage that a file system shows for sectors never written (ext4
/// with <c>data=writeback</c>) looks like damage, and is refused. A sector that was lost and is zero in a record of a batch that was never
/// acknowledged is cut with what follows it in that batch, also good records: none of them was acknowledged.
/// </para>
/// </remarks>
public sealed class SegmentScanner
{
    private readonly SegmentHeader _header;
    private readonly SegmentRole _role;
    private readonly uint _checksum;
    private long _snapshotRead;

    public SegmentScanner(SegmentHeader header, SegmentRole role)
    {
        (_header, _role, _checksum) = (header, role, header.Checksum);
        NextSequence = header.FirstSequence;
        Durable = header.FirstSequence - 1;
    }

    /// <summary>Place of the next record in the segment, in bytes from its beginning.</summary>
    public long Offset { get; private set; } = SegmentHeader.Bytes;

    /// <summary>Sequence of the next record.</summary>
    public long NextSequence { get; private set; }

    /// <summary>Highest sequence of which the bytes, or the caller, said that it is durable.</summary>
    public long Durable { get; private set; }

    /// <summary>What the checksum of each record begins with.</summary>
    public uint SegmentChecksum => _checksum;

    /// <summary>Whether a later segment exists: then all of this one was synced.</summary>
    public bool IsClosed { get; set; }

    /// <summary>Whether the next record belongs to the snapshot.</summary>
    public bool InSnapshot => _snapshotRead < _role.SnapshotRecords;

    /// <summary>Tells that all records up to here were synced.</summary>
    public void MarkDurable() => Durable = NextSequence - 1;

    /// <summary>Stands behind a record that the caller wrote itself.</summary>
    public void Skip(long bytes, long records)
    {
        Invariant.Check(!InSnapshot);
        Offset += bytes;
        NextSequence += records;
    }

    /// <summary>Looks at the record at <see cref="Offset"/>.</summary>
    /// <param name="window">The segment's bytes from <see cref="Offset"/> on.</param>
    /// <param name="isAll">Whether the segment ends where the window ends, or goes on with nothing but zeros as the whole window is.</param>
    /// <param name="isFollowed">Whether bytes other than zero follow behind the window: the caller's answer to <see cref="ScanVerdict.Zeros"/>.</param>
    public ScanStep Next(ReadOnlyMemory<byte> window, bool isAll, bool isFollowed = false)
    {
        ReadOnlySpan<byte> bytes = window.Span;
        if (bytes.Length < RecordFrame.HeaderBytes + RecordFrame.SectorBytes && !isAll)
            return new ScanStep(ScanVerdict.NeedMore, RecordFrame.HeaderBytes + RecordFrame.SectorBytes);
        if (!bytes.ContainsAnyExcept((byte)0) && (isAll || !isFollowed)) return isAll ? AtEnd() : new ScanStep(ScanVerdict.Zeros);
        if (bytes.Length < RecordFrame.HeaderBytes) return ShortHeader(bytes);
        if (!RecordFrame.TryRead(bytes, _checksum, out RecordFrame frame))
            return HeaderLacksSector(bytes) ? Unwritten("a record's header was never written") : Damaged("a record's header has a wrong checksum");
        if (WhyImpossible(frame) is { } why) return Damaged(why);
        if (bytes.Length < frame.Bytes)
            return isAll ? Torn($"the record ends after {bytes.Length} of {frame.Bytes} bytes") : new ScanStep(ScanVerdict.NeedMore, frame.Bytes);
        ReadOnlySpan<byte> record = bytes[..frame.Bytes];
        if (!RecordFrame.IsIntact(record, _checksum))
        {
            int zero = RecordFrame.ZeroSectorsIn(record[RecordFrame.HeaderBytes..], Offset + RecordFrame.HeaderBytes, whole: false);
            return zero > frame.ZeroSectors ? Unwritten("a part of the record was never written") : Damaged("the record's checksum is wrong");
        }
        ReadOnlyMemory<byte> payload = window.Slice(RecordFrame.HeaderBytes, frame.PayloadBytes);
        Offset += frame.Bytes;
        if (InSnapshot) _snapshotRead++;
        else (NextSequence, Durable) = (frame.Sequence + 1, Math.Max(Durable, frame.Durable));
        return new ScanStep(ScanVerdict.Record, frame.Bytes, new JournalRecord(frame.Sequence, frame.Kind, payload));
    }

    /// <summary>
    /// After <see cref="ScanVerdict.Unwritten"/>: whether these bytes of the rest of the segment hold the header of a record that was written when this
    /// place had been synced. Windows have to overlap by <see cref="RecordFrame.HeaderBytes"/> − 1 bytes.
    /// </summary>
    public bool ProvesSynced(ReadOnlySpan<byte> bytes)
    {
        for (; bytes.IndexOf(RecordFrame.Marker) is >= 0 and int at && bytes.Length - at >= RecordFrame.HeaderBytes; bytes = bytes[(at + 1)..])
            if (RecordFrame.TryRead(bytes[at..], _checksum, out RecordFrame frame) && frame.Durable >= NextSequence) return true;
        return false;
    }

    private string? WhyImpossible(RecordFrame frame)
    {
        if (frame.Segment != _header.Segment) return $"a record of segment {frame.Segment} is in segment {_header.Segment}";
        if (frame.PayloadBytes < 0 || frame.PayloadBytes > _role.PayloadBytesMax)
            return $"a record has {frame.PayloadBytes} bytes of payload, and at most {_role.PayloadBytesMax} are allowed";
        long sequence = InSnapshot ? _header.FirstSequence - 1 : NextSequence;
        if (frame.Sequence != sequence) return $"the record says sequence {frame.Sequence} where {sequence} belongs: a write that went astray, was lost or came twice";
        if (InSnapshot) return frame.Durable == _snapshotRead + 1 ? null : $"record {frame.Durable} of the snapshot is where {_snapshotRead + 1} belongs";
        return frame.Durable < frame.Sequence ? null : $"the record says that {frame.Durable} was durable before it was written";
    }

    private ScanStep AtEnd() => InSnapshot ? Damaged("the snapshot ends early") : new ScanStep(ScanVerdict.End);

    private ScanStep ShortHeader(ReadOnlySpan<byte> bytes)
    {
        int compared = Math.Min(bytes.Length, RecordFrame.Marker.Length);
        bool begun = bytes[..compared].SequenceEqual(RecordFrame.Marker[..compared]);
        return begun || HeaderLacksSector(bytes) ? Torn($"a record's header ends after {bytes.Length} bytes") : Damaged("what follows the last record is no record");
    }

    /// <summary>Whether a sector in which the header lies is zero from the record's beginning on.</summary>
    private bool HeaderLacksSector(ReadOnlySpan<byte> bytes)
    {
        int first = RecordFrame.SectorBytes - (int)(Offset & (RecordFrame.SectorBytes - 1));
        if (!bytes[..Math.Min(first, bytes.Length)].ContainsAnyExcept((byte)0)) return true;
        return first < RecordFrame.HeaderBytes && first < bytes.Length
            && !bytes[first..Math.Min(first + RecordFrame.SectorBytes, bytes.Length)].ContainsAnyExcept((byte)0);
    }

    private ScanStep Torn(string reason) => WasSynced ? Damaged(reason) : new ScanStep(ScanVerdict.Torn, Reason: reason);

    private ScanStep Unwritten(string reason) => WasSynced ? Damaged(reason) : new ScanStep(ScanVerdict.Unwritten, Reason: reason);

    private bool WasSynced => IsClosed || InSnapshot;

    private static ScanStep Damaged(string reason) => new(ScanVerdict.Damaged, Reason: reason);
}
