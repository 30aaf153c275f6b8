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

    /// <summary>
    /// An agent that joins over this link has its place: called once for each join, before anything is delivered to it, and so before the task of <see cref="IMeshMembership.JoinAsync"/> ends.
    /// Must not block.
    /// </summary>
    void Joined(Membership member)
    {
    }

    /// <summary>
    /// Takes a message back from one agent: not sent any more when it still waits, and otherwise the agent is told to stop. Its answer, should one come, is still welcome. Any thread; must not block.
    /// Links that cannot take anything back do nothing.
    /// </summary>
    /// <param name="agentIndex">As on the delivery.</param>
    /// <param name="message"><see cref="OperationOrder.MessageId"/> of what was delivered.</param>
    /// <param name="reason">For the agent, in a few words.</param>
    void Cancel(int agentIndex, MessageId message, string reason)
    {
    }
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
