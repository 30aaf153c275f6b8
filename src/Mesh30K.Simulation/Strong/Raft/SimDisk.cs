using Mesh30K.Consistency.Journal;
using Mesh30K.Consistency.Strong.Raft;

namespace Mesh30K.Simulation.Strong.Raft;

/// <summary>
/// A server's disk: one segment of the real journal format, in memory. What was written and not synced may be lost when power fails: the file is then cut
/// anywhere, or sectors of it were never written. Read back by the real scanner and the real recovery.
/// </summary>
internal sealed class SimDisk
{
    private readonly Guid _journal;
    private SegmentHeader _header;
    private uint _checksum;
    private byte[] _bytes = new byte[1024];
    private int _length;
    private int _syncedLength;
    private int _provenLength;
    private long _snapshotRecords;
    private long _sequence;
    private long _syncedSequence;
    private SimDisk? _next;

    public SimDisk(int server, RaftMembership members)
        : this(new Guid(server, 0, 0, new byte[8]), 1, 0, RaftRecords.OfNewServer(members)) => Sync();

    private SimDisk(Guid journal, long generation, long asOf, IEnumerable<(RaftRecordKind Kind, byte[] Payload)> snapshot)
    {
        _journal = journal;
        _header = new SegmentHeader(journal, generation, (uint)generation, asOf + 1);
        _checksum = _header.Checksum;
        _header.Write(_bytes);
        _length = SegmentHeader.Bytes;
        _sequence = _syncedSequence = asOf;
        foreach ((RaftRecordKind kind, byte[] payload) in snapshot) Write(kind, payload, asOf, ++_snapshotRecords);
    }

    private bool HasUnsynced => _length > _syncedLength;

    /// <summary>Writes one record; durable after <see cref="Sync"/>.</summary>
    public void Append(RaftChange change)
    {
        (RaftRecordKind kind, byte[] payload) = RaftRecords.Of(change);
        _provenLength = _syncedLength;
        Write(kind, payload, ++_sequence, _syncedSequence);
    }

    /// <summary>Writes the next generation beside this one; it takes this one's place at the next <see cref="Sync"/>.</summary>
    public void Compact(RaftChange.Compact compact, byte[] image) =>
        _next = new SimDisk(_journal, _header.Generation + 1, _sequence, RaftRecords.OfSnapshot(compact, image));

    public void Sync()
    {
        if (_next is not null) Take(_next);
        (_syncedLength, _syncedSequence) = (_length, _sequence);
    }

    /// <summary>The process died: what it wrote is there, the last write maybe not whole.</summary>
    public void CrashProcess(SimRandom random, Action<string> fault)
    {
        EndCompaction(random);
        if (!HasUnsynced || random.OneIn(2)) return;
        _length = random.Between(_syncedLength, _length);
        fault("disk_write_broken_off");
    }

    /// <summary>Power failed: of what was not synced anything may be missing.</summary>
    public void CrashPower(SimRandom random, Action<string> fault)
    {
        EndCompaction(random);
        if (!HasUnsynced) return;
        switch (random.Next(4))
        {
            case 0:
                _length = _syncedLength;
                fault("disk_unsynced_lost");
                break;
            case 1:
                _length = random.Between(_syncedLength, _length);
                fault("disk_torn");
                break;
            case 2:
                for (int at = _syncedLength; at < _length; at = (at / RecordFrame.SectorBytes + 1) * RecordFrame.SectorBytes)
                    if (random.OneIn(2)) LoseSector(at);
                fault("disk_sector_unwritten");
                break;
            default:
                fault("disk_unsynced_kept");
                break;
        }
    }

    /// <summary>Damages what was synced. The server that reads this has to refuse it.</summary>
    public void Damage(SimRandom random, Action<string> fault)
    {
        int at = random.Between(SegmentHeader.Bytes, _syncedLength - 1);
        if (random.OneIn(3) && LoseSynced(random))
        {
            fault("disk_write_lost");
            return;
        }
        if (random.OneIn(2))
        {
            _bytes[at] ^= (byte)(1 << random.Next(8));
            fault("disk_bit_flipped");
            return;
        }
        // A write that belonged somewhere else: no byte of it is zero, so it cannot pass for a sector that was never written.
        int length = Math.Min(random.Between(1, 64), _syncedLength - at);
        for (int i = at; i < at + length; i++) _bytes[i] = (byte)(_bytes[i] == 0xA5 ? 0x5A : 0xA5);
        fault("disk_write_misdirected");
    }

    /// <summary>Reads the journal back as a starting server does, cuts what a crash left, and syncs. Null when it is damaged.</summary>
    public RaftDurable? Recover()
    {
        SegmentScanner scanner = new(_header, new SegmentRole(_snapshotRecords, 1 << 24));
        RaftRecovery recovery = new();
        while (true)
        {
            ScanStep step = scanner.Next(_bytes.AsMemory((int)scanner.Offset, _length - (int)scanner.Offset), isAll: true);
            if (step.Verdict == ScanVerdict.Record)
            {
                recovery.Apply(step.Record.Kind, step.Record.Payload.Span);
                continue;
            }
            bool unwritten = step.Verdict == ScanVerdict.Unwritten && !scanner.ProvesSynced(_bytes.AsSpan((int)scanner.Offset, _length - (int)scanner.Offset));
            if (step.Verdict is not (ScanVerdict.End or ScanVerdict.Torn) && !unwritten) return null;
            _length = (int)scanner.Offset;
            _sequence = scanner.NextSequence - 1;
            Sync();
            return recovery.Finish();
        }
    }

    private void EndCompaction(SimRandom random)
    {
        if (_next is null) return;
        if (random.OneIn(2)) Take(_next);
        _next = null;
        (_syncedLength, _syncedSequence) = (_length, _sequence);
    }

    private void Take(SimDisk next)
    {
        (_header, _checksum, _bytes, _length, _snapshotRecords) = (next._header, next._checksum, next._bytes, next._length, next._snapshotRecords);
        _provenLength = 0;
        _next = null;
    }

    /// <summary>A write that the disk said to have done, and did not. Only later records can prove it, so there have to be some.</summary>
    private bool LoseSynced(SimRandom random)
    {
        int proven = Math.Min(_provenLength, _syncedLength);
        if (proven <= SegmentHeader.Bytes || proven == _syncedLength) return false;
        int at = random.Between(SegmentHeader.Bytes, proven - 1);
        Span<byte> lost = _bytes.AsSpan(at, Math.Min((at / RecordFrame.SectorBytes + 1) * RecordFrame.SectorBytes, proven) - at);
        bool changes = lost.ContainsAnyExcept((byte)0);
        lost.Clear();
        return changes;
    }

    private void LoseSector(int at)
    {
        int end = Math.Min((at / RecordFrame.SectorBytes + 1) * RecordFrame.SectorBytes, _length);
        _bytes.AsSpan(at, end - at).Clear();
    }

    private void Write(RaftRecordKind kind, byte[] payload, long sequence, long durable)
    {
        int bytes = RecordFrame.OverheadBytes + payload.Length;
        if (_length + bytes > _bytes.Length) Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, _length + bytes));
        RecordFrame frame = new(payload.Length, sequence, durable, _header.Segment, (byte)kind, 0);
        RecordFrame.Write(_bytes.AsSpan(_length, bytes), frame, payload, _length, _checksum);
        _length += bytes;
    }
}
