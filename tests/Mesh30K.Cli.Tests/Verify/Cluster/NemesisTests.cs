using Mesh30K.Cli.Verify.Cluster;

namespace Mesh30K.Cli.Tests.Verify.Cluster;

/// <summary>What a nemesis does in which order, also where servers start slowly.</summary>
public sealed class NemesisTests
{
    private static readonly TimeSpan Generous = TimeSpan.FromSeconds(30);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_server_that_starts_slowly_holds_up_no_other_fault_and_shortens_none()
    {
        TaskCompletionSource started = new(TaskCreationOptions.RunContinuationsAsynchronously);
        FakeCluster group = new(3, PlantedFault.None) { Starting = () => started.Task };
        // They start when the cut is over: a nemesis that waits for them before it cuts, or heals, waits for ever.
        Task<Nemesis> running = RunAsync(group, line =>
        {
            if (line.Contains("ended cut_pair", StringComparison.Ordinal)) started.SetResult();
        }, Fault(FaultKind.Stop, 0, 0), Fault(FaultKind.KillAll, 20, 40), Fault(FaultKind.CutPair, 100, 400), Fault(FaultKind.Stop, 500, 550));
        Nemesis nemesis = await running.WaitAsync(Generous, Stop);
        Assert.Equal("pause 1, continue 1, kill 1, kill 2, kill 3, cut 2, heal 2, pause 1, continue 1, start 1, start 2, start 3", Sorted(group));
        Assert.Equal((4, 0), (nemesis.Counts.Values.Sum(), nemesis.Missed)); // the last one waited for somebody to hit
        Assert.True(group.IsHealed);
    }

    [Fact]
    public async Task A_fault_that_begins_late_lasts_as_long_as_planned()
    {
        FakeCluster group = new(3, PlantedFault.None) { Starting = () => Task.Delay(1_000, Stop) };
        List<string> told = [];
        // The second death is to be alone, so it waits for the start of the first dead; the cut waits for its turn, and is not over before it began.
        Nemesis nemesis = await RunAsync(group, told.Add, Fault(FaultKind.Kill, 0, 50), Fault(FaultKind.Kill, 100, 400), Fault(FaultKind.CutPair, 500, 800));
        Assert.True(nemesis.LateMs[1] >= 900, $"{nemesis.LateMs[1]} ms late");
        Assert.True(At("ended cut_pair") - At("cut_pair") >= 0.29, string.Join(Environment.NewLine, told));
        Assert.True(At("cut_pair") - At("kill", last: true) >= 0.29, string.Join(Environment.NewLine, told));

        double At(string what, bool last = false)
        {
            string[] lines = [.. told.Where(l => l[(l.IndexOf(' ', StringComparison.Ordinal) + 1)..].StartsWith(what, StringComparison.Ordinal))];
            string line = last ? lines[^1] : lines[0];
            return double.Parse(line[2..line.IndexOf('s', StringComparison.Ordinal)], System.Globalization.CultureInfo.InvariantCulture);
        }
    }

    [Theory]
    [InlineData(nameof(FaultKind.PowerAllStalled), "stall 1 2 3, kill 1, kill 2, kill 3, power off 1 2 3, start 1, start 2, start 3")]
    [InlineData(nameof(FaultKind.PowerAllBehind), "stall 2 3, kill 1, kill 2, kill 3, power off 1 2 3, start 2, start 3, start 1")]
    [InlineData(nameof(FaultKind.PowerAllInSnapshot), "snapshot 1, snapshot 2, snapshot 3, kill 1, kill 2, kill 3, power off 1 2 3, start 1, start 2, start 3")]
    [InlineData(nameof(FaultKind.Power), "kill 1, power off 1, start 1")]
    [InlineData(nameof(FaultKind.DiskStalls), "stall 1, go on 1")]
    [InlineData(nameof(FaultKind.Second), "second 1")]
    public async Task What_a_fault_of_the_leader_does(string kind, string done)
    {
        FakeCluster group = new(3, PlantedFault.None);
        await RunAsync(group, Fault(Enum.Parse<FaultKind>(kind), 0, 50) with { HitsLeader = true });
        Assert.Equal(done, string.Join(", ", group.Done));
    }

    private static PlannedFault Fault(FaultKind kind, int fromMs, int untilMs) => new(TimeSpan.FromMilliseconds(fromMs), TimeSpan.FromMilliseconds(untilMs), kind, false, 0, false, false);

    private static string Sorted(FakeCluster group) => string.Join(", ", group.Done.Where(d => !d.StartsWith("start", StringComparison.Ordinal)).Concat(group.Done.Where(d => d.StartsWith("start", StringComparison.Ordinal)).Order(StringComparer.Ordinal)));

    private static Task<Nemesis> RunAsync(FakeCluster group, params PlannedFault[] plan) => RunAsync(group, _ => { }, plan);

    private static async Task<Nemesis> RunAsync(FakeCluster group, Action<string> tell, params PlannedFault[] plan)
    {
        using HistoryRecorder history = new(Stream.Null);
        Nemesis nemesis = new(group, new ClusterClients(new ClusterKeys(), history, new FailoverMeter(), TimeSpan.Zero), tell);
        await nemesis.RunAsync(plan, (_, _) => { }, Stop);
        Assert.Equal(plan.Length, nemesis.LateMs.Count);
        return nemesis;
    }
}
