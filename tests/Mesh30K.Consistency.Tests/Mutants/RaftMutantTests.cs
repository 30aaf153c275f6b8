using Xunit.Sdk;

namespace Mesh30K.Consistency.Tests.Mutants;

/// <summary>
/// The Raft simulator is only worth what it catches: bugs planted in the real machine, one at a time. CI takes every third, at the seed that is known to show it;
/// <c>MESH_RAFT_MUTANTS=known</c> takes all at these seeds, and <c>MESH_RAFT_MUTANTS=all</c> looks for each from seed 1 on, as somebody would who does not know them.
/// </summary>
public sealed class RaftMutantTests
{
    private const int SeedsMax = 2_000;

    /// <summary>More seeds after the one that is known, should a change of the simulator have moved it a little.</summary>
    private const int Margin = 10;

    private static readonly string? Which = Environment.GetEnvironmentVariable("MESH_RAFT_MUTANTS");

    private const string Histories = "src/Mesh30K.Simulation/Strong/";

    /// <summary>No more than the simulator needs: each mutant compiles all of it.</summary>
    private static readonly Lazy<MutantBuild> Build = new(() => new MutantBuild(
        [
            "src/Mesh30K.Consistency/Time", "src/Mesh30K.Consistency/Causal", "src/Mesh30K.Consistency/Journal", "src/Mesh30K.Consistency/Strong", Histories + "Raft",
            Histories + "HistoryOperation.cs", Histories + "LinearizabilityChecker.cs", Histories + "RegisterHistory.cs", Histories + "RegisterSearch.cs",
        ],
        "Mesh30K.Consistency", "Mesh30K.Simulation"));

    public static TheoryData<string> Names => [.. RaftMutants.All.Where((_, i) => Which is "known" or "all" || i % 3 == 0).Select(m => m.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_planted_bug_is_found(string name)
    {
        RaftMutant planted = RaftMutants.All.Single(m => m.Name == name);
        using Mutant mutant = Build.Value.Load(new Mutation(RaftMutants.Folder + planted.File, planted.Snippet, planted.Replacement));
        (long first, long last) = Which == "all" ? (1, SeedsMax) : (planted.Seed, planted.Seed + Margin);
        for (long seed = first; seed <= last; seed++)
        {
            if (FoundBy(mutant, seed) is not { } found) continue;
            TestContext.Current.TestOutputHelper?.WriteLine($"{name}: seed {seed}: {found}");
            return;
        }
        throw new XunitException($"the seeds {first} to {last} do not show: {name}");
    }

    [Fact]
    public void The_source_as_it_is_is_clean()
    {
        using Mutant clean = Build.Value.Load(null);
        for (long seed = 1; seed <= 20; seed++) Assert.Null(FoundBy(clean, seed));
    }

    /// <summary>Without the simulator's own rule for reads, the history of what the clients saw shows a stale read all the same.</summary>
    [Theory]
    [InlineData("a read without a round", 2)]
    [InlineData("a read before the leader's own commit", 1)]
    public void The_clients_history_alone_shows_a_stale_read(string name, long seed)
    {
        RaftMutant planted = RaftMutants.All.Single(m => m.Name == name);
        Mutation silent = new("src/Mesh30K.Simulation/Strong/Raft/RaftChecker.cs", "Require(sees >= began,", "Require(true,");
        using Mutant mutant = Build.Value.Load(new Mutation(RaftMutants.Folder + planted.File, planted.Snippet, planted.Replacement), silent);
        string? rule = Enumerable.Range(0, Margin + 1).Select(i => Of<string?>(Run(mutant, seed + i, null), "FailedRule")).FirstOrDefault(r => r is not null);
        Assert.Equal("linearizability", rule);
    }

    /// <summary>A failing seed is told with the few of its faults that it needs, and these alone show it again.</summary>
    [Theory]
    [InlineData("a read without a round")]
    [InlineData("an old term is committed by counting")]
    public void A_seed_that_shows_a_planted_bug_is_minimised(string name)
    {
        RaftMutant planted = RaftMutants.All.Single(m => m.Name == name);
        using Mutant mutant = Build.Value.Load(new Mutation(RaftMutants.Folder + planted.File, planted.Snippet, planted.Replacement));
        long seed = Enumerable.Range(planted.Seed, Margin + 1).First(s => FoundBy(mutant, s) is not null);
        object whole = Run(mutant, seed, null);
        object minimised = mutant.Call("Mesh30K.Simulation.Strong.Raft.RaftMinimiser", "Minimise", whole, 300, CancellationToken.None)!;
        int[] numbers = [.. Of<IEnumerable<object>>(minimised, "Faults").Select(f => Of<int>(f, "Number"))];
        int struck = Of<IEnumerable<object>>(whole, "Struck").Count();
        Assert.True(numbers.Length < struck && numbers.Length <= 5, $"{numbers.Length} faults of {struck} are left");
        Assert.Equal($"mesh verify raft --seeds 1 --start {seed} --only {(numbers.Length == 0 ? "0" : string.Join(',', numbers.Order()))}", Of<string>(minimised, "Replay"));
        object again = Run(mutant, seed, numbers.ToHashSet());
        Assert.Equal(Of<string>(whole, "FailedRule"), Of<string>(again, "FailedRule"));
        Assert.Equal(Of<ulong>(Of<object>(minimised, "Report"), "TraceHash"), Of<ulong>(again, "TraceHash"));
    }

    private static string? FoundBy(Mutant build, long seed)
    {
        object report = Run(build, seed, null);
        return Of<object?>(report, "Violation")?.ToString() ?? Of<string?>(report, "LivenessFailure");
    }

    private static object Run(Mutant build, long seed, IReadOnlySet<int>? only) => build.Call("Mesh30K.Simulation.Strong.Raft.RaftSimulation", "Run", seed, only)!;

    private static T Of<T>(object of, string property) => (T)of.GetType().GetProperty(property)!.GetValue(of)!;
}
