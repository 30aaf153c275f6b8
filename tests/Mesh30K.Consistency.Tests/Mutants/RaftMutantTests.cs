using Xunit.Sdk;

namespace Mesh30K.Consistency.Tests.Mutants;

/// <summary>The Raft simulator is only worth what it catches: bugs planted in the real machine, one at a time, are looked for by somebody who does not know them, from seed 1 on.</summary>
public sealed class RaftMutantTests
{
    private const int SeedsMax = 2_000;

    private const string Histories = "src/Mesh30K.Simulation/Strong/";

    /// <summary>Takes the simulator's own rule for reads away.</summary>
    private static readonly Mutation SilentAboutReads = new("src/Mesh30K.Simulation/Strong/Raft/RaftChecker.cs", "Require(sees >= began,", "Require(true,");

    /// <summary>No more than the simulator needs.</summary>
    private static readonly Lazy<MutantSet> Build = new(() => new MutantBuild(
        [
            "src/Mesh30K.Consistency/Time", "src/Mesh30K.Consistency/Causal", "src/Mesh30K.Consistency/Journal", "src/Mesh30K.Consistency/Strong", Histories + "Raft",
            Histories + "HistoryOperation.cs", Histories + "LinearizabilityChecker.cs", Histories + "RegisterHistory.cs", Histories + "RegisterSearch.cs",
        ],
        "Mesh30K.Consistency", "Mesh30K.Simulation").LoadAll([.. RaftMutants.All.Select(MutationOf), SilentAboutReads]));

    public static TheoryData<string> Names => [.. RaftMutants.All.Select(m => m.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_planted_bug_is_found(string name)
    {
        (long seed, string what) = First(MutationOf(Named(name)));
        TestContext.Current.TestOutputHelper?.WriteLine($"{name}: seed {seed}: {what}");
    }

    [Fact]
    public void The_source_as_it_is_is_clean()
    {
        for (long seed = 1; seed <= 20; seed++) Assert.Null(FoundBy(seed));
    }

    /// <summary>Without the simulator's own rule for reads, the history of what the clients saw shows a stale read all the same.</summary>
    [Theory]
    [InlineData("a read without a round")]
    [InlineData("a read before the leader's own commit")]
    public void The_clients_history_alone_shows_a_stale_read(string name)
    {
        string? rule = Enumerable.Range(1, SeedsMax).Select(seed => Of<string?>(Run(seed, null, MutationOf(Named(name)), SilentAboutReads), "FailedRule")).FirstOrDefault(r => r is not null);
        Assert.Equal("linearizability", rule);
    }

    /// <summary>A failing seed is told with the few of its faults that it needs, and these alone show it again.</summary>
    [Theory]
    [InlineData("a read without a round")]
    [InlineData("an old term is committed by counting")]
    public void A_seed_that_shows_a_planted_bug_is_minimised(string name)
    {
        Mutation planted = MutationOf(Named(name));
        long seed = First(planted).Seed;
        object whole = Run(seed, null, planted);
        object minimised = Build.Value.Call([planted], "Mesh30K.Simulation.Strong.Raft.RaftMinimiser", "Minimise", whole, 300, CancellationToken.None)!;
        int[] numbers = [.. Of<IEnumerable<object>>(minimised, "Faults").Select(f => Of<int>(f, "Number"))];
        int struck = Of<IEnumerable<object>>(whole, "Struck").Count();
        Assert.True(numbers.Length < struck && numbers.Length <= 5, $"{numbers.Length} faults of {struck} are left");
        Assert.Equal($"mesh verify raft --seeds 1 --start {seed} --only {(numbers.Length == 0 ? "0" : string.Join(',', numbers.Order()))}", Of<string>(minimised, "Replay"));
        object again = Run(seed, numbers.ToHashSet(), planted);
        Assert.Equal(Of<string>(whole, "FailedRule"), Of<string>(again, "FailedRule"));
        Assert.Equal(Of<ulong>(Of<object>(minimised, "Report"), "TraceHash"), Of<ulong>(again, "TraceHash"));
    }

    private static RaftMutant Named(string name) => RaftMutants.All.Single(m => m.Name == name);

    private static Mutation MutationOf(RaftMutant planted) => new(RaftMutants.Folder + planted.File, planted.Snippet, planted.Replacement);

    /// <summary>The first seed that shows it, and what it shows.</summary>
    private static (long Seed, string What) First(Mutation planted)
    {
        for (long seed = 1; seed <= SeedsMax; seed++)
            if (FoundBy(seed, planted) is { } what) return (seed, what);
        throw new XunitException($"the seeds 1 to {SeedsMax} do not show: {planted}");
    }

    private static string? FoundBy(long seed, params Mutation[] planted)
    {
        object report = Run(seed, null, planted);
        return Of<object?>(report, "Violation")?.ToString() ?? Of<string?>(report, "LivenessFailure");
    }

    private static object Run(long seed, IReadOnlySet<int>? only, params Mutation[] planted) => Build.Value.Call(planted, "Mesh30K.Simulation.Strong.Raft.RaftSimulation", "Run", seed, only)!;

    private static T Of<T>(object of, string property) => (T)of.GetType().GetProperty(property)!.GetValue(of)!;
}
