using Mesh30K.Consistency.Strong.Raft;

namespace Mesh30K.Simulation.Strong.Raft;

/// <summary>
/// Brings faults upon a group. A seed draws which families of faults it has and how hard, so that some runs see a few faults deeply and others all of them
/// (swarm testing: Groce and others 2012).
/// </summary>
internal sealed class RaftNemesis
{
    private const int VotersMost = 5;

    private readonly SimWorld _world;
    private readonly SimNetwork _network;
    private readonly RaftGroup _group;
    private readonly List<Action> _faults = [];
    private readonly double _everyMs;

    public RaftNemesis(SimWorld world, SimNetwork network, RaftGroup group)
    {
        (_world, _network, _group) = (world, network, group);
        SimRandom random = world.Random;
        _everyMs = random.Between(20, 300);
        if (random.Percent(75)) (_network.LossPercent, _network.DoublePercent, _network.LatePercent) = (random.Next(31), random.Next(21), random.Next(11));
        (int Percent, Action[] Faults)[] families =
        [
            (70, [CutOneWay, CutServer, CutLeader, CutHalves]),
            (60, [PauseOne, PauseLeader]),
            (60, [ClockAhead, ClockBack, ClockFast, ClockSlow]),
            (70, [CrashOne, CrashLeader, CrashWriting, CrashWriting, CrashCompacting, CrashCompacting, PowerOfOne, PowerOfAll]),
            (50, [SlowDisk, FullDisk, FailingSync]),
            (40, [DamageOne]),
            (75, [AddServer, PromoteServer, PromoteServer, PromoteServer, RemoveServer, RemoveLeader]),
            (60, [TransferLead, TransferLead]),
        ];
        foreach ((int percent, Action[] faults) in families)
            if (random.Percent(percent)) _faults.AddRange(faults);
        if (_faults.Count == 0) _faults.Add(CrashLeader);
        _group.CrashOneIn = random.Percent(60) ? random.Between(200, 3_000) : 0;
    }

    public void Begin() => _world.Schedule(_world.Now + _world.Random.Ms(1, _everyMs), SimEventKind.Fault);

    public void Strike()
    {
        _world.Random.Of(_faults)();
        _world.Schedule(_world.Now + _world.Random.Ms(1, 2 * _everyMs), SimEventKind.Fault);
    }

    private SimServer? Any() => _group.Up.ToArray() is { Length: > 0 } up ? _world.Random.Of(up) : null;

    private void Later(double leastMs, double mostMs, Action ends) => _world.Schedule(_world.Now + _world.Random.Ms(leastMs, mostMs), SimEventKind.FaultEnds, null, ends);

    private void On(SimServer? server, string fault, Action<SimServer> strike)
    {
        if (server is null) return;
        _world.Fault(fault);
        strike(server);
    }

    private void Cut(ServerId from, ServerId to)
    {
        _network.Cut(from, to);
        Later(20, 900, () => _network.Mend(from, to));
    }

    private void CutOneWay() => On(Any(), "cut_one_way", from => Cut(from.Id, _world.Random.Of(_group.Servers).Id));

    private void CutServer() => On(Any(), "cut_server", CutOff);

    private void CutLeader() => On(_group.Leader, "cut_leader", CutOff);

    private void CutOff(SimServer server)
    {
        bool hears = _world.Random.OneIn(3);
        bool speaks = !hears && _world.Random.OneIn(2);
        foreach (SimServer other in _group.Servers)
        {
            if (!speaks) Cut(server.Id, other.Id);
            if (!hears) Cut(other.Id, server.Id);
        }
    }

    private void CutHalves()
    {
        _world.Fault("cut_halves");
        ulong side = _world.Random.NextSeed();
        foreach (SimServer a in _group.Servers)
            foreach (SimServer b in _group.Servers)
                if (((side >> a.Id.Number) & 1) != ((side >> b.Id.Number) & 1)) Cut(a.Id, b.Id);
    }

    private void PauseOne() => On(Any(), "pause", Pause);

    private void PauseLeader() => On(_group.Leader, "pause_leader", Pause);

    private void Pause(SimServer server)
    {
        server.Pause();
        _world.Schedule(_world.Now + _world.Random.Ms(10, 900), SimEventKind.Resume, server);
    }

    private void ClockAhead() => On(Any(), "clock_ahead", s => s.SetClock(1, _world.Random.Ms(50, 100_000)));

    private void ClockBack() => On(Any(), "clock_back", s => s.SetClock(1, -_world.Random.Ms(50, 100_000)));

    private void ClockFast() => On(Any(), "clock_fast", s => s.SetClock(1 + _world.Random.Next(101) / 100.0, 0));

    private void ClockSlow() => On(Any(), "clock_slow", s => s.SetClock(1 / (1 + _world.Random.Next(101) / 100.0), 0));

    private void CrashOne() => On(Any(), "crash_process", s => s.Crash(power: false));

    private void CrashLeader() => On(_group.Leader, "crash_leader", s => s.Crash(_world.Random.OneIn(2)));

    private void CrashWriting() => On(Any(), "crash_writing_planned", s => s.CrashesWriting = true);

    private void CrashCompacting() => On(Any(), "crash_compacting_planned", s => s.CrashesCompacting = true);

    private void PowerOfOne() => On(Any(), "crash_power", s => s.Crash(power: true));

    private void PowerOfAll()
    {
        _world.Fault("crash_all");
        foreach (SimServer server in _group.Up.ToArray()) server.Crash(power: true);
    }

    private void SlowDisk() => On(Any(), "disk_slow", s =>
    {
        s.DiskSlowness = _world.Random.Between(5, 100);
        Later(50, 1_000, () => s.DiskSlowness = 1);
    });

    private void FullDisk() => On(Any(), "disk_full", s =>
    {
        s.IsDiskFull = true;
        Later(50, 1_000, () => s.IsDiskFull = false);
    });

    private void FailingSync() => On(Any(), "disk_sync_failing", s =>
    {
        s.SyncFailsPerMille = _world.Random.Between(10, 500);
        Later(50, 1_000, () => s.SyncFailsPerMille = 0);
    });

    /// <summary>Damages one server's journal for good, when every membership that was ever in a log keeps a majority without it.</summary>
    private void DamageOne()
    {
        if (Any() is not { } victim) return;
        bool affordable = _world.Checker.Memberships.Append(_group.First).All(m => CanDo(m, s => s == victim.Id || _group.IsDead(s)));
        if (affordable) victim.Damage();
    }

    private void AddServer() => Change("member_added", MemberStep.AddLearner, m => m.Learners.Count < 2 && _group.Servers.Count < 10 ? _group.NewServer() : ServerId.None);

    private void PromoteServer() => Change("member_promoted", MemberStep.Promote, m => m.Voters.Count < VotersMost ? m.Learners.FirstOrDefault(l => !_group.IsDead(l)) : ServerId.None);

    private void RemoveServer() => Change("member_removed", MemberStep.Remove, m => m.Voters.Count > 2 ? _world.Random.Of(m.Voters) : ServerId.None);

    private void RemoveLeader() => Change("leader_removed", MemberStep.Remove, m => m.Voters.Count > 2 ? _group.Leader!.Id : ServerId.None);

    private void Change(string fault, MemberStep step, Func<RaftMembership, ServerId> choose)
    {
        if (_group.Leader is not { } leader || !leader.Machine!.Membership.IsVoter(leader.Id) || choose(leader.Machine.Membership) is not { Number: > 0 } server) return;
        if (leader.Machine.Membership.After(step, server) is not { } after || !CanDo(after, _group.IsDead)) return;
        long before = leader.Machine.Last.Index;
        leader.Step(new RaftInput.Change(_group.NextRequest(), step, server));
        if (leader.Machine is not { } machine || machine.Last.Index == before) return;
        _world.Fault(fault);
        if (!_world.Random.OneIn(2)) return;
        _world.Fault("second_change_at_once");
        leader.Step(new RaftInput.Change(_group.NextRequest(), MemberStep.Remove, _world.Random.Of(machine.Membership.Voters)));
    }

    private void TransferLead()
    {
        if (_group.Leader is not { } leader) return;
        _world.Fault("lead_transferred");
        leader.Step(new RaftInput.Transfer(-_group.NextRequest(), _world.Random.Of(leader.Machine!.Membership.Voters)));
    }

    private static bool CanDo(RaftMembership members, Func<ServerId, bool> isLost) => members.Voters.Count(v => !isLost(v)) >= members.Majority;
}
