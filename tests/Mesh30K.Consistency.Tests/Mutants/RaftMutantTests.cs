using Xunit.Sdk;

namespace Mesh30K.Consistency.Tests.Mutants;

/// <summary>
/// The Raft simulator is only worth what it catches: bugs planted in the real machine, one at a time. CI looks for each from a little before the seed that is known to show it; <c>MESH_RAFT_MUTANTS=all</c> looks for each from
/// seed 1 on, as somebody would who does not know them, and <c>MESH_RAFT_MUTANTS=NAME</c> so for one.
/// </summary>
public sealed class RaftMutantTests
{
    private const int SeedsMax = 2_000;

    /// <summary>Seeds before and after the one that is known, should a change of the simulator or the machine have moved it.</summary>
    private const int Before = 5;
    private const int After = 50;

    private static readonly string? Which = Environment.GetEnvironmentVariable("MESH_RAFT_MUTANTS");

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

    public static TheoryData<string> Names => [.. RaftMutants.All.Select(m => m.Name).Where(name => Which is null or "all" || Which == name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_planted_bug_is_found(string name)
    {
        RaftMutant planted = Named(name);
        (long first, long last) = Which is null ? (Math.Max(1, planted.Seed - Before), planted.Seed + After) : (1, SeedsMax);
        for (long seed = first; seed <= last; seed++)
        {
            if (FoundBy(seed, MutationOf(planted)) is not { } found) continue;
            TestContext.Current.TestOutputHelper?.WriteLine($"{name}: seed {seed}: {found}");
            return;
        }
        throw new XunitException(
            $"the seeds {first} to {last} do not show: {name}. Look at all {SeedsMax}, and put the first that shows it in RaftMutants.cs: "
            + $"MESH_RAFT_MUTANTS='{name}' dotnet test -c Release --project tests/Mesh30K.Consistency.Tests -- --filter-class \"*RaftMutantTests\"");
    }

    [Fact]
    public void The_source_as_it_is_is_clean()
    {
        for (long seed = 1; seed <= 20; seed++) Assert.Null(FoundBy(seed));
    }

    /// <summary>Without the simulator's own rule for reads, the history of what the clients saw shows a stale read all the same.</summary>
    [Theory]
    [InlineData("a read without a round", 2)]
    [InlineData("a read before the leader's own commit", 1)]
    public void The_clients_history_alone_shows_a_stale_read(string name, long seed)
    {
        string? rule = Enumerable.Range(0, After).Select(i => Of<string?>(Run(seed + i, null, MutationOf(Named(name)), SilentAboutReads), "FailedRule")).FirstOrDefault(r => r is not null);
        Assert.Equal("linearizability", rule);
    }

    /// <summary>A failing seed is told with the few of its faults that it needs, and these alone show it again.</summary>
    [Theory]
    [InlineData("a read without a round")]
    [InlineData("an old term is committed by counting")]
    public void A_seed_that_shows_a_planted_bug_is_minimised(string name)
    {
        Mutation planted = MutationOf(Named(name));
        long seed = Enumerable.Range(Named(name).Seed, After).First(s => FoundBy(s, planted) is not null);
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

    private static string? FoundBy(long seed, params Mutation[] planted)
    {
        object report = Run(seed, null, planted);
        return Of<object?>(report, "Violation")?.ToString() ?? Of<string?>(report, "LivenessFailure");
    }

    private static object Run(long seed, IReadOnlySet<int>? only, params Mutation[] planted) => Build.Value.Call(planted, "Mesh30K.Simulation.Strong.Raft.RaftSimulation", "Run", seed, only)!;

    private static T Of<T>(object of, string property) => (T)of.GetType().GetProperty(property)!.GetValue(of)!;
}
