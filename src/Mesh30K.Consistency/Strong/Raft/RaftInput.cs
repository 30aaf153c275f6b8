namespace Mesh30K.Consistency.Strong.Raft;

/// <summary>What a host tells a <see cref="RaftMachine"/>. Ids of requests are the host's; the effects that answer carry them back.</summary>
public abstract record RaftInput
{
    private RaftInput()
    {
    }

    /// <summary>Time has passed; due at <see cref="RaftMachine.NextDue"/>, harmless at any other moment.</summary>
    public sealed record Tick : RaftInput
    {
        public static readonly Tick Now = new();
    }

    /// <summary>A message for this server arrived.</summary>
    public sealed record Receive(RaftMessage Message) : RaftInput;

    /// <summary>Commands for the log, in this order and next to each other, all or none. Answered by Accepted or Refused.</summary>
    public sealed record Propose(long Id, IReadOnlyList<ReadOnlyMemory<byte>> Payloads) : RaftInput;

    /// <summary>A linearizable read. Answered by ReadReady or Refused (thesis 6.4).</summary>
    public sealed record Read(long Id) : RaftInput;

    /// <summary>One step of the membership. Answered by Accepted or Refused.</summary>
    public sealed record Change(long Id, MemberStep Step, ServerId Server) : RaftInput;

    /// <summary>Hand the lead to that voter. Answered by Accepted, which promises the attempt only, or Refused (thesis 3.10).</summary>
    public sealed record Transfer(long Id, ServerId To) : RaftInput;

    /// <summary>Everything up to that <see cref="RaftEffect.Persist.Sequence"/> is durable.</summary>
    public sealed record Persisted(long Sequence) : RaftInput;

    /// <summary>The state machine has taken everything up to that index.</summary>
    public sealed record Applied(long Index) : RaftInput;

    /// <summary>An image of the state machine as of that index, which is applied, is held by the host; it may be asked for by <see cref="RaftEffect.SendChunk"/>.</summary>
    public sealed record SnapshotMade(long Index, long Bytes) : RaftInput;
}
