using Mesh30K.Protocol;

namespace Mesh30K.Consistency.Strong.Raft;

public sealed partial class RaftMachine
{
    private SnapshotMeta? _incoming;
    private long _incomingBytes;

    /// <summary>The term's leader is heard of (paper 5.2).</summary>
    private void HearLeader(ServerId leader)
    {
        Invariant.Check(Role != RaftRole.Leader && (Leader == ServerId.None || Leader == leader));
        Role = RaftRole.Follower;
        Leader = leader;
        _heardAt = _now;
        DelayElection();
    }

    private void Receive(AppendRequest append)
    {
        HearLeader(append.From);
        if (append.Previous.Index < _log.Base.Index)
        {
            // What this log no longer holds is committed, so the leader's log has it too (paper 5.4.3).
            ReplyMatch(append, CommitIndex);
            return;
        }
        if (_log.TermAt(append.Previous.Index) != append.Previous.Term)
        {
            LogPlace hint = _log.LastNotAbove(append.Previous.Index > _log.Last.Index ? append.Previous : append.Previous with { Index = append.Previous.Index - 1 });
            Reply(new AppendReply(Self, append.From, _term, false, append.Previous.Index, hint, append.Round));
            return;
        }
        TakeEntries(append.Entries);
        long match = append.Previous.Index + append.Entries.Count;
        CommitIndex = Math.Max(CommitIndex, Math.Min(append.Commit, match));
        ReplyMatch(append, match);
    }

    /// <summary>Entries that are there stay: a late message must not take back what a later one brought (paper 5.3 and figure 2).</summary>
    private void TakeEntries(IReadOnlyList<RaftEntry> entries)
    {
        int known = 0;
        while (known < entries.Count && _log.TermAt(entries[known].Index) == entries[known].Term) known++;
        if (known == entries.Count) return;
        if (entries[known].Index <= _log.Last.Index) Truncate(entries[known].Index);
        Append(known == 0 ? entries : [.. entries.Skip(known)]);
    }

    private void ReplyMatch(AppendRequest append, long match)
    {
        AppendReply reply = new(Self, append.From, _term, true, match, default, append.Round);
        _effects.Add(new RaftEffect.Send(reply, match <= DurableIndex ? _hardSequence : Math.Max(_hardSequence, _logSequence)));
    }

    /// <summary>Takes the parts in order; another part, or one of another snapshot, is answered with what is wanted (paper 7, figure 13).</summary>
    private void Receive(SnapshotChunk chunk)
    {
        HearLeader(chunk.From);
        SnapshotMeta meta = chunk.Meta;
        if (meta.At.Index <= CommitIndex)
        {
            _incoming = null;
            long after = CommitIndex <= DurableIndex ? _hardSequence : Math.Max(_hardSequence, _logSequence);
            _effects.Add(new RaftEffect.Send(new AppendReply(Self, chunk.From, _term, true, CommitIndex, default, chunk.Round), after));
            return;
        }
        if (meta.Bytes > _options.SnapshotBytesMax) return;
        if (_incoming?.At != meta.At) (_incoming, _incomingBytes) = (meta, 0);
        if (chunk.Offset == _incomingBytes && chunk.Offset + chunk.Data.Length <= meta.Bytes)
        {
            _effects.Add(new RaftEffect.KeepChunk(meta, chunk.Offset, chunk.Data));
            _incomingBytes += chunk.Data.Length;
            if (_incomingBytes == meta.Bytes)
            {
                _incoming = null;
                Install(meta);
                _effects.Add(new RaftEffect.Send(new AppendReply(Self, chunk.From, _term, true, meta.At.Index, default, chunk.Round), _logSequence));
                return;
            }
        }
        Reply(new SnapshotReply(Self, chunk.From, _term, meta.At.Index, _incomingBytes, chunk.Round));
    }
}
