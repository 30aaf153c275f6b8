namespace Mesh30K.Consistency.Tests.Mutants;

/// <summary>The simulated life of effects is only worth what it catches: bugs planted in the ledger's real source, one at a time.</summary>
public sealed class LedgerMutantTests
{
    private const string Strong = "src/Mesh30K.Consistency/Strong/";
    private const ulong Seeds = 300;

    private static readonly Lazy<MutantBuild> Build = new(() => new MutantBuild(
        [
            "src/Mesh30K.Consistency/Time", "src/Mesh30K.Consistency/Eventual", "src/Mesh30K.Consistency/Causal", "src/Mesh30K.Consistency/Journal", "src/Mesh30K.Consistency/Strong/Ledger", "src/Mesh30K.Consistency/Strong/Effects",
            "src/Mesh30K.Simulation/Laws", "src/Mesh30K.Simulation/Strong/Effects",
        ],
        "Mesh30K.Consistency", "Mesh30K.Simulation"));

    /// <summary>File, snippet, replacement.</summary>
    public static TheoryData<string, string, string> Mutants => new()
    {
        { "Ledger/EffectRules.cs", "effect.HonoursKey ? EffectStatus.Intended : EffectStatus.InDoubt, Since", "EffectStatus.Intended, Since" }, // a crash is forgotten
        { "Ledger/EffectRules.cs", "Status = told, Since = state.Now, LeaseUntil = null, Output = finish.Output", "Status = told, Since = state.Now, LeaseUntil = null" }, // the result is lost
        { "Ledger/EffectRules.cs", "if (effect.Status != EffectStatus.Intended) return Recorded(effect);", "" }, // what has ended runs again
        { "Ledger/EffectRules.cs", "return effect.Executor == start.Executor\n", "return effect.Executor != start.Executor\n" }, // two execute it
        { "Ledger/EffectRules.cs", "EffectReport.Done => EffectStatus.Done", "EffectReport.Done => EffectStatus.Intended" },
        { "Ledger/EffectRules.cs", "state.EpochLast++;", "" }, // an epoch is given twice: what is in doubt is decided by an old decision
        { "Ledger/LedgerState.cs", "if (at > Now) Now = at;", "Now = at;" }, // log time goes back
        { "Ledger/LedgerSnapshot.cs", "state.Now + reader.Span() };\n        Require(effect.IntendedAt", "effect.Since + reader.Span() };\n        Require(effect.IntendedAt" }, // a restored lease is shorter
        { "Ledger/LedgerTable.cs", "if (_entries.TryGetValue(entry.Id, out T? before)) Leave(before);", "if (_entries.ContainsKey(entry.Id)) { }" }, // old moments stay
        { "Ledger/EffectRules.cs", "if (finish.Epoch != effect.Epoch) return Fenced(effect, finish.Epoch);", "" }, // anyone reports
        { "Ledger/EffectRules.cs", "if (renew.Epoch != effect.Epoch) return Fenced(effect, renew.Epoch);", "" }, // a stale executor renews the lease of the next
        { "Ledger/EffectRules.cs", "if (effect.Request != request)\n", "if (effect.Request != request && effect.IsOpen)\n" }, // another request gets the recorded result
        { "Ledger/LedgerEntries.cs", "IsOpen ? LeaseUntil : Since + Retention", "IsOpen ? LeaseUntil : Since + (Retention / 200)" }, // a key is forgotten before its retention is over
        { "Effects/EffectRun.cs", "if (outcome.Report is not null) return Tell(Phase.Reporting, now);", "if (outcome.Report is not null) return End(EffectEnding.Done, isReplay: false, outcome.Output, \"\");" }, // told before it is recorded
        { "Effects/EffectRun.cs", "bool isTriedAgain = _request.HonoursKey && ", "bool isTriedAgain = " }, // tried again whoever receives it
        { "Effects/EffectRun.cs", "return isTriedAgain ? Pause() : Tell(Phase.Yielding, now);", "_outcome = outcome with { Report = EffectReport.NotRun };\n        return isTriedAgain ? Pause() : Tell(Phase.Reporting, now);" }, // no answer is taken for not run
        { "Effects/EffectRun.cs", "if (reply.Outcome == LedgerOutcome.Ok)\n        {\n            EffectEnding told", "if (reply.Outcome != LedgerOutcome.NotFound)\n        {\n            EffectEnding told" }, // a refused report is told as done
        { "Effects/EffectRun.cs", "mine && mine.Executor == _executor:", "mine:" }, // another's doubt is taken for its own
        { "Effects/EffectRun.cs", "bool mayHaveBefore = _request.HonoursKey && (_mayHaveTakenPlace || ", "bool mayHaveBefore = _request.HonoursKey && (" }, // the last execution speaks for those before it
        { "Effects/EffectRun.cs", "if (isAnswered && effect is not { Status: EffectStatus.Executing }) return AskStart(now);", "if (effect is not { Status: EffectStatus.Executing }) return Take(now);" }, // whoever has waited takes it
    };

    [Theory]
    [MemberData(nameof(Mutants))]
    public void A_planted_bug_is_caught(string file, string snippet, string replacement)
    {
        using Mutant mutant = Build.Value.Load(new Mutation(Strong + file, snippet, replacement));
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
                object report = build.Call("Mesh30K.Simulation.Strong.Effects.EffectLife", "Run", seed, false)!;
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
