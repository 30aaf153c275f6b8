using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Ports;

/// <summary>The way from the mesh to its agents. One link may serve many agents.</summary>
public interface IAgentLink
{
    /// <summary>
    /// Hands sends to their agents. Called by the event loops (sends that are due when planned) and by the release thread (the rest), so
    /// from several threads at once; must not block and must not keep the span. The release time is on the slip already.
    /// Acks come back through <see cref="IMeshIngress"/>, from any thread, also from within this call.
    /// </summary>
    void Deliver(ReadOnlySpan<Delivery> due, Instant releasedAt);
}

/// <summary>The way from agents to the mesh. Thread-safe, never blocks.</summary>
public interface IMeshIngress
{
    /// <summary>
    /// Hands over acks, which must all be for clusters of the same sector group: see <see cref="LoopOf"/>. The array belongs to the mesh
    /// from now on. False when the loop's mailbox is full (policy: reject newest; the acks count as lost) or the mesh is stopping.
    /// </summary>
    bool Post(int loop, AgentAck[] acks, int count);

    /// <summary>Hands over heartbeats; as <see cref="Post(int, AgentAck[], int)"/>.</summary>
    bool Post(int loop, AgentHeartbeat[] heartbeats, int count);

    /// <summary>Which loop owns a sector: acks for one loop may travel in one array.</summary>
    int LoopOf(int sector);

    int Loops { get; }
}
