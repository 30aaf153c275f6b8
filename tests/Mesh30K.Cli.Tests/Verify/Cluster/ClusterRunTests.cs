using Mesh30K.Cli.Verify.Cluster;
using Mesh30K.Simulation.Strong;

namespace Mesh30K.Cli.Tests.Verify.Cluster;

/// <summary>The whole run against a group in this process: right, and wrong in each way that it is there to find.</summary>
public sealed class ClusterRunTests
{
    [Fact]
    public async Task A_right_group_is_found_right_and_its_history_reads_back_as_it_was()
    {
        FakeCluster group = new(3, PlantedFault.None);
        using MemoryStream file = new();
        const int seconds = 4;
        int seed = Enumerable.Range(1, 1_000).First(s => NemesisPlan.Make(s, TimeSpan.FromSeconds(seconds)).Count >= 2);
        ClusterReport report = await RunAsync(group, file, seed, seconds);
        Assert.True(report.Holds, Told(report));
        Assert.True(group.IsHealed && report.FaultsInjected > 0, string.Join(", ", group.Done));
        Assert.True(report is { Operations: > 500, Get.Ok: > 100, Put: { Ok: > 100, Unknown: > 0 }, Cas: { Ok: > 10, Fail: > 10 } }, Told(report));
        IReadOnlyList<HistoryOperation> read = HistoryReader.Read(file.ToArray());
        Assert.Equal(report.Operations, read.Count);
        Assert.Equal(HistoryVerdict.Linearizable, LinearizabilityChecker.Check(read, stop: TestContext.Current.CancellationToken).Verdict);
    }

    [Theory]
    [InlineData(PlantedFault.WriteLost)]
    [InlineData(PlantedFault.WritesLostWithLeader)]
    [InlineData(PlantedFault.StaleRead)]
    [InlineData(PlantedFault.TakenAfterAll)]
    [InlineData(PlantedFault.NoCompare)]
    public async Task A_group_that_breaks_its_word_is_a_violation(PlantedFault planted)
    {
        ClusterReport report = await RunAsync(new FakeCluster(3, planted), new MemoryStream(), SeedThatKillsALeader, seconds: planted == PlantedFault.WritesLostWithLeader ? SecondsOfDeath : 1);
        Assert.Equal("violation", report.Verdict);
        Assert.NotEmpty(report.Violations);
        Assert.False(report.Holds);
    }

    /// <summary>A loss of power alone does not show it: the disks have to stall first.</summary>
    [Fact]
    public async Task Writes_that_are_acknowledged_before_they_are_synced_are_found()
    {
        const int seconds = 4;
        int seed = Enumerable.Range(1, 1_000).First(s => NemesisPlan.Make(s, TimeSpan.FromSeconds(seconds)) is [{ Kind: FaultKind.PowerAllStalled or FaultKind.PowerAllBehind }, ..]);
        FakeCluster group = new(3, PlantedFault.AcknowledgedUnsynced);
        ClusterReport report = await RunAsync(group, new MemoryStream(), seed, seconds);
        Assert.Equal("violation", report.Verdict);
        Assert.True(group.Done.FindIndex(d => d.StartsWith("stall", StringComparison.Ordinal)) < group.Done.FindIndex(d => d.StartsWith("power off", StringComparison.Ordinal)), string.Join(", ", group.Done));
    }

    [Fact]
    public async Task Values_that_are_gone_at_the_end_are_lost_writes()
    {
        ClusterReport report = await RunAsync(new FakeCluster(3, PlantedFault.LostAtTheEnd), new MemoryStream(), seed: 2, seconds: 1);
        Assert.True(report.Lost > 0 && report.Violations.All(v => v.IsLoss), Told(report));
    }

    [Fact]
    public async Task A_group_that_does_not_serve_again_is_found()
    {
        ClusterReport report = await RunAsync(new FakeCluster(3, PlantedFault.NeverHeals), new MemoryStream(), SeedThatKillsALeader, seconds: SecondsOfDeath, quiet: TimeSpan.FromSeconds(1));
        Assert.Null(report.QuietAfterMs);
        Assert.False(report.Holds);
    }

    private const int SecondsOfDeath = 5;

    /// <summary>Its first fault is a leader's death.</summary>
    private static int SeedThatKillsALeader { get; } =
        Enumerable.Range(1, 1_000).First(s => NemesisPlan.Make(s, TimeSpan.FromSeconds(SecondsOfDeath)) is [{ Kind: FaultKind.Kill, HitsLeader: true }, ..]);

    private static Task<ClusterReport> RunAsync(ICluster group, Stream file, int seed, int seconds, TimeSpan? quiet = null)
    {
        ClusterRunOptions options = new(seconds, seed, "history.jsonl") { QuietWithin = quiet ?? TimeSpan.FromSeconds(30) };
        return new ClusterRun(group, options).RunAsync(file, (_, _) => { }, TestContext.Current.CancellationToken);
    }

    private static string Told(ClusterReport report) => System.Text.Json.JsonSerializer.Serialize(report);
}
