using System.Globalization;

namespace Mesh30K.Consistency.Strong.Raft;

/// <summary>A server of a group, from 1; never given to another server, also not to the same machine with an empty disk.</summary>
public readonly record struct ServerId(int Number) : IComparable<ServerId>
{
    /// <summary>No server.</summary>
    public static readonly ServerId None;

    public static bool operator <(ServerId a, ServerId b) => a.Number < b.Number;

    public static bool operator >(ServerId a, ServerId b) => a.Number > b.Number;

    public static bool operator <=(ServerId a, ServerId b) => a.Number <= b.Number;

    public static bool operator >=(ServerId a, ServerId b) => a.Number >= b.Number;

    public int CompareTo(ServerId other) => Number.CompareTo(other.Number);

    public override string ToString() => "s" + Number.ToString(CultureInfo.InvariantCulture);
}

/// <summary>A place in the log. Index 0, term 0 is before the first entry.</summary>
/// <param name="Index">From 1, without gaps.</param>
/// <param name="Term">Of the leader that made the entry.</param>
public readonly record struct LogPlace(long Index, long Term)
{
    /// <summary>Whether a log that ends here is at least as up to date as one that ends there (paper 5.4.1).</summary>
    public bool IsUpToDateWith(LogPlace other) => Term > other.Term || (Term == other.Term && Index >= other.Index);
}

/// <summary>What an entry of the log is for.</summary>
public enum RaftEntryKind : byte
{
    /// <summary>A new leader's first entry: commits what came before it (paper 8). The state machine skips it.</summary>
    Noop = 0,

    /// <summary>A command for the state machine.</summary>
    Command = 1,

    /// <summary>The members from here on, as <see cref="RaftMembership.ToBytes"/> writes them. The state machine skips it.</summary>
    Membership = 2,
}

/// <summary>An entry of the log. Immutable; the payload is never changed by whoever holds it.</summary>
public sealed record RaftEntry(long Index, long Term, RaftEntryKind Kind, ReadOnlyMemory<byte> Payload)
{
    public LogPlace Place => new(Index, Term);
}

/// <summary>What a server has to remember besides its log before it answers (paper, figure 2: persistent state).</summary>
/// <param name="Term">The latest term that the server has seen.</param>
/// <param name="VotedFor">Whom it gave its vote in that term.</param>
public readonly record struct HardState(long Term, ServerId VotedFor);

/// <summary>A snapshot, without its bytes.</summary>
/// <param name="At">The last entry that it stands for.</param>
/// <param name="Membership">The members as of that entry.</param>
/// <param name="Bytes">Length of the state machine's image.</param>
public sealed record SnapshotMeta(LogPlace At, RaftMembership Membership, long Bytes);

/// <summary>What a server does in the group.</summary>
public enum RaftRole
{
    /// <summary>Answers a leader or waits for one.</summary>
    Follower,

    /// <summary>Asks whether it would be elected, without disturbing anyone (thesis 9.6).</summary>
    PreCandidate,

    /// <summary>Asks for votes in a new term.</summary>
    Candidate,

    /// <summary>Orders the log.</summary>
    Leader,
}

/// <summary>Why a request was not taken. Nothing was changed by it, unless said otherwise.</summary>
public enum RaftRefusal
{
    /// <summary>Another server leads, or none that is known: ask the one that the hint names.</summary>
    NotLeader,

    /// <summary>A bound of <see cref="RaftOptions"/> is reached: try again later.</summary>
    Busy,

    /// <summary>The leader hands over: try again at the next leader.</summary>
    Transferring,

    /// <summary>A change of members is under way, or the leader has not yet committed an entry of its term: try again later.</summary>
    ChangePending,

    /// <summary>The change, the transfer or the payload is not possible as it stands.</summary>
    Invalid,

    /// <summary>A read that was waiting when the leader stepped down: ask the next leader.</summary>
    LostLeadership,
}
