using System.Buffers.Binary;
using System.Globalization;
using Mesh30K.Consistency.Strong.Raft;

namespace Mesh30K.Simulation.Strong.Raft;

/// <summary>
/// Runs the production Raft machine and its recovery under virtual time, from one seed: some seconds with faults and clients, in which no rule may break,
/// then all is healed, and the group has to work again and to bear what it promises to bear.
/// </summary>
public static class RaftSimulation
{
    private const long FaultyMs = 10_000;
    private const long HealedMsMax = 15_000;

    /// <summary>Runs one seed. Never throws for a bug of the machine: that is a violation.</summary>
    public static RaftRunReport Run(long seed)
    {
        SimWorld world = new((ulong)seed * 0x9E3779B97F4A7C15 + 1);
        RaftRun run = new(world);
        RaftViolation? violation = null;
        string? stuck = null;
        try
        {
            stuck = run.ToEnd(FaultyMs * TimeSpan.TicksPerMillisecond, HealedMsMax * TimeSpan.TicksPerMillisecond);
        }
        catch (BrokenRuleException broken)
        {
            violation = new RaftViolation(seed, broken.Rule, broken.Message + At(world));
        }
        catch (Exception thrown) when (thrown is not OutOfMemoryException)
        {
            string detail = $"{thrown.GetType().Name}: {thrown.Message} {thrown.StackTrace?.Split('\n')[0].Trim()}";
            violation = new RaftViolation(seed, "the machine's own invariants", detail + At(world));
        }
        return new RaftRunReport(
            seed, violation, stuck, world.Faults, world.Events, world.Checker.Committed, world.Checker.Acknowledged, run.ReadsAnswered, world.Trace);
    }

    private static string At(SimWorld world) => string.Create(CultureInfo.InvariantCulture, $" (at {world.Now / (double)TimeSpan.TicksPerSecond:F3} s)");
}

/// <summary>One run.</summary>
internal sealed class RaftRun
{
    private readonly SimWorld _world;
    private readonly RaftGroup _group;
    private readonly RaftNemesis _nemesis;
    private readonly double _clientEveryMs;
    private long _healedAt = long.MaxValue;
    private long _mustSee;
    private RaftAfterwards? _afterwards;

    public RaftRun(SimWorld world)
    {
        _world = world;
        _group = new RaftGroup(world);
        _nemesis = new RaftNemesis(world, _group.Network, _group);
        _clientEveryMs = world.Random.Between(4, 30);
    }

    public long ReadsAnswered => _world.Checker.ReadsAnswered;

    /// <summary>Runs to the end of the healed phases; says what did not happen in them, or null.</summary>
    public string? ToEnd(long faultyTicks, long healedTicksMax)
    {
        _world.Schedule(faultyTicks, SimEventKind.Heal);
        _world.Schedule(0, SimEventKind.Client);
        _nemesis.Begin();
        while (_world.TryNext(out SimEvent e))
        {
            if (_world.Now > faultyTicks + healedTicksMax) return WhyStuck() ?? "it worked again, but only after the end";
            if (e.Server is { } server && e.Epoch != server.Epoch && e.Kind != SimEventKind.Deliver) continue;
            if (e.Kind != SimEventKind.Look) Handle(e);
            else if (_afterwards!.Look(WhyStuck) is { IsOver: true } look) return look.Failure;
            else _world.Schedule(_world.Now + TimeSpan.TicksPerMillisecond * 50, SimEventKind.Look);
        }
        return "nothing happens any more";
    }

    private void Handle(in SimEvent e)
    {
        switch (e.Kind)
        {
            case SimEventKind.Restart: e.Server!.Start(); break;
            case SimEventKind.Resume: Resume(e.Server!); break;
            case SimEventKind.Client: Client(); break;
            case SimEventKind.Fault: if (_world.IsFaulty) _nemesis.Strike(); break;
            case SimEventKind.FaultEnds: ((Action)e.What!)(); break;
            case SimEventKind.Heal: Heal(); break;
            default: e.Server!.Handle(e); break;
        }
    }

    /// <summary>A client's read comes before the timers that waited: a leader that others have replaced meanwhile does not know it yet (thesis 6.4).</summary>
    private void Resume(SimServer server)
    {
        if (server is { IsPaused: true, Machine.Role: RaftRole.Leader } && _world.Random.OneIn(2))
        {
            _world.Fault("read_at_resumed_leader");
            server.Step(new RaftInput.Read(_group.NextRequest()));
        }
        if (server.IsPaused) server.Resume();
    }

    /// <summary>A write or a read at the leader, or at anybody, since clients do not always know.</summary>
    private void Client()
    {
        SimRandom random = _world.Random;
        _world.Schedule(_world.Now + random.Ms(0.1, 2 * _clientEveryMs), SimEventKind.Client);
        SimServer[] up = [.. _group.Up];
        if (up.Length == 0) return;
        SimServer[] leaders = [.. up.Where(s => s.Machine!.Role == RaftRole.Leader)];
        SimServer server = leaders.Length > 0 && random.Percent(75) ? random.Of(leaders) : random.Of(up); // of two leaders, the old one is asked too
        long id = _group.NextRequest();
        if (random.Percent(35) || _afterwards is { OnlyReads: true }) server.Step(new RaftInput.Read(id));
        else
        {
            ReadOnlyMemory<byte>[] payloads = new ReadOnlyMemory<byte>[random.OneIn(4) ? random.Between(2, 8) : 1];
            for (int i = 0; i < payloads.Length; i++)
            {
                byte[] payload = new byte[random.Between(8, 60)];
                BinaryPrimitives.WriteInt64LittleEndian(payload, id * 16 + i);
                payloads[i] = payload;
            }
            server.Step(new RaftInput.Propose(id, payloads));
        }
    }

    private void Heal()
    {
        _world.IsFaulty = false;
        _healedAt = _world.Now;
        _mustSee = _world.Checker.Committed + 3;
        _group.CrashOneIn = 0;
        _group.Network.Heal();
        foreach (SimServer server in _group.Servers)
        {
            (server.IsDiskFull, server.SyncFailsPerMille, server.DiskSlowness) = (false, 0, 1);
            server.CrashesWriting = server.CrashesCompacting = false;
            server.SetClock(1, 0);
            if (server.IsPaused) server.Resume();
            server.Start();
        }
        _afterwards = new RaftAfterwards(_world, _group);
        _world.Schedule(_world.Now, SimEventKind.Look);
    }

    /// <summary>What a healed group still owes: a leader, the preferred one if it can be, new writes and reads, and all its members up to date.</summary>
    private string? WhyStuck()
    {
        if (_group.Leader is not { Machine: { } leader }) return "there is no leader: " + string.Join("; ", _group.Servers);
        if (_world.Checker.SeenIndex < _mustSee) return $"{leader.Self} leads term {leader.Term} and acknowledges nothing";
        if (_world.Checker.ReadAt <= _healedAt) return $"{leader.Self} leads term {leader.Term} and answers no read";
        foreach (ServerId id in leader.Membership.Voters.Concat(leader.Membership.Learners))
            if (!_group.IsDead(id) && _group.Find(id)!.StateIndex < _mustSee) return $"{id} stays at {_group.Find(id)!.StateIndex} of {leader.CommitIndex}";
        bool prefers = leader.Membership.IsVoter(_group.Preferred) && !_group.IsDead(_group.Preferred);
        return prefers && leader.Self != _group.Preferred ? $"{leader.Self} leads, and not {_group.Preferred}" : null;
    }
}
