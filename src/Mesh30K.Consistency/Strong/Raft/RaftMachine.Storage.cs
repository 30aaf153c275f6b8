using Mesh30K.Protocol;

namespace Mesh30K.Consistency.Strong.Raft;

public sealed partial class RaftMachine
{
    /// <summary>Appends that are not yet durable: sequence of the persist, last index of it that still holds.</summary>
    private readonly Queue<(long Sequence, long Last)> _appending = new();
    private long _sequence;
    private long _hardSequence;
    private long _logSequence;
    private long _given;
    private bool _snapshotAsked;

    private long Persist(RaftChange change)
    {
        _effects.Add(new RaftEffect.Persist(++_sequence, change));
        return _sequence;
    }

    private void PersistHard() => _hardSequence = Persist(new RaftChange.Hard(new HardState(_term, _votedFor)));

    private void Append(IReadOnlyList<RaftEntry> entries)
    {
        foreach (RaftEntry entry in entries) _log.Append(entry);
        _logSequence = Persist(new RaftChange.Append(entries));
        _appending.Enqueue((_logSequence, _log.Last.Index));
    }

    private void Truncate(long from)
    {
        Invariant.Check(from > CommitIndex);
        _log.Truncate(from);
        _logSequence = Persist(new RaftChange.Truncate(from));
        DurableIndex = Math.Min(DurableIndex, from - 1);
        for (int i = _appending.Count; i > 0; i--)
        {
            (long sequence, long last) = _appending.Dequeue();
            _appending.Enqueue((sequence, Math.Min(last, from - 1)));
        }
    }

    private void Persisted(long sequence)
    {
        Invariant.Check(sequence <= _sequence);
        while (_appending.TryPeek(out (long Sequence, long Last) append) && append.Sequence <= sequence)
        {
            _appending.Dequeue();
            DurableIndex = Math.Max(DurableIndex, append.Last);
        }
        if (Role == RaftRole.Candidate && sequence >= _ownVoteSequence && IsVoter && !_votes.Contains(Self)) CountVote(Self);
    }

    private void Applied(long index)
    {
        Invariant.Check(index <= _given);
        AppliedIndex = Math.Max(AppliedIndex, index);
    }

    /// <summary>
    /// Hands over what is committed (paper 5.3) and durable here, so that no snapshot gets ahead of the log; and asks for the next snapshot.
    /// </summary>
    private void ApplyCommitted()
    {
        long upTo = Math.Min(Math.Min(CommitIndex, DurableIndex), AppliedIndex + _options.ApplyingMax);
        while (_given < upTo)
        {
            RaftEntry[] entries = _log.Slice(_given + 1, upTo, _options.BatchEntriesMax, int.MaxValue);
            _given = entries[^1].Index;
            _effects.Add(new RaftEffect.Apply(entries));
        }
        long sinceSnapshot = AppliedIndex - Snapshot.At.Index;
        // A transfer under way ends before the next image, unless the log grows too long for it.
        bool due = sinceSnapshot >= _options.SnapshotEvery && (!IsSendingSnapshot || sinceSnapshot >= 4 * _options.SnapshotEvery);
        if (!due || _snapshotAsked) return;
        _snapshotAsked = true;
        _effects.Add(RaftEffect.MakeSnapshot.Now);
    }

    /// <summary>Takes the image as the beginning of the log (paper 7).</summary>
    private void SnapshotMade(long index, long bytes)
    {
        _snapshotAsked = false;
        if (index <= Snapshot.At.Index) return; // one from the leader was faster
        Invariant.Check(index <= AppliedIndex);
        Snapshot = new SnapshotMeta(new LogPlace(index, _log.TermAt(index)!.Value), _log.MembershipAt(index), bytes);
        long before = Math.Max(_log.Base.Index, index - _options.KeepBehindSnapshot);
        _log.ForgetUpTo(Snapshot, new LogPlace(before, _log.TermAt(before)!.Value));
        PersistCompaction();
    }

    private void PersistCompaction()
    {
        RaftEntry[] tail = _log.Slice(_log.Base.Index + 1, _log.Last.Index, int.MaxValue, int.MaxValue);
        _logSequence = Persist(new RaftChange.Compact(Snapshot, new HardState(_term, _votedFor), _log.Base, tail));
        _appending.Enqueue((_logSequence, _log.Last.Index));
    }

    /// <summary>
    /// A snapshot has arrived whole. What follows it in a log that holds its last entry stays (paper 7, figure 13, step 6); any other log is void.
    /// </summary>
    private void Install(SnapshotMeta meta)
    {
        Invariant.Check(meta.At.Index > CommitIndex);
        if (_log.TermAt(meta.At.Index) == meta.At.Term) _log.ForgetUpTo(meta, meta.At);
        else
        {
            _log = new RaftLog(meta, meta.At, []);
            _appending.Clear();
            DurableIndex = 0;
        }
        Snapshot = meta;
        PersistCompaction();
        CommitIndex = _given = meta.At.Index;
        _effects.Add(new RaftEffect.Restore(meta));
    }
}
