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

    /// <summary>The true law of the agents' delays, in a simulation.</summary>
    public IArrivalOracle? Oracle { get; init; }
}

/// <summary>
/// A mesh in one process (design section 3): event loops that own whole sectors, one release thread, a registry that anyone may read.
/// Created, connected to its agents' link, started, stopped. Thread-safe but for the life cycle.
/// </summary>
public sealed class MeshHost : IMeshIngress, ILoopNeighbourhood, IAsyncDisposable
{
    private readonly EventLoop<LoopInput, LoopTimer>[] _loops;
    private readonly ReleaseThread<PlannedSend> _release;
    private readonly RegistryCell[] _cells;
    private readonly ClusterImpedanceSummary?[] _summaries;
    private readonly CancellationTokenSource _stopped = new();
    private IAgentLink? _link;
    private long _lostBatches;
    private long _expiredSends;

    /// <summary>Builds the roles for a fleet of <paramref name="agents"/> agents. The fleet must fit the shape.</summary>
    public MeshHost(MeshHostOptions options, int agents, Func<int, AgentDescription> describe)
    {
        Options = options;
        Clock = new MeshClock();
        MeshShape shape = options.Settings.Shape;
        int loops = Math.Clamp(options.Loops, 1, shape.Sectors);
        SectorScratch[] scratch = [.. Enumerable.Range(0, loops).Select(_ => new SectorScratch())];
        Mesh = MeshAssembly.Build(options.Settings, agents, describe, new PlannerSet(options.Oracle), s => scratch[s % loops]);
        Registry = new ImpedanceRegistry();
        _cells = new RegistryCell[agents];
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
        ?? (_stopped.IsCancellationRequested ? "the mesh is stopping" : null);

    /// <summary>Connects the agents; once, before <see cref="Start"/>.</summary>
    public void Connect(IAgentLink link) => _link = link;

    /// <summary>Starts the loops.</summary>
    public void Start()
    {
        if (_link is null) throw new InvalidOperationException("connect a link first");
        foreach (EventLoop<LoopInput, LoopTimer> loop in _loops) loop.Start();
    }

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
        bool inTime = await _release.StopAsync(deadline).ConfigureAwait(false);
        foreach (EventLoop<LoopInput, LoopTimer> loop in _loops) inTime &= await loop.StopAsync(deadline).ConfigureAwait(false);
        return inTime;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync(TimeSpan.FromSeconds(5)).ConfigureAwait(false);
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
        _link!.Deliver(due, releasedAt);
    }

    void ILoopNeighbourhood.Publish(Effects effects, Instant now)
    {
        foreach (ref readonly SnapshotUpdate update in effects.Snapshots.Items)
        {
            RegistryCell cell = _cells[update.AgentIndex];
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
        RegistryCell[] cells = Registry.Register(Array.ConvertAll(updates, u => u.Snapshot));
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
        _link!.Deliver(live.AsSpan(0, count), releasedAt);
        System.Buffers.ArrayPool<Delivery>.Shared.Return(live, clearArray: true);
    }

    private bool Counted(PostResult result)
    {
        if (result == PostResult.Accepted) return true;
        Interlocked.Increment(ref _lostBatches);
        return false;
    }
}
