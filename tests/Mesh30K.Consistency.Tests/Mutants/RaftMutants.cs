namespace Mesh30K.Consistency.Tests.Mutants;

/// <summary>A bug to be planted in the real Raft machine.</summary>
/// <param name="Name">What is wrong.</param>
/// <param name="File">Under <see cref="RaftMutants.Folder"/>.</param>
/// <param name="Snippet">What stands there exactly once.</param>
/// <param name="Replacement">What is put there.</param>
internal sealed record RaftMutant(string Name, string File, string Snippet, string Replacement);

/// <summary>The bugs that <c>mesh verify raft</c> has to find.</summary>
internal static class RaftMutants
{
    public const string Folder = "src/Mesh30K.Consistency/Strong/Raft/";

    private const string Machine = "RaftMachine.cs";
    private const string Elections = "RaftMachine.Elections.cs";
    private const string Following = "RaftMachine.Following.cs";
    private const string Leading = "RaftMachine.Leading.cs";
    private const string Requests = "RaftMachine.Requests.cs";
    private const string Storage = "RaftMachine.Storage.cs";
    private const string Log = "RaftLog.cs";
    private const string Recovery = "RaftRecovery.cs";

    public static readonly IReadOnlyList<RaftMutant> All =
    [
        // Terms and votes.
        new("vote not persisted", Elections, "_votedFor = request.From;\n            PersistHard();", "_votedFor = request.From;"),
        new("term not persisted", Machine, "(_term, _votedFor) = (term, ServerId.None);\n            PersistHard();", "(_term, _votedFor) = (term, ServerId.None);"),
        new("two votes in a term", Elections, "(_votedFor == ServerId.None || _votedFor == request.From)", "(_votedFor != Self)"),
        new("the vote of an old term is kept", Machine, "(_term, _votedFor) = (term, ServerId.None);", "_term = term;"),
        new("vote without a look at the log", Elections, "bool upToDate = request.Last.IsUpToDateWith(_log.Last);", "bool upToDate = true;"),
        new("the longer log wins over the later term", "RaftTypes.cs", "Term > other.Term || (Term == other.Term && Index >= other.Index)", "Index >= other.Index"),
        new("the last term wins, however short the log", "RaftTypes.cs", "Term > other.Term || (Term == other.Term && Index >= other.Index)", "Term >= other.Term"),
        new("half of an even group is a majority", "RaftMembership.cs", "Voters.Count / 2 + 1", "(Voters.Count + 1) / 2"),
        new("a minority elects", Elections, "return _votes.Count(members.IsVoter) >= members.Majority;", "return _votes.Count(members.IsVoter) >= members.Majority - 1;"),
        new("votes of an earlier election count", Elections, "        _votes.Clear();\n        (_term, _votedFor)", "        (_term, _votedFor)"),
        new("a pre-vote counts as a vote", Elections, "else if (Role == RaftRole.Candidate) CountVote(reply.From);", "if (Role == RaftRole.Candidate) CountVote(reply.From);"),
        new("a pre-vote changes the term", Elections, "        if (request.PreVote)\n        {", "        if (request.PreVote)\n        {\n            if (request.Term > _term) Follow(request.Term, ServerId.None);"),
        new("no pre-vote", Machine, "if (MayStand) AskWhether();", "if (MayStand) Campaign(transfer: false);"),
        new("a pre-vote does not ask whether a leader is heard", Elections, "&& upToDate && !HearsLeader;", "&& upToDate;"),
        new("old terms are not refused", Machine, "        if (message.Term < _term)\n", "        if (message.Term < _term && message is VoteReply)\n"),
        new("answers of an old term count", Machine, "        if (message.Term < _term)\n", "        if (message.Term < _term && message is not AppendReply)\n"),
        new("a message leaves before the term is durable", Machine, "new RaftEffect.Send(message, _hardSequence)", "new RaftEffect.Send(message, 0)"),
        new("a clock that goes back stops time", Machine, "if (now + _wentBack < _now) _wentBack = _now - now;", ""),

        // The log of a follower.
        new("acknowledged before the sync", Following, "Send(reply, match <= DurableIndex ? _hardSequence : Math.Max(_hardSequence, _logSequence))", "Send(reply, _hardSequence)"),
        new("a snapshot is acknowledged before the sync", Following, "chunk.Round), _logSequence));", "chunk.Round), 0));"),
        new("the entry before is not compared", Following, "_log.TermAt(append.Previous.Index) != append.Previous.Term", "append.Previous.Index > _log.Last.Index"),
        new("entries match by index alone", Following, "_log.TermAt(entries[known].Index) == entries[known].Term", "entries[known].Index <= _log.Last.Index"),
        new("commit beyond what was compared", Following, "Math.Min(append.Commit, match)", "Math.Min(append.Commit, _log.Last.Index)"),
        new("a late message takes entries back", Following, "if (known == entries.Count) return;", "if (known == entries.Count && entries.Count > 0 && entries[^1].Index < _log.Last.Index && entries[^1].Index >= CommitIndex) Truncate(entries[^1].Index + 1); if (known == entries.Count) return;"),
        new("parts of a snapshot in any order", Following, "if (chunk.Offset == _incomingBytes && chunk", "if (chunk"),
        new("parts of two snapshots are mixed", Following, "if (_incoming?.At != meta.At)", "if (_incoming is null)"),
        new("an old snapshot is installed", Following, "if (meta.At.Index <= CommitIndex)", "if (meta.At.Index <= Snapshot.At.Index)"),

        // A leader.
        new("the leader counts what its disk does not hold", Leading, "== Self ? DurableIndex :", "== Self ? _log.Last.Index :"),
        new("an old term is committed by counting", Leading, " || _log.TermAt(committed) != _term) return;", ") return;"),
        new("what was sent counts as acknowledged", Leading, "p.Match = Math.Max(p.Match, reply.Match);", "p.Match = Math.Max(p.Match, Math.Max(reply.Match, p.Next - 1));"),
        new("learners are counted", Leading, "long committed = matches[matches.Length - members.Majority];", "long committed = _members.Values.Select(p => p.Match).Append(IsVoter ? DurableIndex : 0).OrderDescending().ElementAt(members.Majority - 1);"),
        new("a leader that was removed counts itself", Leading, "long committed = matches[matches.Length - members.Majority];", "long committed = _members.Values.Where(p => members.IsVoter(p.Server)).Select(p => p.Match).Append(DurableIndex).OrderDescending().ElementAt(members.Majority - 1);"),
        new("the majority of the members before", Leading, "        RaftMembership members = _log.Membership;\n        Span<long> matches", "        RaftMembership members = _log.MembershipAt(CommitIndex);\n        if (members.Voters.Any(v => v != Self && !_members.ContainsKey(v))) return;\n        Span<long> matches"),
        new("a leader goes on without a majority", Leading, "if (active < _log.Membership.Majority)", "if (active < 0)"),
        new("lost messages are not noticed", Leading, "if (p.State == ProgressState.Probe) p.Inflight.Clear();", ""),
        new("a lost part of a snapshot is not sent again", Leading, "if (p.State == ProgressState.Snapshot && _now >= p.ChunkAt + 3 * _options.Heartbeat) SendChunk(p);", ""),
        new("the bytes under way are never freed", Leading, "_uncommittedBytes -= _log.At(i)!.Payload.Length;", "_ = _log.At(i)!.Payload.Length;"),
        new("the preferred server is not handed the lead", Leading, "        PreferOther();\n", ""),

        // Reads, members, transfers.
        new("a read without a round", Requests, "rounds[rounds.Length - members.Majority]", "rounds[^1]"),
        new("a read joins a round under way", Requests, "new WaitingRead(id, _round, CommitIndex)", "new WaitingRead(id, _round - 1, CommitIndex)"),
        new("any answer confirms the latest round", Leading, "p.Round = Math.Max(p.Round, round);", "p.Round = _round;"),
        new("a read before the leader's own commit", Requests, " || !HasCommittedOwn) break;", ") break;"),
        new("a read before it is applied", Requests, " && read.Index <= AppliedIndex)", ")"),
        new("two changes at once", Requests, "_log.MembershipIndex > CommitIndex || !HasCommittedOwn", "!HasCommittedOwn"),
        new("a change before the leader's own commit", Requests, "_log.MembershipIndex > CommitIndex || !HasCommittedOwn", "_log.MembershipIndex > CommitIndex"),
        new("a transfer does not wait for the log", Requests, "if (_transferTold || p.Match < _log.Last.Index) return;", "if (_transferTold) return;"),
        new("a transfer never gives up", Requests, "if (_now >= _transferEnds || !_members", "if (!_members"),
        new("members that were taken back stay", Log, "while (_memberships[^1].Index >= from) _memberships.RemoveAt(_memberships.Count - 1);", ""),

        // Storage.
        new("a truncation is not persisted", Storage, "_logSequence = Persist(new RaftChange.Truncate(from));", ""),
        new("what was truncated counts as durable", Storage, "DurableIndex = Math.Min(DurableIndex, from - 1);", ""),
        new("what was truncated becomes durable later", Storage, "_appending.Enqueue((sequence, Math.Min(last, from - 1)));", "_appending.Enqueue((sequence, last));"),
        new("a compaction forgets what follows", Storage, "_log.Base, tail));", "_log.Base, []));"),
        new("a compaction forgets the vote", Storage, "new RaftChange.Compact(Snapshot, new HardState(_term, _votedFor),", "new RaftChange.Compact(Snapshot, new HardState(_term, ServerId.None),"),
        new("a snapshot names later members", Storage, "_log.MembershipAt(index), bytes);", "_log.Membership, bytes);"),
        new("an installed snapshot drops the rest of the log", Storage, "if (_log.TermAt(meta.At.Index) == meta.At.Term) _log.ForgetUpTo(meta, meta.At);", "if (meta.At.Index < 0) _log.ForgetUpTo(meta, meta.At);"),
        new("applied before it is committed", Storage, "Math.Min(Math.Min(CommitIndex, DurableIndex), AppliedIndex", "Math.Min(Math.Min(_log.Last.Index, DurableIndex), AppliedIndex"),
        new("applied before it is durable", Storage, "Math.Min(Math.Min(CommitIndex, DurableIndex), AppliedIndex", "Math.Min(CommitIndex, AppliedIndex"),
        new("a restarted server takes its log for committed", Machine, "CommitIndex = AppliedIndex = _given = Snapshot.At.Index;", "AppliedIndex = _given = Snapshot.At.Index; CommitIndex = _log.Last.Index;"),
        new("recovery passes over truncations", Recovery, "_entries.RemoveRange((int)(from - _base.Index - 1), (int)(Last.Index - from + 1));", "_entries.RemoveRange(_entries.Count, 0);"),
        new("recovery forgets the vote", Recovery, "_state = state;", "_state = state with { VotedFor = ServerId.None };"),
    ];
}
