using Mesh30K.Protocol;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Consistency.Strong.Raft;

public sealed partial class RaftMachine
{
    private readonly SortedDictionary<ServerId, Progress> _members = [];
    private Instant _heartbeatDue;
    private long _termBegin;
    private long _uncommittedBytes;

    private bool IsSendingSnapshot => _members.Values.Any(p => p.State == ProgressState.Snapshot && IsActive(p));

    /// <summary>Whether an entry of this term is committed: only then the leader knows what is (paper 8, thesis 6.4).</summary>
    private bool HasCommittedOwn => CommitIndex >= _termBegin;

    private bool IsActive(Progress p) => _now < p.ActiveAt + _options.ElectionMin;

    private void BeginToLead()
    {
        Role = RaftRole.Leader;
        Leader = Self;
        _members.Clear();
        _uncommittedBytes = 0;
        _termBegin = _log.Last.Index + 1;
        _heartbeatDue = _now + _options.Heartbeat;
        _confirmed = _round;
        Append([new RaftEntry(_termBegin, _term, RaftEntryKind.Noop, default)]);
        KnowMembers();
    }

    private void StopLeading()
    {
        _members.Clear();
        _transferTo = ServerId.None;
        RefuseReads();
    }

    /// <summary>After each input to a leader: sends what there is, counts, confirms reads, hands over.</summary>
    private void Lead()
    {
        AdvanceCommit();
        if (Role != RaftRole.Leader) return;
        ConfirmReads();
        foreach (Progress p in _members.Values) SendNew(p);
        HandOver();
    }

    /// <summary>Follows the members of the log: a new one is probed from the end (thesis 4.1).</summary>
    private void KnowMembers()
    {
        RaftMembership members = _log.Membership;
        foreach (ServerId gone in _members.Keys.Where(s => !members.Contains(s)).ToArray()) _members.Remove(gone);
        foreach (ServerId server in members.Voters.Concat(members.Learners))
            if (server != Self && !_members.ContainsKey(server)) _members.Add(server, new Progress(server, _log.Last.Index, _now));
    }

    /// <summary>A leader without a majority steps down, so that its clients look elsewhere (thesis 6.2); with one it makes itself heard.</summary>
    private void Beat()
    {
        int active = (IsVoter ? 1 : 0) + _log.Membership.Voters.Count(v => v != Self && IsActive(_members[v]));
        if (active < _log.Membership.Majority)
        {
            Follow(_term, ServerId.None);
            return;
        }
        _heartbeatDue = _now + _options.Heartbeat;
        foreach (Progress p in _members.Values)
        {
            if (!IsActive(p)) p.HealthySince = _now;
            if (p.State == ProgressState.Probe) p.Inflight.Clear(); // its answer was lost, or is late
            SendEmpty(p);
            if (p.State == ProgressState.Snapshot && _now >= p.ChunkAt + 3 * _options.Heartbeat) SendChunk(p);
        }
        PreferOther();
    }

    private void SendNew(Progress p)
    {
        if (p.State == ProgressState.Snapshot) return;
        int window = p.State == ProgressState.Probe ? 1 : _options.InflightMax;
        while (p.Next <= _log.Last.Index && p.Inflight.Count < window)
        {
            if (_log.TermAt(p.Next - 1) is not { } term)
            {
                p.SendSnapshot(Snapshot);
                SendChunk(p);
                return;
            }
            RaftEntry[] entries = _log.Slice(p.Next, long.MaxValue, _options.BatchEntriesMax, _options.BatchBytesMax);
            SendAppend(p, new LogPlace(p.Next - 1, term), entries);
            p.Inflight.Enqueue(entries[^1].Index);
            if (p.State == ProgressState.Replicate) p.Next = entries[^1].Index + 1;
        }
    }

    /// <summary>A heartbeat. It stands after what was sent last, so a follower that did not get that says so.</summary>
    private void SendEmpty(Progress p)
    {
        long? term = p.State == ProgressState.Snapshot ? null : _log.TermAt(p.Next - 1);
        SendAppend(p, term is { } known ? new LogPlace(p.Next - 1, known) : _log.Base, []);
    }

    private void SendAppend(Progress p, LogPlace previous, RaftEntry[] entries)
    {
        Reply(new AppendRequest(Self, p.Server, _term, previous, entries, CommitIndex, _round));
    }

    private void SendChunk(Progress p)
    {
        if (p.Snapshot != Snapshot) p.SendSnapshot(Snapshot);
        p.ChunkAt = _now;
        int bytes = (int)Math.Min(_options.ChunkBytes, Snapshot.Bytes - p.Offset);
        SnapshotChunk message = new(Self, p.Server, _term, Snapshot, p.Offset, default, _round);
        _effects.Add(new RaftEffect.SendChunk(message, bytes, _hardSequence));
    }

    private Progress? Heard(ServerId from, long round)
    {
        if (!_members.TryGetValue(from, out Progress? p)) return null;
        if (!IsActive(p)) p.HealthySince = _now;
        p.ActiveAt = _now;
        p.Round = Math.Max(p.Round, round);
        Invariant.Check(p.Round <= _round);
        return p;
    }

    private void Receive(AppendReply reply)
    {
        if (Heard(reply.From, reply.Round) is not { } p) return;
        if (!reply.Success)
        {
            StepBack(p, reply);
            return;
        }
        Invariant.Check(reply.Match <= _log.Last.Index);
        p.Match = Math.Max(p.Match, reply.Match);
        p.Next = Math.Max(p.Next, p.Match + 1);
        p.Free(reply.Match);
        bool caughtUp = p.State != ProgressState.Snapshot || p.Match >= _log.Base.Index;
        if (p.State != ProgressState.Replicate && caughtUp) p.Replicate();
    }

    /// <summary>The logs do not agree there, or what was sent before was lost: goes back to where they may (paper 5.3).</summary>
    private void StepBack(Progress p, AppendReply reply)
    {
        bool stale = p.State switch
        {
            ProgressState.Replicate => reply.Match <= p.Match,
            ProgressState.Probe => reply.Match != p.Next - 1,
            _ => true,
        };
        if (stale) return;
        LogPlace agree = _log.LastNotAbove(reply.Hint);
        p.Probe(Math.Max(Math.Min(agree.Index, reply.Match - 1), p.Match) + 1);
    }

    private void Receive(SnapshotReply reply)
    {
        if (Heard(reply.From, reply.Round) is not { State: ProgressState.Snapshot } p || reply.Index != p.Snapshot!.At.Index || reply.NextOffset == p.Offset) return;
        p.Offset = reply.NextOffset;
        if (p.Offset > p.Snapshot.Bytes) p.Offset = 0;
        SendChunk(p);
    }

    /// <summary>
    /// Commits what a majority of the voters has durable (paper 5.3), if it is of this term (5.4.2): what is of an older one is committed by what follows
    /// it. A leader that is no voter any more does not count itself (thesis 4.2.2), and steps down when that is committed.
    /// </summary>
    private void AdvanceCommit()
    {
        RaftMembership members = _log.Membership;
        Span<long> matches = stackalloc long[members.Voters.Count];
        for (int i = 0; i < matches.Length; i++) matches[i] = members.Voters[i] == Self ? DurableIndex : _members[members.Voters[i]].Match;
        matches.Sort();
        long committed = matches[matches.Length - members.Majority];
        if (committed <= CommitIndex || _log.TermAt(committed) != _term) return;
        for (long i = Math.Max(CommitIndex, _termBegin) + 1; i <= committed; i++) _uncommittedBytes -= _log.At(i)!.Payload.Length;
        Invariant.Check(_uncommittedBytes >= 0);
        CommitIndex = committed;
        if (_log.MembershipIndex <= CommitIndex && !IsVoter)
        {
            foreach (Progress p in _members.Values) SendEmpty(p);
            Follow(_term, ServerId.None);
        }
    }
}
