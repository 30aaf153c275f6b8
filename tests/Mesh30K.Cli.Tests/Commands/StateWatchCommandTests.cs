using System.Diagnostics;

namespace Mesh30K.Cli.Tests.Commands;

public sealed class StateWatchCommandTests
{
    private static readonly TimeSpan Generous = TimeSpan.FromSeconds(60);

    private const string A = "- [ ] [seq:1@ana] a\n";
    private const string B = "- [ ] [seq:2@bob] b\n";
    private const string C = "- [ ] [seq:3@cleo] c\n";

    [Fact]
    public async Task Passes_find_and_merge_a_stale_write()
    {
        using TemporaryFolder folder = new();
        foreach (string content in (string[])[A, A + B, A + C])
        {
            folder.Write("TASKS.md", content);
            CommandLineRun run = await OnceAsync(folder);
            Assert.Equal(ExitCode.Ok, run.Exit);
        }
        string text = File.ReadAllText(Path.Combine(folder.FullName, "TASKS.md"));
        Assert.All((string[])[A, B, C], line => Assert.Contains(line, text, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_watcher_that_is_killed_and_started_again_goes_on_from_its_history()
    {
        using TemporaryFolder folder = new();
        string tasks = folder.Write("TASKS.md", A);
        string history = Path.Combine(folder.FullName, ".mesh", "watch", "events.jsonl");
        using (Process watcher = Watch(folder.FullName))
        {
            await UntilAsync(() => File.Exists(history) && File.ReadAllText(history).Contains("found", StringComparison.Ordinal));
            long before = HistoryBytes(folder.FullName);
            folder.Write("TASKS.md", A + B);
            await UntilAsync(() => HistoryBytes(folder.FullName) > before);
            watcher.Kill();
            await watcher.WaitForExitAsync(TestContext.Current.CancellationToken);
        }
        folder.Write("TASKS.md", A + C);
        using Process again = Watch(folder.FullName);
        try
        {
            await UntilAsync(() => File.ReadAllText(tasks) is { } text && text.Contains(B, StringComparison.Ordinal) && text.Contains(C, StringComparison.Ordinal));
        }
        finally
        {
            again.Kill();
        }
    }

    [Fact]
    public async Task A_signal_that_comes_twice_at_once_as_from_timeout_ends_it_with_its_result()
    {
        if (OperatingSystem.IsWindows()) return;
        using TemporaryFolder folder = new();
        folder.Write("TASKS.md", A);
        string events = Path.Combine(folder.FullName, ".mesh", "watch", "events.jsonl");
        using Process watcher = Watch(folder.FullName, "--json");
        await UntilAsync(() => File.Exists(events));
        using Process kill = Process.Start("sh", ["-c", $"kill -TERM {watcher.Id}; sleep 0.05; kill -TERM {watcher.Id}"]);
        string result = await watcher.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await watcher.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.StartsWith("{\"files\":", result, StringComparison.Ordinal);
        Assert.Equal(0, watcher.ExitCode);
    }

    [Theory]
    [InlineData("nowhere")]
    [InlineData(".", "--interval", "0")]
    [InlineData(".", "--keep", "1")]
    [InlineData(".", "--file", "queue")]
    [InlineData(".", "--file", "queue=../TASKS.md")]
    public async Task Bad_input_is_refused(params string[] arguments)
    {
        using TemporaryFolder folder = new();
        CommandLineRun run = await CommandLineRun.WithAsync(MeshCommandLine.Verbs(), folder.FullName, CancellationToken.None, ["state", "watch", .. arguments, "--once", "--json"]);
        Assert.Equal(ExitCode.Usage, run.Exit);
    }

    private static long HistoryBytes(string folder) =>
        new DirectoryInfo(Path.Combine(folder, ".mesh", "watch", "history")).EnumerateFiles("*", SearchOption.AllDirectories).Sum(f => f.Length);

    private static Task<CommandLineRun> OnceAsync(TemporaryFolder folder) => CommandLineRun.WithAsync(
        MeshCommandLine.Verbs(), folder.FullName, CancellationToken.None, "state", "watch", ".", "--file", "queue=TASKS.md", "--interval", "5ms", "--once", "--json");

    private static Process Watch(string folder, params string[] options) => Process.Start(new ProcessStartInfo(
        "dotnet", [typeof(MeshCommandLine).Assembly.Location, "state", "watch", folder, "--file", "queue=TASKS.md", "--interval", "10ms", .. options])
    { UseShellExecute = false, RedirectStandardOutput = true })!;

    private static async Task UntilAsync(Func<bool> holds)
    {
        for (long from = Stopwatch.GetTimestamp(); !holds(); await Task.Delay(25, TestContext.Current.CancellationToken))
            Assert.True(Stopwatch.GetElapsedTime(from) < Generous, "did not come about");
    }
}
