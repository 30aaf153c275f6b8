using Mesh30K.Consistency.Time;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Consistency.Causal;

/// <summary>Something to do with a channel.</summary>
public abstract record ChannelCommand
{
    /// <summary>Adds an entry. With a <paramref name="Key"/> that an entry has already, that entry is the reply and nothing is added.</summary>
    /// <param name="Text">What is to be done; one line.</param>
    /// <param name="DependsOn">What has to be done first; must exist, or have existed.</param>
    /// <param name="Agent">Who is to do it; null for anyone.</param>
    /// <param name="Key">The writer's own key, so that a repeated push adds nothing; null for none.</param>
    /// <param name="Id">The number to take, for an import; null for the next one of the channel's writer.</param>
    /// <param name="AttemptsMax">How often it may be claimed before it has failed; at least 1.</param>
    /// <param name="Clock">What the writer had seen, for an import; null: everything that this channel has.</param>
    public sealed record Push(string Text, IReadOnlyList<Dot> DependsOn, string? Agent = null, string? Key = null, Dot? Id = null, int AttemptsMax = 3, VectorClock? Clock = null) : ChannelCommand;

    /// <summary>Takes up to <paramref name="Limit"/> ready entries, lowest number first: those for this agent or for anyone.</summary>
    public sealed record Claim(string Agent, TimeSpan Lease, int Limit = 1) : ChannelCommand;

    /// <summary>Takes up to <paramref name="Limit"/> ready entries after completing one that the agent holds, in one step.</summary>
    public sealed record CompleteAndClaim(Dot Id, long Token, string? Result, string Agent, TimeSpan Lease, int Limit = 1) : ChannelCommand;

    /// <summary>Holds a claimed entry for longer.</summary>
    public sealed record Renew(Dot Id, long Token, TimeSpan Lease) : ChannelCommand;

    /// <summary>Records how far the work is; the next one who claims it gets this. Holds it for longer too.</summary>
    public sealed record Checkpoint(Dot Id, long Token, string Data, TimeSpan Lease) : ChannelCommand;

    public sealed record Complete(Dot Id, long Token, string? Result) : ChannelCommand;

    /// <summary>The attempt failed: it is tried again after <paramref name="RetryAfter"/>, or has failed for good when that is null or no attempt is left.</summary>
    public sealed record Fail(Dot Id, long Token, string Reason, TimeSpan? RetryAfter) : ChannelCommand;

    /// <summary>Gives a claimed entry back; the attempt does not count.</summary>
    public sealed record Release(Dot Id, long Token) : ChannelCommand;

    /// <summary>Ends an entry that is not done, whoever holds it. With <paramref name="Dependents"/> also all that wait for it, else they stay blocked.</summary>
    public sealed record Cancel(Dot Id, string Reason, bool Dependents) : ChannelCommand;

    /// <summary>Lets a failed or cancelled entry be claimed again, with its attempts at 0.</summary>
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
    /// <summary>Something that it depends on is not done.</summary>
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

    /// <summary>For an entry that waits: the failed and cancelled ones among what it depends on, through all levels; it will not get ready by itself.</summary>
    public IReadOnlyList<Dot> BlockedBy { get; init; } = [];

    /// <summary>Who holds it; null when nobody does.</summary>
    public string? ClaimedBy { get; init; }

    /// <summary>The fencing token of the current claim; grows with every claim of the channel; 0 when it was never claimed.</summary>
    public long Token { get; init; }

    public Instant? LeaseUntil { get; init; }

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

    /// <summary>Entries that have not ended. Default 1,000,000; a push beyond is refused (<see cref="ChannelOutcome.Full"/>).</summary>
    public int OpenMax { get; init; } = 1_000_000;

    /// <summary>Ended entries that stay readable; the oldest are retired first. Default 10,000.</summary>
    public int EndedMax { get; init; } = 10_000;

    /// <summary>Characters of a text, result, reason or checkpoint. Default 65,536.</summary>
    public int TextCharsMax { get; init; } = 65_536;

    /// <summary>Dependencies of one entry. Default 1,000.</summary>
    public int DependenciesMax { get; init; } = 1_000;
}
