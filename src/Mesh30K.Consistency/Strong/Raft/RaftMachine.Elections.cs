namespace Mesh30K.Consistency.Strong.Raft;

public sealed partial class RaftMachine
{
    private long _ownVoteSequence;

    /// <summary>Whether a leader was heard of lately: then nobody is elected (thesis 4.2.3).</summary>
    private bool HearsLeader => Role == RaftRole.Leader || (Leader != ServerId.None && _now < _heardAt + _options.ElectionMin);

    /// <summary>The pre-vote (thesis 9.6): a term begins only when a majority would give its vote.</summary>
    private void AskWhether()
    {
        Role = RaftRole.PreCandidate;
        Leader = ServerId.None;
        DelayElection();
        _votes.Clear();
        _votes.Add(Self);
        if (HasMajority())
        {
            Campaign(transfer: false);
            return;
        }
        foreach (ServerId voter in _log.Membership.Voters)
            if (voter != Self) Reply(new VoteRequest(Self, voter, _term + 1, _log.Last, PreVote: true, Transfer: false));
    }

    /// <summary>Stands for election (paper 5.2). The own vote counts when it is durable, as any other.</summary>
    private void Campaign(bool transfer)
    {
        Role = RaftRole.Candidate;
        Leader = ServerId.None;
        DelayElection();
        _votes.Clear();
        (_term, _votedFor) = (_term + 1, Self);
        PersistHard();
        _incoming = null;
        _ownVoteSequence = _hardSequence;
        foreach (ServerId voter in _log.Membership.Voters)
            if (voter != Self) Reply(new VoteRequest(Self, voter, _term, _log.Last, PreVote: false, transfer));
    }

    private void Answer(VoteRequest request)
    {
        bool upToDate = request.Last.IsUpToDateWith(_log.Last);
        if (request.PreVote)
        {
            bool would = request.Term > _term && upToDate && !HearsLeader;
            Reply(new VoteReply(Self, request.From, would ? request.Term : _term, PreVote: true, would));
            return;
        }
        if (HearsLeader && !request.Transfer && request.Term > _term) return;
        if (request.Term > _term) Follow(request.Term, ServerId.None);
        bool granted = request.Term == _term && upToDate && (_votedFor == ServerId.None || _votedFor == request.From);
        if (granted && _votedFor == ServerId.None)
        {
            _votedFor = request.From;
            PersistHard();
        }
        if (granted)
        {
            Role = Role == RaftRole.PreCandidate ? RaftRole.Follower : Role;
            DelayElection();
        }
        Reply(new VoteReply(Self, request.From, _term, PreVote: false, granted));
    }

    private void Count(VoteReply reply)
    {
        if (!reply.Granted) return;
        if (reply.PreVote)
        {
            if (Role != RaftRole.PreCandidate || reply.Term != _term + 1) return;
            _votes.Add(reply.From);
            if (HasMajority()) Campaign(transfer: false);
        }
        else if (Role == RaftRole.Candidate) CountVote(reply.From);
    }

    private void CountVote(ServerId from)
    {
        _votes.Add(from);
        if (HasMajority()) BeginToLead();
    }

    /// <summary>Only voters count, also for a candidate that is none.</summary>
    private bool HasMajority()
    {
        RaftMembership members = _log.Membership;
        return _votes.Count(members.IsVoter) >= members.Majority;
    }
}
