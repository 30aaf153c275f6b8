namespace Mesh30K.Consistency.Tests.Mutants;

/// <summary>The simulated life of effects is only worth what it catches: bugs planted in the ledger's real source, one at a time.</summary>
public sealed class LedgerMutantTests
{
    private const string Ledger = "src/Mesh30K.Consistency/Strong/Ledger/";
    private const ulong Seeds = 300;

    private static readonly Lazy<MutantBuild> Build = new(() => new MutantBuild(
        [
            "src/Mesh30K.Consistency/Time", "src/Mesh30K.Consistency/Eventual", "src/Mesh30K.Consistency/Causal", "src/Mesh30K.Consistency/Journal", "src/Mesh30K.Consistency/Strong",
            "src/Mesh30K.Simulation/Laws", "src/Mesh30K.Simulation/Strong",
        ],
        "Mesh30K.Consistency", "Mesh30K.Simulation"));

    /// <summary>File, snippet, replacement.</summary>
    public static TheoryData<string, string, string> Mutants => new()
    {
        { "EffectRules.cs", "effect.HonoursKey ? EffectStatus.Intended : EffectStatus.InDoubt, Since", "EffectStatus.Intended, Since" }, // a crash is forgotten
        { "EffectRules.cs", "Status = told, Since = state.Now, LeaseUntil = null, Output = finish.Output", "Status = told, Since = state.Now, LeaseUntil = null" }, // the result is lost
        { "EffectRules.cs", "if (effect.Status != EffectStatus.Intended) return Recorded(effect);", "" }, // what has ended runs again
        { "EffectRules.cs", "return effect.Executor == start.Executor\n", "return effect.Executor != start.Executor\n" }, // two execute it
        { "EffectRules.cs", "EffectReport.Done => EffectStatus.Done", "EffectReport.Done => EffectStatus.Intended" },
        { "EffectRules.cs", "state.EpochLast++;", "" }, // an epoch is given twice: what is in doubt is decided by an old decision
        { "LedgerState.cs", "if (at > Now) Now = at;", "Now = at;" }, // log time goes back
        { "LedgerSnapshot.cs", "state.Now + reader.Span() };\n        Require(effect.IntendedAt", "effect.Since + reader.Span() };\n        Require(effect.IntendedAt" }, // a restored lease is shorter
        { "LedgerTable.cs", "if (_entries.TryGetValue(entry.Id, out T? before)) Leave(before);", "if (_entries.ContainsKey(entry.Id)) { }" }, // old moments stay
    };

    [Theory]
    [MemberData(nameof(Mutants))]
    public void A_planted_bug_is_caught(string file, string snippet, string replacement)
    {
        using Mutant mutant = Build.Value.Load(new Mutation(Ledger + file, snippet, replacement));
        Assert.True(IsFound(mutant), $"not found in {Seeds} seeds");
    }

    [Fact]
    public void The_source_as_it_is_is_clean()
    {
        using Mutant clean = Build.Value.Load(null);
        Assert.False(IsFound(clean));
    }

    /// <summary>Whether something does not hold, or does not end, or an invariant breaks.</summary>
    private static bool IsFound(Mutant build)
    {
        for (ulong seed = 1; seed <= Seeds; seed++)
        {
            try
            {
                object report = build.Call("Mesh30K.Simulation.Strong.EffectLife", "Run", seed, false)!;
                int violations = ((IReadOnlyList<string>)report.GetType().GetProperty("Violations")!.GetValue(report)!).Count;
                if (violations > 0 || !(bool)report.GetType().GetProperty("HasEnded")!.GetValue(report)!) return true;
            }
            catch (Exception thrown) when (thrown is not Xunit.Sdk.XunitException)
            {
                return true;
            }
        }
        return false;
    }
}
