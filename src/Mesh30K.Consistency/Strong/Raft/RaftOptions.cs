namespace Mesh30K.Consistency.Strong.Raft;

/// <summary>How a server of a group behaves. Servers of one group may differ; safety depends on none of these.</summary>
public sealed record RaftOptions
{
    /// <summary>
    /// How long a follower waits for its leader at least before it stands for election, and how long a leader goes on without a majority. 10 ms and more;
    /// default 500 ms. More: fewer needless elections on a slow network or disk, longer without a leader after its death.
    /// </summary>
    public TimeSpan ElectionMin { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>The random part on top of <see cref="ElectionMin"/> (paper 5.2). Above 0; default 500 ms. Less: more split votes.</summary>
    public TimeSpan ElectionSpread { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>Between two heartbeats of a leader. Above 0 and well below <see cref="ElectionMin"/>; default 50 ms.</summary>
    public TimeSpan Heartbeat { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>Entries in one message or one <see cref="RaftEffect.Apply"/>. From 1; default 1,024.</summary>
    public int BatchEntriesMax { get; init; } = 1_024;

    /// <summary>Bytes of payload in one message; a single larger entry goes alone. From 1; default 1 MiB.</summary>
    public int BatchBytesMax { get; init; } = 1 << 20;

    /// <summary>Messages with entries on the way to one follower (thesis 10.2.1). From 1; default 32. When full: wait for an answer or the next heartbeat.</summary>
    public int InflightMax { get; init; } = 32;

    /// <summary>Entries at most that a leader has not committed. From 1; default 65,536. When reached: refuse with <see cref="RaftRefusal.Busy"/>.</summary>
    public int UncommittedMax { get; init; } = 65_536;

    /// <summary>Bytes of payload at most that a leader has not committed. From 1; default 64 MiB. When reached: refuse with <see cref="RaftRefusal.Busy"/>.</summary>
    public long UncommittedBytesMax { get; init; } = 64L << 20;

    /// <summary>Payload of one entry. From 1; default 8 MiB. Longer ones are refused as <see cref="RaftRefusal.Invalid"/>.</summary>
    public int PayloadBytesMax { get; init; } = 8 << 20;

    /// <summary>Reads that wait at a leader. From 1; default 65,536. When reached: refuse with <see cref="RaftRefusal.Busy"/>.</summary>
    public int ReadsMax { get; init; } = 65_536;

    /// <summary>Entries handed to the state machine and not yet reported applied. From 1; default 16,384. When reached: wait.</summary>
    public int ApplyingMax { get; init; } = 16_384;

    /// <summary>Applied entries after the last snapshot at which the next is asked for. From 1; default 100,000. More: longer recovery, fewer rewrites.</summary>
    public long SnapshotEvery { get; init; } = 100_000;

    /// <summary>Entries kept before a snapshot for followers that are a little behind. From 0; default 5,000.</summary>
    public long KeepBehindSnapshot { get; init; } = 5_000;

    /// <summary>Bytes of one part of a snapshot on its way. From 1; default 256 KiB. One part is on its way at a time.</summary>
    public int ChunkBytes { get; init; } = 256 << 10;

    /// <summary>The largest image that a follower takes. From 0; default 1 GiB. Parts of a larger one are dropped.</summary>
    public long SnapshotBytesMax { get; init; } = 1L << 30;

    /// <summary>Voters at most, also for a moment during a change. From 1; default 5.</summary>
    public int VotersMax { get; init; } = 5;

    /// <summary>Learners at most. From 0; default 4.</summary>
    public int LearnersMax { get; init; } = 4;

    /// <summary>How far behind a learner may be when it gets a vote, in entries (thesis 4.2.1). From 0; default 1,000.</summary>
    public long PromoteBehindMax { get; init; } = 1_000;

    /// <summary>Who should lead when it is healthy and has the log; default none.</summary>
    public ServerId Preferred { get; init; }

    /// <summary>How long the preferred server must have answered without a gap before it is handed the lead. Default 5 s. Less: the lead may go to and fro.</summary>
    public TimeSpan PreferredAfter { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Throws <see cref="ArgumentOutOfRangeException"/> for a value outside its range.</summary>
    internal void Check()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(ElectionMin, TimeSpan.FromMilliseconds(10));
        ArgumentOutOfRangeException.ThrowIfLessThan(ElectionSpread, TimeSpan.FromTicks(1));
        ArgumentOutOfRangeException.ThrowIfLessThan(Heartbeat, TimeSpan.FromTicks(1));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Heartbeat, ElectionMin / 2);
        foreach (long from1 in (long[])[BatchEntriesMax, BatchBytesMax, InflightMax, UncommittedMax, UncommittedBytesMax, PayloadBytesMax, ReadsMax, ApplyingMax, SnapshotEvery, ChunkBytes, VotersMax])
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(from1);
        foreach (long from0 in (long[])[KeepBehindSnapshot, SnapshotBytesMax, LearnersMax, PromoteBehindMax, PreferredAfter.Ticks])
            ArgumentOutOfRangeException.ThrowIfNegative(from0);
    }
}
