using System.Globalization;
using Mesh30K.Consistency.Strong.Raft;

namespace Mesh30K.Simulation.Strong.Raft;

/// <summary>
/// Runs the production Raft machine, its recovery and the production ledger under virtual time, from one seed: some seconds with faults and clients, in which no rule
/// may break, then all is healed, and the group has to work again and to bear what it promises to bear. At the end the clients' history has to have one order.
/// </summary>
public static class RaftSimulation
{
    private const long FaultyMs = 6_000;
    private const long HealedMsMax = 15_000;
    private const long ConfigurationsMax = 200_000;

    /// <summary>Runs one seed. Never throws for a bug of the machine: that is a violation.</summary>
    /// <param name="only">Numbers of the faults that strike; null: all of the seed's plan.</param>
    public static RaftRunReport Run(long seed, IReadOnlySet<int>? only = null)
    {
        const long FaultyTicks = FaultyMs * TimeSpan.TicksPerMillisecond;
        SimWorld world = new((ulong)seed * 0x9E3779B97F4A7C15 + 1);
        RaftPlan plan = RaftPlan.Of(world.Seed, FaultyTicks, only);
        RaftRun run = new(world, plan);
        RaftViolation? violation = null;
        string? stuck = null;
        HistoryVerdict verdict = HistoryVerdict.Linearizable;
        try
        {
            stuck = run.ToEnd(FaultyTicks, HealedMsMax * TimeSpan.TicksPerMillisecond);
            verdict = Check(run.History);
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
            seed, plan.Recipe.Name, violation, violation is null ? stuck : null, world.Faults, run.Struck, world.Events, world.Checker.Committed, world.Checker.Acknowledged,
            world.Checker.ReadsAnswered, run.History.Count, verdict == HistoryVerdict.Undecided, world.Trace);
    }

    private static HistoryVerdict Check(IReadOnlyList<HistoryOperation> history)
    {
        HistoryReport report = LinearizabilityChecker.Check(history, ConfigurationsMax);
        if (report.Verdict != HistoryVerdict.Violation) return report.Verdict;
        HistoryWitness witness = report.Keys.First(k => k.Verdict == HistoryVerdict.Violation).Witness!;
        throw new BrokenRuleException("linearizability", $"{witness.Blocked} fits no order; possible was {string.Join(", ", witness.Possible.Select(HistoryOperation.Show))}");
    }

    private static string At(SimWorld world) => string.Create(CultureInfo.InvariantCulture, $" (at {world.Now / (double)TimeSpan.TicksPerSecond:F3} s)");
}

/// <summary>One run.</summary>
internal sealed class RaftRun
{
    private readonly SimWorld _world;
    private readonly RaftGroup _group;
    private readonly RaftNemesis _nemesis;
    private readonly List<SimClient> _clients = [];
    private readonly List<HistoryOperation> _history = [];
    private long _healedAt = long.MaxValue;
    private long _mustSee;
    private RaftAfterwards? _afterwards;

    public RaftRun(SimWorld world, RaftPlan plan)
    {
        _world = world;
        _group = new RaftGroup(world, plan);
        _nemesis = new RaftNemesis(world, _group, plan);
        for (int number = 1; number <= plan.Clients.Count; number++) _clients.Add(new SimClient(world, _group, number, plan.Clients, _history));
    }

    public IReadOnlyList<StruckFault> Struck => _nemesis.Struck;

    public IReadOnlyList<HistoryOperation> History => _history;

    /// <summary>Runs to the end of the healed phases; says what did not happen in them, or null.</summary>
    public string? ToEnd(long faultyTicks, long healedTicksMax)
    {
        _world.Schedule(faultyTicks, SimEventKind.Heal);
        foreach (SimClient client in _clients) client.Rest();
        _nemesis.Begin();
        string? failure = Run(faultyTicks + healedTicksMax);
        foreach (SimClient client in _clients) client.End();
        return failure;
    }

    private string? Run(long endTicks)
    {
        while (_world.TryNext(out SimEvent e))
        {
            if (_world.Now > endTicks) return WhyStuck() ?? "it worked again, but only after the end";
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
            case SimEventKind.Resume: if (e.Server!.IsPaused) e.Server.Resume(); break;
            case SimEventKind.Fault: if (_world.IsFaulty) _nemesis.Strike((PlannedFault)e.What!); break;
            case SimEventKind.FaultEnds or SimEventKind.Client: ((Action)e.What!)(); break;
            case SimEventKind.Heal: Heal(); break;
            default: e.Server!.Handle(e); break;
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
            server.CrashesBefore = null;
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
