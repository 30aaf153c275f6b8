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

    private readonly MeshHost host;
    private readonly FleetBlueprint blueprint;
    private readonly FleetMap map;
    private readonly MeshShape shape;
    private readonly Lock[] locks;
    private readonly int[][] agentsOfSector;
    private readonly ReleaseThread<PendingAck> acks;
    private readonly PeriodicTimer heartbeatTimer = new(SliceEvery);
    private Task heartbeats = Task.CompletedTask;
    private int nextSector;
    private double sectorsOwed;

    public SimulatedLink(MeshHost host, FleetBlueprint blueprint)
    {
        this.host = host;
        this.blueprint = blueprint;
        shape = host.Mesh.Settings.Shape;
        map = new FleetMap(blueprint, shape, host.Mesh.Places);
        locks = [.. Enumerable.Range(0, shape.Sectors).Select(_ => new Lock())];
        agentsOfSector = [.. host.Mesh.Places.Select((place, i) => (place.Cluster.Sector, i)).GroupBy(p => p.Sector, p => p.i)
            .OrderBy(g => g.Key).Select(g => g.ToArray())];
        acks = new ReleaseThread<PendingAck>("mesh-fleet", host.Clock, OnAcksDue);
    }

    /// <summary>Acks that found the fleet's own queue full; they count as lost on the way.</summary>
    public long LostAcks => acks.Snapshot().Rejected;

    /// <summary>Begins to send heartbeats; the host has been started.</summary>
    public void Start() => heartbeats = SendHeartbeatsAsync();

    public void Deliver(ReadOnlySpan<Delivery> due, Instant releasedAt)
    {
        PendingAck[] pending = System.Buffers.ArrayPool<PendingAck>.Shared.Rent(due.Length);
        int count = 0;
        foreach (ref readonly Delivery delivery in due)
        {
            DispatchSlip slip = delivery.Slip;
            int sector = slip.Cluster.Sector;
            SendOutcome outcome;
            lock (locks[sector])
            {
                outcome = map.Partition(sector).Send(map.LocalOf(slip.Cluster, delivery.Slot), releasedAt, slip.PayloadWeight);
            }
            if (!outcome.Lost) pending[count++] = new PendingAck(delivery, outcome);
        }
        acks.Schedule(pending.AsSpan(0, count));
        System.Buffers.ArrayPool<PendingAck>.Shared.Return(pending, clearArray: true);
    }

    public float QuantileMs(int agentIndex, Instant sendAt, float payloadWeight, float level)
    {
        lock (locks[host.Mesh.Places[agentIndex].Cluster.Sector])
        {
            return map.QuantileMs(agentIndex, sendAt, payloadWeight, level);
        }
    }

    public async ValueTask DisposeAsync()
    {
        heartbeatTimer.Dispose();
        await heartbeats.ConfigureAwait(false);
        await acks.StopAsync(TimeSpan.FromSeconds(2)).ConfigureAwait(false);
    }

    /// <summary>Runs on the fleet's thread: the acks arrive at the mesh now, in one array a loop.</summary>
    private void OnAcksDue(ReadOnlySpan<PendingAck> due, Instant now)
    {
        Span<int> counts = stackalloc int[host.Loops];
        counts.Clear();
        foreach (ref readonly PendingAck ack in due) counts[host.LoopOf(ack.Delivery.Slip.Cluster.Sector)]++;
        for (int loop = 0; loop < host.Loops; loop++)
        {
            if (counts[loop] == 0) continue;
            AgentAck[] batch = new AgentAck[counts[loop]];
            int n = 0;
            foreach (ref readonly PendingAck ack in due)
                if (host.LoopOf(ack.Delivery.Slip.Cluster.Sector) == loop) batch[n++] = ToAck(ack, now);
            host.Post(loop, batch, n);
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
        string context = blueprint.ContextHashOf(agentIndex);
        if (state != TrinaryState.Conflict) return new AckDetail($"\"{context}\"", null);
        return new AckDetail(null, new ConflictDetail { Type = ConflictType.ContextDivergence, ContextHash = context, DivergenceDepth = 1 });
    }

    private async Task SendHeartbeatsAsync()
    {
        while (await heartbeatTimer.WaitForNextTickAsync().ConfigureAwait(false)) SendSlice();
    }

    private void SendSlice()
    {
        sectorsOwed += agentsOfSector.Length * (SliceEvery / HeartbeatEvery);
        for (; sectorsOwed >= 1; sectorsOwed--)
        {
            int[] agents = agentsOfSector[nextSector];
            nextSector = (nextSector + 1) % agentsOfSector.Length;
            SendHeartbeats(agents);
        }
    }

    private void SendHeartbeats(int[] agents)
    {
        Instant now = host.Clock.Now;
        AgentHeartbeat[] beats = new AgentHeartbeat[agents.Length];
        int sector = host.Mesh.Places[agents[0]].Cluster.Sector;
        lock (locks[sector])
        {
            for (int i = 0; i < agents.Length; i++)
            {
                AgentPlace place = host.Mesh.Places[agents[i]];
                beats[i] = new AgentHeartbeat
                {
                    ClusterIndex = place.Cluster.Index,
                    Slot = place.Slot,
                    ReceivedAt = now,
                    QueueDepth = map.Partition(sector).QueueDepth(map.LocalOf(place.Cluster, place.Slot), now),
                    ContextHash = blueprint.ContextHashOf(agents[i]),
                };
            }
        }
        host.Post(host.LoopOf(sector), beats, beats.Length);
    }

    private readonly record struct PendingAck(Delivery Delivery, SendOutcome Outcome) : IDue
    {
        public Instant Due => Outcome.AckAt;
    }
}
