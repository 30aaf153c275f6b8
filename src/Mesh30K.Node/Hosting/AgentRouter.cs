using Mesh30K.Coordination.Cascades;
using Mesh30K.Node.Ports;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Hosting;

/// <summary>
/// Which link serves which agent, in front of all links: a delivery goes to the link of its agent, those of the first fleet to the link that was connected for it. A delivery to an agent that nobody serves (it left while the
/// send was on its way) is dropped: its operation counts the agent as in transit. Reads take no lock. Any thread.
/// </summary>
/// <param name="fleetAgents">Agents of the first fleet: indices below this.</param>
/// <param name="capacity">Indices of all agents are below this.</param>
internal sealed class AgentRouter(int fleetAgents, int capacity) : IAgentLink
{
    private readonly IAgentLink?[] _links = new IAgentLink?[capacity];
    private IAgentLink? _fleet;

    /// <summary>The link of the first fleet; null until there is one.</summary>
    public IAgentLink? Fleet
    {
        get => Volatile.Read(ref _fleet);
        set => Volatile.Write(ref _fleet, value);
    }

    /// <summary>From now on an agent's deliveries go there; null when it has left.</summary>
    public void Route(int agentIndex, IAgentLink? link) => Volatile.Write(ref _links[agentIndex], link);

    /// <summary>Hands on each run of neighbours with the same link as a part of the span: nothing is copied, and the usual span, all for one link, goes on whole.</summary>
    public void Deliver(ReadOnlySpan<Delivery> due, Instant releasedAt)
    {
        int from = 0;
        while (from < due.Length)
        {
            IAgentLink? link = LinkOf(due[from].AgentIndex);
            int to = from + 1;
            while (to < due.Length && ReferenceEquals(LinkOf(due[to].AgentIndex), link)) to++;
            link?.Deliver(due[from..to], releasedAt);
            from = to;
        }
    }

    public void Cancel(int agentIndex, MessageId message, string reason) => LinkOf(agentIndex)?.Cancel(agentIndex, message, reason);

    private IAgentLink? LinkOf(int agentIndex) => agentIndex < fleetAgents ? Fleet : Volatile.Read(ref _links[agentIndex]);
}
