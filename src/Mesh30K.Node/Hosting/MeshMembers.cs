using System.Collections.Concurrent;
using System.Threading.Channels;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Impedance;
using Mesh30K.Coordination.Topology;
using Mesh30K.Node.Ports;
using Mesh30K.Protocol;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Node.Hosting;

/// <summary>What the members need of the mesh that they are members of.</summary>
internal interface IMembersHost
{
    MeshAssembly Mesh { get; }

    ImpedanceRegistry Registry { get; }

    Instant Now { get; }

    /// <summary>Has the owners of the agents' sectors make the changes; ends when they are made and the orchestrator knows. Null where an agent left, else its newest snapshot.</summary>
    Task<AgentImpedance?[]> ChangeAsync(IReadOnlyList<MemberChange> changes, CancellationToken stop);

    /// <summary>Where an agent's snapshots are published from now on; null ends it.</summary>
    void Publish(int agentIndex, RegistryCell? cell);
}

/// <summary>
/// Who has joined, and where. Requests wait in a queue; one task takes all that wait as a batch, in order: makes room (those that leave first), places, lets the loops do it, registers all in one go, tells those who asked.
/// So the placement, the slots and the indices have one owner, and the registry is rebuilt once for many. A place is given again only when the lead says that nothing holds it.
/// </summary>
internal sealed class MeshMembers : IDisposable
{
    /// <summary>Joins and departures that wait, at most; one more is refused (policy <c>reject-newest</c>).</summary>
    public const int WaitingMax = 65_536;

    private const int BatchMax = 8_192;

    private static readonly TimeSpan IndexEvery = TimeSpan.FromSeconds(1);

    private readonly IMembersHost _host;
    private readonly AgentRouter _router;
    private readonly TimeSpan _reclaimAfter;
    private readonly int _fleetAgents;
    private readonly Channel<Request> _requests = Channel.CreateBounded<Request>(new BoundedChannelOptions(WaitingMax) { SingleReader = true });
    private readonly ConcurrentQueue<AgentDeparted> _departed = new();
    private readonly Dictionary<AgentId, Member> _members = [];
    private readonly Dictionary<int, Member> _leaving = [];
    private readonly MemberSlots _slots;
    private readonly SemaphoreSlim _indexWanted = new(0);
    private readonly CancellationTokenSource _stop = new();
    private Request? _next;
    private Task _running = Task.CompletedTask;
    private Task _indexing = Task.CompletedTask;

    public MeshMembers(IMembersHost host, AgentRouter router, int fleetAgents, TimeSpan reclaimAfter)
    {
        _host = host;
        _router = router;
        _fleetAgents = fleetAgents;
        _reclaimAfter = reclaimAfter;
        _slots = new MemberSlots(host.Mesh.Placement, host.Mesh.Places);
    }

    /// <summary>Why nobody can join any more, or null.</summary>
    public string? NotReadyBecause =>
        (_running.IsFaulted ? _running : _indexing) is { IsFaulted: true } bug ? $"membership stopped by a bug: {bug.Exception!.InnerException?.Message}" : null;

    public void Start()
    {
        _running = Task.Run(RunAsync);
        _indexing = Task.Run(IndexAsync);
    }

    public Task<Membership?> JoinAsync(AgentDescription agent, IAgentLink link)
    {
        Request request = new(agent.Id, agent, link);
        return _requests.Writer.TryWrite(request) ? request.Done.Task : Task.FromResult<Membership?>(null);
    }

    /// <summary>Waits for room in the queue where there is none: a departure must not be lost.</summary>
    public async Task LeaveAsync(AgentId id)
    {
        Request request = new(id, null, null);
        try
        {
            await _requests.Writer.WriteAsync(request).ConfigureAwait(false);
        }
        catch (ChannelClosedException)
        {
            return;
        }
        await request.Done.Task.ConfigureAwait(false);
    }

    /// <summary>A lead says that a place is free. Any thread.</summary>
    public void Departed(AgentDeparted departed) => _departed.Enqueue(departed);

    /// <summary>Ends both tasks and tells those who wait that they are not in. May be called again.</summary>
    public async Task StopAsync()
    {
        _requests.Writer.TryComplete();
        await _stop.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(_running, _indexing).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        while (_requests.Reader.TryRead(out Request? waiting)) waiting.Done.TrySetResult(null);
    }

    public void Dispose()
    {
        _stop.Dispose();
        _indexWanted.Dispose();
    }

    private async Task RunAsync()
    {
        List<Request> batch = [];
        try
        {
            while (_next is not null || await _requests.Reader.WaitToReadAsync(_stop.Token).ConfigureAwait(false))
            {
                Take(batch);
                await HandleAsync(batch).ConfigureAwait(false);
                batch.Clear();
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // Stopping: those who wait are told below.
        }
        finally
        {
            _requests.Writer.TryComplete();
            if (_next is { } held) batch.Add(held);
            foreach (Request request in batch) request.Done.TrySetResult(null);
        }
    }

    /// <summary>What waits, up to the second request for one agent: the changes of one agent are made one after the other.</summary>
    private void Take(List<Request> batch)
    {
        HashSet<AgentId> ids = [];
        while (batch.Count < BatchMax && (_next is not null || _requests.Reader.TryRead(out _next)))
        {
            if (!ids.Add(_next.Id)) return;
            batch.Add(_next);
            _next = null;
        }
    }

    private async Task HandleAsync(List<Request> batch)
    {
        FreeDeparted();
        List<Member> leaving = [.. batch.Where(IsLeaving).Select(r => _members[r.Id])];
        await LeaveAllAsync(leaving).ConfigureAwait(false);
        int newcomers = batch.Count(r => r.Agent is not null && !_members.ContainsKey(r.Id) && !IsOfFleet(r.Id));
        if (newcomers > _slots.Free)
        {
            await LeaveAllAsync(LongestOffline(newcomers - _slots.Free, batch)).ConfigureAwait(false);
        }

        List<MemberChange> changes = [];
        List<Request> placed = [];
        foreach (Request request in batch)
        {
            if (Place(request) is not { } change) continue;
            changes.Add(change);
            placed.Add(request);
        }
        AgentImpedance?[] snapshots = await _host.ChangeAsync(changes, _stop.Token).ConfigureAwait(false);
        Register(changes, snapshots);
        if (_host.Registry.IndexIsStale && _indexWanted.CurrentCount == 0) _indexWanted.Release();
        for (int i = 0; i < placed.Count; i++) placed[i].Done.SetResult(new Membership(placed[i].Id, changes[i].AgentIndex, changes[i].Place));
        foreach (Request request in batch) request.Done.TrySetResult(null);
    }

    private bool IsLeaving(Request request) =>
        _members.TryGetValue(request.Id, out Member? member) && (request.Agent is not { } agent || agent.Class != member.Agent.Class);

    private bool IsOfFleet(AgentId id) => _host.Registry.FindCell(id) is { } cell && cell.Home.AgentIndex < _fleetAgents;

    /// <summary>The members that have been offline longest, and long enough that a newcomer may have their places.</summary>
    private List<Member> LongestOffline(int count, List<Request> batch)
    {
        HashSet<AgentId> returning = [.. batch.Select(r => r.Id)];
        Instant before = _host.Now + -_reclaimAfter;
        return
        [
            .. _members.Values.Select(m => (Member: m, Seen: _host.Registry.Find(m.Agent.Id)))
                .Where(m => m.Seen is { OperationalState: OperationalState.Offline } seen && seen.LastHeartbeat <= before && !returning.Contains(m.Member.Agent.Id))
                .OrderBy(m => m.Seen!.LastHeartbeat).Take(count).Select(m => m.Member),
        ];
    }

    private async Task LeaveAllAsync(List<Member> leaving)
    {
        if (leaving.Count == 0) return;
        foreach (Member member in leaving)
        {
            _members.Remove(member.Agent.Id);
            _leaving.Add(member.Index, member);
            _router.Route(member.Index, null);
        }
        await _host.ChangeAsync([.. leaving.Select(m => new MemberChange(MemberChangeKind.Leave, m.Index, m.Place, m.Agent))], _stop.Token).ConfigureAwait(false);

        // Their loops have let go of them: nobody publishes for them any more.
        foreach (Member member in leaving) _host.Publish(member.Index, null);
        FreeDeparted();
        _host.Registry.Remove([.. leaving.Select(m => m.Agent.Id)]);
    }

    private void FreeDeparted()
    {
        while (_departed.TryDequeue(out AgentDeparted departed))
        {
            Invariant.Check(_leaving.Remove(departed.AgentIndex, out Member? member));
            _slots.Give(member.Index, member.Place, member.Agent.Class);
        }
    }

    /// <summary>The change by which an agent that joins comes in; null when there is none: it leaves, finds no place, or has an id of the fleet.</summary>
    private MemberChange? Place(Request request)
    {
        if (request.Agent is not { } agent) return null;
        MemberChangeKind kind = MemberChangeKind.Return;
        if (!_members.TryGetValue(agent.Id, out Member? member))
        {
            if (IsOfFleet(agent.Id) || _slots.Take(agent.Class) is not { } home) return null;
            member = new Member(agent, home.AgentIndex, home.Place);
            kind = MemberChangeKind.Join;
        }
        _members[agent.Id] = member with { Agent = agent };
        request.Link!.Joined(new Membership(agent.Id, member.Index, member.Place));
        _router.Route(member.Index, request.Link);
        return new MemberChange(kind, member.Index, member.Place, agent);
    }

    private void Register(List<MemberChange> changes, AgentImpedance?[] snapshots)
    {
        int[] joined = [.. Enumerable.Range(0, changes.Count).Where(i => changes[i].Kind == MemberChangeKind.Join)];
        if (joined.Length == 0) return;
        AgentHome[] homes = [.. joined.Select(i => new AgentHome(changes[i].AgentIndex, changes[i].Place))];
        RegistryCell[] cells = _host.Registry.Register(Array.ConvertAll(joined, i => snapshots[i]!), homes);
        for (int i = 0; i < cells.Length; i++) _host.Publish(homes[i].AgentIndex, cells[i]);
    }

    /// <summary>The index by capability is dear to build: at once after a change, then not before a second is over.</summary>
    private async Task IndexAsync()
    {
        try
        {
            while (true)
            {
                await _indexWanted.WaitAsync(_stop.Token).ConfigureAwait(false);
                _host.Registry.RefreshIndex();
                await Task.Delay(IndexEvery, _stop.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    private sealed record Member(AgentDescription Agent, int Index, AgentPlace Place);

    /// <summary>Somebody wants in, or out when there is no agent.</summary>
    private sealed record Request(AgentId Id, AgentDescription? Agent, IAgentLink? Link)
    {
        public TaskCompletionSource<Membership?> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
