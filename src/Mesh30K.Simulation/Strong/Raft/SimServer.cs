using System.Buffers.Binary;
using Mesh30K.Consistency.Strong.Raft;
using Mesh30K.Protocol;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Simulation.Strong.Raft;

/// <summary>
/// A host of the production machine: carries its effects out as <see cref="RaftEffect"/> demands, on a simulated disk, network, clock and state machine. The
/// state machine is a digest of all entries, so that two that differ anywhere differ from there on.
/// </summary>
internal sealed class SimServer(SimWorld world, RaftGroup group, ServerId id, RaftMembership first, RaftOptions options, int imageBytes)
{
    private readonly SimDisk _disk = new(id.Number, first);
    private readonly RaftEffects _effects = new();
    private readonly Queue<(RaftEffect.Persist Effect, byte[]? Image)> _toPersist = new();
    private readonly Queue<(long After, RaftMessage Message)> _toSend = new();
    private readonly Queue<(RaftEffect Effect, byte[]? Image)> _toApply = new();
    private readonly SortedDictionary<long, byte[]> _images = [];
    private readonly List<RaftChange> _writing = [];
    private readonly DurableLog _onDisk = new();
    private readonly Dictionary<long, long> _promised = [];
    private readonly Dictionary<long, long> _reads = [];
    private readonly List<SimEvent> _held = [];
    private byte[] _parts = [];
    private long _persisting;
    private long _durable;
    private long _state;
    private ulong _chain;
    private long _commit;
    private long _tickAt = long.MaxValue;
    private long _clockAt;
    private long _clock = TimeSpan.TicksPerDay;
    private double _rate = 1;

    public ServerId Id => id;

    /// <summary>Null while the server is down.</summary>
    public RaftMachine? Machine { get; private set; }

    /// <summary>Counts its crashes: what was under way before one is void.</summary>
    public int Epoch { get; private set; }

    public bool IsPaused { get; private set; }

    /// <summary>Its journal is damaged: it never starts again.</summary>
    public bool IsDead { get; private set; }

    public bool IsDiskFull { get; set; }

    /// <summary>Of 1,000 syncs, how many fail.</summary>
    public int SyncFailsPerMille { get; set; }

    /// <summary>How many times slower than usual the disk is.</summary>
    public int DiskSlowness { get; set; } = 1;

    /// <summary>In how many effects one crash falls; 0 for none.</summary>
    public int CrashOneIn { get; set; }

    /// <summary>Whether it crashes during the next write.</summary>
    public bool CrashesWriting { get; set; }

    /// <summary>Whether it crashes during the next compaction.</summary>
    public bool CrashesCompacting { get; set; }

    /// <summary>What its state machine has taken.</summary>
    public long StateIndex => _state;

    public override string ToString() => Machine is { } machine
        ? $"{id} {machine.Role} term {machine.Term} last {machine.Last} commit {machine.CommitIndex} {machine.Membership}"
        : $"{id} {(IsDead ? "dead" : "down")}";

    private Instant LocalNow => new(_clock + (long)((world.Now - _clockAt) * _rate));

    public void SetClock(double rate, long jumpTicks)
    {
        (_clock, _clockAt) = (LocalNow.Ticks + jumpTicks, world.Now);
        _rate = rate;
        _tickAt = long.MaxValue;
        if (Machine is not null) ScheduleTick();
    }

    public void Start()
    {
        if (IsDead || Machine is not null) return;
        if (_disk.Recover() is not { } durable)
        {
            IsDead = true;
            return;
        }
        if (imageBytes > 0 && durable.Image.Length == 0 && durable.Snapshot.At.Index > 0) throw new BrokenRuleException("durability", $"{id} lost its image");
        Machine = new RaftMachine(id, durable, options, world.Random.NextSeed(), LocalNow);
        _onDisk.Take(new RaftChange.Compact(durable.Snapshot, durable.State, durable.Base, durable.Entries));
        _images.Clear();
        _images[durable.Snapshot.At.Index] = durable.Image.ToArray();
        Restore(_images[durable.Snapshot.At.Index]);
        _commit = durable.Snapshot.At.Index;
        ScheduleTick();
    }

    /// <summary>Stops without warning, with whatever the disk then holds.</summary>
    public void Crash(bool power)
    {
        if (Machine is null) return;
        Epoch++;
        Machine = null;
        IsPaused = false;
        if (power) _disk.CrashPower(world.Random, world.Fault);
        else _disk.CrashProcess(world.Random, world.Fault);
        _toPersist.Clear();
        _toSend.Clear();
        _toApply.Clear();
        _writing.Clear();
        _promised.Clear();
        _reads.Clear();
        _held.Clear();
        (_persisting, _durable, _tickAt) = (0, 0, long.MaxValue);
        world.Schedule(world.Now + world.Random.Ms(5, 400), SimEventKind.Restart, this);
    }

    public void Damage()
    {
        Crash(power: true);
        _disk.Recover();
        _disk.Damage(world.Random, world.Fault);
        Start();
        if (!IsDead) throw new BrokenRuleException("damage is refused", $"{id} started from a damaged journal");
    }

    public void Pause() => IsPaused = true;

    public void Resume()
    {
        IsPaused = false;
        foreach (SimEvent held in _held) world.Schedule(world.Now, held.Kind, this, held.What);
        _held.Clear();
    }

    public void Handle(in SimEvent e)
    {
        if (IsPaused)
        {
            _held.Add(e);
            if (e.Kind == SimEventKind.Tick) _tickAt = long.MaxValue;
            return;
        }
        switch (e.Kind)
        {
            case SimEventKind.Tick:
                if (_tickAt > world.Now) return; // an earlier one came in between
                _tickAt = long.MaxValue;
                Step(RaftInput.Tick.Now);
                break;
            case SimEventKind.Deliver: Step(new RaftInput.Receive((RaftMessage)e.What!)); break;
            case SimEventKind.Synced: Synced(); break;
            case SimEventKind.Applied: AppliedFirst(); break;
            case SimEventKind.Imaged: Imaged((byte[])e.What!); break;
        }
    }

    public void Step(RaftInput input)
    {
        if (Machine is not { } machine) return;
        if (input is RaftInput.Read read) _reads.Add(read.Id, world.Checker.SeenIndex);
        bool led = machine.Role == RaftRole.Leader;
        machine.Step(input, LocalNow, _effects);
        world.Note((ulong)machine.Term ^ ((ulong)machine.Last.Index << 16) ^ ((ulong)machine.CommitIndex << 40) ^ ((ulong)machine.Role << 62));
        if (!led && machine.Role == RaftRole.Leader) world.Checker.Leads(machine);
        bool commits = machine.Role == RaftRole.Leader && _commit < machine.CommitIndex;
        for (; _commit < machine.CommitIndex; _commit++)
            if (machine.EntryAt(_commit + 1) is { } entry) world.Checker.Commits(id, machine.Term, entry);
        if (commits) RaftChecker.CommitsAsLeader(machine, (server, place) => group.Find(server)!._onDisk.Holds(place));
        CarryOut(machine);
        if (Machine is not null) ScheduleTick();
    }

    private void CarryOut(RaftMachine machine)
    {
        RaftEffect[] effects = [.. _effects.List];
        _effects.Clear();
        foreach (RaftEffect effect in effects)
        {
            if (CrashOneIn > 0 && world.Random.OneIn(CrashOneIn))
            {
                world.Fault("crash_before_" + (effect is RaftEffect.Persist persist ? persist.Change.GetType().Name : effect.GetType().Name).ToLowerInvariant());
                Crash(power: world.Random.OneIn(2));
                return;
            }
            CarryOut(machine, effect);
            if (Machine is null) return;
        }
        WriteBatch();
        SendDurable();
    }

    private void CarryOut(RaftMachine machine, RaftEffect effect)
    {
        switch (effect)
        {
            case RaftEffect.Persist persist:
                if (persist.Change is RaftChange.Append append) world.Checker.Appends(machine, append.Entries);
                if (persist.Change is RaftChange.Compact made) world.Checker.Compacts(id, made.Snapshot);
                _toPersist.Enqueue((persist, persist.Change is RaftChange.Compact compact ? _images[compact.Snapshot.At.Index] : null));
                break;
            case RaftEffect.Send send: _toSend.Enqueue((send.After, send.Message)); break;
            case RaftEffect.SendChunk send:
                if (_images.TryGetValue(send.Message.Meta.At.Index, out byte[]? image) && image.Length == send.Message.Meta.Bytes)
                    _toSend.Enqueue((send.After, send.Message with { Data = image.AsMemory((int)send.Message.Offset, send.Bytes) }));
                break;
            case RaftEffect.KeepChunk keep:
                if (keep.Offset == 0) _parts = new byte[keep.Meta.Bytes];
                keep.Data.CopyTo(_parts.AsMemory((int)keep.Offset));
                if (keep.Offset + keep.Data.Length == keep.Meta.Bytes) KeepImage(_parts);
                break;
            case RaftEffect.Apply or RaftEffect.Restore:
                _toApply.Enqueue((effect, effect is RaftEffect.Restore restore ? _images[restore.Meta.At.Index] : null));
                if (_toApply.Count == 1) world.Schedule(world.Now + world.Random.Ms(0.01, 2), SimEventKind.Applied, this);
                break;
            case RaftEffect.MakeSnapshot:
                world.Schedule(world.Now + world.Random.Ms(0.1, 20), SimEventKind.Imaged, this, Image());
                break;
            case RaftEffect.Accepted accepted when accepted.Id > 0: _promised[accepted.First.Index] = accepted.First.Term; break;
            case RaftEffect.ReadReady ready:
                _reads.Remove(ready.Id, out long began);
                Invariant.Check(_state >= ready.Index);
                world.Checker.Reads(id, began, _state, world.Now);
                break;
            case RaftEffect.Refused refused: _reads.Remove(refused.Id); break;
        }
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
        world.Schedule(world.Now + world.Random.Ms(0.1, compacts ? 5 : 1.5) * DiskSlowness, SimEventKind.Synced, this);
        if (!(compacts ? CrashesCompacting : CrashesWriting)) return;
        CrashesWriting = CrashesCompacting = false;
        world.Fault(compacts ? "crash_compacting" : "crash_writing");
        Crash(power: world.Random.OneIn(2));
    }

    private void Synced()
    {
        if (world.Random.Next(1_000) < SyncFailsPerMille)
        {
            world.Fault("disk_sync_failed");
            Crash(power: true); // what was not synced may be gone, and is not tried again
            return;
        }
        _disk.Sync();
        (_durable, _persisting) = (_persisting, 0);
        foreach (RaftChange change in _writing) _onDisk.Take(change);
        _writing.Clear();
        Step(new RaftInput.Persisted(_durable));
    }

    private void SendDurable()
    {
        while (Machine is not null && _toSend.TryPeek(out (long After, RaftMessage Message) first) && first.After <= _durable)
        {
            _toSend.Dequeue();
            CheckDurable(Machine, first.Message);
            if (first.Message is VoteReply { PreVote: false, Granted: true } vote) world.Checker.Votes(id, vote.Term, vote.To);
            if (first.Message is VoteRequest { PreVote: false } stands) world.Checker.Votes(id, stands.Term, id);
            group.Network.Send(first.Message);
        }
    }

    /// <summary>What a message says of term, vote and log is on disk when it leaves (paper, figure 2: "updated on stable storage before responding").</summary>
    private void CheckDurable(RaftMachine machine, RaftMessage message)
    {
        HardState hard = _onDisk.Hard;
        bool asks = message is VoteRequest { PreVote: true } or VoteReply { PreVote: true };
        bool forgets = !asks && hard.Term < message.Term;
        if (message is VoteReply { PreVote: false, Granted: true } && hard.Term == message.Term) forgets |= hard.VotedFor != message.To;
        if (forgets) throw new BrokenRuleException("said is durable", $"{id} sends {message}, and its disk holds {hard}");
        if (message is not AppendReply { Success: true } ack || ack.Term != machine.Term) return;
        LogPlace? place = ack.Match == machine.Snapshot.At.Index ? machine.Snapshot.At : machine.EntryAt(ack.Match)?.Place;
        if (place is { } acked && !_onDisk.Holds(acked)) throw new BrokenRuleException("said is durable", $"{id} acknowledges {acked} before it is on disk");
    }

    private void AppliedFirst()
    {
        (RaftEffect first, byte[]? image) = _toApply.Dequeue();
        if (image is not null) Restore(image);
        else foreach (RaftEntry entry in ((RaftEffect.Apply)first).Entries) Apply(entry);
        if (_toApply.Count > 0) world.Schedule(world.Now + world.Random.Ms(0.01, 2), SimEventKind.Applied, this);
        Step(new RaftInput.Applied(_state));
    }

    private void Apply(RaftEntry entry)
    {
        Invariant.Check(entry.Index == _state + 1);
        _chain = RaftChecker.Chain(_chain, entry);
        _state = entry.Index;
        world.Checker.Applies(id, _state, _chain);
        if (_promised.Remove(entry.Index, out long term) && term == entry.Term) world.Checker.Acknowledges(id, entry.Place);
    }

    private void Restore(byte[] image)
    {
        _state = image.Length == 0 ? 0 : BinaryPrimitives.ReadInt64LittleEndian(image);
        _chain = image.Length == 0 ? 0 : BinaryPrimitives.ReadUInt64LittleEndian(image.AsSpan(8));
        world.Checker.Applies(id, _state, _chain);
    }

    private byte[] Image()
    {
        byte[] image = new byte[16 + imageBytes];
        BinaryPrimitives.WriteInt64LittleEndian(image, _state);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(8), _chain);
        image.AsSpan(16).Fill((byte)_state);
        return image;
    }

    private void Imaged(byte[] image)
    {
        KeepImage(image);
        Step(new RaftInput.SnapshotMade(BinaryPrimitives.ReadInt64LittleEndian(image), image.Length));
    }

    private void KeepImage(byte[] image)
    {
        _images[BinaryPrimitives.ReadInt64LittleEndian(image)] = image;
        if (_images.Count > 3) _images.Remove(_images.Keys.First());
    }

    private void ScheduleTick()
    {
        long due = world.Now + Math.Max(0, (long)Math.Ceiling((Machine!.NextDue - LocalNow).Ticks / _rate)) + 1;
        if (due >= _tickAt) return;
        _tickAt = due;
        world.Schedule(due, SimEventKind.Tick, this);
    }
}
