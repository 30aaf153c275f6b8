using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Topology;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Ports;

/// <summary>Where an agent that joined lives.</summary>
/// <param name="AgentIndex">Its number in the whole mesh, on its deliveries.</param>
/// <param name="Place">Its cluster and slot: acks and heartbeats are addressed by these.</param>
public sealed record Membership(AgentId Id, int AgentIndex, AgentPlace Place);

/// <summary>How links bring agents into the mesh and take them out. Thread-safe.</summary>
public interface IMeshMembership
{
    /// <summary>
    /// Gives an agent a place, or finds the one that it has (class and capabilities are brought up to date). Its deliveries go to <paramref name="link"/> from now on. Those that join at the same time are taken
    /// together, as the registry is rebuilt for each batch. An agent whose class is another than before gets a new place. Null when the mesh is full, when it is too busy to take anybody, when it is stopping, or
    /// when the id belongs to one of the simulated fleet. Deliveries may come before the task ends; <see cref="IAgentLink.Joined"/> comes before them.
    /// </summary>
    Task<Membership?> JoinAsync(AgentDescription agent, IAgentLink link);

    /// <summary>Takes an agent out: its place is free as soon as no open operation counts it. Nothing happens when it is not there.</summary>
    Task LeaveAsync(AgentId id);
}
