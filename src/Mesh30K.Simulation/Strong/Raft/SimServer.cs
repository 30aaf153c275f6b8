using Mesh30K.Consistency.Strong.Raft;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Simulation.Strong.Raft;

/// <summary>
/// A host of the production machine: carries its effects out as <see cref="RaftEffect"/> demands, on a simulated disk, network, clock and the production state
/// machine. Its process: start, crash, pause, clock.
/// </summary>
internal sealed partial class SimServer(SimWorld world, RaftGroup group, ServerId id, RaftMembership first, RaftPlan plan)
{
    /// <summary>What a crash can be planned before.</summary>
    public static readonly IReadOnlyList<string> EffectNames =
        ["hard", "append", "truncate", "compact", "voterequest", "votereply", "appendrequest", "appendreply", "snapshotreply", "timeoutnow", "apply", "restore", "keepchunk", "accepted", "readready"];

    private readonly SimRandom _random = world.RandomOf(SimStream.Server, id.Number);
    private readonly SimDisk _disk = new(id.Number, first);
    private readonly RaftEffects _effects = new();
    private readonly List<SimEvent> _held = [];
    private readonly List<RaftChange> _lost = [];
    private long _tickAt = long.MaxValue;
    private long _clockAt;
    private long _clock = TimeSpan.TicksPerDay;
    private double _rate = 1;

    public ServerId Id => id;

    /// <summary>Null while the server is down.</summary>
    public RaftMachine? Machine { get; private set; }

    /// <summary>What its disk holds, by the checker's account.</summary>
    public DurableLog OnDisk { get; } = new();

    /// <summary>What its disk will hold when all is done that its machine has asked for.</summary>
    public DurableLog Asked { get; private set; } = new();

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

    /// <summary>Before which of <see cref="EffectNames"/> it crashes next; null for none.</summary>
    public string? CrashesBefore { get; set; }

    /// <summary>Whether it crashes during the next write.</summary>
    public bool CrashesWriting { get; set; }

    /// <summary>Whether it crashes during the next compaction.</summary>
    public bool CrashesCompacting { get; set; }

    /// <summary>What its state machine has taken.</summary>
    public long StateIndex => _state.Index;

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
        if (Epoch > 0) RaftStepRules.Starts(id, OnDisk, _lost, durable);
        _lost.Clear();
        Machine = new RaftMachine(id, durable, plan.Options, _random.NextSeed(), LocalNow);
        OnDisk.Take(new RaftChange.Compact(durable.Snapshot, durable.State, durable.Base, durable.Entries));
        Asked = OnDisk.Copy();
        StartState(durable);
        ScheduleTick();
    }

    /// <summary>Stops without warning, with whatever the disk then holds.</summary>
    public void Crash(bool power)
    {
        if (Machine is null) return;
        Epoch++;
        Machine = null;
        IsPaused = false;
        if (power) _disk.CrashPower(_random, world.Fault);
        else _disk.CrashProcess(_random, world.Fault);
        ForgetAll();
        _held.Clear();
        _tickAt = long.MaxValue;
        world.Schedule(world.Now + _random.Ms(5, 400), SimEventKind.Restart, this);
    }

    public void Damage()
    {
        Crash(power: true);
        _disk.Recover();
        _disk.Damage(_random, world.Fault);
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
            // A client's request comes before the timers that waited: a leader that others have replaced meanwhile does not know it yet (thesis 6.4).
            if (e.Kind == SimEventKind.Ask) _held.Insert(0, e);
            else _held.Add(e);
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
            case SimEventKind.Ask: Ask((ClientRequest)e.What!); break;
        }
    }

    public void Step(RaftInput input)
    {
        if (Machine is not { } machine) return;
        BeforeStep before = BeforeStep.Of(machine);
        machine.Step(input, LocalNow, _effects);
        world.Note((ulong)machine.Term ^ ((ulong)machine.Last.Index << 16) ^ ((ulong)machine.CommitIndex << 40) ^ ((ulong)machine.Role << 62));
        group.Rules.Stepped(this, machine, before, input);
        Commit(machine, before);
        CarryOut(machine);
        if (Machine is not null) ScheduleTick();
    }

    private void Commit(RaftMachine machine, BeforeStep before)
    {
        // One that is removed steps down as it commits that, in its own term.
        bool asLeader = machine.Role == RaftRole.Leader || (before.Role == RaftRole.Leader && before.Term == machine.Term);
        bool commits = asLeader && _commit < machine.CommitIndex;
        for (; _commit < machine.CommitIndex; _commit++)
            if (machine.EntryAt(_commit + 1) is { } entry) world.Checker.Commits(id, machine.Term, entry, asLeader);
        if (commits) RaftChecker.CommitsAsLeader(machine, (server, place) => group.Find(server)!.OnDisk.Holds(place));
    }

    private void CarryOut(RaftMachine machine)
    {
        RaftEffect[] effects = [.. _effects.List];
        _effects.Clear();
        foreach (RaftEffect effect in effects)
        {
            if (CrashesNow(effect))
            {
                Crash(power: _random.OneIn(2));
                return;
            }
            group.Rules.Asks(this, machine, effect);
            CarryOut(machine, effect);
            if (Machine is null) return;
        }
        WriteBatch();
        SendDurable();
    }

    private bool CrashesNow(RaftEffect effect)
    {
        bool planned = CrashesBefore is not null && CrashesBefore == NameOf(effect);
        if (!planned && (CrashOneIn == 0 || !_random.OneIn(CrashOneIn))) return false;
        if (planned) CrashesBefore = null;
        world.Fault("crash_before_" + NameOf(effect));
        return true;
    }

    private static string NameOf(RaftEffect effect) => effect switch
    {
        RaftEffect.Persist { Change: RaftChange.Hard } => "hard",
        RaftEffect.Persist { Change: RaftChange.Append } => "append",
        RaftEffect.Persist { Change: RaftChange.Truncate } => "truncate",
        RaftEffect.Persist => "compact",
        RaftEffect.Send { Message: VoteRequest } => "voterequest",
        RaftEffect.Send { Message: VoteReply } => "votereply",
        RaftEffect.Send { Message: AppendRequest } => "appendrequest",
        RaftEffect.Send { Message: AppendReply } => "appendreply",
        RaftEffect.Send { Message: SnapshotReply } => "snapshotreply",
        RaftEffect.Send => "timeoutnow",
        RaftEffect.SendChunk => "sendchunk",
        RaftEffect.Apply => "apply",
        RaftEffect.Restore => "restore",
        RaftEffect.KeepChunk => "keepchunk",
        RaftEffect.MakeSnapshot => "makesnapshot",
        RaftEffect.ReadReady => "readready",
        RaftEffect.Accepted => "accepted",
        _ => "refused",
    };

    private void CarryOut(RaftMachine machine, RaftEffect effect)
    {
        switch (effect)
        {
            case RaftEffect.Persist persist: Enqueue(machine, persist); break;
            case RaftEffect.Send send: _toSend.Enqueue((send.After, send.Message)); break;
            case RaftEffect.SendChunk send:
                if (_images.TryGetValue(send.Message.Meta.At.Index, out byte[]? image) && image.Length == send.Message.Meta.Bytes)
                    _toSend.Enqueue((send.After, send.Message with { Data = image.AsMemory((int)send.Message.Offset, send.Bytes) }));
                break;
            case RaftEffect.KeepChunk keep: Keep(keep); break;
            case RaftEffect.Apply or RaftEffect.Restore: EnqueueState(effect); break;
            case RaftEffect.MakeSnapshot: world.Schedule(world.Now + _random.Ms(0.1, 20), SimEventKind.Imaged, this, _state.Image()); break;
            case RaftEffect.Accepted accepted: Accepted(accepted); break;
            case RaftEffect.ReadReady ready: ReadReady(ready); break;
            case RaftEffect.Refused refused: Refused(refused); break;
        }
    }

    private void ScheduleTick()
    {
        long due = world.Now + Math.Max(0, (long)Math.Ceiling((Machine!.NextDue - LocalNow).Ticks / _rate)) + 1;
        if (due >= _tickAt) return;
        _tickAt = due;
        world.Schedule(due, SimEventKind.Tick, this);
    }
}
