using Mesh30K.Consistency.Strong.Raft;

namespace Mesh30K.Simulation.Strong.Raft;

/// <summary>Its journal, and the messages that wait for it.</summary>
internal sealed partial class SimServer
{
    private readonly Queue<(RaftEffect.Persist Effect, byte[]? Image)> _toPersist = new();
    private readonly Queue<(long After, RaftMessage Message)> _toSend = new();
    private readonly List<RaftChange> _writing = [];
    private long _persisting;
    private long _durable;

    private void ForgetAll()
    {
        _lost.AddRange(_writing);
        _writing.Clear();
        _toPersist.Clear();
        _toSend.Clear();
        (_persisting, _durable) = (0, 0);
        ForgetState();
    }

    private void Enqueue(RaftMachine machine, RaftEffect.Persist persist)
    {
        if (persist.Change is RaftChange.Append append) world.Checker.Appends(machine, append.Entries);
        Asked.Take(persist.Change);
        _toPersist.Enqueue((persist, persist.Change is RaftChange.Compact compact ? _images[compact.Snapshot.At.Index] : null));
    }

    /// <summary>One batch at a time: the next is written when the last is synced. A compaction goes alone.</summary>
    private void WriteBatch()
    {
        if (_persisting > 0 || _toPersist.Count == 0) return;
        if (IsDiskFull)
        {
            world.Fault("disk_full_stop");
            Crash(power: false);
            return;
        }
        bool compacts = _toPersist.Peek().Image is not null;
        do
        {
            (RaftEffect.Persist effect, byte[]? image) = _toPersist.Dequeue();
            _persisting = effect.Sequence;
            _writing.Add(effect.Change);
            if (image is not null) _disk.Compact((RaftChange.Compact)effect.Change, image);
            else _disk.Append(effect.Change);
        }
        while (!compacts && _toPersist.TryPeek(out (RaftEffect.Persist Effect, byte[]? Image) next) && next.Image is null);
        world.Schedule(world.Now + _random.Ms(0.1, compacts ? 5 : 1.5) * DiskSlowness, SimEventKind.Synced, this);
        if (!(compacts ? CrashesCompacting : CrashesWriting)) return;
        CrashesWriting = CrashesCompacting = false;
        world.Fault(compacts ? "crash_compacting" : "crash_writing");
        Crash(power: _random.OneIn(2));
    }

    private void Synced()
    {
        if (_random.Next(1_000) < SyncFailsPerMille)
        {
            world.Fault("disk_sync_failed");
            Crash(power: true); // what was not synced may be gone, and is not tried again
            return;
        }
        _disk.Sync();
        (_durable, _persisting) = (_persisting, 0);
        foreach (RaftChange change in _writing) OnDisk.Take(change);
        _writing.Clear();
        Step(new RaftInput.Persisted(_durable));
    }

    private void SendDurable()
    {
        while (Machine is not null && _toSend.TryPeek(out (long After, RaftMessage Message) first) && first.After <= _durable)
        {
            _toSend.Dequeue();
            group.Rules.Leaves(this, Machine, first.Message);
            group.Network.Send(first.Message);
        }
    }
}
