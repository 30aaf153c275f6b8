using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Topology;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Coordination.Cascades;

/// <summary>A reusable list of effects: the machine appends, the host reads the span and clears. Not thread-safe.</summary>
public sealed class EffectList<T>
{
    private T[] _items = new T[16];

    public int Count { get; private set; }

    public ReadOnlySpan<T> Items => _items.AsSpan(0, Count);

    public void Add(in T item)
    {
        if (Count == _items.Length) Array.Resize(ref _items, Count * 2);
        _items[Count++] = item;
    }

    public void Clear()
    {
        Array.Clear(_items, 0, Count);
        Count = 0;
    }
}

/// <summary>A send to one agent at a planned time. The host writes the release time on the slip, then hands the message to the agent's link.</summary>
public readonly record struct Delivery(DispatchSlip Slip, OperationOrder Order, int AgentIndex, int Slot, Instant At);

/// <summary>Who a signal or a timer is for.</summary>
public enum RoleKind : byte
{
    /// <summary>The one orchestrator.</summary>
    Orchestrator,

    /// <summary>The coordinator of a sector.</summary>
    Sector,

    /// <summary>The lead of a cluster.</summary>
    Lead,
}

/// <summary>The address of a role: <c>orchestrator</c>, <c>sector/7</c>, <c>sector/7/cluster/4</c>.</summary>
public readonly record struct RoleAddress(RoleKind Kind, int Sector, int Cluster)
{
    public static readonly RoleAddress Orchestrator = new(RoleKind.Orchestrator, -1, -1);

    public static RoleAddress OfSector(int sector) => new(RoleKind.Sector, sector, -1);

    public static RoleAddress OfLead(int sector, int cluster) => new(RoleKind.Lead, sector, cluster);

    public override string ToString() => Kind switch
    {
        RoleKind.Orchestrator => "orchestrator",
        RoleKind.Sector => $"sector/{Sector}",
        _ => $"sector/{Sector}/cluster/{Cluster}",
    };
}

/// <summary>A message between roles. <see cref="Body"/> is one of the records of Signals.cs; immutable, so it may cross threads.</summary>
public readonly record struct Signal(RoleAddress To, object Body);

/// <summary>A wish to be woken: the host calls the role's Step with this value at or after <see cref="At"/>.</summary>
public readonly record struct TimerRequest(Instant At, RoleAddress Owner, long Operation, byte Phase);

/// <summary>A fresh public snapshot of one agent for the registry.</summary>
public readonly record struct SnapshotUpdate(int AgentIndex, AgentImpedance Snapshot);

/// <summary>An agent that left, and the place that is free from now on.</summary>
public readonly record struct AgentDeparted(int AgentIndex, AgentPlace Place);

/// <summary>
/// What the machines want done, as data. The host carries out, in this order: <see cref="Snapshots"/> and <see cref="Summaries"/> (readers
/// may see them), <see cref="Started"/>, <see cref="Timers"/>, <see cref="Deliveries"/>, <see cref="Signals"/>, <see cref="Completed"/>,
/// <see cref="Departed"/>; then clears.
/// Deliveries come before signals so that a report never overtakes the sends that it counts.
/// </summary>
public sealed class Effects
{
    public EffectList<SnapshotUpdate> Snapshots { get; } = new();

    public EffectList<ClusterImpedanceSummary> Summaries { get; } = new();

    public EffectList<TimerRequest> Timers { get; } = new();

    public EffectList<Delivery> Deliveries { get; } = new();

    public EffectList<Signal> Signals { get; } = new();

    /// <summary>Operations that left the queue: they take a place among those in progress from now on.</summary>
    public EffectList<OperationStarted> Started { get; } = new();

    /// <summary>Operations that ended, with their results.</summary>
    public EffectList<OperationResult> Completed { get; } = new();

    /// <summary>Places that agents left and that nothing holds any more.</summary>
    public EffectList<AgentDeparted> Departed { get; } = new();

    public void Clear()
    {
        Departed.Clear();
        Snapshots.Clear();
        Summaries.Clear();
        Timers.Clear();
        Deliveries.Clear();
        Signals.Clear();
        Started.Clear();
        Completed.Clear();
    }
}
