namespace Mesh30K.Consistency.Strong.Raft;

/// <summary>What a server had made durable.</summary>
/// <param name="State">Term and vote.</param>
/// <param name="Snapshot">The latest snapshot.</param>
/// <param name="Image">The state machine as of it.</param>
/// <param name="Base">The entry before the first of <paramref name="Entries"/>; at or before the snapshot's.</param>
/// <param name="Entries">The log, without gaps.</param>
public sealed record RaftDurable(HardState State, SnapshotMeta Snapshot, ReadOnlyMemory<byte> Image, LogPlace Base, IReadOnlyList<RaftEntry> Entries);

/// <summary>
/// Rebuilds a server from its journal: the records of the journal's snapshot, then those after it, each in its order. One owner.
/// </summary>
/// <remarks>
/// DUTY OF THE HOST: what was read is synced before the machine steps, since a process that died may have left records that no disk holds yet. A journal
/// that is damaged is refused, and its server never starts again under its id: it has forgotten what it promised. It is removed, and a new one added.
/// </remarks>
public sealed class RaftRecovery
{
    private readonly List<RaftEntry> _entries = [];
    private HardState _state;
    private SnapshotMeta? _snapshot;
    private LogPlace _base;
    private byte[] _image = [];
    private int _read;
    private bool _whole;

    /// <summary>Takes the next record. Throws <see cref="RaftRecordException"/> for one that does not fit; the recovery is then void.</summary>
    public void Apply(byte kind, ReadOnlySpan<byte> payload)
    {
        RaftRecordReader reader = new(payload);
        RaftRecordKind known = (RaftRecordKind)kind;
        RaftRecordException.Require(_whole == known is RaftRecordKind.Hard or RaftRecordKind.Entries or RaftRecordKind.Truncated, $"a record of kind {kind} is out of its place");
        switch (known)
        {
            case RaftRecordKind.Hard:
                HardState state = new(reader.Number(), reader.Server());
                RaftRecordException.Require(state.Term >= _state.Term, "a term goes back");
                _state = state;
                break;
            case RaftRecordKind.Entries:
                for (int i = reader.Count(); i > 0; i--) Append(reader.Entry());
                break;
            case RaftRecordKind.Truncated:
                long from = reader.Number();
                RaftRecordException.Require(from > _snapshot!.At.Index && from <= Last.Index, "a truncation names no entry");
                _entries.RemoveRange((int)(from - _base.Index - 1), (int)(Last.Index - from + 1));
                break;
            case RaftRecordKind.SnapshotHead:
                Head(ref reader);
                break;
            case RaftRecordKind.SnapshotPart:
                RaftRecordException.Require(_snapshot is not null && reader.Number() == _read, "a part of a snapshot is out of its place");
                ReadOnlySpan<byte> part = reader.Bytes();
                RaftRecordException.Require(part.Length <= _image.Length - _read, "a snapshot is longer than it says");
                part.CopyTo(_image.AsSpan(_read));
                _read += part.Length;
                break;
            case RaftRecordKind.SnapshotEnd:
                RaftRecordException.Require(_snapshot is not null && reader.Number() == _read && _read == _image.Length, "a snapshot is shorter than it says");
                _whole = true;
                break;
            default:
                throw new RaftRecordException($"a record of kind {kind} is not known");
        }
        reader.End();
    }

    /// <summary>What the records say; null when there were none, and the server was never begun. Throws <see cref="RaftRecordException"/> when they end early.</summary>
    public RaftDurable? Finish()
    {
        if (_snapshot is null) return null;
        RaftRecordException.Require(_whole && Last.Index >= _snapshot.At.Index && Last.Term <= _state.Term, "the log ends inside its snapshot");
        long placed = _snapshot.At.Index - _base.Index;
        LogPlace at = placed == 0 ? _base : _entries[(int)placed - 1].Place;
        RaftRecordException.Require(at == _snapshot.At, "the log does not fit its snapshot");
        return new RaftDurable(_state, _snapshot, _image, _base, _entries);
    }

    private LogPlace Last => _entries.Count > 0 ? _entries[^1].Place : _base;

    private void Append(RaftEntry entry)
    {
        RaftRecordException.Require(entry.Index == Last.Index + 1 && entry.Term >= Last.Term, "an entry of the log is out of its place");
        _entries.Add(entry);
    }

    private void Head(ref RaftRecordReader reader)
    {
        RaftRecordException.Require(_snapshot is null, "a journal has two snapshots");
        LogPlace at = new(reader.Number(), reader.Number());
        _base = new LogPlace(reader.Number(at.Index), reader.Number(at.Term));
        _image = new byte[reader.Number(int.MaxValue)];
        _snapshot = new SnapshotMeta(at, reader.Membership(), _image.Length);
    }
}
