using System.Text.Json;
using Mesh30K.Cli.Verify.Power;
using Mesh30K.Node.Ledger;
using Mesh30K.Node.Storage;
using Microsoft.Win32.SafeHandles;

namespace Mesh30K.Cli.Tests.Verify.Power;

/// <summary>A real ext4 whose power is cut. All but the first skip where nothing can be mounted; the 500 cycles by <c>mesh verify power</c>.</summary>
public sealed class VerifyPowerTests
{
    private static readonly Lazy<string?> WhyNot = new(LoopDisk.WhyNot);

    [Fact]
    public async Task Where_nothing_can_be_mounted_it_says_so_and_else_nothing_acknowledged_is_lost()
    {
        CommandLineRun run = await CommandLineRun.OfAsync("verify", "power", "--cycles", "9", "--seed", "5", "--json");
        if (WhyNot.Value is not null)
        {
            Assert.Equal((ExitCode.Usage, "cannot_mount"), (run.Exit, run.Json().GetProperty("error").GetProperty("code").GetString()));
            Assert.Skip(WhyNot.Value);
        }
        Assert.True(run.Exit == ExitCode.Ok, run.Out + run.Error);
        JsonElement report = run.Json();
        Assert.Equal((9, 0, 0), (report.GetProperty("cycles").GetInt32(), report.GetProperty("lost").GetInt32(), report.GetProperty("changed").GetInt32()));
        Assert.True(report.GetProperty("acknowledged").GetInt64() > 9, run.Out);
        AssertNothingMounted();
    }

    [Theory]
    [InlineData("0")]
    [InlineData("100001")]
    public async Task A_bad_number_of_cycles_is_one_clear_message(string cycles) =>
        Assert.Contains("--cycles is", (await CommandLineRun.OfAsync("verify", "power", "--cycles", cycles, "--json")).Json().GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);

    /// <summary>The same run with logs whose fdatasync does nothing: for each kind of log it finds entries that were acknowledged and are gone.</summary>
    [Theory]
    [InlineData(nameof(PowerLogKind.Journal))]
    [InlineData(nameof(PowerLogKind.Raft))]
    [InlineData(nameof(PowerLogKind.Ledger))]
    public async Task Logs_that_do_not_sync_are_found_to_lose_entries(string log)
    {
        Assert.SkipWhen(WhyNot.Value is not null, WhyNot.Value ?? "");
        PowerReport report = await RunInProcessAsync(Enum.Parse<PowerLogKind>(log), new UnsyncedFiles(), cycles: 3);
        Assert.False(report.Holds);
        Assert.True(report.Lost + report.Changed + report.Refused > 0, string.Join("; ", report.Findings));
    }

    [Fact]
    public async Task The_same_run_with_logs_that_sync_finds_nothing()
    {
        Assert.SkipWhen(WhyNot.Value is not null, WhyNot.Value ?? "");
        foreach (PowerLogKind kind in Enum.GetValues<PowerLogKind>())
        {
            PowerReport report = await RunInProcessAsync(kind, JournalFiles.OfSystem, cycles: 3);
            Assert.True(report.Holds && report.Acknowledged > 0, $"{kind}: {string.Join("; ", report.Findings)}");
        }
    }

    private static async Task<PowerReport> RunInProcessAsync(PowerLogKind kind, JournalFiles files, int cycles)
    {
        PowerLogs logs = new((path, options) => JournalFolder.Open(path, options, files), (path, options) => FolderLedger.Open(path, options, files));
        using TemporaryFolder folder = new();
        using LoopDisk disk = new(folder.FullName, "disk", 128 << 20);
        PowerRun run = new(disk, [kind], PowerLogs.OfProduct, () => new InProcessWorker(logs, kind));
        return await run.RunAsync(cycles, 3, (_, _) => { }, TestContext.Current.CancellationToken);
    }

    private static void AssertNothingMounted() =>
        Assert.DoesNotContain(File.ReadLines("/proc/self/mounts"), l => l.Contains($"mesh-power-{Environment.ProcessId}-", StringComparison.Ordinal));

    /// <summary>A disk's calls without its syncs.</summary>
    private sealed class UnsyncedFiles : JournalFiles
    {
        public override void Sync(SafeFileHandle file)
        {
            // The planted bug: what was written is said to be durable.
        }
    }

    /// <summary>A writer in the test's own process, which can be given another journal.</summary>
    private sealed class InProcessWorker(PowerLogs logs, PowerLogKind kind) : IPowerWorker
    {
        private readonly TaskCompletionSource<string> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private long _acknowledged;

        public long Acknowledged => Volatile.Read(ref _acknowledged);

        public Task<string> Ended => _ended.Task;

        /// <param name="asked">Has to be the kind that the test is about.</param>
        public void Go(PowerLogKind asked, string folder, int seed)
        {
            Assert.Equal(kind, asked);
            _ = Task.Run(async () => _ended.SetResult(await PowerWriter.RunAsync(logs, kind, folder, seed, n => Volatile.Write(ref _acknowledged, n))));
        }

        public async Task KillAsync() => await Ended.WaitAsync(TimeSpan.FromSeconds(30));

        public void Dispose()
        {
            // It ends with its disk.
        }
    }
}
