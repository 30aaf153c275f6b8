using System.Collections.Concurrent;
using System.Net.WebSockets;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Node.Identity;
using Mesh30K.Node.Ports;
using Mesh30K.Node.Runtime;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Json;
using Mesh30K.Protocol.Messages;
using Mesh30K.Protocol.Signing;
using Microsoft.AspNetCore.Http;

namespace Mesh30K.Node.Links;

/// <summary>What the WebSocket link needs of the node around it. Owned by the node.</summary>
/// <param name="Directory">Who may join, and with which keys.</param>
/// <param name="Identity">What the mesh signs with.</param>
/// <param name="Ingress">Where acks and heartbeats go.</param>
/// <param name="Membership">How agents get a place.</param>
/// <param name="Clock">The mesh's clock.</param>
public sealed record AgentLinkNeeds(AgentDirectory Directory, MeshIdentity Identity, IMeshIngress Ingress, IMeshMembership Membership, MeshClock Clock);

/// <summary>
/// The WebSocket link (docs/protocol/links.md): agents connect, prove who they are, get their deliveries under signed frames and answer. At least once: what an agent has not answered goes again when it comes back, until
/// its time to live ends. Everything is bounded: connections, handshakes, deliveries and control messages of an agent, its rate, and how long it may be silent or not read. Thread-safe. Owned by the node's server, which
/// stops it before HTTP.
/// </summary>
public sealed class AgentLinks : IAgentLink, IAsyncDisposable
{
    /// <summary>A message that leaves no room for the frame's header is never sent.</summary>
    private const int MessageBytesMax = FrameLimits.BytesMax - 4_096;

    private static readonly TimeSpan ForgetEvery = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<AgentId, LinkedAgent> _agents = new();
    private readonly ConcurrentDictionary<AgentSession, byte> _sessions = new();
    private readonly Lock _tableGate = new();
    private readonly FrameSender[] _senders;
    private readonly IngressBatcher<AgentAck>[] _acks;
    private readonly IngressBatcher<AgentHeartbeat>[] _heartbeats;
    private readonly PeriodicTimer _sweepTimer;
    private readonly Task _sweeping;
    private readonly IMeshIngress _ingress;
    private readonly int _clustersPerSector;
    private LinkedAgent?[] _byIndex = new LinkedAgent?[64];
    private int _connections;
    private int _strangers;
    private uint _nextSender;
    private volatile bool _stopping;

    /// <param name="needs">The node around it.</param>
    /// <param name="clustersPerSector">Of the mesh's shape: which loop an ack belongs to.</param>
    /// <param name="options">Its bounds.</param>
    public AgentLinks(AgentLinkNeeds needs, int clustersPerSector, AgentLinkOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(needs);
        ArgumentOutOfRangeException.ThrowIfLessThan(clustersPerSector, 1);
        Options = options ?? new AgentLinkOptions();
        Options.Validate();
        (Directory, Identity, _ingress, Membership, Clock) = needs;
        _clustersPerSector = clustersPerSector;
        ConnectionsMax = ProcessLimits.ConnectionsWithin(Options.AgentsMax, ProcessLimits.OpenFiles());
        _acks = [.. Enumerable.Range(0, _ingress.Loops).Select(loop => new IngressBatcher<AgentAck>(
            (acks, count) => _ingress.Post(loop, acks, count), lost => Interlocked.Add(ref Counters.LostAcks, lost)))];
        _heartbeats = [.. Enumerable.Range(0, _ingress.Loops).Select(loop => new IngressBatcher<AgentHeartbeat>(
            (beats, count) => _ingress.Post(loop, beats, count), static _ => { /* the next comes in a few seconds; the host counts the batch */ }))];
        _senders = [.. Enumerable.Range(0, Options.Senders).Select(i => new FrameSender($"mesh-send-{i}", Identity, Clock, Options, Counters))];
        Directory.Revoked += OnRevoked;
        Identity.Announced += OnNextKey;
        _sweepTimer = new PeriodicTimer(Options.SweepEvery);
        _sweeping = SweepAsync();
    }

    /// <summary>Connections at most: what was asked for, or what the limit of open files leaves.</summary>
    public int ConnectionsMax { get; }

    /// <summary>Connections now, strangers among them.</summary>
    public int Connections => Volatile.Read(ref _connections);

    /// <summary>Why it cannot work, or null.</summary>
    public string? NotReadyBecause => _stopping ? "the links are stopping" : _senders.Select(s => s.NotReadyBecause).FirstOrDefault(r => r is not null);

    internal AgentLinkOptions Options { get; }

    internal AgentDirectory Directory { get; }

    internal MeshIdentity Identity { get; }

    internal IMeshMembership Membership { get; }

    internal MeshClock Clock { get; }

    internal LinkCounters Counters { get; } = new();

    internal RefusalLog Log { get; } = new();

    /// <inheritdoc/>
    public void Deliver(ReadOnlySpan<Delivery> due, Instant releasedAt)
    {
        LinkedAgent?[] table = Volatile.Read(ref _byIndex);
        OperationOrder? order = null;
        OrderMessage? message = null;
        foreach (ref readonly Delivery delivery in due)
        {
            if (!ReferenceEquals(order, delivery.Order)) message = OrderMessage.Of(order = delivery.Order);
            LinkedAgent? agent = delivery.AgentIndex < table.Length ? Volatile.Read(ref table[delivery.AgentIndex]) : null;
            if (agent is null || message!.BytesAbout > MessageBytesMax)
            {
                Interlocked.Increment(ref Counters.Undeliverable);
                continue;
            }
            OutboxItem item = new(
                message, delivery.Slip.Operation, delivery.Slip.Cluster.Index, delivery.Slot, delivery.Slip.Lines[delivery.Slot].LeadMs, order.Spec.Priority, delivery.Slip.ExpiresAt);
            AgentSession? session;
            lock (agent.Gate)
            {
                _ = agent.Outbox.Add(item, releasedAt);
                session = agent.Session;
            }
            session?.MarkDirty();
        }
    }

    /// <inheritdoc/>
    public void Joined(Membership member) => AgentOf(member);

    /// <inheritdoc/>
    public void Cancel(int agentIndex, MessageId message, string reason)
    {
        LinkedAgent?[] table = Volatile.Read(ref _byIndex);
        if (agentIndex >= table.Length || Volatile.Read(ref table[agentIndex]) is not { } agent) return;
        AgentSession? session;
        lock (agent.Gate) session = agent.Outbox.Cancel(message) ? agent.Session : null;
        session?.Tell(new Control(new CancelMessage { MessageId = message, Reason = reason }));
    }

    /// <summary>
    /// Tells every agent of a cluster, of a sector or of the mesh that is connected now, before its deliveries: CIRCUIT, FREEZE, THAW. Agents that come later are not told. For a later version's breakers.
    /// </summary>
    /// <param name="target">The cluster or sector, as on the wire; not looked at for the whole mesh.</param>
    /// <returns>How many agents are told.</returns>
    public int Announce(MeshScope scope, string? target, WireMessage message)
    {
        SectorId sector = default;
        ClusterId cluster = default;
        if ((scope == MeshScope.Sector && !SectorId.TryParse(target, out sector)) || (scope == MeshScope.Cluster && !ClusterId.TryParse(target, out cluster)))
            throw new ArgumentException("not the sector or cluster that the scope says", nameof(target));
        Control control = new(MeshCodec.Default.Encode(message));
        int told = 0;
        foreach (LinkedAgent agent in _agents.Values)
        {
            if (agent.Session is not { } session) continue;
            ClusterId of = new(agent.Member.Place.Cluster.Sector, agent.Member.Place.Cluster.Cluster);
            if (scope == MeshScope.Sector ? of.Sector != sector : scope == MeshScope.Cluster && of != cluster) continue;
            session.Tell(control);
            told++;
        }
        return told;
    }

    /// <summary>Refuses new connections, says BYE to all, and waits until they have gone; what is left at the deadline is cut off.</summary>
    public async Task StopAsync(TimeSpan deadline)
    {
        _stopping = true;
        foreach (AgentSession session in _sessions.Keys)
            session.End(session.IsStranger ? null : new ByeMessage { Reason = "stopping" }, WebSocketCloseStatus.EndpointUnavailable, "stopping");
        Instant until = Clock.Now + deadline;
        while (!_sessions.IsEmpty && Clock.Now < until) await Task.Delay(10).ConfigureAwait(false);
        foreach (AgentSession session in _sessions.Keys) session.Abort();
    }

    public async ValueTask DisposeAsync()
    {
        if (!_stopping) await StopAsync(TimeSpan.FromSeconds(1)).ConfigureAwait(false);
        Directory.Revoked -= OnRevoked;
        Identity.Announced -= OnNextKey;
        _sweepTimer.Dispose();
        await _sweeping.ConfigureAwait(false);
        foreach (FrameSender sender in _senders) sender.Dispose();
    }

    /// <summary>What it does, in figures.</summary>
    public LinksView View()
    {
        int waiting = 0, unanswered = 0, connected = 0;
        long expired = Volatile.Read(ref Counters.ExpiredBefore), evicted = Volatile.Read(ref Counters.EvictedBefore);
        foreach (LinkedAgent agent in _agents.Values)
        {
            lock (agent.Gate)
            {
                waiting += agent.Outbox.Waiting;
                unanswered += agent.Outbox.Unanswered;
                expired += agent.Outbox.Expired;
                evicted += agent.Outbox.Evicted;
                if (agent.Session is not null) connected++;
            }
        }
        return new LinksView(
            connected, _agents.Count, Connections, ConnectionsMax, Volatile.Read(ref _strangers), waiting, unanswered, Volatile.Read(ref Counters.FramesIn),
            Volatile.Read(ref Counters.MessagesIn), Volatile.Read(ref Counters.FramesOut), Volatile.Read(ref Counters.MessagesOut), Volatile.Read(ref Counters.Signatures),
            Volatile.Read(ref Counters.SessionsOpened), Volatile.Read(ref Counters.Replaced), Volatile.Read(ref Counters.Redelivered), expired, evicted, Volatile.Read(ref Counters.UnknownAcks),
            Volatile.Read(ref Counters.LostAcks), Volatile.Read(ref Counters.Undeliverable), Volatile.Read(ref Counters.SlowClosed), Counters.Refusals);
    }

    /// <summary>As <see cref="View"/>, in five figures.</summary>
    public LinksSummary Summary()
    {
        LinksView all = View();
        return new LinksSummary(all.AgentsConnected, all.ConnectionsMax, all.Redelivered, all.Expired + all.Evicted, all.Refusals.Values.Sum() + all.SlowClosed);
    }

    /// <summary>A place for one more connection; null with the refusal's code when there is none. Give it back by <see cref="Ended"/>, or by <see cref="Leave"/> when no session came of it.</summary>
    internal string? TryEnter()
    {
        if (_stopping) return "stopping";
        if (Interlocked.Increment(ref _connections) > ConnectionsMax)
        {
            Interlocked.Decrement(ref _connections);
            return "connection_limit";
        }
        if (Interlocked.Increment(ref _strangers) <= Options.HandshakesMax) return null;
        Leave();
        return "busy";
    }

    /// <summary>A stranger's place is free again.</summary>
    internal void Leave()
    {
        Interlocked.Decrement(ref _strangers);
        Interlocked.Decrement(ref _connections);
    }

    /// <summary>A stranger has proven itself.</summary>
    internal void Proven() => Interlocked.Decrement(ref _strangers);

    /// <summary>Serves one connection until it ends.</summary>
    internal Task ServeAsync(HttpContext http, WebSocket socket)
    {
        FrameSender sender = _senders[Interlocked.Increment(ref _nextSender) % (uint)_senders.Length];
        AgentSession session = new(this, http, socket, sender);
        _sessions.TryAdd(session, 0);
        if (_stopping) session.End(last: null, WebSocketCloseStatus.EndpointUnavailable, "stopping");
        return session.RunAsync();
    }

    internal void Ended(AgentSession session, LinkedAgent? agent)
    {
        _sessions.TryRemove(session, out _);
        if (session.IsStranger)
        {
            Leave();
            return;
        }
        Interlocked.Decrement(ref _connections);
        lock (agent!.Gate)
        {
            if (agent.Session == session) agent.Session = null;
        }
    }

    /// <summary>The agent of a place, made when it is new here; its index leads to it from now on.</summary>
    internal LinkedAgent AgentOf(Membership member)
    {
        lock (_tableGate)
        {
            LinkedAgent agent = _agents.GetOrAdd(member.Id, static (_, made) => new LinkedAgent(made.Member, made.Options), (Member: member, Options));
            int before = agent.Member.AgentIndex;
            agent.Member = member;
            if (before != member.AgentIndex && _byIndex[before] == agent) _byIndex[before] = null;
            if (member.AgentIndex >= _byIndex.Length)
            {
                LinkedAgent?[] larger = new LinkedAgent?[Math.Max(member.AgentIndex + 1, _byIndex.Length * 2)];
                _byIndex.CopyTo(larger, 0);
                Volatile.Write(ref _byIndex, larger);
            }
            Volatile.Write(ref _byIndex[member.AgentIndex], agent);
            return agent;
        }
    }

    /// <summary>The agent gives up its place and what waits for it.</summary>
    internal async Task LeaveAsync(LinkedAgent agent)
    {
        await Membership.LeaveAsync(agent.Id).ConfigureAwait(false);
        lock (_tableGate)
        {
            _agents.TryRemove(new KeyValuePair<AgentId, LinkedAgent>(agent.Id, agent));
            if (_byIndex[agent.Member.AgentIndex] == agent) _byIndex[agent.Member.AgentIndex] = null;
        }
        lock (agent.Gate)
        {
            Interlocked.Add(ref Counters.ExpiredBefore, agent.Outbox.Expired);
            Interlocked.Add(ref Counters.EvictedBefore, agent.Outbox.Evicted);
        }
    }

    internal void Post(in AgentAck ack) => _acks[_ingress.LoopOf(ack.ClusterIndex / _clustersPerSector)].Add(ack, ack.ReceivedAt);

    internal void Post(in AgentHeartbeat beat) => _heartbeats[_ingress.LoopOf(beat.ClusterIndex / _clustersPerSector)].Add(beat, beat.ReceivedAt);

    /// <summary>On the thread of whoever revoked. Handshakes under way find out by themselves: they look the key up.</summary>
    private void OnRevoked(AgentId id)
    {
        if (!_agents.TryGetValue(id, out LinkedAgent? agent)) return;
        if (agent.Session is { } session && !session.IsKeyValid(Clock.Now)) session.Revoked();
        if (Directory.Find(id) is { RevokedAt: null }) return;
        _ = LeaveAsync(agent);
    }

    private void OnNextKey(Ed25519PublicKey key) => Announce(MeshScope.Global, null, new MeshKeyMessage { PublicKey = key.ToString() });

    private async Task SweepAsync()
    {
        Instant forgetAt = Clock.Now + ForgetEvery;
        while (await _sweepTimer.WaitForNextTickAsync().ConfigureAwait(false))
        {
            Instant now = Clock.Now;
            foreach (KeyValuePair<AgentSession, byte> session in _sessions) session.Key.Sweep(now);
            if (now < forgetAt) continue;
            forgetAt = now + ForgetEvery;
            foreach (KeyValuePair<AgentId, LinkedAgent> agent in _agents)
                lock (agent.Value.Gate) agent.Value.Outbox.DropExpired(now);
        }
    }
}
