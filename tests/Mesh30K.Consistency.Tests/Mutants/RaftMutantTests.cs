using Xunit.Sdk;

namespace Mesh30K.Consistency.Tests.Mutants;

/// <summary>The simulator is only worth what it catches: bugs planted in the real machine, one at a time.</summary>
public sealed class RaftMutantTests
{
    private const string Raft = "src/Mesh30K.Consistency/Strong/Raft/";
    private const string Elections = Raft + "RaftMachine.Elections.cs";
    private const string Following = Raft + "RaftMachine.Following.cs";
    private const string Leading = Raft + "RaftMachine.Leading.cs";
    private const string Requests = Raft + "RaftMachine.Requests.cs";
    private const string Storage = Raft + "RaftMachine.Storage.cs";
    private const int Seeds = 60;
    private const int SeedsOfRare = 500;
    private const string Rare = "MESH_RAFT_RARE_MUTANTS";

    private static readonly Lazy<MutantBuild> Build = new(() => new MutantBuild(
        ["src/Mesh30K.Consistency/Journal", "src/Mesh30K.Consistency/Strong/Raft", "src/Mesh30K.Simulation/Strong/Raft"], "Mesh30K.Consistency", "Mesh30K.Simulation"));

    /// <summary>What is wrong, file, snippet, replacement.</summary>
    public static TheoryData<string, string, string, string> Mutants => new()
    {
        { "two votes in a term", Elections, "(_votedFor == ServerId.None || _votedFor == request.From)", "(_votedFor != Self)" },
        { "majority of even groups", Raft + "RaftMembership.cs", "Voters.Count / 2 + 1", "(Voters.Count + 1) / 2" },
        { "pre-vote does not ask whether a leader is heard", Elections, "&& upToDate && !HearsLeader;", "&& upToDate;" },
        { "ack of a snapshot before fsync", Following, "chunk.Round), _logSequence));", "chunk.Round), 0));" },
        { "commit of what was not compared", Following, "Math.Min(append.Commit, match)", "Math.Min(append.Commit, _log.Last.Index)" },
        { "late message takes entries back", Following, "if (known == entries.Count) return;", "if (known == entries.Count && match(entries)) return; bool match(IReadOnlyList<RaftEntry> e) => e.Count == 0 || e[^1].Index >= _log.Last.Index; if (known == entries.Count) { Truncate(entries[^1].Index + 1); return; }" },
        { "leader counts what its disk does not hold", Leading, "== Self ? DurableIndex :", "== Self ? _log.Last.Index :" },
        { "commit of an old term by counting", Leading, " || _log.TermAt(committed) != _term) return;", ") return;" },
        { "leader goes on without a majority", Leading, "if (active < _log.Membership.Majority)", "if (active < 0)" },
        { "two changes at once", Requests, "_log.MembershipIndex > CommitIndex || !HasCommittedOwn", "!HasCommittedOwn" },
        { "what was truncated counts as durable", Storage, "DurableIndex = Math.Min(DurableIndex, from - 1);", "" },
        { "compaction forgets what follows", Storage, "_log.Base, tail));", "_log.Base, []));" },
        { "snapshot with the members of later", Storage, "_log.MembershipAt(index), bytes);", "_log.Membership, bytes);" },
    };

    /// <summary>Those that take longer than <see cref="Seeds"/> seeds, or were not yet seen to take less.</summary>
    public static TheoryData<string, string, string, string> RareMutants => new()
    {
        { "vote for a log that is behind", Raft + "RaftTypes.cs", "Term > other.Term || (Term == other.Term && Index >= other.Index)", "Term >= other.Term" },
        { "lost messages are not noticed", Leading, "if (p.State == ProgressState.Probe) p.Inflight.Clear();", "" },
        { "vote not persisted", Elections, "_votedFor = request.From;\n            PersistHard();", "_votedFor = request.From;" },
        { "longer log wins over later term", Raft + "RaftTypes.cs", "Term > other.Term || (Term == other.Term && Index >= other.Index)", "Index >= other.Index" },
        { "term not persisted", Raft + "RaftMachine.cs", "(_term, _votedFor) = (term, ServerId.None);\n            PersistHard();", "(_term, _votedFor) = (term, ServerId.None);" },
        { "no pre-vote", Raft + "RaftMachine.cs", "if (MayStand) AskWhether();", "if (MayStand) Campaign(transfer: false);" },
        { "ack before fsync", Following, "Send(reply, match <= DurableIndex ? _hardSequence : Math.Max(_hardSequence, _logSequence))", "Send(reply, _hardSequence)" },
        { "entry before is not compared", Following, "_log.TermAt(append.Previous.Index) != append.Previous.Term", "append.Previous.Index > _log.Last.Index" },
        { "read before the leader's own commit", Requests, " || !HasCommittedOwn) break;", ") break;" },
        { "read before it is applied", Requests, " && read.Index <= AppliedIndex)", ")" },
        { "read without a round", Requests, "rounds[rounds.Length - members.Majority]", "rounds[^1]" },
        { "truncation not persisted", Storage, "_logSequence = Persist(new RaftChange.Truncate(from));", "" },
        { "parts of a snapshot in any order", Following, "if (chunk.Offset == _incomingBytes && chunk", "if (chunk" },
        { "preferred server is not handed the lead", Leading, "        PreferOther();\n", "" },
    };

    [Theory]
    [MemberData(nameof(Mutants))]
    public void A_planted_bug_is_caught(string bug, string path, string snippet, string replacement) => Catch(bug, new Mutation(path, snippet, replacement), Seeds);

    [Theory]
    [MemberData(nameof(RareMutants))]
    public void A_planted_bug_that_seldom_shows_is_caught(string bug, string path, string snippet, string replacement)
    {
        Assert.SkipUnless(Environment.GetEnvironmentVariable(Rare) == "1", $"takes minutes; {Rare}=1 runs it");
        Catch(bug, new Mutation(path, snippet, replacement), SeedsOfRare);
    }

    [Fact]
    public void The_source_as_it_is_is_clean()
    {
        using Mutant clean = Build.Value.Load(null);
        for (long seed = 1; seed <= 50; seed++) Assert.Null(Found(clean, seed));
    }

    private static void Catch(string bug, Mutation mutation, int seeds)
    {
        using Mutant mutant = Build.Value.Load(mutation);
        for (long seed = 1; seed <= seeds; seed++)
        {
            if (Found(mutant, seed) is not { } found) continue;
            TestContext.Current.TestOutputHelper?.WriteLine($"{bug}: seed {seed}: {found}");
            return;
        }
        throw new XunitException($"{seeds} seeds do not show: {bug}");
    }

    private static string? Found(Mutant build, long seed)
    {
        object report = build.Call("Mesh30K.Simulation.Strong.Raft.RaftSimulation", "Run", seed)!;
        return report.GetType().GetProperty("Violation")!.GetValue(report)?.ToString() ?? (string?)report.GetType().GetProperty("LivenessFailure")!.GetValue(report);
    }
}
