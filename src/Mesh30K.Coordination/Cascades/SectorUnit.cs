using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Coordination.Impedance;
using Mesh30K.Coordination.Impedance.Estimation;
using Mesh30K.Coordination.Topology;
using Mesh30K.Protocol;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Coordination.Cascades;

/// <summary>
/// A sector as the host owns it: its coordinator, its leads, their agents' records and what the sector's agents learn together.
/// One event loop owns the whole unit (ADR 0003), so nothing in it takes a lock. Signals between the sector and its leads are
/// delivered inside <see cref="Step(object, RoleAddress, Instant, Effects)"/> by the host like any other, only cheaper.
/// </summary>
public sealed class SectorUnit
{
    /// <summary>No heartbeat for this long makes an agent offline (M 6.1).</summary>
    public static readonly TimeSpan OfflineAfter = TimeSpan.FromSeconds(30);

    /// <summary>A cluster's summary is due once in so many sweeps: every 5 s, as often as heartbeats come (M 8.2).</summary>
    public const int SummaryEvery = 5;

    /// <summary>Least time in ms between two summaries for the orchestrator while an operation is open, or while late acks come.</summary>
    public const double SummaryEveryMs = 1_000;

    private readonly ClusterLead[] _leads;
    private readonly SectorCoordinator _coordinator;
    private readonly SectorScratch _scratch;
    private readonly ClassPool[] _pools;
    private readonly SortedSet<int> _changedClusters = [];
    private SortedDictionary<string, int[]>? _capabilities;
    private bool _summaryDue = true;
    private bool _ordersSinceSummary;
    private Instant _summarizedAt;

    /// <param name="pools">What the sector's agents learn together, one a class in the order of the classes.</param>
    /// <param name="scratch">Shared by the sectors of one event loop.</param>
    public SectorUnit(int sector, MeshShape shape, ClusterLead[] leads, ClassPool[] pools, SectorScratch scratch)
    {
        Invariant.Check(leads.Length == shape.ClustersPerSector && pools.Length == ImpedanceClasses.Count);
        _pools = pools;
        Sector = sector;
        _leads = leads;
        _scratch = scratch;
        _coordinator = new SectorCoordinator(sector, shape, scratch, Matching);
    }

    public int Sector { get; }

    public ReadOnlySpan<ClusterLead> Leads => _leads;

    /// <summary>Whether <see cref="Settle"/> has something to do.</summary>
    public bool HasUnsettled { get; private set; } = true;

    /// <summary>Counts the agents as heard at the start, so that they have their time to send a first heartbeat.</summary>
    public void Begin(Instant now)
    {
        foreach (ClusterLead lead in _leads)
            foreach (AgentRecord? agent in lead.Agents)
                if (agent is not null) agent.LastHeartbeatAt = now;
    }

    /// <summary>Delivers one signal to a role of this sector.</summary>
    public void Step(object body, RoleAddress to, Instant now, Effects effects)
    {
        if (to.Kind == RoleKind.Lead)
        {
            if (body is OperationOrder order)
            {
                // The lead learns before it plans, so that nothing would be left to show that the summary is stale.
                _summaryDue |= _leads[to.Cluster].HasUnsettled;
                _leads[to.Cluster].Step(order, now, effects);
            }
            else if (body is Preparation preparation)
                effects.Signals.Add(new Signal(RoleAddress.OfSector(Sector), new Confirmation(preparation.Handle, Sector, to.Cluster, 1)));
            else throw new InvariantException($"a lead takes no {body.GetType().Name}");
            return;
        }
        switch (body)
        {
            case OperationOrder order:
                _ordersSinceSummary = true;
                _coordinator.Step(order, effects);
                break;
            case ClusterReport report:
                _coordinator.Step(report, effects);
                WakeForSummary();
                break;
            case Preparation preparation: _coordinator.Step(preparation, effects); break;
            case Confirmation confirmation: _coordinator.Step(confirmation, effects); break;
            default: throw new InvariantException($"a sector takes no {body.GetType().Name}");
        }
    }

    /// <summary>Delivers one ack to its lead.</summary>
    public void Step(in AgentAck ack, int cluster, Instant now, Effects effects)
    {
        _leads[cluster].Step(ack, now, effects);
        HasUnsettled = true;
    }

    /// <summary>Delivers one heartbeat to its lead.</summary>
    public void Step(in AgentHeartbeat heartbeat, int cluster)
    {
        if (!_leads[cluster].Step(heartbeat)) return;
        _capabilities = null;
        _summaryDue = HasUnsettled = true;
    }

    /// <summary>
    /// An agent joins, comes back changed, or leaves. The next order counts with it. Call <see cref="Announce"/> after the last of several, so that the orchestrator counts with it too.
    /// </summary>
    /// <returns>The agent's first public snapshot, or its newest; null when it left.</returns>
    public AgentImpedance? Step(MemberChange change, Instant now, Effects effects)
    {
        ClusterLead lead = _leads[change.Place.Cluster.Cluster];
        AgentRecord? agent = lead.Agents[change.Place.Slot];
        Invariant.Check(change.Kind == MemberChangeKind.Join ? agent is null : agent?.AgentIndex == change.AgentIndex);
        _capabilities = null;
        _changedClusters.Add(change.Place.Cluster.Cluster);
        switch (change.Kind)
        {
            case MemberChangeKind.Join:
                agent = new AgentRecord(change.Agent.Id, change.AgentIndex, change.Agent.Class, change.Agent.Capabilities, _pools[(int)change.Agent.Class]) { LastHeartbeatAt = now };
                lead.Join(change.Place.Slot, agent);
                break;
            case MemberChangeKind.Return:
                agent!.Capabilities = change.Agent.Capabilities;
                agent.LastHeartbeatAt = now;
                if (agent.State == OperationalState.Offline) agent.State = OperationalState.Active;
                break;
            default:
                lead.Leave(change.Place.Slot, now, effects);
                return null;
        }
        AgentImpedance snapshot = AgentSnapshot.Take(agent, lead.Address, now);
        lead.Refresh(change.Place.Slot);
        return snapshot;
    }

    /// <summary>Tells the orchestrator at once how many agents there are and how late they are, and publishes the summaries of the clusters that changed.</summary>
    public void Announce(Instant now, Effects effects)
    {
        _summaryDue = false;
        _summarizedAt = now;
        effects.Signals.Add(new Signal(RoleAddress.Orchestrator, Summarise()));
        foreach (int cluster in _changedClusters) effects.Summaries.Add(AgentSnapshot.Summarize(_leads[cluster], now));
        _changedClusters.Clear();
    }

    /// <summary>Delivers a timer.</summary>
    public void Step(in TimerRequest fired, Instant now, Effects effects)
    {
        if (fired.Owner.Kind == RoleKind.Lead) _leads[fired.Owner.Cluster].Step(fired, now, effects);
        else _coordinator.Step(fired, effects);
        WakeForSummary();
    }

    /// <summary>
    /// Lets the leads learn from the acks that they counted, and tells the orchestrator how late the agents are now: when an operation has ended
    /// here, and otherwise once in <see cref="SummaryEveryMs"/>, as acks that trickle in would make a summary each. To be called when
    /// the owner is idle, and at the latest before the next operation is to profit from it.
    /// </summary>
    public void Settle(Instant now, Effects effects)
    {
        foreach (ClusterLead lead in _leads)
        {
            if (!lead.HasUnsettled) continue;
            lead.Settle();
            _summaryDue = true;
        }
        HasUnsettled = false;
        bool ended = _ordersSinceSummary && _coordinator.OpenOperations == 0;
        if (!_summaryDue || !(ended || now.MsSince(_summarizedAt) >= SummaryEveryMs)) return;
        _summaryDue = false;
        _ordersSinceSummary &= !ended;
        _summarizedAt = now;
        effects.Signals.Add(new Signal(RoleAddress.Orchestrator, Summarise()));
    }

    /// <summary>
    /// Once a second: agents without a heartbeat go offline, and changed agents get a fresh public snapshot. Once in <see cref="SummaryEvery"/> calls per cluster
    /// (<paramref name="round"/> counts them) its summary is published (M 4.2).
    /// </summary>
    /// <param name="publish">False where nobody reads snapshots: then only liveness is checked.</param>
    public void Sweep(Instant now, long round, bool publish, Effects effects)
    {
        HasUnsettled |= _summaryDue;
        foreach (ClusterLead lead in _leads)
        {
            for (int slot = 0; slot < lead.Agents.Length; slot++)
            {
                if (lead.Agents[slot] is not { } agent) continue;
                bool lost = agent.CanTakeWork && now - agent.LastHeartbeatAt > OfflineAfter;
                if (lost)
                {
                    agent.State = OperationalState.Offline;
                    agent.Dirty = true;
                    _capabilities = null;
                    _summaryDue = HasUnsettled = true;
                }
                bool due = publish && agent.Dirty;
                if (due) effects.Snapshots.Add(new SnapshotUpdate(agent.AgentIndex, AgentSnapshot.Take(agent, lead.Address, now)));
                if (lost || due) lead.Refresh(slot);
            }
            lead.FreeDeparted(now, effects);
            if (publish && (round + lead.Address.Index) % SummaryEvery == 0) effects.Summaries.Add(AgentSnapshot.Summarize(lead, now));
        }
    }

    /// <summary>A summary that was held back while operations were open is due when the last of them has ended.</summary>
    private void WakeForSummary() => HasUnsettled |= _summaryDue && _coordinator.OpenOperations == 0;

    private int Matching(ClusterAddress address, OperationOrder order) =>
        order.Selector.CoversCluster(address) ? AgentSelection.Count(order, address.Index, _leads[address.Cluster].Agents) : 0;

    /// <summary>How late the sector's agents are now. A new mesh gives these to its orchestrator, so that it knows of every sector before its first operation.</summary>
    public SectorSummary Summarise()
    {
        int[] eligible = new int[ImpedanceClasses.Count];
        double[] tailScales = new double[ImpedanceClasses.Count];
        _capabilities ??= CountCapabilities();
        foreach (ClusterLead lead in _leads)
        {
            foreach (AgentRecord? agent in lead.Agents)
            {
                if (agent is null || !agent.CanTakeWork) continue;
                int c = (int)agent.Class;
                eligible[c]++;
                Quantiles quantiles = agent.Estimator.Prepared;
                _scratch.Leads[c].Add(quantiles.Lead);
                _scratch.Medians[c].Add(quantiles.Median);
                tailScales[c] += MissBudget.TailScaleMs(quantiles.Median, quantiles.Lead);
            }
        }
        return new SectorSummary(Sector, Take(_scratch.Leads), Take(_scratch.Medians), tailScales, eligible, _capabilities);
    }

    private SortedDictionary<string, int[]> CountCapabilities()
    {
        SortedDictionary<string, int[]> counts = new(StringComparer.Ordinal);
        foreach (ClusterLead lead in _leads)
            foreach (AgentRecord? agent in lead.Agents)
                if (agent is { CanTakeWork: true })
                    foreach (string capability in agent.Capabilities)
                    {
                        if (!counts.TryGetValue(capability, out int[]? perClass)) counts.Add(capability, perClass = new int[ImpedanceClasses.Count]);
                        perClass[(int)agent.Class]++;
                    }
        return counts;
    }

    private static SparseSketch[] Take(Sketch[] sketches)
    {
        SparseSketch[] taken = new SparseSketch[sketches.Length];
        for (int i = 0; i < sketches.Length; i++)
        {
            taken[i] = sketches[i].ToSparse();
            sketches[i].Clear();
        }
        return taken;
    }
}

/// <summary>Working memory that the sectors of one event loop share; empty between steps. Not thread-safe.</summary>
public sealed class SectorScratch
{
    internal Sketch Arrivals { get; } = new();

    internal Sketch Errors { get; } = new();

    internal Sketch[] Leads { get; } = PerClass();

    internal Sketch[] Medians { get; } = PerClass();

    private static Sketch[] PerClass() => [.. ImpedanceClasses.All.Select(_ => new Sketch())];
}
