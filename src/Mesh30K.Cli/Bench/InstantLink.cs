using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Node.Ports;
using Mesh30K.Node.Runtime;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Cli.Bench;

/// <summary>
/// A link whose agents answer READY at once, in process: each send becomes one ack, posted in arrays as real links post them. What it costs is
/// part of what is measured.
/// </summary>
internal sealed class InstantLink(IMeshIngress mesh, MeshClock clock) : IAgentLink
{
    /// <summary>Acks in one array, at most: under 85,000 bytes, so that it dies young.</summary>
    private const int BatchMax = 1_024;

    private long _answered;

    /// <summary>Sends answered so far.</summary>
    public long Answered => Volatile.Read(ref _answered);

    public void Deliver(ReadOnlySpan<Delivery> due, Instant releasedAt)
    {
        Instant receivedAt = clock.Now;
        if (receivedAt <= releasedAt) receivedAt = new Instant(releasedAt.Ticks + 1);
        int at = 0;
        while (at < due.Length)
        {
            int loop = mesh.LoopOf(due[at].Slip.Cluster.Sector);
            int end = at + 1;
            while (end < due.Length && end - at < BatchMax && mesh.LoopOf(due[end].Slip.Cluster.Sector) == loop) end++;
            AgentAck[] acks = new AgentAck[end - at];
            for (int i = 0; i < acks.Length; i++) acks[i] = Answer(due[at + i], receivedAt);
            mesh.Post(loop, acks, acks.Length);
            at = end;
        }
        Interlocked.Add(ref _answered, due.Length);
    }

    private static AgentAck Answer(in Delivery delivery, Instant receivedAt) => new()
    {
        ClusterIndex = delivery.Slip.Cluster.Index,
        Slot = delivery.Slot,
        Operation = delivery.Slip.Operation,
        ReceivedAt = receivedAt,
        State = TrinaryState.Ready,
        ProcessingMs = 0.01f,
    };
}
