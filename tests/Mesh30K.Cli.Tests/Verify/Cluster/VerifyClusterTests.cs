using System.Text.Json;
using Mesh30K.Cli.Verify.Cluster;
using Mesh30K.Simulation.Strong;

namespace Mesh30K.Cli.Tests.Verify.Cluster;

/// <summary>Coordinators as processes, killed, stopped, cut off, with failing disks. Short here; ten minutes by <c>mesh verify cluster</c>.</summary>
public sealed class VerifyClusterTests
{
    /// <param name="first">The fault that comes first: the seed is the first one with a plan that begins with it.</param>
    [Theory]
    [InlineData(3, nameof(FaultKind.PowerAllBehind))]
    [InlineData(5, nameof(FaultKind.PowerAllStalled))]
    public async Task A_group_of_processes_under_faults_is_linearizable_and_loses_nothing(int nodes, string first)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "processes are killed and stopped by signals");
        int seed = Enumerable.Range(1, 1_000).First(s => NemesisPlan.Make(s, TimeSpan.FromSeconds(6)) is [var fault, _, ..] && fault.Kind == Enum.Parse<FaultKind>(first));
        using TemporaryFolder folder = new();
        string history = Path.Combine(folder.FullName, "history.jsonl");
        CommandLineRun run = await CommandLineRun.OfAsync("verify", "cluster", "--nodes", $"{nodes}", "--seconds", "6", "--seed", $"{seed}", "--history", history, "--json");
        Assert.True(run.Exit == ExitCode.Ok, run.Out + run.Error);
        JsonElement report = run.Json();
        Assert.Equal(("linearizable", 0), (report.GetProperty("verdict").GetString(), report.GetProperty("lost").GetInt32()));
        Assert.True(report.GetProperty("put").GetProperty("ok").GetInt32() > 20 && report.GetProperty("faults_injected").GetInt32() > 0, run.Out);
        // The file is the history that was judged, and the verb for histories agrees.
        IReadOnlyList<HistoryOperation> read = HistoryReader.Read(await File.ReadAllBytesAsync(history, TestContext.Current.CancellationToken));
        Assert.Equal(report.GetProperty("operations").GetInt32(), read.Count);
        Assert.Equal(ExitCode.Ok, (await CommandLineRun.OfAsync("verify", "history", history, "--json")).Exit);
        AssertNothingLeft();
    }

    [Theory]
    [InlineData("--nodes is 4", "--nodes", "4")]
    [InlineData("--seconds is 0", "--seconds", "0")]
    [InlineData("cannot write none/history.jsonl", "--seconds", "1")]
    public async Task Bad_input_is_one_clear_message(string message, params string[] arguments)
    {
        CommandLineRun run = await CommandLineRun.OfAsync(["verify", "cluster", "--history", "none/history.jsonl", .. arguments, "--json"]);
        Assert.Equal(ExitCode.Usage, run.Exit);
        Assert.Contains(message, run.Json().GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    /// <summary>Ctrl-C in the middle: no process and no mount of it is left.</summary>
    [Fact]
    public async Task A_run_that_is_interrupted_leaves_nothing_behind()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "processes are killed and stopped by signals");
        using TemporaryFolder folder = new();
        string history = Path.Combine(folder.FullName, "history.jsonl");
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        Task<CommandLineRun> running = CommandLineRun.WithAsync(MeshCommandLine.Verbs(), folder.FullName, stop.Token, ["verify", "cluster", "--seconds", "600", "--history", history, "--json"]);
        // Clients write: some history is on disk.
        for (int tries = 0; tries < 3_000 && !running.IsCompleted && !(File.Exists(history) && new FileInfo(history).Length > 0); tries++) await Task.Delay(20, stop.Token);
        Assert.False(running.IsCompleted, running.IsCompleted ? (await running).Out : "");
        await stop.CancelAsync();
        Assert.Equal(ExitCode.Interrupted, (await running.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken)).Exit);
        AssertNothingLeft();
    }

    private static void AssertNothingLeft()
    {
        Assert.DoesNotContain(File.ReadLines("/proc/self/mounts"), l => l.Contains($"mesh-cluster-{Environment.ProcessId}-", StringComparison.Ordinal));
        foreach (string process in Directory.EnumerateDirectories("/proc").Where(p => char.IsAsciiDigit(Path.GetFileName(p)[0])))
        {
            string command = CommandOf(process);
            Assert.False(command.Contains($"mesh-cluster-{Environment.ProcessId}-", StringComparison.Ordinal), command);
        }
    }

    private static string CommandOf(string process) => Read(Path.Combine(process, "cmdline")).Replace('\0', ' ');

    private static string Read(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
