using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Coordination.Impedance;
using Mesh30K.Coordination.Topology;
using Mesh30K.Node.Ports;
using Mesh30K.Node.Runtime;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Node.Hosting;

/// <summary>How a mesh is hosted in this process. Immutable.</summary>
public sealed record MeshHostOptions
{
    /// <summary>Event loops, 1 to 64; default min(processors, 4). Each owns whole sectors; more than processors only adds switching.</summary>
    public int Loops { get; init; } = Math.Min(Environment.ProcessorCount, 4);

    public MeshSettings Settings { get; init; } = new();

    /// <summary>Randomness for ids; give every process another.</summary>
    public ulong IdSeed { get; init; } = BitConverter.ToUInt64(System.Security.Cryptography.RandomNumberGenerator.GetBytes(8));

    /// <summary>When the mesh is full, the place of an agent that has been offline for at least this long may be given to another; longest first. Default 1 hour; a longer time keeps more agents out that came later.</summary>
    public TimeSpan ReclaimAfter { get; init; } = TimeSpan.FromHours(1);

    /// <summary>The true law of the agents' delays, in a simulation.</summary>
    public IArrivalOracle? Oracle { get; init; }

    /// <summary>Where the mesh's clock comes from. Default the system's, the only one by which sends leave within 0.1 ms of their moment.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}

/// <summary>
/// A mesh in one process (design section 3): event loops that own whole sectors, one release thread, a registry that anyone may read.
/// Created, connected to the link of its first fleet if it has one, started, stopped. Agents join and leave while it runs. Thread-safe but for the life cycle.
/// </summary>
public sealed class MeshHost : IMeshIngress, IMeshMembership, ILoopNeighbourhood, IMembersHost, IAsyncDisposable
{
    private static readonly TimeSpan FullMailboxPause = TimeSpan.FromMilliseconds(5);

    private readonly EventLoop<LoopInput, LoopTimer>[] _loops;
    private readonly ReleaseThread<PlannedSend> _release;
    private readonly RegistryCell?[] _cells;
    private readonly AgentRouter _router;
    private readonly MeshMembers _members;
    private readonly int _fleetAgents;
    private readonly ClusterImpedanceSummary?[] _summaries;
    private readonly CancellationTokenSource _stopped = new();
    private long _lostBatches;
    private long _expiredSends;

    /// <summary>Builds the roles for a fleet of <paramref name="agents"/> agents. The fleet must fit the shape.</summary>
    public MeshHost(MeshHostOptions options, int agents, Func<int, AgentDescription> describe)
    {
        Options = options;
        Clock = new MeshClock(options.Clock);
        MeshShape shape = options.Settings.Shape;
        int loops = Math.Clamp(options.Loops, 1, shape.Sectors);
        SectorScratch[] scratch = [.. Enumerable.Range(0, loops).Select(_ => new SectorScratch())];
        Mesh = MeshAssembly.Build(options.Settings, agents, describe, new PlannerSet(options.Oracle), s => scratch[s % loops]);
        Registry = new ImpedanceRegistry();
        _cells = new RegistryCell?[shape.Capacity];
        _fleetAgents = agents;
        _router = new AgentRouter(agents, (int)shape.Capacity);
        _members = new MeshMembers(this, _router, agents, options.ReclaimAfter);
        _summaries = new ClusterImpedanceSummary?[shape.Clusters];
        _release = new ReleaseThread<PlannedSend>("mesh-release", Clock, OnDue);
        MessageIdSource ids = new(options.IdSeed);
        _loops = new EventLoop<LoopInput, LoopTimer>[loops];
        Instant now = Clock.Now;
        for (int i = 0; i < loops; i++)
        {
            int loop = i;
            SectorUnit[] owned = [.. Mesh.Units.Where(u => u.Sector % loops == loop)];
            LoopHost handler = new(loop, loops, shape, owned, loop == 0 ? Mesh.Orchestrator : null, this, ids.Next);
            EventLoop<LoopInput, LoopTimer> eventLoop = new($"mesh-loop-{loop}", Clock, handler);
            handler.Attach(eventLoop.SetTimer, now);
            _loops[i] = eventLoop;
        }
        RegisterAll(now);
    }

    public MeshHostOptions Options { get; }

    public MeshClock Clock { get; }

    /// <summary>The roles; owned by the loops once started. Only its immutable parts (settings, places) may be read from outside.</summary>
    public MeshAssembly Mesh { get; }

    /// <summary>The public snapshots of all agents; lock-free reads.</summary>
    public ImpedanceRegistry Registry { get; }

    public int Loops => _loops.Length;

    /// <summary>Batches between loops, or from links, that found a full mailbox.</summary>
    public long LostBatches => Volatile.Read(ref _lostBatches);

    /// <summary>Sends that were not released because their time to live had ended.</summary>
    public long ExpiredSends => Volatile.Read(ref _expiredSends);

    /// <summary>Called on a loop's thread when an operation ends; must be short.</summary>
    public Action<OperationResult>? OnCompleted { get; set; }

    /// <summary>Called on a loop's thread when an operation leaves the queue, before its <see cref="OnCompleted"/>; must be short.</summary>
    public Action<OperationStarted>? OnStarted { get; set; }

    /// <summary>Why the mesh is not ready, or null.</summary>
    public string? NotReadyBecause =>
        _loops.Select(l => l.NotReadyBecause).FirstOrDefault(r => r is not null)
        ?? (_release.Completion.IsFaulted ? $"the release thread stopped by a bug: {_release.Completion.Exception?.InnerException?.Message}" : null)
        ?? _members.NotReadyBecause
        ?? (_stopped.IsCancellationRequested ? "the mesh is stopping" : null);

    /// <summary>Connects the agents of the first fleet; once, before <see cref="Start"/>. A mesh without a fleet needs no link.</summary>
    public void Connect(IAgentLink link) => _router.Fleet = link;

    /// <summary>Starts the loops.</summary>
    public void Start()
    {
        if (_fleetAgents > 0 && _router.Fleet is null) throw new InvalidOperationException("connect the fleet's link first");
        foreach (EventLoop<LoopInput, LoopTimer> loop in _loops) loop.Start();
        _members.Start();
    }

    public Task<Membership?> JoinAsync(AgentDescription agent, IAgentLink link) => _members.JoinAsync(agent, link);

    public Task LeaveAsync(AgentId id) => _members.LeaveAsync(id);

    /// <summary>Takes a message back from one agent, where its link can.</summary>
    /// <param name="agentIndex">The agent.</param>
    /// <param name="message"><see cref="OperationOrder.MessageId"/> of what was sent.</param>
    /// <param name="reason">For the agent, in a few words.</param>
    public void Cancel(int agentIndex, MessageId message, string reason) => _router.Cancel(agentIndex, message, reason);

    /// <summary>
    /// Submits an operation. The ticket comes as soon as the orchestrator has looked at it; its completion when the operation ends.
    /// A mesh that is overloaded or stopping answers with an error, not with an exception.
    /// </summary>
    public Task<OperationTicket> SubmitAsync(OperationSpec spec)
    {
        TaskCompletionSource<OperationTicket> admitted = new(TaskCreationOptions.RunContinuationsAsynchronously);
        PostResult posted = _loops[0].TryPost(new LoopInput(new Submission(spec, admitted), 1));
        if (posted == PostResult.Accepted) return admitted.Task;
        string why = posted == PostResult.Full ? "the mesh is overloaded; try again later" : "the mesh is stopping";
        return Task.FromResult(new OperationTicket(0, default, why, Task.FromCanceled<OperationResult>(new CancellationToken(true))));
    }

    /// <summary>Submits an operation and waits for its result, which comes at the latest when its timeouts are over.</summary>
    public async Task<OperationResult> RunAsync(OperationSpec spec, CancellationToken cancel = default)
    {
        OperationTicket ticket = await SubmitAsync(spec).WaitAsync(cancel).ConfigureAwait(false);
        if (ticket.Error is not null) throw new ArgumentException(ticket.Error, nameof(spec));
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancel, _stopped.Token);
        return await ticket.Completion.WaitAsync(either.Token).ConfigureAwait(false);
    }

    /// <summary>The map of all clusters, sectors and the mesh, from the summaries that were published last (M 4.3).</summary>
    public GlobalImpedanceMap BuildMap()
    {
        List<ClusterImpedanceSummary> known = [];
        for (int i = 0; i < _summaries.Length; i++)
            if (Volatile.Read(ref _summaries[i]) is { } summary) known.Add(summary);
        return GlobalImpedanceMap.Build(known, Clock.Now);
    }

    /// <summary>
    /// What the leads could not count, summed over the mesh. Any thread: single counters are whole, and may be newer than others.
    /// </summary>
    public LeadCounters CountStrayAcks()
    {
        LeadCounters sum = default;
        foreach (SectorUnit unit in Mesh.Units)
        {
            foreach (ClusterLead lead in unit.Leads)
            {
                sum.UnknownAcks += Volatile.Read(ref lead.Counters.UnknownAcks);
                sum.DuplicateAcks += Volatile.Read(ref lead.Counters.DuplicateAcks);
                sum.LateAcks += Volatile.Read(ref lead.Counters.LateAcks);
            }
        }
        return sum;
    }

    public EventLoopSnapshot[] LoopSnapshots() => [.. _loops.Select(l => l.Snapshot())];

    public ReleaseSnapshot ReleaseSnapshot() => _release.Snapshot();

    public int LoopOf(int sector) => sector % _loops.Length;

    public bool Post(int loop, AgentAck[] acks, int count) => Counted(_loops[loop].TryPost(new LoopInput(acks, count)));

    public bool Post(int loop, AgentHeartbeat[] heartbeats, int count) => Counted(_loops[loop].TryPost(new LoopInput(heartbeats, count)));

    /// <summary>Stops the loops and the release thread, each within the deadline. Operations in progress are cancelled: their tickets never complete.</summary>
    /// <returns>Whether everything ended in time.</returns>
    public async Task<bool> StopAsync(TimeSpan deadline)
    {
        await _stopped.CancelAsync().ConfigureAwait(false);
        await _members.StopAsync().ConfigureAwait(false);
        bool inTime = await _release.StopAsync(deadline).ConfigureAwait(false);
        foreach (EventLoop<LoopInput, LoopTimer> loop in _loops) inTime &= await loop.StopAsync(deadline).ConfigureAwait(false);
        return inTime;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync(TimeSpan.FromSeconds(5)).ConfigureAwait(false);
        _members.Dispose();
        _stopped.Dispose();
    }

    int ILoopNeighbourhood.LoopOf(RoleAddress role) => role.Kind == RoleKind.Orchestrator ? 0 : LoopOf(role.Sector);

    void ILoopNeighbourhood.Post(int loop, Signal[] signals) => Counted(_loops[loop].TryPost(new LoopInput(signals, signals.Length)));

    void ILoopNeighbourhood.Release(ReadOnlySpan<Delivery> due, ReadOnlySpan<PlannedSend> later, Instant now)
    {
        if (!later.IsEmpty) Counted(_release.Schedule(later));
        if (due.IsEmpty) return;
        Instant releasedAt = Clock.Now;
        foreach (ref readonly Delivery delivery in due) Stamp(delivery, releasedAt);
        _router.Deliver(due, releasedAt);
    }

    void ILoopNeighbourhood.Publish(Effects effects, Instant now)
    {
        foreach (ref readonly SnapshotUpdate update in effects.Snapshots.Items)
        {
            // An agent that has just joined has none yet; its next snapshot finds one.
            if (Volatile.Read(ref _cells[update.AgentIndex]) is not { } cell) continue;
            cell.Publish(update.Snapshot);
            cell.RecordScore(now);
        }
        foreach (ref readonly ClusterImpedanceSummary summary in effects.Summaries.Items)
        {
            int index = summary.ClusterId.Sector.Index * Options.Settings.Shape.ClustersPerSector + summary.ClusterId.Index;
            Volatile.Write(ref _summaries[index], summary);
        }
    }

    void ILoopNeighbourhood.Started(OperationStarted operation) => OnStarted?.Invoke(operation);

    void ILoopNeighbourhood.Completed(OperationResult result) => OnCompleted?.Invoke(result);

    void ILoopNeighbourhood.Departed(AgentDeparted departed) => _members.Departed(departed);

    Instant IMembersHost.Now => Clock.Now;

    void IMembersHost.Publish(int agentIndex, RegistryCell? cell) => Volatile.Write(ref _cells[agentIndex], cell);

    async Task<AgentImpedance?[]> IMembersHost.ChangeAsync(IReadOnlyList<MemberChange> changes, CancellationToken stop)
    {
        List<int>[] perLoop = [.. _loops.Select(_ => new List<int>())];
        for (int i = 0; i < changes.Count; i++) perLoop[LoopOf(changes[i].Place.Cluster.Sector)].Add(i);
        MemberBatch[] batches = [.. perLoop.Select(of => new MemberBatch([.. of.Select(i => changes[i])]))];
        for (int loop = 0; loop < batches.Length; loop++)
        {
            if (perLoop[loop].Count == 0) continue;

            // A full mailbox empties, or the loop is stuck and the node not ready: then stopping ends this.
            while (_loops[loop].TryPost(new LoopInput(batches[loop], 1)) != PostResult.Accepted) await Task.Delay(FullMailboxPause, stop).ConfigureAwait(false);
        }
        AgentImpedance?[] snapshots = new AgentImpedance?[changes.Count];
        for (int loop = 0; loop < batches.Length; loop++)
        {
            if (perLoop[loop].Count == 0) continue;
            await batches[loop].Done.Task.WaitAsync(stop).ConfigureAwait(false);
            for (int i = 0; i < perLoop[loop].Count; i++) snapshots[perLoop[loop][i]] = batches[loop].Snapshots[i];
        }
        return snapshots;
    }

    /// <summary>Every agent is in the registry from the start, with what its class lets expect.</summary>
    private void RegisterAll(Instant now)
    {
        Effects effects = new();
        foreach (SectorUnit unit in Mesh.Units)
        {
            unit.Begin(now);
            for (int round = 0; round < SectorUnit.SummaryEvery; round++) unit.Sweep(now, round, publish: true, effects);
        }

        // In one call, so that their cells lie side by side.
        SnapshotUpdate[] updates = effects.Snapshots.Items.ToArray();
        RegistryCell[] cells = Registry.Register(
            Array.ConvertAll(updates, u => u.Snapshot), Array.ConvertAll(updates, u => new AgentHome(u.AgentIndex, Mesh.Places[u.AgentIndex])));
        for (int i = 0; i < cells.Length; i++) _cells[updates[i].AgentIndex] = cells[i];
        effects.Snapshots.Clear();
        ((ILoopNeighbourhood)this).Publish(effects, now);
        Registry.RefreshIndex();
    }

    private static void Stamp(in Delivery delivery, Instant releasedAt) =>
        Volatile.Write(ref delivery.Slip.Lines[delivery.Slot].ReleasedAtTicks, releasedAt.Ticks);

    private void OnDue(ReadOnlySpan<PlannedSend> due, Instant releasedAt)
    {
        Delivery[] live = System.Buffers.ArrayPool<Delivery>.Shared.Rent(due.Length);
        int count = 0;
        foreach (ref readonly PlannedSend send in due)
        {
            if (releasedAt > send.Delivery.Slip.ExpiresAt)
            {
                Interlocked.Increment(ref _expiredSends);
                continue;
            }
            Stamp(send.Delivery, releasedAt);
            live[count++] = send.Delivery;
        }
        _router.Deliver(live.AsSpan(0, count), releasedAt);
        System.Buffers.ArrayPool<Delivery>.Shared.Return(live, clearArray: true);
    }

    private bool Counted(PostResult result)
    {
        if (result == PostResult.Accepted) return true;
        Interlocked.Increment(ref _lostBatches);
        return false;
    }
}
