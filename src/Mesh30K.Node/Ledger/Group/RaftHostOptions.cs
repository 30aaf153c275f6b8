using Mesh30K.Consistency.Strong.Raft;

namespace Mesh30K.Node.Ledger.Group;

/// <summary>How a coordinator behaves.</summary>
public sealed record RaftHostOptions
{
    public RaftOptions Raft { get; init; } = new();

    /// <summary>
    /// Messages of other servers in line for a round, and their bytes; and messages to them that wait for this server's disk. Policy: <em>drop newest</em>, since any message may be lost. Default 4,096 and 64 MiB. More: more memory when the host
    /// is behind, and older messages.
    /// </summary>
    public int MessagesMax { get; init; } = 4_096;

    public long MessageBytesMax { get; init; } = 64L << 20;

    /// <summary>Requests of clients in line for a round. Policy: <em>refuse newest</em>, as not taken. Default 16,384. More: longer waits before a client hears that there are too many.</summary>
    public int RequestsMax { get; init; } = 16_384;

    /// <summary>Payload of commands that are proposed as one, in bytes, and their number. Default 1 MiB and 1,024. More: fewer rounds, longer ones.</summary>
    public int ProposeBytesMax { get; init; } = 1 << 20;

    public int ProposeCountMax { get; init; } = 1_024;

    /// <summary>
    /// How far the wall clock of a leader may be from those of most servers. Default 5 s. When it is further off, it proposes nothing (clients hear why) and hands the lead over: leases would
    /// end early, and retentions too. More: leases have to bear more.
    /// </summary>
    public TimeSpan ClockOffMax { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Log time comes from its wall clock, everything else from its monotonic one.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}
