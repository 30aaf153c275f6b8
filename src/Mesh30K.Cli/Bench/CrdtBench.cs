using System.Diagnostics;
using System.Globalization;
using Mesh30K.Consistency.Eventual;
using Mesh30K.Consistency.Time;

namespace Mesh30K.Cli.Bench;

/// <summary>
/// A full merge of two replicas of a last-writer-wins map of which half of the keys differ: a quarter is newer on each side. Beside it a delta
/// of 100 keys, and a fact base that takes another one's facts.
/// </summary>
/// <remarks>
/// Every run merges into a fresh copy, made before the clock starts. The two replicas' keys are different string objects with equal content, as
/// they are after a decode: comparing references would be a faster merge than there is.
/// </remarks>
internal sealed class CrdtBench : IBench
{
    private const int DeltaKeys = 100;
    private const int DeltasPerRun = 20;
    private const int AttributesPerEntity = 3;

    private static readonly ReplicaId Ana = ReplicaId.Parse("ana");
    private static readonly ReplicaId Bob = ReplicaId.Parse("bob");

    public string Name => "crdt";

    public string Summary => "Full merge of two replicas of a map, of a delta, and of facts";

    public double? SecondsPerRun => null;

    public async Task<BenchReport> RunAsync(BenchArguments arguments)
    {
        int keys = arguments.Agents;
        (LwwMap mine, LwwMap theirs) = Replicas(keys);
        LwwMap[] deltas = [.. Enumerable.Range(0, DeltasPerRun).Select(i => Delta(keys, i))];
        (FactBase myFacts, FactBase theirFacts) = FactReplicas(keys);
        Dictionary<string, LwwCell> probed = mine.Entries.ToDictionary(e => e.Key, e => e.Value, StringComparer.Ordinal);
        string[] asked = [.. theirs.Entries.Select(e => e.Key)];
        List<double> limit = [];
        List<double> deltaMs = [];
        List<double> factsPerS = [];
        double Run()
        {
            limit.Add(Probe(probed, asked));
            deltaMs.Add(MergeDeltas(mine.Clone(), deltas));
            factsPerS.Add(theirFacts.Count / (MsOf(myFacts.Clone(), f => f.Merge(theirFacts)) / 1_000));
            return MsOf(mine.Clone(), m => m.Merge(theirs));
        }
        for (int i = 0; i < 30; i++) _ = Run();
        limit.Clear();
        deltaMs.Clear();
        factsPerS.Clear();
        double[] values = await arguments.RepeatAsync(Name, Run).ConfigureAwait(false);
        return new BenchReport
        {
            Bench = Name,
            Unit = "ms",
            What = "one Merge of a map of --agents keys into another of the same keys, a quarter of them newer on each side; both in memory",
            Values = values,
            LimitWhat = "one probe of a bare dictionary for each key of the other map",
            LimitValues = [.. limit],
            Aim = 20,
            Extra =
            [
                ("keys", keys), ("delta_keys", Math.Min(DeltaKeys, keys)), ("delta_merge_ms", BenchReport.Quantile(deltaMs, 0.5)), ("delta_merge_aim_ms", 0.1),
                ("facts_in_each_base", theirFacts.Count), ("facts_per_s", BenchReport.Quantile(factsPerS, 0.5)), ("facts_aim_per_s", 1_000_000),
            ],
        };
    }

    private static (LwwMap Mine, LwwMap Theirs) Replicas(int keys)
    {
        (LwwMap mine, LwwMap theirs) = (new LwwMap(), new LwwMap());
        for (int i = 0; i < keys; i++)
        {
            mine.Set(Key(i), "ready", new Hlc(i % 4 == 1 ? 2_000 : 1_000, i % 1_000, Ana));
            theirs.Set(Key(i), "ready", new Hlc(i % 4 == 3 ? 2_000 : 1_000, i % 1_000, Ana));
        }
        return (mine, theirs);
    }

    private static LwwMap Delta(int keys, int number)
    {
        LwwMap delta = new();
        for (int i = 0; i < DeltaKeys; i++) delta.Set(Key(((i * 251) + (number * 7)) % keys), "busy", new Hlc(3_000 + number, i, Bob));
        return delta;
    }

    /// <summary>Half of the facts are in both, half only in one.</summary>
    private static (FactBase Mine, FactBase Theirs) FactReplicas(int facts)
    {
        (FactBase mine, FactBase theirs) = (new FactBase(), new FactBase());
        for (int i = 0; i < facts; i++)
        {
            (string entity, string attribute) = (Key(i / AttributesPerEntity), string.Create(CultureInfo.InvariantCulture, $"attribute-{i % AttributesPerEntity}"));
            mine.Add(entity, attribute, "known", new Hlc(1_000, i % 1_000, Ana));
            theirs.Add(Key(i / AttributesPerEntity), attribute, "known", i % 2 == 0 ? new Hlc(1_000, i % 1_000, Ana) : new Hlc(2_000, i % 1_000, Bob));
        }
        return (mine, theirs);
    }

    private static string Key(int i) => string.Create(CultureInfo.InvariantCulture, $"agent-{i:D6}");

    private static double Probe(Dictionary<string, LwwCell> cells, string[] asked)
    {
        int found = 0;
        double ms = MsOf(cells, c =>
        {
            foreach (string key in asked)
                if (c.ContainsKey(key)) found++;
        });
        return found == asked.Length ? ms : throw new InvalidOperationException("a key is missing");
    }

    private static double MergeDeltas(LwwMap into, LwwMap[] deltas) => MsOf(into, m =>
    {
        foreach (LwwMap delta in deltas) m.Merge(delta);
    }) / deltas.Length;

    private static double MsOf<T>(T on, Action<T> work)
    {
        long from = Stopwatch.GetTimestamp();
        work(on);
        return Stopwatch.GetElapsedTime(from).TotalMilliseconds;
    }
}
