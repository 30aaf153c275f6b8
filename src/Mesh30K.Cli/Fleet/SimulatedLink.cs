using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Coordination.Topology;
using Mesh30K.Node.Hosting;
using Mesh30K.Node.Ports;
using Mesh30K.Node.Runtime;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;
using Mesh30K.Simulation.Fleet;

namespace Mesh30K.Cli.Fleet;

/// <summary>
/// A simulated fleet in real time (design section 3): every send goes through its agent's simulated path and queue, and the ack comes back
/// at the real moment at which it would, released by a thread of the fleet's own. Also sends the fleet's heartbeats, a slice of the agents
/// every 50 ms so that each is heard every 5 s. Thread-safe; a sector's agents are guarded by a lock of their own, which the planner
/// <c>oracle</c> takes too.
/// </summary>
internal sealed class SimulatedLink : IAgentLink, IArrivalOracle, IAsyncDisposable
{
    /// <summary>How often each agent sends a heartbeat (M 8.1).</summary>
    public static readonly TimeSpan HeartbeatEvery = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan SliceEvery = TimeSpan.FromMilliseconds(50);

    private readonly MeshHost _host;
    private readonly FleetBlueprint _blueprint;
    private readonly FleetMap _map;
    private readonly MeshShape _shape;
    private readonly Lock[] _locks;
    private readonly int[][] _agentsOfSector;
    private readonly ReleaseThread<PendingAck> _acks;
    private readonly PeriodicTimer _heartbeatTimer = new(SliceEvery);
    private Task _heartbeats = Task.CompletedTask;
    private int _nextSector;
    private double _sectorsOwed;

    public SimulatedLink(MeshHost host, FleetBlueprint blueprint)
    {
        _host = host;
        _blueprint = blueprint;
        _shape = host.Mesh.Settings.Shape;
        _map = new FleetMap(blueprint, _shape, host.Mesh.Places);
        _locks = [.. Enumerable.Range(0, _shape.Sectors).Select(_ => new Lock())];
        _agentsOfSector = [.. host.Mesh.Places.Select((place, i) => (place.Cluster.Sector, i)).GroupBy(p => p.Sector, p => p.i)
            .OrderBy(g => g.Key).Select(g => g.ToArray())];
        _acks = new ReleaseThread<PendingAck>("mesh-fleet", host.Clock, OnAcksDue);
    }

    /// <summary>Begins to send heartbeats; the host has been started.</summary>
    public void Start() => _heartbeats = SendHeartbeatsAsync();

    public void Deliver(ReadOnlySpan<Delivery> due, Instant releasedAt)
    {
        PendingAck[] pending = System.Buffers.ArrayPool<PendingAck>.Shared.Rent(due.Length);
        int count = 0;
        foreach (ref readonly Delivery delivery in due)
        {
            DispatchSlip slip = delivery.Slip;
            int sector = slip.Cluster.Sector;
            SendOutcome outcome;
            lock (_locks[sector])
            {
                outcome = _map.Partition(sector).Send(_map.LocalOf(slip.Cluster, delivery.Slot), releasedAt, slip.PayloadWeight);
            }
            if (!outcome.Lost) pending[count++] = new PendingAck(delivery, outcome);
        }
        _acks.Schedule(pending.AsSpan(0, count));
        System.Buffers.ArrayPool<PendingAck>.Shared.Return(pending, clearArray: true);
    }

    public float QuantileMs(int agentIndex, Instant sendAt, float payloadWeight, float level)
    {
        if (agentIndex >= _blueprint.Agents) return float.NaN;
        lock (_locks[_host.Mesh.Places[agentIndex].Cluster.Sector])
        {
            return _map.QuantileMs(agentIndex, sendAt, payloadWeight, level);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _heartbeatTimer.Dispose();
        await _heartbeats.ConfigureAwait(false);
        await _acks.StopAsync(TimeSpan.FromSeconds(2)).ConfigureAwait(false);
    }

    /// <summary>Runs on the fleet's thread: the acks arrive at the mesh now, in one array a loop.</summary>
    private void OnAcksDue(ReadOnlySpan<PendingAck> due, Instant now)
    {
        Span<int> counts = stackalloc int[_host.Loops];
        counts.Clear();
        foreach (ref readonly PendingAck ack in due) counts[_host.LoopOf(ack.Delivery.Slip.Cluster.Sector)]++;
        for (int loop = 0; loop < _host.Loops; loop++)
        {
            if (counts[loop] == 0) continue;
            AgentAck[] batch = new AgentAck[counts[loop]];
            int n = 0;
            foreach (ref readonly PendingAck ack in due)
                if (_host.LoopOf(ack.Delivery.Slip.Cluster.Sector) == loop) batch[n++] = ToAck(ack, now);
            _host.Post(loop, batch, n);
        }
    }

    private AgentAck ToAck(in PendingAck ack, Instant now)
    {
        SendOutcome outcome = ack.Outcome;
        AckDetail? detail = null;
        if (ack.Delivery.Order.Spec.CollectAnswers || outcome.State == TrinaryState.Conflict)
            detail = DetailOf(ack.Delivery.AgentIndex, outcome.State);
        return new AgentAck
        {
            ClusterIndex = ack.Delivery.Slip.Cluster.Index,
            Slot = ack.Delivery.Slot,
            Operation = ack.Delivery.Slip.Operation,
            ReceivedAt = now,
            State = outcome.State,
            ProcessingMs = outcome.ServiceMs,
            QueueWaitMs = outcome.QueueWaitMs,
            QueueDepth = outcome.QueueDepth,
            Detail = detail,
        };
    }

    /// <summary>A simulated agent answers every question with the hash of its context, and explains a conflict by a diverged one.</summary>
    private AckDetail DetailOf(int agentIndex, TrinaryState state)
    {
        string context = _blueprint.ContextHashOf(agentIndex);
        if (state != TrinaryState.Conflict) return new AckDetail($"\"{context}\"", null);
        return new AckDetail(null, new ConflictDetail { Type = ConflictType.ContextDivergence, ContextHash = context, DivergenceDepth = 1 });
    }

    private async Task SendHeartbeatsAsync()
    {
        while (await _heartbeatTimer.WaitForNextTickAsync().ConfigureAwait(false)) SendSlice();
    }

    private void SendSlice()
    {
        _sectorsOwed += _agentsOfSector.Length * (SliceEvery / HeartbeatEvery);
        for (; _sectorsOwed >= 1; _sectorsOwed--)
        {
            int[] agents = _agentsOfSector[_nextSector];
            _nextSector = (_nextSector + 1) % _agentsOfSector.Length;
            SendHeartbeats(agents);
        }
    }

    private void SendHeartbeats(int[] agents)
    {
        Instant now = _host.Clock.Now;
        AgentHeartbeat[] beats = new AgentHeartbeat[agents.Length];
        int sector = _host.Mesh.Places[agents[0]].Cluster.Sector;
        lock (_locks[sector])
        {
            for (int i = 0; i < agents.Length; i++)
            {
                AgentPlace place = _host.Mesh.Places[agents[i]];
                beats[i] = new AgentHeartbeat
                {
                    ClusterIndex = place.Cluster.Index,
                    Slot = place.Slot,
                    ReceivedAt = now,
                    QueueDepth = _map.Partition(sector).QueueDepth(_map.LocalOf(place.Cluster, place.Slot), now),
                    ContextHash = _blueprint.ContextHashOf(agents[i]),
                };
            }
        }
        _host.Post(_host.LoopOf(sector), beats, beats.Length);
    }

    private readonly record struct PendingAck(Delivery Delivery, SendOutcome Outcome) : IDue
    {
        public Instant Due => Outcome.AckAt;
    }
}
