using Mesh30K.Cli.Verify.Cluster;

namespace Mesh30K.Cli.Tests.Verify.Cluster;

public sealed class NemesisPlanTests
{
    private static readonly TimeSpan TenMinutes = TimeSpan.FromMinutes(10);

    [Fact]
    public void A_seed_gives_one_plan_and_another_seed_another()
    {
        Assert.Equal(NemesisPlan.Make(7, TenMinutes), NemesisPlan.Make(7, TenMinutes));
        Assert.NotEqual(NemesisPlan.Make(7, TenMinutes), NemesisPlan.Make(8, TenMinutes));
    }

    [Fact]
    public void In_ten_minutes_every_kind_comes_a_fault_every_few_seconds_and_all_end_in_time()
    {
        for (int seed = 1; seed <= 50; seed++)
        {
            IReadOnlyList<PlannedFault> plan = NemesisPlan.Make(seed, TenMinutes);
            Assert.True(plan.Count is > 120 and < 400, $"seed {seed}: {plan.Count} faults");
            Assert.True(plan.All(f => f.At >= TimeSpan.Zero && f.Until >= f.At && f.Until < TenMinutes), $"seed {seed}");
            Assert.True(plan.Select(f => f.Kind).Distinct().Count() == Enum.GetValues<FaultKind>().Length, $"seed {seed}: {string.Join(", ", plan.Select(f => f.Kind).Distinct())}");
            Assert.Equal(plan.OrderBy(f => f.At), plan);
            for (int i = 0; i < plan.Count; i++) AssertAlone(plan, i, seed);
        }
    }

    /// <summary>They are what finds a server that says what its disk does not hold yet.</summary>
    [Fact]
    public void In_two_minutes_power_is_lost_at_least_three_times_after_disks_have_stalled()
    {
        for (int seed = 1; seed <= 200; seed++)
        {
            IReadOnlyList<PlannedFault> plan = NemesisPlan.Make(seed, TimeSpan.FromMinutes(2));
            Assert.True(plan.Count(f => f.Kind is FaultKind.PowerAllStalled or FaultKind.PowerAllBehind) >= 3 && plan.Any(f => f.Kind == FaultKind.PowerAllBehind), $"seed {seed}: {string.Join(", ", plan.Select(f => f.Name))}");
        }
    }

    [Theory]
    [InlineData(nameof(FaultKind.CutOff), false, "2>1 1>2 2>3 3>2")]
    [InlineData(nameof(FaultKind.CutOff), true, "2>0 0>2 2>1 1>2 2>3 3>2")]
    [InlineData(nameof(FaultKind.CutOut), false, "2>1 2>3")]
    [InlineData(nameof(FaultKind.CutIn), false, "1>2 3>2")]
    [InlineData(nameof(FaultKind.CutPair), false, "2>1 1>2")]
    [InlineData(nameof(FaultKind.CutOneWay), false, "2>1")]
    [InlineData(nameof(FaultKind.Split), false, "1>2 2>1 1>3 3>1")]
    [InlineData(nameof(FaultKind.Kill), false, "")]
    public void A_fault_cuts_these_wires_of_three_servers(string kind, bool cutsClients, string wires) =>
        Assert.Equal(wires, string.Join(' ', NemesisPlan.WiresOf(new PlannedFault(default, default, Enum.Parse<FaultKind>(kind), false, 0, cutsClients, false), 2, 3).Select(w => $"{w.From}>{w.To}")));

    [Fact]
    public void A_split_of_five_leaves_a_majority_on_one_side()
    {
        for (int pick = 0; pick < 10; pick++)
        {
            IReadOnlyList<WireName> wires = NemesisPlan.WiresOf(new PlannedFault(default, default, FaultKind.Split, false, pick, false, false), 1, 5);
            Assert.Equal(12, wires.Distinct().Count());
        }
    }

    /// <summary>A leader's death, and a disk that fails, meet no other fault; a death lasts long enough for its successor.</summary>
    private static void AssertAlone(IReadOnlyList<PlannedFault> plan, int i, int seed)
    {
        PlannedFault fault = plan[i];
        if (!NemesisPlan.IsAlone(fault.Kind)) return;
        Assert.True(plan.Where((f, j) => j != i && f.At < fault.Until && f.Until > fault.At).All(_ => false), $"seed {seed}: fault {i} is not alone");
        if (fault is { Kind: FaultKind.Kill, HitsLeader: true }) Assert.True(fault.Until - fault.At >= NemesisPlan.AfterDeath, $"seed {seed}: fault {i}");
    }
}
