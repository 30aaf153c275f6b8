using static Mesh30K.Simulation.Strong.Raft.FaultKind;

namespace Mesh30K.Simulation.Strong.Raft;

/// <summary>What a nemesis can do to a group.</summary>
internal enum FaultKind
{
    /// <summary>Messages are lost, up to 30 of 100.</summary>
    Losses,

    /// <summary>Messages come twice, up to 20 of 100.</summary>
    Doubles,

    /// <summary>Messages come much too late, up to 10 of 100.</summary>
    Delays,

    /// <summary>Many messages come very late, from a leader's earlier life.</summary>
    LongDelays,

    /// <summary>Servers crash between any two effects.</summary>
    CrashesAnywhere,

    /// <summary>One way between two servers.</summary>
    CutOneWay,

    /// <summary>A server from all others: both ways, or one.</summary>
    CutServer,

    /// <summary>The leader from all others: both ways, or one.</summary>
    CutLeader,

    /// <summary>The group in two.</summary>
    CutHalves,

    /// <summary>A follower, long enough to need a snapshot.</summary>
    CutForLong,

    /// <summary>One way is slow for a while, so that what is sent later overtakes.</summary>
    SlowWay,

    /// <summary>The way from the leader to a follower is slow for a while.</summary>
    SlowFollower,

    /// <summary>The leader is cut off and its clock is slow, so that it believes in itself while another is elected; clients still reach it.</summary>
    DeposeLeader,

    /// <summary>The leader with a minority: what it takes is never committed.</summary>
    LeadMinority,

    /// <summary>As before, and it crashes when the cut ends, or all do: several terms fight for one place in the log (paper, figure 8).</summary>
    LeadMinorityThenCrash,

    /// <summary>A server stops for a while.</summary>
    Pause,

    /// <summary>The leader stops for a while.</summary>
    PauseLeader,

    /// <summary>A clock jumps ahead.</summary>
    ClockAhead,

    /// <summary>A clock jumps back.</summary>
    ClockBack,

    /// <summary>A clock runs up to twice as fast.</summary>
    ClockFast,

    /// <summary>A clock runs down to half as fast.</summary>
    ClockSlow,

    /// <summary>A process dies.</summary>
    CrashProcess,

    /// <summary>The leader dies, or its power fails.</summary>
    CrashLeader,

    /// <summary>A server dies while it writes.</summary>
    CrashWriting,

    /// <summary>A server dies while it compacts.</summary>
    CrashCompacting,

    /// <summary>A server dies just before a certain kind of effect, such as the answer to a vote.</summary>
    CrashBeforeEffect,

    /// <summary>A server's power fails.</summary>
    PowerOfOne,

    /// <summary>Everybody's power fails.</summary>
    PowerOfAll,

    /// <summary>A disk is up to 100 times as slow.</summary>
    SlowDisk,

    /// <summary>A disk is full.</summary>
    FullDisk,

    /// <summary>A disk's syncs fail.</summary>
    FailingSync,

    /// <summary>What a disk had synced is damaged; its server must notice.</summary>
    Damage,

    /// <summary>A new server learns.</summary>
    AddServer,

    /// <summary>A learner gets a vote.</summary>
    PromoteServer,

    /// <summary>A voter is removed.</summary>
    RemoveServer,

    /// <summary>The leader is removed.</summary>
    RemoveLeader,

    /// <summary>Two changes are asked of a leader that has just been elected, or of one that is cut off.</summary>
    ChangeAtOnce,

    /// <summary>A leader that is cut off changes its members, which is taken back when it returns.</summary>
    ChangeOfCutOff,

    /// <summary>The lead is handed to somebody.</summary>
    TransferLead,

    /// <summary>The lead is handed to somebody who is cut off from it.</summary>
    TransferToCutOff,
}

/// <summary>Which trouble a run concentrates on.</summary>
internal sealed record RaftRecipe(string Name)
{
    private static readonly FaultKind[] Cuts = [CutOneWay, CutServer, CutLeader, CutHalves, SlowWay];
    private static readonly FaultKind[] Clocks = [ClockAhead, ClockBack, ClockFast, ClockSlow];
    private static readonly FaultKind[] Crashes = [CrashProcess, CrashLeader, CrashWriting, CrashCompacting, PowerOfOne, PowerOfAll, CrashBeforeEffect];
    private static readonly FaultKind[] Disks = [SlowDisk, FullDisk, FailingSync];
    private static readonly FaultKind[] Changes = [AddServer, PromoteServer, PromoteServer, RemoveServer, RemoveLeader, ChangeAtOnce, ChangeOfCutOff];
    private static readonly (int, FaultKind)[] AnyNoise = [(60, Losses), (60, Doubles), (60, Delays)];

    /// <summary>Each is as likely as the others.</summary>
    public static readonly IReadOnlyList<RaftRecipe> All =
    [
        new("all")
        {
            Families =
            [
                (70, Cuts), (60, [Pause, PauseLeader]), (60, Clocks), (70, Crashes), (50, Disks), (40, [Damage]), (75, Changes), (60, [TransferLead, TransferToCutOff]),
                (50, [DeposeLeader, LeadMinority, LeadMinorityThenCrash]), (30, [CutForLong]),
            ],
            Always = [.. AnyNoise, (10, LongDelays), (60, CrashesAnywhere)],
            AlonePercent = 12,
        },
        new("elections")
        {
            Families = [(100, [CutLeader, CrashLeader, PauseLeader, CutHalves, CrashBeforeEffect]), (60, Clocks), (60, [TransferLead]), (50, [PowerOfAll])],
            Always = [.. AnyNoise, (40, CrashesAnywhere)],
            EveryMsMost = 160,
        },
        new("stale leaders")
        {
            Families = [(100, [DeposeLeader, PauseLeader, DeposeLeader]), (60, [TransferLead]), (40, [CutLeader])],
            Always = [(30, Losses), (40, Delays), (50, LongDelays)],
            ReadPercentLeast = 50,
            EveryMsLeast = 100,
        },
        new("diverging logs")
        {
            Families = [(100, [LeadMinority, LeadMinorityThenCrash]), (50, [CrashLeader, PowerOfAll]), (40, [CutHalves]), (30, [CutForLong])],
            Always = [.. AnyNoise, (30, LongDelays)],
            ReadPercentLeast = 10,
        },
        new("crashes")
        {
            Families = [(100, Crashes), (50, Disks), (50, [CrashBeforeEffect, CrashBeforeEffect])],
            Always = [(50, Losses), (80, CrashesAnywhere)],
            AlonePercent = 30,
        },
        new("disks")
        {
            Families = [(100, [PowerOfOne, PowerOfOne, PowerOfAll, CrashWriting, CrashWriting, CrashCompacting]), (100, [FailingSync, FailingSync, FullDisk, SlowDisk]), (60, [Damage])],
            Always = [(30, Losses), (80, CrashesAnywhere)],
            EveryMsMost = 100,
            AlonePercent = 20,
        },
        new("snapshots")
        {
            Families = [(100, [CutForLong, SlowWay, SlowFollower, SlowFollower, SlowFollower]), (60, [CrashCompacting, CrashProcess]), (50, [CrashLeader]), (40, [LeadMinority]), (60, [AddServer, PromoteServer]), (30, [Damage])],
            Always = [.. AnyNoise, (40, LongDelays)],
            SnapshotPercent = 100,
            SnapshotEveryLeast = 3,
            SnapshotEveryMost = 12,
        },
        new("members")
        {
            Families = [(100, Changes), (60, [CutLeader, CrashLeader]), (50, [LeadMinority, LeadMinorityThenCrash]), (30, [TransferLead]), (30, [PowerOfAll])],
            Always = [.. AnyNoise],
            EveryMsMost = 160,
            AlonePercent = 12,
        },
        new("transfers")
        {
            Families = [(100, [TransferLead, TransferToCutOff, TransferToCutOff]), (40, [SlowWay]), (30, [PauseLeader])],
            Always = [(70, Losses), (50, Doubles), (50, Delays)],
            EveryMsLeast = 100,
            EveryMsMost = 500,
        },
    ];

    /// <summary>Groups of faults, with the chance that a run has them.</summary>
    public required IReadOnlyList<(int Percent, FaultKind[] Faults)> Families { get; init; }

    /// <summary>Faults that last for all of the faulty time, with their chance.</summary>
    public required IReadOnlyList<(int Percent, FaultKind Fault)> Always { get; init; }

    /// <summary>Between two faults, at least and at most on average.</summary>
    public int EveryMsLeast { get; init; } = 20;

    public int EveryMsMost { get; init; } = 300;

    /// <summary>Of 100 groups, how many have one server only.</summary>
    public int AlonePercent { get; init; }

    public int ReadPercentLeast { get; init; } = 20;

    /// <summary>Of 100 runs, how many compact.</summary>
    public int SnapshotPercent { get; init; } = 75;

    public int SnapshotEveryLeast { get; init; } = 8;

    public int SnapshotEveryMost { get; init; } = 48;
}
