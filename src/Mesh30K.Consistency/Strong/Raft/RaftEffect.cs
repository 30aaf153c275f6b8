namespace Mesh30K.Consistency.Strong.Raft;

/// <summary>What a <see cref="RaftMachine"/> asks of its host.</summary>
/// <remarks>
/// DUTIES OF THE HOST. Effects are carried out in the order of the list, and lists in the order of the steps:
/// <list type="number">
/// <item>Persists go to the journal in their order, and become durable in that order; several may become durable at once.</item>
/// <item>A send leaves when everything up to its <c>After</c> is durable. It may be dropped; it must not leave earlier.</item>
/// <item>Apply, KeepChunk and Restore reach the state machine in their order, but need not wait for the journal.</item>
/// <item>What a machine asked for and is not yet done is forgotten when the server stops. A server that could not persist stops; it never tries again.</item>
/// </list>
/// </remarks>
public abstract record RaftEffect
{
    private RaftEffect()
    {
    }

    /// <summary>A change of the durable state.</summary>
    /// <param name="Sequence">From 1 since the machine was built, without gaps.</param>
    public sealed record Persist(long Sequence, RaftChange Change) : RaftEffect;

    /// <summary>A message, to leave when everything up to <paramref name="After"/> is durable.</summary>
    public sealed record Send(RaftMessage Message, long After) : RaftEffect;

    /// <summary>A part of a snapshot that the host holds: the message with these bytes of the image as its data. Dropped when the host no longer holds it.</summary>
    public sealed record SendChunk(SnapshotChunk Message, int Bytes, long After) : RaftEffect;

    /// <summary>Committed entries for the state machine. Answered by <see cref="RaftInput.Applied"/>.</summary>
    public sealed record Apply(IReadOnlyList<RaftEntry> Entries) : RaftEffect;

    /// <summary>A part of a snapshot that arrived. Offset 0 begins anew; other parts follow without gaps.</summary>
    public sealed record KeepChunk(SnapshotMeta Meta, long Offset, ReadOnlyMemory<byte> Data) : RaftEffect;

    /// <summary>The state machine becomes what the snapshot says whose parts were kept. Answered by <see cref="RaftInput.Applied"/> with its index.</summary>
    public sealed record Restore(SnapshotMeta Meta) : RaftEffect;

    /// <summary>An image of the state machine is due. Answered by <see cref="RaftInput.SnapshotMade"/>, at some time; asked once until then.</summary>
    public sealed record MakeSnapshot : RaftEffect
    {
        public static readonly MakeSnapshot Now = new();
    }

    /// <summary>The state machine, as it is now or later, answers that read.</summary>
    /// <param name="Index">What it had to have applied, and has.</param>
    public sealed record ReadReady(long Id, long Index) : RaftEffect;

    /// <summary>A request was taken: its first entry lies at this place. It is done when an entry of this term is applied there, and lost when one of another is.</summary>
    public sealed record Accepted(long Id, LogPlace First) : RaftEffect;

    /// <summary>A request was not taken.</summary>
    public sealed record Refused(long Id, RaftRefusal Why, ServerId Leader) : RaftEffect;
}

/// <summary>A change of a server's durable state; <see cref="RaftRecords"/> makes records of it.</summary>
public abstract record RaftChange
{
    private RaftChange()
    {
    }

    /// <summary>Term and vote.</summary>
    public sealed record Hard(HardState State) : RaftChange;

    /// <summary>Entries that follow the last.</summary>
    public sealed record Append(IReadOnlyList<RaftEntry> Entries) : RaftChange;

    /// <summary>All entries from that index on are void: another leader's log holds others (paper 5.3). A record of its own; nothing is overwritten.</summary>
    public sealed record Truncate(long From) : RaftChange;

    /// <summary>The whole journal becomes these, with the snapshot's image, in one step (paper 7). Ordered among the others.</summary>
    /// <param name="Base">The entry before the first of <paramref name="Entries"/>.</param>
    public sealed record Compact(SnapshotMeta Snapshot, HardState State, LogPlace Base, IReadOnlyList<RaftEntry> Entries) : RaftChange;
}
