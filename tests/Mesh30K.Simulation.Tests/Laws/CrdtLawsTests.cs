using Mesh30K.Simulation.Laws;

namespace Mesh30K.Simulation.Tests.Laws;

/// <summary>10,000 cases of each type and the enumeration. A million: <c>mesh verify crdt --cases 1000000</c>.</summary>
public sealed class CrdtLawsTests
{
    private const ulong Seed = 1;

    public static TheoryData<string> Types => [.. CrdtLaws.Types];

    [Theory]
    [MemberData(nameof(Types))]
    public void The_laws_hold_in_random_cases(string type)
    {
        LawReport report = CrdtLaws.Check(type, 0, 10_000, Seed);
        Assert.Equal(10_000, report.Cases);
        Assert.True(report.Violations.Count == 0, Told(report.Violations));
    }

    [Theory]
    [InlineData("g-set", 400)]
    [InlineData("or-set", 5_000)]
    [InlineData("lww-register", 200)]
    [InlineData("lww-map", 500)]
    [InlineData("fact-base", 5_000)]
    [InlineData("map", 5_000)]
    [InlineData("nested-map", 1_000)]
    public void The_laws_hold_in_every_reachable_state(string type, int statesAtLeast)
    {
        EnumerationReport report = CrdtLaws.Enumerate(type)!;
        Assert.True(report.Violations.Count == 0, Told(report.Violations));
        Assert.InRange(report.States, statesAtLeast, 1_000_000);
        Assert.True(report.Transitions > report.States);
    }

    [Fact]
    public void The_same_seed_gives_the_same_cases()
    {
        Assert.Equal(CrdtLaws.Check("or-set", 0, 200, 5).Steps, CrdtLaws.Check("or-set", 0, 200, 5).Steps);
        Assert.NotEqual(CrdtLaws.Check("or-set", 0, 200, 5).Steps, CrdtLaws.Check("or-set", 0, 200, 6).Steps);
    }

    [Fact]
    public void A_violation_says_how_to_see_it_again()
    {
        Assert.Equal("mesh verify crdt --type or-set --seed 7 --case 12", new LawViolation("or-set", "commutative", 7, 12, [], "").Replay);
        Assert.Equal("mesh verify crdt --type or-set --cases 0 --enumerate", new LawViolation("or-set", "commutative", 0, -1, [], "").Replay);
    }

    private static string Told(IEnumerable<LawViolation> violations) =>
        string.Join('\n', violations.Select(v => $"{v.Law}: {v.Detail}\n  {string.Join("\n  ", v.Steps)}\nreplay: {v.Replay}"));
}
