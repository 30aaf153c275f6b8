using FsCheck;
using FsCheck.Fluent;
using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Tests.Cascades;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Coordination.Tests.Arrival;

public sealed class RateBudgetTests
{
    private static readonly long Ms = Instant.TicksPerMs;

    private static SlipLine[] Lines(params double[] latestMs) =>
        [.. latestMs.Select(l => new SlipLine { Outcome = AgentOutcome.InTransit, PlannedAtTicks = Fleet.At(l).Ticks, LeadMs = 10 })];

    private static int[] All(int n) => [.. Enumerable.Range(0, n)];

    private static long[] Places(IEnumerable<SlipLine> lines) =>
        [.. lines.Where(l => l.Outcome == AgentOutcome.InTransit).Select(l => l.PlannedAtTicks).Order()];

    private static bool Spaced(long[] places, long spacing) => places.Zip(places.Skip(1)).All(p => p.Second - p.First >= spacing);

    /// <summary>The most members that any subset can place, each at or before its latest time, from <paramref name="first"/> on.</summary>
    private static int MostByForce(int[] latest, int first, int spacing)
    {
        int best = 0;
        for (int subset = 0; subset < 1 << latest.Length; subset++)
        {
            int at = first;
            bool fits = true;
            foreach (int l in latest.Where((_, i) => (subset >> i & 1) == 1).Order())
            {
                fits &= at <= l;
                at += spacing;
            }
            if (fits) best = Math.Max(best, int.PopCount(subset));
        }
        return best;
    }

    [Fact]
    public void Spacing_is_kept_nobody_is_late_and_as_many_are_kept_as_can_be()
    {
        Gen<(int[] Latest, int Spacing, int Phase)> cases =
            from n in Gen.Choose(0, 9)
            from latest in Gen.Choose(0, 60).ArrayOf(n)
            from spacing in Gen.Choose(1, 20)
            from phase in Gen.Choose(0, 15)
            select (latest, spacing, phase);
        Prop.ForAll(cases.ToArbitrary(), c =>
        {
            SlipLine[] lines = Lines([.. c.Latest.Select(l => (double)l)]);
            new RateBudgetPlanner(new RateBudgetShare("gpu", c.Spacing, c.Phase), All(lines.Length)).Spread(lines, Fleet.Start);
            long[] places = Places(lines);
            bool inTime = lines.Where((l, i) => l.Outcome == AgentOutcome.InTransit && l.PlannedAtTicks > Fleet.At(c.Latest[i]).Ticks).Any();
            return !inTime && Spaced(places, c.Spacing * Ms) && places.All(p => p >= Fleet.At(c.Phase).Ticks)
                && places.Length == MostByForce(c.Latest, c.Phase, c.Spacing)
                && lines.All(l => l.Outcome == AgentOutcome.InTransit || l.Reason == SkipReason.RateBudget);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(1_000));
    }

    [Fact]
    public void Kept_members_go_as_late_as_they_may()
    {
        SlipLine[] lines = Lines(100, 100, 50);
        new RateBudgetPlanner(new RateBudgetShare("gpu", 10, 0), All(3)).Spread(lines, Fleet.Start);
        Assert.Equal(["50", "90", "100"], Places(lines).Select(p => Fleet.Ms(new Instant(p))));
    }

    [Fact]
    public void A_member_without_a_place_says_how_long_before_T_it_would_have_had_to_be_planned()
    {
        // T = 110 and leads of 10: two members share the latest time 100, but the second place is at 150.
        SlipLine[] lines = Lines(100, 100);
        new RateBudgetPlanner(new RateBudgetShare("gpu", 150, 0), All(2)).Spread(lines, Fleet.Start);
        SlipLine skipped = Assert.Single(lines, l => l.Outcome == AgentOutcome.Skipped);
        Assert.Equal((SkipReason.RateBudget, 160f), (skipped.Reason, skipped.LeadMs));
    }

    [Fact]
    public void Fire_now_under_a_budget_sends_as_early_as_the_budget_allows()
    {
        SlipLine[] lines = Lines(0, 0, 0, 0);
        new RateBudgetPlanner(new RateBudgetShare("gpu", 10, 5), All(4)).Spread(lines, Fleet.Start, Fleet.At(30).Ticks);
        Assert.Equal(["5", "15", "25"], Places(lines).Select(p => Fleet.Ms(new Instant(p))));
        Assert.Single(lines, l => l.Reason == SkipReason.RateBudget);
    }

    [Fact]
    public void A_budget_that_allows_next_to_nothing_keeps_one()
    {
        SlipLine[] lines = Lines(100, 100, 100);
        new RateBudgetPlanner(new RateBudget("never", 1e-300).ShareOf(3, 3, 0, 1), All(3)).Spread(lines, Fleet.Start);
        Assert.Single(lines, l => l.Outcome == AgentOutcome.InTransit);
    }

    [Fact]
    public void The_group_stays_under_its_budget_over_clusters_and_operations()
    {
        for (int seed = 1; seed <= 40; seed++)
        {
            Random random = new(seed);
            int clusters = random.Next(1, 12);
            int[] members = [.. Enumerable.Range(0, clusters).Select(_ => random.Next(1, 31))];
            RateBudget budget = new("gpu", random.Next(20, 2_000));
            RateBudgetPlanner[] planners =
                [.. members.Select((m, k) => new RateBudgetPlanner(budget.ShareOf(m, members.Sum(), k, clusters), All(m)))];
            List<long> places = [];
            List<long>[] ofCluster = [.. members.Select(_ => new List<long>())];
            double now = 0;
            for (int op = 0; op < 6; op++)
            {
                now += random.NextDouble() * 800;
                for (int k = 0; k < clusters; k++)
                {
                    SlipLine[] lines = Lines([.. Enumerable.Range(0, members[k]).Select(_ => now + random.NextDouble() * 1_000)]);
                    long[] latest = [.. lines.Select(l => l.PlannedAtTicks)];
                    planners[k].Spread(lines, Fleet.At(now), op % 3 == 2 ? Fleet.At(now + 700).Ticks : 0);
                    if (op % 3 != 2) Assert.All(lines.Zip(latest), p => Assert.True(p.First.PlannedAtTicks <= p.Second));
                    places.AddRange(Places(lines));
                    ofCluster[k].AddRange(Places(lines));
                    long spacing = (long)(planners[k].Share.SpacingMs * Ms);
                    Assert.True(Spaced([.. ofCluster[k].Order()], spacing), $"replay: seed {seed}, operation {op}, cluster {k}");
                }
            }
            places.Sort();
            for (int i = 0; i < places.Count; i++)
            {
                for (int j = i; j < places.Count; j += 7)
                {
                    double seconds = (places[j] - places[i]) / (1000.0 * Ms);
                    Assert.True(j - i + 1 <= budget.SendsPerSecond * seconds + clusters + 1e-6, $"replay: seed {seed}, {j - i + 1} sends in {seconds} s");
                }
            }
        }
    }

    [Fact]
    public void A_far_target_planned_first_does_not_take_the_places_before_it()
    {
        RateBudgetPlanner planner = new(new RateBudgetShare("gpu", 10, 0), All(3));
        SlipLine[] far = Lines(5_000, 5_000, 5_000);
        SlipLine[] near = Lines(30, 30, 30);
        SlipLine[] between = Lines(4_985, 4_985, 5_005);
        planner.Spread(far, Fleet.Start);
        planner.Spread(near, Fleet.At(1));
        planner.Spread(between, Fleet.At(2));
        Assert.Equal(3, Places(near).Length);
        Assert.True(Spaced([.. Places([.. far, .. near, .. between])], 10 * Ms));
        Assert.Equal(["4960", "4970", "4980", "4990", "5000"], Places([.. far, .. between]).Where(p => p < Fleet.At(5_001).Ticks).TakeLast(5).Select(p => Fleet.Ms(new Instant(p))));
    }

    [Fact]
    public void Two_budgets_over_the_same_members_are_both_kept()
    {
        // The second alone would pull one member to 5 and so break the first's spacing of 10.
        SlipLine[] lines = Lines(30, 30, 30, 30);
        RateBudgetPlanner first = new(new RateBudgetShare("a", 10, 0), All(4));
        RateBudgetPlanner second = new(new RateBudgetShare("b", 25, 0), [1, 3]);
        RateBudgetPlanner.SpreadAll([first, second], lines, Fleet.Start, 0);
        Assert.True(Spaced(Places(lines), 10 * Ms));
        Assert.True(Spaced(Places([lines[1], lines[3]]), 25 * Ms));
        Assert.NotEmpty(Places(lines));
    }
}
