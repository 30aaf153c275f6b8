using Mesh30K.Consistency.Strong.Raft;
using static Mesh30K.Simulation.Strong.Raft.FaultKind;

namespace Mesh30K.Simulation.Strong.Raft;

/// <summary>Brings a plan's faults upon a group, each by chance of its own. One that finds nobody to strike does nothing.</summary>
internal sealed class RaftNemesis(SimWorld world, RaftGroup group, RaftPlan plan)
{
    private readonly List<StruckFault> _struck = [];
    private readonly MemberFaults _members = new(world, group);
    private SimRandom _random = new(0);

    /// <summary>What struck, in the order of time.</summary>
    public IReadOnlyList<StruckFault> Struck => _struck;

    public void Begin()
    {
        foreach (PlannedFault fault in plan.Faults) world.Schedule(fault.At, SimEventKind.Fault, null, fault);
    }

    public void Strike(PlannedFault fault)
    {
        _random = new SimRandom(fault.Seed);
        long before = world.FaultsInjected;
        Strike(fault.Kind);
        if (world.FaultsInjected > before) _struck.Add(new StruckFault(fault.Number, world.Now / (double)TimeSpan.TicksPerMillisecond, fault.Kind.ToString()));
    }

    private void Strike(FaultKind kind)
    {
        switch (kind)
        {
            case Losses or Doubles or Delays or LongDelays or CrashesAnywhere: Always(kind); break;
            case CutOneWay or CutServer or CutLeader or CutHalves or CutForLong or LeadMinority or LeadMinorityThenCrash or DeposeLeader or SlowWay or SlowFollower or ChangeOfCutOff: CutWays(kind); break;
            case FaultKind.Pause: On(Any(), "pause", Stop); break;
            case PauseLeader: On(group.Leader, "pause_leader", Stop); break;
            case ClockAhead: On(Any(), "clock_ahead", s => s.SetClock(1, _random.Ms(50, 100_000))); break;
            case ClockBack: On(Any(), "clock_back", s => s.SetClock(1, -_random.Ms(50, 100_000))); break;
            case ClockFast: On(Any(), "clock_fast", s => s.SetClock(1 + _random.Next(101) / 100.0, 0)); break;
            case ClockSlow: On(Any(), "clock_slow", s => s.SetClock(1 / (1 + _random.Next(101) / 100.0), 0)); break;
            case SlowDisk or FullDisk or FailingSync: Disk(kind); break;
            case FaultKind.Damage: DamageOne(); break;
            case AddServer or PromoteServer or RemoveServer or RemoveLeader or ChangeAtOnce or TransferLead or TransferToCutOff: _members.Strike(kind, _random); break;
            default: Crash(kind); break;
        }
    }

    private void Always(FaultKind kind)
    {
        SimNetwork network = group.Network;
        switch (kind)
        {
            case Losses: network.LossPercent = 1 + _random.Next(30); break;
            case Doubles: network.DoublePercent = 1 + _random.Next(20); break;
            case Delays: network.LatePercent = Math.Max(network.LatePercent, 1 + _random.Next(10)); break;
            case LongDelays: (network.LatePercent, network.LateMsMost) = (20 + _random.Next(25), 900); break;
            default: group.CrashOneIn = _random.Between(200, 3_000); break;
        }
        world.Fault("always_" + kind.ToString().ToLowerInvariant());
    }

    private void CutWays(FaultKind kind)
    {
        switch (kind)
        {
            case CutOneWay: On(Any(), "cut_one_way", from => Cut(from.Id, _random.Of(group.Servers).Id, _random.Ms(20, 900))); break;
            case CutServer: On(Any(), "cut_server", CutOff); break;
            case CutLeader: On(group.Leader, "cut_leader", CutOff); break;
            case CutHalves:
                world.Fault("cut_halves");
                ulong side = _random.NextSeed();
                Part(s => ((side >> s.Id.Number) & 1) != 0, _random.Ms(20, 900));
                break;
            case SlowWay: On(Any(), "way_slow", s => SlowDown(s, _random.Of(group.Servers))); break;
            case SlowFollower: On(AnyFollower(), "follower_slow", s => SlowDown(group.Leader ?? s, s)); break;
            case ChangeOfCutOff: On(group.Leader, "change_of_cut_off", ChangeCutOff); break;
            case CutForLong: On(AnyFollower(), "cut_for_long", s => Part(other => other == s, _random.Ms(400, 2_000))); break;
            case DeposeLeader: On(group.Leader, "leader_deposed", Depose); break;
            default: On(group.Leader, "lead_of_minority", s => WithMinority(s, kind == LeadMinorityThenCrash)); break;
        }
    }

    private void Crash(FaultKind kind)
    {
        switch (kind)
        {
            case CrashProcess: On(Any(), "crash_process", s => s.Crash(power: false)); break;
            case CrashLeader: On(group.Leader, "crash_leader", s => s.Crash(_random.OneIn(2))); break;
            case CrashWriting: On(Any(), "crash_writing_planned", s => s.CrashesWriting = true); break;
            case CrashCompacting: On(Any(), "crash_compacting_planned", s => s.CrashesCompacting = true); break;
            case CrashBeforeEffect: On(_random.OneIn(2) ? group.Leader : Any(), "crash_before_effect_planned", s => s.CrashesBefore = _random.Of(SimServer.EffectNames)); break;
            case PowerOfOne: On(Any(), "crash_power", s => s.Crash(power: true)); break;
            default:
                world.Fault("crash_all");
                foreach (SimServer server in group.Up.ToArray()) server.Crash(power: true);
                break;
        }
    }

    private void Disk(FaultKind kind)
    {
        switch (kind)
        {
            case SlowDisk:
                On(Any(), "disk_slow", s =>
                {
                    s.DiskSlowness = _random.Between(5, 100);
                    Later(_random.Ms(50, 1_000), () => s.DiskSlowness = 1);
                });
                break;
            case FullDisk:
                On(Any(), "disk_full", s =>
                {
                    s.IsDiskFull = true;
                    Later(_random.Ms(50, 1_000), () => s.IsDiskFull = false);
                });
                break;
            default:
                On(Any(), "disk_sync_failing", s =>
                {
                    s.SyncFailsPerMille = _random.Between(50, 700);
                    Later(_random.Ms(50, 1_000), () => s.SyncFailsPerMille = 0);
                });
                break;
        }
    }

    private SimServer? Any() => group.Up.ToArray() is { Length: > 0 } up ? _random.Of(up) : null;

    private SimServer? AnyFollower() => group.Up.Where(s => s != group.Leader).ToArray() is { Length: > 0 } up ? _random.Of(up) : null;

    private void Later(long ticks, Action ends) => world.Schedule(world.Now + ticks, SimEventKind.FaultEnds, null, ends);

    private void On(SimServer? server, string fault, Action<SimServer> strike)
    {
        if (server is null) return;
        world.Fault(fault);
        strike(server);
    }

    private void Cut(ServerId from, ServerId to, long ticks)
    {
        group.Network.Cut(from, to);
        Later(ticks, () => group.Network.Mend(from, to));
    }

    private void CutOff(SimServer server)
    {
        bool hears = _random.OneIn(3);
        bool speaks = !hears && _random.OneIn(2);
        foreach (SimServer other in group.Servers)
        {
            if (!speaks) Cut(server.Id, other.Id, _random.Ms(20, 900));
            if (!hears) Cut(other.Id, server.Id, _random.Ms(20, 900));
        }
    }

    /// <summary>No way between those inside and those outside.</summary>
    private void Part(Func<SimServer, bool> isInside, long ticks)
    {
        foreach (SimServer a in group.Servers)
            foreach (SimServer b in group.Servers)
                if (isInside(a) != isInside(b)) Cut(a.Id, b.Id, ticks);
    }

    private void Stop(SimServer server)
    {
        server.Pause();
        world.Schedule(world.Now + _random.Ms(10, 900), SimEventKind.Resume, server);
    }

    /// <summary>The leader learns of nothing while another one is elected at once, since it was asked to (thesis 3.10), or by a timeout before its own.</summary>
    private void Depose(SimServer leader)
    {
        long ticks = _random.Ms(200, 700);
        if (_random.OneIn(2))
        {
            leader.Step(new RaftInput.Transfer(-group.NextRequest(), _random.Of(leader.Machine!.Membership.Voters)));
            world.Fault("leader_deposed_by_transfer");
            Later(_random.Ms(1, 8), () => Part(s => s == leader, ticks));
            return;
        }
        leader.SetClock(0.5, 0);
        Part(s => s == leader, ticks);
        Later(ticks, () => leader.SetClock(1, 0));
    }

    private void SlowDown(SimServer from, SimServer to)
    {
        group.Network.Slow(from.Id, to.Id, _random.Between(20, 600));
        Later(_random.Ms(100, 1_000), () => group.Network.Slow(from.Id, to.Id, 0));
    }

    private void ChangeCutOff(SimServer leader)
    {
        Part(s => s == leader, _random.Ms(350, 800));
        _members.Strike(_random.OneIn(2) ? AddServer : RemoveServer, _random);
    }

    private void WithMinority(SimServer leader, bool thenCrash)
    {
        SimServer[] others = [.. group.Up.Where(s => s != leader)];
        int most = Math.Max(0, (leader.Machine!.Membership.Voters.Count - 1) / 2 - 1);
        HashSet<SimServer> inside = [leader];
        if (most > 0 && others.Length > 0 && _random.Percent(70)) inside.Add(_random.Of(others));
        long ticks = _random.Ms(100, 700);
        Part(inside.Contains, ticks);
        if (!thenCrash) return;
        int who = _random.Next(3);
        bool power = _random.OneIn(2);
        Later(ticks, () =>
        {
            if (!world.IsFaulty) return;
            world.Fault("crash_after_lead_of_minority");
            foreach (SimServer server in group.Up.ToArray())
                if (who == 0 || (who == 1 ? server == leader : !inside.Contains(server))) server.Crash(power);
        });
    }

    /// <summary>Damages one server's journal for good, when every membership that was ever in a log keeps a majority without it.</summary>
    private void DamageOne()
    {
        if (Any() is not { } victim) return;
        bool affordable = world.Checker.Memberships.Append(group.First).All(m => MemberFaults.CanDo(m, s => s == victim.Id || group.IsDead(s)));
        if (affordable) victim.Damage();
    }
}
