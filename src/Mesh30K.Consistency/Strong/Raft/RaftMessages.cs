namespace Mesh30K.Consistency.Strong.Raft;

/// <summary>What a server tells another. Any message may be lost, doubled, delayed and overtaken; none may be changed on its way.</summary>
/// <param name="Term">The sender's term; of a pre-vote and its grant, the term that the candidate would begin.</param>
public abstract record RaftMessage(ServerId From, ServerId To, long Term);

/// <summary>Asks for a vote (paper 5.2), or whether it would be given (thesis 9.6).</summary>
/// <param name="Last">Where the candidate's log ends.</param>
/// <param name="PreVote">Only asks whether.</param>
/// <param name="Transfer">The leader asked for this election, so its followers answer although they hear from it (thesis 4.2.3).</param>
public sealed record VoteRequest(ServerId From, ServerId To, long Term, LogPlace Last, bool PreVote, bool Transfer) : RaftMessage(From, To, Term);

/// <summary>The answer to a <see cref="VoteRequest"/>.</summary>
public sealed record VoteReply(ServerId From, ServerId To, long Term, bool PreVote, bool Granted) : RaftMessage(From, To, Term);

/// <summary>Entries that follow <paramref name="Previous"/>; none is a heartbeat (paper 5.3).</summary>
/// <param name="Commit">The leader's commit index.</param>
/// <param name="Round">The leader's latest round of read confirmations; the reply carries it back (thesis 6.4).</param>
public sealed record AppendRequest(ServerId From, ServerId To, long Term, LogPlace Previous, IReadOnlyList<RaftEntry> Entries, long Commit, long Round) : RaftMessage(From, To, Term);

/// <summary>The answer to an <see cref="AppendRequest"/>, or to the last chunk of a snapshot.</summary>
/// <param name="Success">Whether the follower's log holds the entry before.</param>
/// <param name="Match">On success, up to where the follower's log is durable and the leader's; else the index that did not match.</param>
/// <param name="Hint">When it did not match: the follower's last entry that may match (paper 5.3, last but one paragraph).</param>
public sealed record AppendReply(ServerId From, ServerId To, long Term, bool Success, long Match, LogPlace Hint, long Round) : RaftMessage(From, To, Term);

/// <summary>A part of a snapshot (paper 7, figure 13).</summary>
/// <param name="Offset">Of these bytes in the image.</param>
public sealed record SnapshotChunk(ServerId From, ServerId To, long Term, SnapshotMeta Meta, long Offset, ReadOnlyMemory<byte> Data, long Round) : RaftMessage(From, To, Term);

/// <summary>The answer to a <see cref="SnapshotChunk"/> that does not complete the snapshot.</summary>
/// <param name="Index">Of the snapshot.</param>
/// <param name="NextOffset">What the follower wants next.</param>
public sealed record SnapshotReply(ServerId From, ServerId To, long Term, long Index, long NextOffset, long Round) : RaftMessage(From, To, Term);

/// <summary>Asks a follower that has the whole log to stand for election at once (thesis 3.10).</summary>
public sealed record TimeoutNow(ServerId From, ServerId To, long Term) : RaftMessage(From, To, Term);
