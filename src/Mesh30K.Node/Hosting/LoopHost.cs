using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Coordination.Topology;
using Mesh30K.Node.Runtime;
using Mesh30K.Protocol;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Hosting;

/// <summary>What a loop needs of the node around it.</summary>
internal interface ILoopNeighbourhood
{
    int LoopOf(RoleAddress role);

    /// <summary>Posts a batch to another loop. A full mailbox there loses the batch, which is counted and logged: deadlines cover it.</summary>
    void Post(int loop, Signal[] signals);

    /// <summary>Sends that are due: straight to the link. Later ones: to the release thread.</summary>
    void Release(ReadOnlySpan<Delivery> due, ReadOnlySpan<PlannedSend> later, Instant now);

    void Publish(Effects effects, Instant now);

    void Started(OperationStarted operation);

    void Completed(OperationResult result);

    void Departed(AgentDeparted departed);
}

/// <summary>
/// One event loop's state: the sectors that it owns and, on loop 0, the orchestrator. Turns batches into steps and effects into posts.
/// Effects are carried out in the order that <see cref="Effects"/> documents; signals between roles of this loop never leave it.
/// Owner: its event loop's thread.
/// </summary>
internal sealed class LoopHost : IEventLoopHandler<LoopInput, LoopTimer>
{
    /// <summary>Every sector is swept once a second, a part of them every 50 ms, so that no sweep holds the loop for long.</summary>
    private static readonly TimeSpan SweepEvery = TimeSpan.FromMilliseconds(50);

    private const int SweepParts = 20;

    private readonly int _loop;
    private readonly MeshShape _shape;
    private readonly SectorUnit?[] _units;
    private readonly SectorUnit[] _owned;
    private readonly Orchestrator? _orchestrator;
    private readonly ILoopNeighbourhood _around;
    private readonly Func<Instant, MessageId> _nextId;
    private readonly Dictionary<long, TaskCompletionSource<OperationResult>> _waiting = [];
    private readonly QuietCollector _collector = new();
    private readonly Effects _effects = new();
    private readonly Queue<Signal> _inbox = new();
    private readonly List<Signal>[] _outbox;
    private readonly EffectList<Delivery> _due = new();
    private readonly EffectList<PlannedSend> _later = new();
    private readonly List<MemberBatch> _changed = [];
    private Action<Instant, LoopTimer>? _setTimer;
    private long _sweeps;

    public LoopHost(
        int loop, int loops, MeshShape shape, SectorUnit[] owned, Orchestrator? orchestrator, ILoopNeighbourhood around, Func<Instant, MessageId> nextId)
    {
        _loop = loop;
        _shape = shape;
        _owned = owned;
        _orchestrator = orchestrator;
        _around = around;
        _nextId = nextId;
        _units = new SectorUnit?[shape.Sectors];
        foreach (SectorUnit unit in owned) _units[unit.Sector] = unit;
        _outbox = [.. Enumerable.Range(0, loops).Select(_ => new List<Signal>())];
    }

    /// <summary>Gives the loop its timers and sets the first; called once, before the loop starts.</summary>
    public void Attach(Action<Instant, LoopTimer> setTimer, Instant now)
    {
        _setTimer = setTimer;
        setTimer(now + SweepEvery, new LoopTimer(default, true));
    }

    public void OnBatch(in LoopInput batch, Instant now)
    {
        switch (batch.Items)
        {
            case AgentAck[] acks:
                for (int i = 0; i < batch.Count; i++)
                {
                    (int sector, int cluster) = Math.DivRem(acks[i].ClusterIndex, _shape.ClustersPerSector);
                    _units[sector]!.Step(acks[i], cluster, now, _effects);
                    if (_effects.Signals.Count > 0) CarryOut(now);
                }
                break;
            case AgentHeartbeat[] beats:
                for (int i = 0; i < batch.Count; i++)
                {
                    (int sector, int cluster) = Math.DivRem(beats[i].ClusterIndex, _shape.ClustersPerSector);
                    _units[sector]!.Step(beats[i], cluster);
                }
                break;
            case Signal[] signals:
                for (int i = 0; i < batch.Count; i++) Step(signals[i], now);
                CarryOut(now);
                break;
            case Submission submission:
                Submit(submission, now);
                break;
            case MemberBatch members:
                Change(members, now);
                break;
            default:
                throw new InvariantException($"a loop takes no {batch.Items.GetType().Name}");
        }
    }

    public void OnTimer(in LoopTimer timer, Instant now)
    {
        if (timer.IsSweep) Sweep(now);
        else if (timer.Role.Owner.Kind == RoleKind.Orchestrator) _orchestrator!.Step(timer.Role, now, _effects);
        else _units[timer.Role.Owner.Sector]!.Step(timer.Role, now, _effects);
        CarryOut(now);
    }

    public void OnTurnEnd(Instant now)
    {
        FlushDeliveries(now);
        for (int loop = 0; loop < _outbox.Length; loop++)
        {
            if (_outbox[loop].Count == 0) continue;
            _around.Post(loop, [.. _outbox[loop]]);
            _outbox[loop].Clear();
        }

        // Only now: what an operation that is submitted after a join has to know is in the orchestrator's mailbox before the operation is.
        foreach (MemberBatch members in _changed) members.Done.SetResult();
        _changed.Clear();
    }

    /// <summary>Learns from the acks of one sector; the loop looks at its mailbox between sectors. With nothing to learn and no operation in progress, collects garbage.</summary>
    public bool OnIdle(Instant now)
    {
        foreach (SectorUnit unit in _owned)
        {
            if (!unit.HasUnsettled) continue;
            unit.Settle(now, _effects);
            CarryOut(now);
            OnTurnEnd(now);
            return true;
        }
        return _orchestrator is { Running: 0, Queued: 0 } && _collector.Collect();
    }

    private void Change(MemberBatch members, Instant now)
    {
        SortedSet<int> sectors = [];
        for (int i = 0; i < members.Changes.Length; i++)
        {
            MemberChange change = members.Changes[i];
            sectors.Add(change.Place.Cluster.Sector);
            members.Snapshots[i] = _units[change.Place.Cluster.Sector]!.Step(change, now, _effects);
            if (change.Kind == MemberChangeKind.Return) _effects.Snapshots.Add(new SnapshotUpdate(change.AgentIndex, members.Snapshots[i]!));
        }
        foreach (int sector in sectors) _units[sector]!.Announce(now, _effects);
        CarryOut(now);
        _changed.Add(members);
    }

    private void Submit(Submission submission, Instant now)
    {
        MessageId id = _nextId(now);
        SubmitResult submitted = _orchestrator!.Submit(submission.Spec, id, now, _effects);
        if (!submitted.Accepted)
        {
            submission.Admitted.SetResult(new OperationTicket(0, default, submitted.Error, Task.FromCanceled<OperationResult>(new CancellationToken(true))));
            return;
        }
        TaskCompletionSource<OperationResult> completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _waiting.Add(submitted.Number, completion);
        submission.Admitted.SetResult(new OperationTicket(submitted.Number, id, null, completion.Task));
        CarryOut(now);
    }

    private void Sweep(Instant now)
    {
        long part = _sweeps % SweepParts;
        long round = _sweeps++ / SweepParts;
        for (int i = (int)part; i < _owned.Length; i += SweepParts) _owned[i].Sweep(now, round, publish: true, _effects);
        _setTimer!(now + SweepEvery, new LoopTimer(default, true));
    }

    private void Step(in Signal signal, Instant now)
    {
        if (signal.To.Kind == RoleKind.Orchestrator) _orchestrator!.Step(signal.Body, now, _effects);
        else _units[signal.To.Sector]!.Step(signal.Body, signal.To, now, _effects);
    }

    /// <summary>Carries out what the roles want, until they want nothing more.</summary>
    private void CarryOut(Instant now)
    {
        while (true)
        {
            if (_effects.Snapshots.Count > 0 || _effects.Summaries.Count > 0) _around.Publish(_effects, now);
            foreach (ref readonly OperationStarted started in _effects.Started.Items) _around.Started(started);
            foreach (ref readonly TimerRequest timer in _effects.Timers.Items) _setTimer!(timer.At, new LoopTimer(timer, false));
            foreach (ref readonly Delivery delivery in _effects.Deliveries.Items)
            {
                if (delivery.At <= now) _due.Add(delivery);
                else _later.Add(new PlannedSend(delivery));
            }
            foreach (ref readonly Signal signal in _effects.Signals.Items)
            {
                int loop = _around.LoopOf(signal.To);
                if (loop == _loop) _inbox.Enqueue(signal);
                else _outbox[loop].Add(signal);
            }
            foreach (ref readonly OperationResult result in _effects.Completed.Items) Complete(result);
            foreach (ref readonly AgentDeparted departed in _effects.Departed.Items) _around.Departed(departed);
            _effects.Clear();
            if (!_inbox.TryDequeue(out Signal next)) return;
            Step(next, now);
        }
    }

    private void Complete(OperationResult result)
    {
        _around.Completed(result);
        if (_waiting.Remove(result.Number, out TaskCompletionSource<OperationResult>? waiting)) waiting.SetResult(result);
    }

    private void FlushDeliveries(Instant now)
    {
        if (_due.Count == 0 && _later.Count == 0) return;
        _around.Release(_due.Items, _later.Items, now);
        _due.Clear();
        _later.Clear();
    }
}
