using Mesh30K.Protocol.Identity;

namespace Mesh30K.Consistency.Strong.Raft;

/// <summary>How a leader sends to a member.</summary>
internal enum ProgressState
{
    /// <summary>Finds where the logs agree: one message at a time.</summary>
    Probe,

    /// <summary>Sends ahead of the answers, up to the window (thesis 10.2.1).</summary>
    Replicate,

    /// <summary>Sends the snapshot, a part at a time.</summary>
    Snapshot,
}

/// <summary>What a leader knows of another member (paper, figure 2: nextIndex and matchIndex).</summary>
internal sealed class Progress(ServerId server, long next, Instant now)
{
    public ServerId Server => server;

    public ProgressState State { get; private set; } = ProgressState.Probe;

    /// <summary>Durable there, and the same as here, up to this index.</summary>
    public long Match { get; set; }

    /// <summary>The next entry to send.</summary>
    public long Next { get; set; } = next;

    /// <summary>The latest round of read confirmations that it answered.</summary>
    public long Round { get; set; }

    /// <summary>When it answered last.</summary>
    public Instant ActiveAt { get; set; } = now;

    /// <summary>Since when it has answered without a gap of an election timeout.</summary>
    public Instant HealthySince { get; set; } = now;

    /// <summary>Last indexes of the messages on the way; in <see cref="ProgressState.Probe"/> at most one.</summary>
    public Queue<long> Inflight { get; } = new();

    /// <summary>What is being sent; null when none is.</summary>
    public SnapshotMeta? Snapshot { get; private set; }

    /// <summary>Where the part of the snapshot begins that is on its way.</summary>
    public long Offset { get; set; }

    /// <summary>When that part was sent.</summary>
    public Instant ChunkAt { get; set; }

    public void Probe(long next)
    {
        (State, Next, Snapshot) = (ProgressState.Probe, next, null);
        Inflight.Clear();
    }

    public void Replicate()
    {
        (State, Next, Snapshot) = (ProgressState.Replicate, Math.Max(Next, Match + 1), null);
        Inflight.Clear();
    }

    public void SendSnapshot(SnapshotMeta snapshot)
    {
        (State, Snapshot, Offset) = (ProgressState.Snapshot, snapshot, 0);
        Inflight.Clear();
    }

    /// <summary>Answers up to that index have come.</summary>
    public void Free(long upTo)
    {
        while (Inflight.TryPeek(out long last) && last <= upTo) Inflight.Dequeue();
    }
}
