using Mesh30K.Protocol.Identity;

namespace Mesh30K.Consistency.Strong.Raft;

public sealed partial class RaftMachine
{
    /// <summary>Reads in the order of their coming. Round 0: not yet assigned to a round, and without an index.</summary>
    private readonly Queue<WaitingRead> _reads = new();
    private readonly List<long> _newReads = [];
    private long _round;
    private long _confirmed;
    private ServerId _transferTo;
    private bool _transferTold;
    private Instant _transferEnds;

    private void Propose(RaftInput.Propose propose)
    {
        IReadOnlyList<ReadOnlyMemory<byte>> payloads = propose.Payloads;
        long bytes = payloads.Sum(p => (long)p.Length);
        if (Role != RaftRole.Leader) Refuse(propose.Id, RaftRefusal.NotLeader);
        else if (_transferTo != ServerId.None) Refuse(propose.Id, RaftRefusal.Transferring);
        else if (payloads.Count == 0 || payloads.Any(p => p.Length > _options.PayloadBytesMax)) Refuse(propose.Id, RaftRefusal.Invalid);
        else if (_log.Last.Index - CommitIndex + payloads.Count > _options.UncommittedMax || _uncommittedBytes + bytes > _options.UncommittedBytesMax)
            Refuse(propose.Id, RaftRefusal.Busy);
        else
        {
            LogPlace first = new(_log.Last.Index + 1, _term);
            _uncommittedBytes += bytes;
            Append([.. payloads.Select((p, i) => new RaftEntry(first.Index + i, _term, RaftEntryKind.Command, p))]);
            _effects.Add(new RaftEffect.Accepted(propose.Id, first));
        }
    }

    private void Read(long id)
    {
        if (Role != RaftRole.Leader) Refuse(id, RaftRefusal.NotLeader);
        else if (_reads.Count + _newReads.Count >= _options.ReadsMax) Refuse(id, RaftRefusal.Busy);
        else _newReads.Add(id);
    }

    /// <summary>
    /// A read takes the commit index, a round of heartbeats that begins after it confirms that nobody else led by then, and the state machine catches up
    /// (thesis 6.4). Reads that come during a round share the next.
    /// </summary>
    private void ConfirmReads()
    {
        RaftMembership members = _log.Membership;
        Span<long> rounds = stackalloc long[members.Voters.Count];
        while (true)
        {
            for (int i = 0; i < rounds.Length; i++) rounds[i] = members.Voters[i] == Self ? _round : _members[members.Voters[i]].Round;
            rounds.Sort();
            _confirmed = Math.Max(_confirmed, rounds[rounds.Length - members.Majority]);
            if (_confirmed < _round || _newReads.Count == 0 || !HasCommittedOwn) break;
            _round++;
            foreach (long id in _newReads) _reads.Enqueue(new WaitingRead(id, _round, CommitIndex));
            _newReads.Clear();
            foreach (Progress p in _members.Values) SendEmpty(p);
        }
        while (_reads.TryPeek(out WaitingRead read) && read.Round <= _confirmed && read.Index <= AppliedIndex)
        {
            _reads.Dequeue();
            _effects.Add(new RaftEffect.ReadReady(read.Id, read.Index));
        }
    }

    private void RefuseReads()
    {
        foreach (WaitingRead read in _reads) Refuse(read.Id, RaftRefusal.LostLeadership);
        foreach (long id in _newReads) Refuse(id, RaftRefusal.LostLeadership);
        _reads.Clear();
        _newReads.Clear();
    }

    /// <summary>
    /// One step at a time, the next when the last is committed (thesis 4.1), and the first when the leader has committed an entry of its own term: without
    /// that, changes of two leaders could each find a majority of their own (Ongaro, "bug in single-server membership changes", raft-dev 2015).
    /// </summary>
    private void Change(RaftInput.Change change)
    {
        if (Role != RaftRole.Leader)
        {
            Refuse(change.Id, RaftRefusal.NotLeader);
            return;
        }
        if (_log.MembershipIndex > CommitIndex || !HasCommittedOwn)
        {
            Refuse(change.Id, RaftRefusal.ChangePending);
            return;
        }
        if (_transferTo != ServerId.None)
        {
            Refuse(change.Id, RaftRefusal.Transferring);
            return;
        }
        RaftMembership? after = _log.Membership.After(change.Step, change.Server);
        bool behind = change.Step == MemberStep.Promote && _members.TryGetValue(change.Server, out Progress? p) && (!IsActive(p) || p.Match + _options.PromoteBehindMax < _log.Last.Index);
        if (after is null || behind || after.Voters.Count > _options.VotersMax || after.Learners.Count > _options.LearnersMax)
        {
            Refuse(change.Id, RaftRefusal.Invalid);
            return;
        }
        RaftEntry entry = new(_log.Last.Index + 1, _term, RaftEntryKind.Membership, after.ToBytes());
        _uncommittedBytes += entry.Payload.Length;
        Append([entry]);
        KnowMembers();
        _effects.Add(new RaftEffect.Accepted(change.Id, entry.Place));
    }

    private void Transfer(RaftInput.Transfer transfer)
    {
        if (Role != RaftRole.Leader) Refuse(transfer.Id, RaftRefusal.NotLeader);
        else if (_transferTo != ServerId.None) Refuse(transfer.Id, RaftRefusal.Transferring);
        else if (transfer.To == Self || !_log.Membership.IsVoter(transfer.To)) Refuse(transfer.Id, RaftRefusal.Invalid);
        else
        {
            BeginTransfer(transfer.To);
            _effects.Add(new RaftEffect.Accepted(transfer.Id, _log.Last));
        }
    }

    private void BeginTransfer(ServerId to) => (_transferTo, _transferTold, _transferEnds) = (to, false, _now + _options.ElectionMin);

    /// <summary>Takes no proposals, waits until the target has the whole log, tells it, and goes on leading when nothing came of it (thesis 3.10).</summary>
    private void HandOver()
    {
        if (_transferTo == ServerId.None) return;
        if (_now >= _transferEnds || !_members.TryGetValue(_transferTo, out Progress? p))
        {
            if (_members.TryGetValue(_transferTo, out Progress? failed)) failed.HealthySince = _now;
            _transferTo = ServerId.None;
            return;
        }
        if (_transferTold || p.Match < _log.Last.Index) return;
        _transferTold = true;
        Reply(new TimeoutNow(Self, _transferTo, _term));
    }

    /// <summary>Hands the lead to the preferred server when it has been healthy for a while and has the log.</summary>
    private void PreferOther()
    {
        if (_transferTo != ServerId.None || !HasCommittedOwn || !_log.Membership.IsVoter(_options.Preferred)) return;
        if (!_members.TryGetValue(_options.Preferred, out Progress? p) || !IsActive(p) || p.Match < CommitIndex) return;
        if (_now >= p.HealthySince + _options.PreferredAfter) BeginTransfer(_options.Preferred);
    }

    private void Refuse(long id, RaftRefusal why) => _effects.Add(new RaftEffect.Refused(id, why, Leader));

    private readonly record struct WaitingRead(long Id, long Round, long Index);
}
