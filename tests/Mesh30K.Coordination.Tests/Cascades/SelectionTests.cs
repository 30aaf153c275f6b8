using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Coordination.Impedance;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Coordination.Tests.Cascades;

/// <summary>Whom an operation is for, and the T that is chosen for them.</summary>
public sealed class SelectionTests
{
    [Fact]
    public void A_sample_is_divided_exactly_in_proportion_and_the_same_for_the_same_handle()
    {
        for (int seed = 1; seed <= 500; seed++)
        {
            Random random = new(seed);
            int[] matching = [.. Enumerable.Range(0, random.Next(1, 40)).Select(_ => random.Next(4) == 0 ? 0 : random.Next(0, 300))];
            int sample = random.Next(1, matching.Sum() + 20);
            int[] quota = AgentSelection.Divide(sample, matching, seed);
            Assert.Equal(Math.Min(sample, matching.Sum()), quota.Sum());
            Assert.All(quota.Zip(matching), p => Assert.InRange(p.First, 0, p.Second));
            if (sample < matching.Sum())
                Assert.All(quota.Zip(matching), p => Assert.True(Math.Abs(p.First - (double)sample * p.Second / matching.Sum()) < 1, $"replay: seed {seed}"));
            Assert.Equal(quota, AgentSelection.Divide(sample, matching, seed));
        }
    }

    [Fact]
    public void A_lead_picks_exactly_its_quota_deterministically_and_every_agent_in_turn()
    {
        AgentRecord?[] agents = Fleet.Agents(30);
        agents[7] = null;
        agents[8]!.State = Protocol.Messages.OperationalState.Offline;
        int[] picked = new int[30];
        for (int handle = 1; handle <= 600; handle++)
        {
            bool[] first = new bool[30];
            bool[] again = new bool[30];
            OperationOrder order = Fleet.Order(handle, 100) with { Quota = 5 };
            Assert.Equal(5, AgentSelection.Mark(order, 3, agents, first));
            Assert.Equal(5, AgentSelection.Mark(order, 3, agents, again));
            Assert.Equal(first, again);
            Assert.Equal(5, first.Count(x => x));
            for (int i = 0; i < 30; i++)
                if (first[i]) picked[i]++;
        }
        Assert.Equal((0, 0), (picked[7], picked[8]));
        Assert.All(picked.Where((_, i) => i is not 7 and not 8), n => Assert.InRange(n, 60, 160));
    }

    private static SectorSummary Summary(int sector, params (ImpedanceClass Class, float[] Leads)[] classes)
    {
        SparseSketch[] leads = [.. Enumerable.Repeat(SparseSketch.Empty, 6)];
        SparseSketch[] medians = [.. leads];
        int[] eligible = new int[6];
        foreach ((ImpedanceClass c, float[] values) in classes)
        {
            Sketch lead = new();
            Sketch median = new();
            foreach (float v in values)
            {
                lead.Add(v);
                median.Add(v / 2);
            }
            (leads[(int)c], medians[(int)c], eligible[(int)c]) = (lead.ToSparse(), median.ToSparse(), values.Length);
        }
        int[] vision = new int[6];
        vision[(int)ImpedanceClass.Edge] = 3;
        return new SectorSummary(sector, leads, medians, new double[6], eligible, new SortedDictionary<string, int[]> { ["vision"] = vision });
    }

    [Fact]
    public void The_wanted_share_can_make_the_chosen_T_and_people_do_not_move_it()
    {
        for (int seed = 1; seed <= 200; seed++)
        {
            Random random = new(seed);
            float[] fast = [.. Enumerable.Range(0, random.Next(1, 300)).Select(_ => (float)Math.Exp(random.NextDouble() * 5 + 2))];
            float[] people = [.. Enumerable.Range(0, random.Next(0, 50)).Select(_ => 60_000f + random.Next(100_000))];
            ArrivalOptions options = new() { TargetShare = random.Next(2) == 0 ? 0.995 : 1 };
            TargetChoice choice = new(1, options);
            choice.Take(Summary(0, (ImpedanceClass.Edge, fast), (ImpedanceClass.Human, people)));
            double target = choice.TargetInMs(Fleet.Spec() with { Planner = PlannerKind.Learned }, Selector.Everyone, 4_500);
            double can = fast.Count(l => l + options.DispatchMarginMs <= target) / (double)fast.Length;
            Assert.True(can >= options.TargetShare, $"replay: seed {seed}: {can:P2} can make T in {target} ms");
            Assert.True(target <= fast.Max() * 1.03 + options.DispatchMarginMs, $"replay: seed {seed}: T in {target} ms, the slowest needs {fast.Max()}");
        }
    }

    [Fact]
    public void Heavier_payloads_get_a_later_T_up_to_the_horizon_and_fire_now_takes_the_median()
    {
        TargetChoice choice = new(1, new ArrivalOptions());
        Assert.Equal(900, choice.TargetInMs(Fleet.Spec(), Selector.Everyone, 900));
        choice.Take(Summary(0, (ImpedanceClass.Edge, [100, 100, 100, 400]), (ImpedanceClass.Human, [60_000])));
        OperationSpec learned = Fleet.Spec() with { Planner = PlannerKind.Learned };
        Assert.InRange(choice.TargetInMs(learned with { PayloadWeight = 10 }, Selector.Everyone, 4_500), 1_600, 1_700);
        Assert.Equal(50, choice.TargetInMs(learned with { Planner = PlannerKind.FireNow }, Selector.Everyone, 4_500), 1.0);
        Assert.Equal(4_500, choice.TargetInMs(learned, new Selector { Class = ImpedanceClass.Human }, 4_500));
    }

    [Fact]
    public void Matching_counts_what_the_summaries_tell()
    {
        TargetChoice choice = new(2, new ArrivalOptions());
        choice.Take(Summary(0, (ImpedanceClass.Edge, [1, 2, 3, 4]), (ImpedanceClass.Gpu, [1, 2])));
        Assert.Equal(6, choice.Matching(0, Selector.Everyone));
        Assert.Equal(2, choice.Matching(0, new Selector { Class = ImpedanceClass.Gpu }));
        Assert.Equal(3, choice.Matching(0, new Selector { Capability = "vision" }));
        Assert.Equal(0, choice.Matching(0, new Selector { Capability = "vision", Class = ImpedanceClass.Gpu }));
        Assert.Equal(0, choice.Matching(0, new Selector { Scope = SelectorScope.Sector, Sector = 1 }));
        Assert.Equal(0, choice.Matching(1, Selector.Everyone));
    }
}
