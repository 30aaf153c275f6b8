using FsCheck;
using FsCheck.Fluent;

using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;
using Mesh30K.Simulation.Fleet;

namespace Mesh30K.Simulation.Tests.Fleet;

public sealed class FleetPartitionTests
{
    [Fact]
    public void The_same_seed_gives_the_same_outcomes_and_another_seed_others()
    {
        Assert.Equal(Outcomes(seed: 7), Outcomes(seed: 7));
        Assert.NotEqual(Outcomes(seed: 7), Outcomes(seed: 8));
    }

    [Fact]
    public void Outcomes_do_not_depend_on_the_order_between_agents_nor_on_the_partition()
    {
        var fleet = new FleetBlueprint(new FleetOptions { Agents = 60, Seed = 3 });
        FleetPartition whole = FleetRun.Whole(fleet);
        var byRound = new SendOutcome[60, 20];
        for (int k = 0; k < 20; k++)
            for (int i = 0; i < 60; i++) byRound[i, k] = whole.Send(i, FleetRun.Start.PlusMs(10 * k), 1);

        // Backwards, agent by agent, in two partitions, with heartbeats and oracle calls in between.
        FleetPartition[] halves = [new(fleet, [.. Enumerable.Range(30, 30)]), new(fleet, [.. Enumerable.Range(0, 30)])];
        foreach (FleetPartition half in halves)
        {
            for (int local = 29; local >= 0; local--)
            {
                for (int k = 0; k < 20; k++)
                {
                    Instant at = FleetRun.Start.PlusMs(10 * k);
                    _ = half.HeartbeatRttMs(local);
                    _ = half.OracleQuantileMs(local, at, 1, 0.9f);
                    Assert.Equal(byRound[half.GlobalIndexOf(local), k], half.Send(local, at, 1));
                }
            }
        }
    }

    [Fact]
    public void The_same_send_sees_the_same_draws_whatever_the_moment_and_the_weight()
    {
        var fleet = new FleetBlueprint(new FleetOptions { Agents = 600, Seed = 5 });
        FleetPartition early = FleetRun.Whole(fleet), late = FleetRun.Whole(fleet);
        for (int k = 0; k < 50; k++)
        {
            for (int i = 0; i < 600; i++)
            {
                SendOutcome a = early.Send(i, FleetRun.Start.PlusMs(k), 1), b = late.Send(i, FleetRun.Start.PlusMs(1e8 * k), 4);
                Assert.Equal(a.Lost, b.Lost);
                Assert.Equal(a.NetworkMs, b.NetworkMs);
                Assert.Equal(a.ServiceMs * 2, b.ServiceMs, tolerance: 1e-3 * b.ServiceMs);
            }
        }
    }

    [Fact]
    public void An_agent_serves_one_at_a_time_in_the_order_of_sending()
    {
        Prop.ForAll(
            ArbMap.Default.ArbFor<ulong>(), ArbMap.Default.ArbFor<NonNegativeInt[]>(), (seed, gaps) =>
            {
                FleetPartition fleet = FleetRun.Whole(new FleetOptions { Agents = 12, Seed = seed, LossRate = 0.1, PathAsymmetry = 0.3 });
                for (int i = 0; i < fleet.Count; i++) FollowOneAgent(fleet, i, gaps);
            }).Check(Config.QuickThrowOnFailure.WithMaxTest(200));
    }

    [Fact]
    public void Losses_and_conflicts_come_at_their_rates()
    {
        FleetPartition fleet = FleetRun.Whole(FleetRun.Of(ImpedanceClass.Edge, 500) with { LossRate = 0.02, ConflictRate = 0.05 });
        int requests = 0, acks = 0, conflicts = 0;
        const int Sends = 200_000;
        for (int n = 0; n < Sends; n++)
        {
            SendOutcome o = fleet.Send(n % 500, FleetRun.Start.PlusMs(1000L * (n / 500)), 1);
            if (o.Lost && o.ReadyAt == Instant.MaxValue) requests++;
            else if (o.Lost) acks++;
            else if (o.State == TrinaryState.Conflict) conflicts++;
        }
        Assert.InRange(requests / (double)Sends, 0.009, 0.011);
        Assert.InRange(acks / (double)Sends, 0.009, 0.011);
        Assert.InRange(conflicts / (Sends * 0.98), 0.048, 0.052);
    }

    [Fact]
    public void Levels_shift_at_the_recorded_rate_and_stay_between_shifts()
    {
        FleetPartition fleet = FleetRun.Whole(FleetRun.Of(ImpedanceClass.Edge, 1) with { LossRate = 0 });
        var medians = new List<float>();
        for (int n = 0; n < 100_000; n++)
        {
            fleet.Send(0, FleetRun.Start.PlusMs(1e4 * n), 1);
            if (n % 25 == 0) medians.Add(Enumerable.Range(0, 25).Select(_ => fleet.HeartbeatRttMs(0)).Order().ElementAt(12));
        }
        int shifts = medians.Zip(medians.Skip(1)).Count(p => Math.Abs((p.Second / p.First) - 1) > 0.01);
        // 4,000 windows of 25 sends at a rate of 0.00217, of which about nine in ten move the level by more than 1%.
        Assert.InRange(shifts / 100_000.0, 0.0015, 0.0023);
    }

    [Fact]
    public void A_full_queue_drops_the_newest()
    {
        FleetPartition fleet = FleetRun.Whole(FleetRun.Of(ImpedanceClass.Human, 1) with { QueueDepthMax = 3, LossRate = 0 });
        SendOutcome[] o = [.. Enumerable.Range(0, 5).Select(_ => fleet.Send(0, FleetRun.Start, 1))];
        Assert.Equal([0, 1, 2, 3, 3], o.Select(x => x.QueueDepth));
        Assert.Equal([false, false, false, true, true], o.Select(x => x.Lost));
        Assert.Equal(3, fleet.QueueDepth(0, FleetRun.Start));
        Assert.Equal(2, fleet.QueueDepth(0, o[0].ReadyAt));
        Assert.Equal(0, fleet.QueueDepth(0, o[2].ReadyAt));
        Assert.False(fleet.Send(0, o[1].ReadyAt, 1).Lost);
        Assert.Equal(2, fleet.QueueDepth(0, o[1].ReadyAt));
    }

    [Fact]
    public void State_is_small_and_sending_allocates_nothing()
    {
        Assert.InRange(FleetPartition.BytesPerAgent, 1, 64);
        FleetPartition fleet = FleetRun.Whole(new FleetOptions { Agents = 1_000 });
        void Round(int k)
        {
            for (int i = 0; i < fleet.Count; i++) fleet.Send(i, FleetRun.Start.PlusMs(1e9 * k), 1);
        }
        Round(0);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Round(1);
        Round(2);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static void FollowOneAgent(FleetPartition fleet, int local, NonNegativeInt[] gaps)
    {
        Instant at = FleetRun.Start, free = FleetRun.Start;
        var finishes = new List<Instant>();
        foreach (NonNegativeInt gap in gaps)
        {
            at = at.PlusMs(gap.Get * 3);
            int depth = fleet.QueueDepth(local, at);
            Assert.Equal(finishes.Count(f => f > at), depth);
            SendOutcome o = fleet.Send(local, at, 1);
            Assert.Equal(depth, o.QueueDepth);
            if (o.ReadyAt == Instant.MaxValue) continue;
            finishes.Add(o.ReadyAt);
            Assert.True(o.ReadyAt.MsSince(free) >= (o.ServiceMs * 0.9999) - 0.001, "two services overlap");
            free = o.ReadyAt;
            double outMs = o.ReadyAt.MsSince(at) - o.ServiceMs - o.QueueWaitMs;
            Assert.InRange(outMs, (0.2 * o.NetworkMs) - Slack(o), (0.8 * o.NetworkMs) + Slack(o));
            if (o.Lost) Assert.Equal(Instant.MaxValue, o.AckAt);
            else Assert.Equal(o.NetworkMs + o.ServiceMs + o.QueueWaitMs, o.AckAt.MsSince(at), tolerance: Slack(o));
        }
    }

    /// <summary>Single precision of the durations, and ticks cut off.</summary>
    private static double Slack(SendOutcome o) => 0.001 + (1e-6 * (o.NetworkMs + o.ServiceMs + o.QueueWaitMs));

    private static List<SendOutcome> Outcomes(ulong seed)
    {
        FleetPartition fleet = FleetRun.Whole(new FleetOptions { Agents = 30, Seed = seed });
        return [.. Enumerable.Range(0, 3_000).Select(n => fleet.Send(n % 30, FleetRun.Start.PlusMs(n), 1))];
    }
}
