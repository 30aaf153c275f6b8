using Mesh30K.Consistency.Time;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Consistency.Causal;

/// <summary>Something to do with a channel.</summary>
public abstract record ChannelCommand
{
    /// <summary>
    /// Adds an entry. When an entry has this <paramref name="Key"/> or <paramref name="Id"/> already, that entry is the reply and nothing is added,
    /// provided that text, dependencies, agent and key are the same; else it is <see cref="ChannelOutcome.Taken"/>. A key is known as long as its
    /// entry is: while it is open, and then until it is retired (<see cref="ChannelOptions.EndedMax"/>). A push with a number and an end, which tells how
    /// another machine's copy ended, need only have the text and the agent of the entry, and ends it here too if that is a later end
    /// (<see cref="Channel.IsLaterEnd"/>): who holds it is fenced, what waits for it goes on.
    /// </summary>
    /// <param name="Text">What is to be done; one line, not blank.</param>
    /// <param name="DependsOn">What has to be done first; must exist, or have been done. In a <see cref="PushAll"/> also <see cref="PushAll.Entry"/>.</param>
    /// <param name="Agent">Who is to do it; null for anyone.</param>
    /// <param name="Key">The writer's own key, so that a repeated push adds nothing; null for none.</param>
    /// <param name="Id">The number to take, for an import; null for the next one of the channel's writer.</param>
    /// <param name="AttemptsMax">How often it may be claimed before it has failed; at least 1.</param>
    /// <param name="Clock">
    /// What the writer had seen. Null for an entry of the channel's own writer: everything that this channel has; for an import of another writer's
    /// entry: what it depends on and what that had seen, which is all that is sure.
    /// </param>
    /// <param name="Ended">For an import of an entry that has ended already: done, failed or cancelled. Null: it is still to be done.</param>
    /// <param name="Result">With <paramref name="Ended"/>: the result or the reason; null for none.</param>
    public sealed record Push(
        string Text, IReadOnlyList<Dot> DependsOn, string? Agent = null, string? Key = null, Dot? Id = null, int AttemptsMax = 3, VectorClock? Clock = null, EntryStatus? Ended = null,
        string? Result = null)
        : ChannelCommand;

    /// <summary>
    /// Adds all of these entries or, when one is refused, none. An entry may depend on any other of them, also a later one; numbers are given in their
    /// order, but after those that they depend on. Replied in their order. At most <see cref="ChannelOptions.BatchMax"/>.
    /// </summary>
    public sealed record PushAll(IReadOnlyList<Push> Entries) : ChannelCommand
    {
        /// <summary>Stands among the dependencies of a batch for its entry at that index, from 0, whose number is not known yet.</summary>
        public static Dot Entry(int index) => new(-1L - index, ReplicaId.None);
    }

    /// <summary>
    /// Takes up to <paramref name="Limit"/> ready entries, lowest number first, then writer: those for this agent or for anyone. Each gets a lease and a
    /// token; at most <see cref="ChannelOptions.ClaimMax"/> at once.
    /// </summary>
    public sealed record Claim(string Agent, TimeSpan Lease, int Limit = 1) : ChannelCommand;

    /// <summary>
    /// Completes an entry and then takes up to <paramref name="Limit"/> ready ones, in one step. The completed entry comes first in the reply, which is
    /// <see cref="ChannelOutcome.Ok"/> also when nothing is ready. When it cannot be completed, nothing is taken.
    /// </summary>
    public sealed record CompleteAndClaim(Dot Id, long Token, string? Result, string Agent, TimeSpan Lease, int Limit = 1) : ChannelCommand;

    /// <summary>Holds a claimed entry until <paramref name="Lease"/> from now, whatever was left.</summary>
    public sealed record Renew(Dot Id, long Token, TimeSpan Lease) : ChannelCommand;

    /// <summary>Records how far the work is; the next one who claims it gets this. Holds it for longer too.</summary>
    public sealed record Checkpoint(Dot Id, long Token, string Data, TimeSpan Lease) : ChannelCommand;

    /// <summary>
    /// The entry is done. With the token that completed it, it is so again, as long as the entry is known: a repetition after a lost reply. Also after the
    /// lease has expired, while the entry is ready and nobody has claimed it since.
    /// </summary>
    public sealed record Complete(Dot Id, long Token, string? Result) : ChannelCommand;

    /// <summary>The attempt failed: it is tried again after <paramref name="RetryAfter"/>, or has failed for good when that is null or no attempt is left.</summary>
    public sealed record Fail(Dot Id, long Token, string Reason, TimeSpan? RetryAfter) : ChannelCommand;

    /// <summary>Gives a claimed entry back; the attempt does not count.</summary>
    public sealed record Release(Dot Id, long Token) : ChannelCommand;

    /// <summary>
    /// Ends an entry that is not done, whoever holds it: the holder's token is worth nothing any more. With <paramref name="Dependents"/> also all
    /// that wait for it through all levels, else they stay blocked. Replies with what it cancelled, the entry itself first.
    /// </summary>
    public sealed record Cancel(Dot Id, string Reason, bool Dependents) : ChannelCommand;

    /// <summary>Lets a failed or cancelled entry be claimed again, with its attempts at 0 and its checkpoint kept.</summary>
    public sealed record Reopen(Dot Id) : ChannelCommand;
}

/// <summary>How a command ended.</summary>
public enum ChannelOutcome
{
    /// <summary>Done.</summary>
    Ok,

    /// <summary>Nothing is ready for this agent.</summary>
    Empty,

    /// <summary>There is no such entry.</summary>
    NotFound,

    /// <summary>The entry is not in a state for that, or somebody else holds it: the token is not the current one.</summary>
    NotHeld,

    /// <summary>A dependency does not exist.</summary>
    UnknownDependency,

    /// <summary>The dependencies would form a circle.</summary>
    Cycle,

    /// <summary>The number or key belongs to another entry with other content.</summary>
    Taken,

    /// <summary>A bound is reached.</summary>
    Full,

    /// <summary>A field is too long, holds a line break, or is out of range.</summary>
    Invalid,
}

/// <summary>What a command brought.</summary>
/// <param name="Outcome">How it ended.</param>
/// <param name="Entries">The entries that it made, claimed or changed, after it.</param>
/// <param name="Message">What is wrong and what would be right; empty for success.</param>
public sealed record ChannelReply(ChannelOutcome Outcome, IReadOnlyList<ChannelEntry> Entries, string Message = "");

/// <summary>How far an entry is.</summary>
public enum EntryStatus
{
    /// <summary>Something that it depends on is not done, or its next attempt is not due (<see cref="ChannelEntry.RetryAt"/>).</summary>
    Waiting,

    /// <summary>It can be claimed.</summary>
    Ready,

    /// <summary>An agent holds it until its lease ends.</summary>
    Claimed,

    /// <summary>It is done; what depends on it may go on.</summary>
    Done,

    /// <summary>It failed for good; what depends on it stays blocked.</summary>
    Failed,

    /// <summary>It was called off; what depends on it stays blocked.</summary>
    Cancelled,
}

/// <summary>An entry as it is at one moment. Immutable.</summary>
public sealed record ChannelEntry
{
    public required Dot Id { get; init; }

    public required string Text { get; init; }

    public required IReadOnlyList<Dot> DependsOn { get; init; }

    public string? Agent { get; init; }

    public string? Key { get; init; }

    public EntryStatus Status { get; init; }

    /// <summary>
    /// For an entry that waits: the failed and cancelled ones among what it depends on, through all levels, ascending, the first
    /// <see cref="Channel.BlockedByMax"/>; it will not get ready by itself. Filled by <see cref="Channel.Find"/> and <see cref="Channel.Entries"/>; empty
    /// in a reply, because finding it costs a walk.
    /// </summary>
    public IReadOnlyList<Dot> BlockedBy { get; init; } = [];

    /// <summary>Who holds it; null when nobody does.</summary>
    public string? ClaimedBy { get; init; }

    /// <summary>The fencing token of the last claim; grows with every claim of the channel; 0 when it was never claimed, or an import ended it.</summary>
    public long Token { get; init; }

    public Instant? LeaseUntil { get; init; }

    /// <summary>When it may be tried again after a failed attempt; null when it waits for no moment.</summary>
    public Instant? RetryAt { get; init; }

    /// <summary>Claims so far that count.</summary>
    public int Attempts { get; init; }

    public int AttemptsMax { get; init; }

    /// <summary>The last checkpoint; null for none.</summary>
    public string? Checkpoint { get; init; }

    /// <summary>The result of a done entry, the reason of a failed or cancelled one, or of the last failed attempt.</summary>
    public string? Result { get; init; }

    /// <summary>What its writer had seen when it wrote it.</summary>
    public required VectorClock Clock { get; init; }

    public Instant PushedAt { get; init; }

    public Instant? EndedAt { get; init; }
}

/// <summary>Entries by state, and how many have ended and are no more known singly.</summary>
public readonly record struct ChannelCounts(long Waiting, long Ready, long Claimed, long Done, long Failed, long Cancelled, long Retired);

/// <summary>Bounds of a channel.</summary>
public sealed record ChannelOptions
{
    /// <summary>The name that this channel's numbers carry (<c>142@ana</c>): needed when channels of several machines meet in one file.</summary>
    public ReplicaId Writer { get; init; }

    /// <summary>
    /// Entries that have not ended. Measured: 240 bytes each without texts and dependencies, 410 with one dependency, a text of 18 characters
    /// and a key of 10 (2 bytes a character). Default 1,000,000; a push beyond is refused (<see cref="ChannelOutcome.Full"/>).
    /// </summary>
    public int OpenMax { get; init; } = 1_000_000;

    /// <summary>
    /// Ended entries that stay readable, with their keys; the oldest are retired first, a 64th at once, and but for those on which an open entry depends.
    /// Of retired ones only numbers and how they ended are kept. Default 10,000.
    /// </summary>
    public int EndedMax { get; init; } = 10_000;

    /// <summary>Characters of a text, result, reason or checkpoint. Default 65,536.</summary>
    public int TextCharsMax { get; init; } = 65_536;

    /// <summary>Characters of an agent's name and of a key. Default 256.</summary>
    public int NameCharsMax { get; init; } = 256;

    /// <summary>Dependencies of one entry. Default 1,000.</summary>
    public int DependenciesMax { get; init; } = 1_000;

    /// <summary>Entries of one <see cref="ChannelCommand.PushAll"/>, whose record may have 8 MiB. Default 100,000.</summary>
    public int BatchMax { get; init; } = 100_000;

    /// <summary>Entries of one claim. Default 1,000.</summary>
    public int ClaimMax { get; init; } = 1_000;

    /// <summary>The longest lease and the longest delay of a retry. Default 30 days.</summary>
    public TimeSpan DelayMax { get; init; } = TimeSpan.FromDays(30);

    /// <summary>Writers whose entries, or mentions in clocks, the channel takes in. Default 1,000.</summary>
    public int WritersMax { get; init; } = 1_000;
}
