using Mesh30K.Consistency.Journal;
using Microsoft.Win32.SafeHandles;

namespace Mesh30K.Node.Storage;

/// <summary>
/// A handle's place in a journal: hands over what is behind it, segment by segment, and goes back to the snapshot when the journal was compacted
/// since. Reads only. Not thread-safe.
/// </summary>
internal sealed class JournalCursor(string folder, JournalOptions options) : IDisposable
{
    private const int WindowBytes = 128 << 10;

    private byte[] _window = new byte[WindowBytes];
    private SafeFileHandle? _file;
    private bool _started;

    /// <summary>The last record handed over, as it was: its header and trailer; and where it lies. Length 0: none in this segment.</summary>
    private readonly byte[] _lastFrame = new byte[RecordFrame.OverheadBytes];
    private (long Offset, int Bytes) _last;

    /// <summary>The records handed over that may not be durable, all of one batch: where they begin, and the checksum of their bytes.</summary>
    private (long Offset, uint Checksum) _unsure;

    /// <summary>The manifest by which this place was reached; null before the first reading.</summary>
    internal JournalManifest? Manifest { get; private set; }

    internal SegmentHeader Header { get; private set; }

    /// <summary>Its offset is where the next record will be.</summary>
    internal SegmentScanner? Scanner { get; private set; }

    /// <summary>Whether records were handed over that nobody is known to have synced.</summary>
    internal bool IsUnsure => Scanner!.NextSequence - 1 > Scanner.Durable;

    internal long BytesSinceSnapshot { get; private set; }

    internal static string SegmentPath(string folder, uint segment) => Path.Combine(folder, $"{segment:D10}.segment");

    /// <summary>Reads on to the end. The result says why the rest of the last segment is a torn tail; null when it ends between records.</summary>
    internal string? ReadOn(IJournalReader reader, JournalManifest now)
    {
        if (Manifest is not null && Manifest.Journal != now.Journal)
            throw Damaged("manifest", 0, "another journal has taken this one's place");
        if (Manifest?.Generation != now.Generation || Scanner is null || !IsStillThere()) Restart(reader, now);
        Manifest = now;
        while (true)
        {
            Scanner!.IsClosed = Header.Segment != now.LastSegment;
            string? torn = ReadSegment(reader);
            if (torn is not null || Header.Segment == now.LastSegment) return torn;
            Enter(now, Header.Segment + 1, Scanner.NextSequence);
        }
    }

    /// <summary>Takes the place behind what this handle wrote itself.</summary>
    internal void Advance(ReadOnlySpan<byte> batch, int records, int lastRecordBytes)
    {
        _last = (Scanner!.Offset + batch.Length - lastRecordBytes, lastRecordBytes);
        ReadOnlySpan<byte> last = batch[^lastRecordBytes..];
        last[..RecordFrame.HeaderBytes].CopyTo(_lastFrame);
        last[^RecordFrame.TrailerBytes..].CopyTo(_lastFrame.AsSpan(RecordFrame.HeaderBytes));
        Scanner.Skip(batch.Length, records);
        Scanner.MarkDurable();
        BytesSinceSnapshot += batch.Length;
    }

    /// <summary>
    /// Writes again, in place, what may be in the page cache alone: the records that nobody is known to have synced, and in any case the byte before this
    /// place. A sync that failed leaves its pages readable and clean, so that a later one says yes and writes nothing; once written again they are
    /// written by the next sync. Broken off at any byte this changes nothing: old and new are the same. The byte brings the page at the end along,
    /// with the zeros that a cut left behind it. Syncs nothing.
    /// </summary>
    internal void WriteAgain(JournalFiles files, SafeFileHandle to)
    {
        uint checksum = ChecksumFrom(IsUnsure ? _unsure.Offset : Scanner!.Offset - 1, (bytes, at) => files.Write(to, bytes.Span, at));
        if (!IsUnsure || checksum == _unsure.Checksum) return;
        throw new JournalException(
            "io_failed", $"{SegmentPath(folder, Header.Segment)}: the records from byte {_unsure.Offset} on read otherwise a second time: the page cache had them, and the disk has not. Check the disk and open the journal again");
    }

    /// <summary>Takes the place at the end of a segment that this handle made.</summary>
    internal void EnterNew(JournalManifest now, SegmentHeader header, long offset)
    {
        if (header.Segment == now.BaseSegment) BytesSinceSnapshot = 0;
        Manifest = now;
        TakePlace(header, new SegmentScanner(header, new SegmentRole(0, options.PayloadBytesMax)), OpenSegment(header.Segment));
        Scanner!.Skip(offset - SegmentHeader.Bytes, 0);
    }

    public void Dispose()
    {
        _file?.Dispose();
        _file = null;
    }

    private void Restart(IJournalReader reader, JournalManifest now)
    {
        if (_started) reader.Reset();
        (_started, Scanner, BytesSinceSnapshot) = (true, null, 0);
        Enter(now, now.BaseSegment, now.AsOf + 1);
    }

    private void Enter(JournalManifest now, uint segment, long firstSequence)
    {
        SafeFileHandle file = OpenSegment(segment);
        try
        {
            byte[] bytes = new byte[SegmentHeader.Bytes];
            int read = ReadFully(file, bytes, 0);
            if (SegmentHeader.Read(bytes.AsSpan(0, read), out SegmentHeader header) is { } why) throw Damaged(segment, 0, why);
            if (header.Journal != now.Journal) throw Damaged(segment, 0, "the segment belongs to another journal");
            if (header.Segment != segment) throw Damaged(segment, 0, $"the file holds segment {header.Segment}");
            if (header.Generation != now.Generation) throw Damaged(segment, 0, $"the segment is of generation {header.Generation}, the journal of {now.Generation}");
            if (header.FirstSequence != firstSequence)
                throw Damaged(segment, 0, $"the segment begins with sequence {header.FirstSequence} where {firstSequence} belongs: records before it are missing");
            TakePlace(header, new SegmentScanner(header, new SegmentRole(segment == now.BaseSegment ? now.SnapshotRecords : 0, options.PayloadBytesMax)), file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private void TakePlace(SegmentHeader header, SegmentScanner scanner, SafeFileHandle file)
    {
        _file?.Dispose();
        (Header, Scanner, _file, _last) = (header, scanner, file, default);
    }

    private SafeFileHandle OpenSegment(uint segment)
    {
        try
        {
            return File.OpenHandle(SegmentPath(folder, segment), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        }
        catch (FileNotFoundException)
        {
            throw Damaged(segment, 0, "the segment is missing");
        }
    }

    /// <summary>
    /// Whether this place is still right: records that were never durable can have been cut by another process that saw its write fail, and others
    /// written there, which may end in the same record. What was durable cannot: there the last record tells.
    /// </summary>
    private bool IsStillThere()
    {
        if (_last.Bytes == 0) return true;
        byte[] frame = new byte[RecordFrame.OverheadBytes];
        int read = ReadFully(_file!, frame.AsSpan(0, RecordFrame.HeaderBytes), _last.Offset);
        read += ReadFully(_file!, frame.AsSpan(RecordFrame.HeaderBytes), _last.Offset + _last.Bytes - RecordFrame.TrailerBytes);
        bool isSame = read == frame.Length && frame.AsSpan().SequenceEqual(_lastFrame);
        if (IsUnsure) return isSame && ChecksumFrom(_unsure.Offset) == _unsure.Checksum;
        if (isSame) return true;
        throw Damaged(Header.Segment, _last.Offset, $"record {Scanner!.NextSequence - 1} is no longer as it was");
    }

    /// <param name="from">Up to the place.</param>
    /// <param name="each">Gets the bytes in pieces, and where each lies.</param>
    private uint ChecksumFrom(long from, Action<ReadOnlyMemory<byte>, long>? each = null)
    {
        uint checksum = 0;
        byte[] bytes = new byte[(int)Math.Min(WindowBytes, Scanner!.Offset - from)];
        for (long at = from; at < Scanner.Offset;)
        {
            int read = ReadFully(_file!, bytes.AsSpan(0, (int)Math.Min(bytes.Length, Scanner.Offset - at)), at);
            if (read == 0) break;
            checksum = Crc32C.Of(bytes.AsSpan(0, read), checksum);
            each?.Invoke(bytes.AsMemory(0, read), at);
            at += read;
        }
        return checksum;
    }

    private string? ReadSegment(IJournalReader reader)
    {
        int from = 0, have = 0;
        bool isAll = false, isFollowed = false;
        while (true)
        {
            ScanStep step = Scanner!.Next(_window.AsMemory(from, have - from), isAll, isFollowed);
            switch (step.Verdict)
            {
                case ScanVerdict.Record:
                    HandOver(reader, step, _window.AsSpan(from, step.Bytes));
                    from += step.Bytes;
                    isFollowed = false;
                    break;
                case ScanVerdict.Zeros when RestIsZero():
                    isAll = true;
                    break;
                case ScanVerdict.Zeros:
                    (isFollowed, from, have) = (true, 0, 0); // read again: beside a writer these bytes may be records by now
                    break;
                case ScanVerdict.NeedMore:
                    isAll = !Fill(ref from, ref have, step.Bytes);
                    break;
                case ScanVerdict.End:
                    return null;
                case ScanVerdict.Torn:
                    return step.Reason;
                case ScanVerdict.Unwritten:
                    if (!RestProvesSynced()) return step.Reason;
                    throw Damaged(Header.Segment, Scanner.Offset, step.Reason + ", and a later record says that it had been");
                default:
                    throw Damaged(Header.Segment, Scanner.Offset, step.Reason);
            }
        }
    }

    private void HandOver(IJournalReader reader, ScanStep step, ReadOnlySpan<byte> record)
    {
        _last = (Scanner!.Offset - step.Bytes, step.Bytes);
        record[..RecordFrame.HeaderBytes].CopyTo(_lastFrame);
        record[^RecordFrame.TrailerBytes..].CopyTo(_lastFrame.AsSpan(RecordFrame.HeaderBytes));
        if (Scanner.Durable >= step.Record.Sequence - 1) _unsure = (_last.Offset, 0);
        _unsure.Checksum = Crc32C.Of(record, _unsure.Checksum);
        if (step.Record.Sequence > Manifest!.AsOf) BytesSinceSnapshot += step.Bytes;
        try
        {
            reader.Apply(step.Record);
        }
        catch
        {
            Scanner = null; // the next reading starts again, and does not go on behind a record that was not taken
            throw;
        }
    }

    /// <summary>Moves what is left to the front and reads behind it until <paramref name="need"/> bytes are there; false when the file ends before.</summary>
    private bool Fill(ref int from, ref int have, int need)
    {
        byte[] to = need > _window.Length ? new byte[need] : _window;
        _window.AsSpan(from, have - from).CopyTo(to);
        (_window, have, from) = (to, have - from, 0);
        have += ReadFully(_file!, _window.AsSpan(have), Scanner!.Offset + have);
        return have >= need;
    }

    /// <summary>Whether nothing but zeros lies between this place and the end of the file.</summary>
    private bool RestIsZero()
    {
        byte[] bytes = new byte[WindowBytes];
        for (long at = Scanner!.Offset; ReadFully(_file!, bytes, at) is > 0 and int read; at += read)
            if (bytes.AsSpan(0, read).ContainsAnyExcept((byte)0)) return false;
        return true;
    }

    private bool RestProvesSynced()
    {
        byte[] bytes = new byte[WindowBytes];
        int kept = 0;
        for (long at = Scanner!.Offset; ReadFully(_file!, bytes.AsSpan(kept), at) is > 0 and int read; at += read)
        {
            int have = kept + read;
            if (Scanner.ProvesSynced(bytes.AsSpan(0, have))) return true;
            kept = Math.Min(have, RecordFrame.HeaderBytes - 1);
            bytes.AsSpan(have - kept, kept).CopyTo(bytes);
        }
        return false;
    }

    private static int ReadFully(SafeFileHandle file, Span<byte> to, long offset)
    {
        int have = 0;
        while (have < to.Length && RandomAccess.Read(file, to[have..], offset + have) is > 0 and int read) have += read;
        return have;
    }

    private JournalException Damaged(uint segment, long offset, string why) => Damaged($"{segment:D10}.segment", offset, why);

    private JournalException Damaged(string file, long offset, string why)
    {
        string sequence = Scanner is null ? "" : $", at sequence {Scanner.NextSequence}";
        return new JournalException(
            "damaged",
            $"{Path.Combine(folder, file)} is damaged at byte {offset}{sequence}: {why}. Nothing was changed; keep a copy of the folder and bring the file back from a backup or a peer");
    }
}
