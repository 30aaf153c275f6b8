using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Consistency.Strong.Raft;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Ledger.Group;

/// <summary>Something that a client asks of a coordinator.</summary>
/// <param name="Caller">Who is told.</param>
/// <param name="Id">The caller's own number for it.</param>
/// <param name="Due">Until when an answer is of use, by the host's monotonic clock.</param>
internal abstract record HostRequest(ILedgerCaller Caller, long Id, Instant Due)
{
    /// <summary>A command for the ledger. It was checked: <see cref="LedgerMachine.Refuse"/> has nothing against it.</summary>
    internal sealed record Ask(ILedgerCaller Caller, long Id, Instant Due, LedgerCommand Command) : HostRequest(Caller, Id, Due);

    /// <summary>A linearizable read.</summary>
    internal sealed record Read(ILedgerCaller Caller, long Id, Instant Due, LedgerQuery Query) : HostRequest(Caller, Id, Due);

    /// <summary>How this server is.</summary>
    internal sealed record Status(ILedgerCaller Caller, long Id, Instant Due) : HostRequest(Caller, Id, Due);

    /// <summary>A step of the membership; <paramref name="Address"/> of a server that is added.</summary>
    internal sealed record Change(ILedgerCaller Caller, long Id, Instant Due, MemberStep Step, ServerId Server, ServerAddress? Address) : HostRequest(Caller, Id, Due);

    /// <summary>Hand the lead to that server, or to any that is reachable.</summary>
    internal sealed record Transfer(ILedgerCaller Caller, long Id, Instant Due, ServerId To) : HostRequest(Caller, Id, Due);

    /// <summary>Make a snapshot now, of this server alone.</summary>
    internal sealed record Snapshot(ILedgerCaller Caller, long Id, Instant Due) : HostRequest(Caller, Id, Due);
}

/// <summary>Where a coordinator is reached.</summary>
internal sealed record ServerAddress(string Host, int Port)
{
    /// <summary>Whether a text can be a host: one that cannot must not get into the ledger, since every server would try to dial it.</summary>
    internal static bool IsHost(string text) => Uri.CheckHostName(text) != UriHostNameType.Unknown;

    public override string ToString() => $"{Host}:{Port}";
}

/// <summary>Why a request has no answer.</summary>
/// <param name="Certainty">Never <see cref="LedgerCertainty.Answered"/>.</param>
/// <param name="Leader">Who may be asked instead; <see cref="ServerId.None"/> when that is not known.</param>
/// <param name="Address">Where it is; null when that is not known.</param>
/// <param name="Retry">Whether it is of use to ask again later.</param>
internal sealed record LedgerRefusal(LedgerCertainty Certainty, string Why, bool Retry, ServerId Leader = default, ServerAddress? Address = null);

/// <summary>Whoever asked. Called in the host's rounds, so it returns at once; an answer to a caller that is gone is dropped.</summary>
internal interface ILedgerCaller
{
    void Answer(long id, LedgerReply reply);

    void Answer(long id, LedgerPage<LedgerEntry> page);

    void Answer(long id, CoordinatorStatus status);

    /// <summary>A change, a transfer or a snapshot was done, or begun where it says so.</summary>
    void Done(long id);

    void Refuse(long id, LedgerRefusal refusal);

    /// <summary>No more answers come in this round: what there is may leave.</summary>
    void Flush();
}

/// <summary>Carries messages to other servers. Called in the host's rounds; returns at once. May drop any message, and keeps none back for ever.</summary>
internal interface IRaftTransport
{
    void Send(RaftMessage message);

    /// <summary>No more messages come in this round: what there is may leave.</summary>
    void Flush();

    /// <summary>Whether a message to that server would leave now.</summary>
    bool IsLinked(ServerId server);
}

/// <summary>How a coordinator is, at one moment.</summary>
public sealed record CoordinatorStatus
{
    public required int Server { get; init; }

    public required RaftRole Role { get; init; }

    public required long Term { get; init; }

    /// <summary>Who leads, as far as it knows; 0 when it does not.</summary>
    public required int Leader { get; init; }

    public required long Last { get; init; }

    public required long Durable { get; init; }

    public required long Commit { get; init; }

    public required long Applied { get; init; }

    /// <summary>The entry that the latest snapshot ends with.</summary>
    public required long Snapshot { get; init; }

    /// <summary>Bytes of the log's records since the latest snapshot.</summary>
    public required long LogBytes { get; init; }

    /// <summary>Batches of changes written and synced since the server started.</summary>
    public required long Syncs { get; init; }

    public required IReadOnlyList<int> Voters { get; init; }

    public required IReadOnlyList<int> Learners { get; init; }

    /// <summary>Other servers that it reaches now.</summary>
    public required IReadOnlyList<int> Linked { get; init; }

    /// <summary>Where servers are that were added later: <c>number host:port</c>.</summary>
    public required IReadOnlyList<GroupServer> Added { get; init; }

    /// <summary>Log time.</summary>
    public required DateTimeOffset LogTime { get; init; }

    public required LedgerCounts Counts { get; init; }

    /// <summary>What all entries count against the ledger's bound.</summary>
    public required long LedgerBytes { get; init; }

    /// <summary>How far its wall clock is ahead of what others' clocks say, in ms; null when no other clock is known.</summary>
    public required double? ClockAheadMs { get; init; }
}
