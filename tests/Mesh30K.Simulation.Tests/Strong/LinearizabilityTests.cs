using System.Globalization;
using Mesh30K.Simulation.Strong;

namespace Mesh30K.Simulation.Tests.Strong;

public sealed class LinearizabilityTests
{
    /// <summary>Verdict, then lines: see <see cref="Histories.Of"/>.</summary>
    public static TheoryData<bool, string[]> Known => new()
    {
        { true, [] },
        { true, ["0-1 1 x?-"] },
        { false, ["0-1 1 x?1"] },
        { true, ["0-1 1 x=1", "2-3 2 x?1"] },
        { false, ["0-1 1 x=1", "2-3 2 x?-"] }, // stale read
        { true, ["0-3 1 x=1", "1-2 2 x?-", "2-3 3 x?1"] },
        { false, ["0-9 1 x=1", "1-2 2 x?1", "3-4 3 x?-"] }, // the value was there, then not
        { true, ["0-1 1 x=1", "1-2 2 x?-"] }, // they touch: at once
        { false, ["0-1 1 x=1", "2-3 1 x=2", "4-5 2 x?2", "6-7 2 x?1"] },
        { true, ["0-1 1 x=1", "2-9 1 x=2", "3-9 3 x=3", "4-9 2 x?3", "4-9 4 x?2"] },
        { true, ["0-1 1 x:->1", "2-3 1 x:1>2", "4-5 2 x?2"] },
        { false, ["0-1 1 x:->1", "2-3 1 x:->2"] }, // both won
        { false, ["0-9 1 x:->1", "0-9 2 x:->2", "0-9 3 x?3"] },
        { true, ["0-1 1 x=1", "2-3 2 x:2>3 fail", "2-3 3 x:2>3 fail 1"] },
        { false, ["0-1 1 x=1", "2-3 2 x:1>3 fail"] }, // what it expected was there
        { false, ["0-1 1 x=1", "2-3 2 x:2>3 fail 4"] }, // what it found was not
        { true, ["0-1 1 x=1 fail", "2-3 2 x?-"] },
        { false, ["0-1 1 x=1 fail", "2-3 2 x?1"] }, // a put that failed took place
        { true, ["0- 1 x=1 unknown", "2-3 2 x?-", "9-10 2 x?1"] }, // it took place late
        { true, ["0-1 1 x=1 unknown", "2-3 2 x?-", "9-10 2 x?1"] }, // also after its client gave up
        { true, ["0- 1 x=1 unknown", "2-3 2 x?-", "9-10 2 x?-"] }, // never
        { false, ["0- 1 x=1 unknown", "2-3 2 x?1", "9-10 2 x?-"] },
        { false, ["5- 1 x=1 unknown", "2-3 2 x?1"] }, // not before its call
        { false, ["0- 1 x=1 unknown", "2-3 2 x?1", "4-5 2 x=2", "6-7 3 x?1"] }, // not twice
        { true, ["0- 1 x=1 unknown", "0- 3 x=1 unknown", "2-3 2 x?1", "4-5 2 x=2", "6-7 3 x?1"] },
        { true, ["0- 1 x:->1 unknown", "2-3 2 x:1>2"] },
        { true, ["0- 1 x:1>2 unknown", "0- 2 x:->1 unknown", "2-3 2 x?2"] },
        { false, ["0- 1 x:1>2 unknown", "2-3 2 x?2"] },
        { true, ["0- 1 x=1 unknown", "2-3 2 x:->5 fail"] }, // something was there: that one
        { false, ["2-3 2 x:->5 fail"] },
        { true, ["0- 1 x?9 unknown", "0-1 1 x?9 fail"] }, // they say nothing
        { true, ["0-1 1 x=1", "2-3 1 x=-", "4-5 2 x?-"] },
        { true, ["0-1 1 x:->- ", "2-3 2 x?-"] },
        { true, ["0-1 1 x=1", "0-1 2 y=2", "2-3 1 y?2", "2-3 2 x?1"] },
        { false, ["0-1 1 x=1", "0-1 2 y=2", "2-3 1 y?2", "2-3 2 x?2"] },
    };

    [Theory]
    [MemberData(nameof(Known))]
    public void A_known_history_gets_its_verdict(bool isLinearizable, string[] lines)
    {
        HistoryOperation[] history = Histories.Of(lines);
        HistoryReport report = Check(history);
        Assert.Equal(isLinearizable ? HistoryVerdict.Linearizable : HistoryVerdict.Violation, report.Verdict);
        Assert.Equal(isLinearizable, history.GroupBy(o => o.Key).All(k => Histories.HasOrder([.. k])));
    }

    [Fact]
    public void A_witness_is_the_shortest_prefix_and_what_the_register_could_have_held()
    {
        HistoryOperation[] history = Histories.Of("0-1 1 x=1", "2-9 1 x=2", "3-5 2 x?2", "6-7 3 x?1", "8-9 3 x?2", "20-21 3 x?7", "0-1 4 y=1");
        KeyReport x = Check(history).Keys[0];
        Assert.Equal(("x", HistoryVerdict.Violation, 6), (x.Key, x.Verdict, x.Operations));
        Assert.Equal(4, x.Witness!.Blocked.Line);
        Assert.Equal(["2"], x.Witness.Possible);
        Assert.Equal([1, 2, 3, 4], x.Witness.Prefix.Select(o => o.Line));
        Assert.Equal("client 3 get x = \"1\": ok", x.Witness.Blocked.ToString());
    }

    /// <summary><c>MESH_HISTORY_SEED=n</c> replays one seed, <c>MESH_HISTORY_RUNS=n</c> sets how many there are.</summary>
    [Fact]
    public void Small_histories_get_the_verdict_and_the_prefix_of_trying_every_order()
    {
        int found = 0;
        foreach (int seed in Seeds(4_000))
        {
            Random random = new(seed);
            int values = 1 + random.Next(3);
            List<HistoryOperation> history = Histories.Random(random, 1 + random.Next(7), 1 + random.Next(5), 1, values, random.Next(3) * 25);
            if (seed % 4 != 0) history = Histories.Mutated(random, history, values);
            HistoryReport report = Check(history);
            bool hasOrder = Histories.HasOrder(history);
            string replay = $"replay: MESH_HISTORY_SEED={seed}\n{Histories.Show(history)}\n{report.Verdict}";
            Assert.True(hasOrder == (report.Verdict == HistoryVerdict.Linearizable) && report.Verdict != HistoryVerdict.Undecided, replay);
            if (seed % 4 == 0) Assert.True(hasOrder, replay);
            if (hasOrder) continue;
            found++;
            long shortest = history.Where(o => o.ReturnNs is not null).Select(o => o.ReturnNs!.Value).Order().First(until => !Histories.HasOrder(history, until));
            Assert.True(shortest == report.Keys[0].Witness!.Blocked.ReturnNs, $"{replay} at {report.Keys[0].Witness!.Blocked}, but the shortest prefix ends at {shortest}");
        }
        Assert.True(found != 0 || Seeds(2).Length == 1, "no history was bad");
    }

    [Fact]
    public void A_correct_register_under_faults_is_always_accepted()
    {
        foreach (int seed in Seeds(150))
        {
            Random random = new(seed);
            List<HistoryOperation> history = Histories.Random(random, 300, 2 + random.Next(8), 3, 1 + random.Next(20), random.Next(15));
            HistoryReport report = Check(history);
            Assert.True(report.Verdict == HistoryVerdict.Linearizable, $"replay: MESH_HISTORY_SEED={seed}: {report.Verdict} {report.Keys.FirstOrDefault(k => k.Witness is not null)?.Witness?.Blocked}");
        }
    }

    [Fact]
    public void Beyond_its_bound_a_search_is_undecided()
    {
        // 24 writes at once, each of a value of its own, then a read of what nobody wrote
        HistoryOperation[] history = Histories.Of([.. Enumerable.Range(1, 24).Select(i => string.Create(CultureInfo.InvariantCulture, $"0-10 {i} x={i}")), "11-12 1 x?99"]);
        HistoryReport report = Check(history, 10_000);
        Assert.Equal((HistoryVerdict.Undecided, 10_000L), (report.Verdict, report.Keys[0].Configurations));
        using CancellationTokenSource stopped = new();
        stopped.Cancel();
        Assert.Throws<OperationCanceledException>(() => LinearizabilityChecker.Check(history, stop: stopped.Token));
    }

    [Fact]
    public void A_hundred_thousand_operations_on_many_keys_take_no_detours()
    {
        List<HistoryOperation> history = Histories.Random(new Random(7), 100_000, 20, 500, 30, 3);
        HistoryReport report = Check(history);
        Assert.Equal(HistoryVerdict.Linearizable, report.Verdict);
        Assert.InRange(report.Keys.Sum(k => k.Configurations), 1, 400_000); // the work, whatever the machine: no search goes astray
    }

    private static HistoryReport Check(IEnumerable<HistoryOperation> history, long configurationsMax = LinearizabilityChecker.ConfigurationsMax) =>
        LinearizabilityChecker.Check(history, configurationsMax, TestContext.Current.CancellationToken);

    private static int[] Seeds(int runs) => int.TryParse(Environment.GetEnvironmentVariable("MESH_HISTORY_SEED"), CultureInfo.InvariantCulture, out int one) ? [one]
        : [.. Enumerable.Range(1, int.TryParse(Environment.GetEnvironmentVariable("MESH_HISTORY_RUNS"), CultureInfo.InvariantCulture, out int set) ? set : runs)];
}
