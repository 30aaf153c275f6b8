using Mesh30K.Coordination.Topology;
using Mesh30K.Protocol;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Coordination.Impedance;

/// <summary>Where an agent lives.</summary>
/// <param name="AgentIndex">Its number in the whole mesh, on its deliveries.</param>
/// <param name="Place">Its cluster and slot: acks and operations are addressed by these.</param>
public readonly record struct AgentHome(int AgentIndex, AgentPlace Place);

/// <summary>
/// One agent's place in the <see cref="ImpedanceRegistry"/>, handed out at registration. The loop that owns the agent writes here; any thread
/// reads.
/// </summary>
public sealed class RegistryCell
{
    private readonly ImpedanceRegistry _registry;
    private AgentImpedance _current;
    private ScoreHistory? _history;

    internal RegistryCell(ImpedanceRegistry registry, AgentImpedance first, AgentHome home)
    {
        _registry = registry;
        _current = first;
        Home = home;
        AgentId = first.AgentId;
    }

    public AgentId AgentId { get; }

    /// <summary>Where the agent lives. It stays there as long as it has this cell: one that moves gets another.</summary>
    public AgentHome Home { get; }

    /// <summary>The newest snapshot. Any thread.</summary>
    public AgentImpedance Current => Volatile.Read(ref _current);

    /// <summary>The agent's scores of the last hour; null before the first. Any thread.</summary>
    public ScoreHistory? History => Volatile.Read(ref _history);

    /// <summary>
    /// Makes a snapshot the newest one: one reference write. Owner only. The snapshot is of this agent, else it throws: a bug. When its
    /// capabilities differ the registry's index becomes stale (<see cref="ImpedanceRegistry.IndexIsStale"/>).
    /// </summary>
    public void Publish(AgentImpedance snapshot)
    {
        Invariant.Check(snapshot.AgentId == AgentId);
        AgentImpedance before = _current;
        Volatile.Write(ref _current, snapshot);
        if (!ReferenceEquals(before.Capabilities, snapshot.Capabilities)
            && !before.Capabilities.SequenceEqual(snapshot.Capabilities, StringComparer.Ordinal))
            _registry.MarkIndexStale();
    }

    /// <summary>
    /// Keeps the newest score for the trend, at most once a minute: call it as often as is handy. Owner only. The first call takes 400 bytes.
    /// </summary>
    public void RecordScore(Instant now)
    {
        if (_history is null) Volatile.Write(ref _history, new ScoreHistory(now));
        _history!.Record(_current.ImpedanceScore, now);
    }
}
