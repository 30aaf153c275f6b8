using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Mesh30K.Cli.Tests.Queue;

public sealed class QueueWorkTests
{
    /// <summary>Renewed each 4 s: a machine that stands still for some seconds does not lose it.</summary>
    private const string Lease = "12s";

    private static readonly TimeSpan Generous = TimeSpan.FromSeconds(60);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_worker_does_what_is_ready_in_order_and_completes_with_the_output()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the commands are for a shell");
        using QueueFixture queue = new();
        await queue.OkAsync("push", "--chain", "build", "test");
        CommandLineRun run = await queue.OkAsync("work", "--agent", "ana", "--until-empty", "--json", "--", "sh", "-c", "cat > seen-$MESH_ID; echo \"$MESH_AGENT did $MESH_TEXT\"");
        Assert.Equal((2, 0, 0), (Count(run, "done"), Count(run, "failed"), Count(run, "lost")));
        JsonElement entries = (await queue.OkAsync("list", "--json")).Json().GetProperty("entries");
        Assert.Equal(["ana did build", "ana did test"], [.. entries.EnumerateArray().Select(e => e.GetProperty("result").GetString()!)]);
        Assert.Equal("test", JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(queue.Folder.FullName, "seen-2"), Cancel)).RootElement.GetProperty("text").GetString());
    }

    [Fact]
    public async Task A_command_that_fails_is_tried_again_from_its_checkpoint()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the commands are for a shell");
        using QueueFixture queue = new();
        await queue.OkAsync("push", "--attempts", "2", "index");
        string[] work = ["work", "--agent", "ana", "--once", "--retry", "0s", "--", "sh", "-c", "test -n \"$MESH_CHECKPOINT\" && echo from $MESH_CHECKPOINT && exit 0; echo half > $MESH_CHECKPOINT_FILE; echo oh no >&2; exit 3"];
        CommandLineRun first = await queue.RunAsync(work);
        Assert.Equal(ExitCode.NotAchieved, first.Exit);
        Assert.Contains("1: exit code 3: oh no", first.Error, StringComparison.Ordinal);
        await queue.OkAsync(work);
        JsonElement entry = (await queue.OkAsync("list", "--json")).Json().GetProperty("entries")[0];
        Assert.Equal(("from half", "half", 2), (entry.GetProperty("result").GetString(), entry.GetProperty("checkpoint").GetString(), entry.GetProperty("attempts").GetInt32()));
    }

    [Fact]
    public async Task The_lease_is_renewed_and_the_checkpoint_recorded_while_the_command_runs()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the commands are for a shell");
        using QueueFixture queue = new();
        await queue.OkAsync("push", "slow");
        string go = Path.Combine(queue.Folder.FullName, "go");
        Task<CommandLineRun> work = queue.RunAsync("work", "--agent", "ana", "--once", "--lease", Lease, "--", "sh", "-c", $"echo part > $MESH_CHECKPOINT_FILE; while ! test -e {go}; do sleep 0.05; done");
        JsonElement entry = await WhenAsync(queue, e => e.TryGetProperty("checkpoint", out _));
        DateTimeOffset until = entry.GetProperty("lease_until").GetDateTimeOffset();
        entry = await WhenAsync(queue, e => e.GetProperty("status").GetString() == "claimed" && e.GetProperty("lease_until").GetDateTimeOffset() > until + TimeSpan.FromMilliseconds(500));
        Assert.Equal(("part", 1), (entry.GetProperty("checkpoint").GetString(), entry.GetProperty("attempts").GetInt32()));
        await File.WriteAllTextAsync(go, "", Cancel);
        Assert.Equal(ExitCode.Ok, (await work).Exit);
    }

    [Fact]
    public async Task The_command_is_killed_when_the_lease_is_lost()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the commands are for a shell");
        using QueueFixture queue = new();
        await queue.OkAsync("push", "slow");
        string alive = Path.Combine(queue.Folder.FullName, "alive");
        Task<CommandLineRun> work = queue.RunAsync("work", "--agent", "ana", "--once", "--lease", Lease, "--", "sh", "-c", $"echo $$ > {alive}; sleep 60");
        await WhenAsync(queue, e => e.GetProperty("status").GetString() == "claimed" && File.Exists(alive));
        await queue.OkAsync("cancel", "1", "--yes");
        CommandLineRun ended = await work.WaitAsync(Generous, Cancel);
        Assert.Equal((ExitCode.NotAchieved, "0 done, 0 failed, 1 lost\n"), (ended.Exit, ended.Out));
    }

    [Fact]
    public async Task A_command_that_cannot_be_started_gives_the_task_back()
    {
        using QueueFixture queue = new();
        await queue.OkAsync("push", "build");
        CommandLineRun run = await queue.RunAsync("work", "--agent", "ana", "--once", "--", "./no-such-command");
        Assert.Equal(ExitCode.Usage, run.Exit);
        JsonElement entry = (await queue.OkAsync("list", "--json")).Json().GetProperty("entries")[0];
        Assert.Equal(("ready", 0), (entry.GetProperty("status").GetString(), entry.GetProperty("attempts").GetInt32()));
    }

    [Fact]
    public async Task A_task_is_done_when_its_command_ends_although_what_it_started_holds_the_output()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the commands are for a shell");
        using QueueFixture queue = new();
        await queue.OkAsync("push", "start a server");
        string pid = Path.Combine(queue.Folder.FullName, "pid");
        try
        {
            CommandLineRun run = await queue.OkAsync("work", "--agent", "ana", "--once", "--", "sh", "-c", $"sleep 60 & echo $! > {pid}; echo started").WaitAsync(Generous, Cancel);
            Assert.Equal("1 done, 0 failed, 0 lost\n", run.Out);
            Assert.Equal("started", (await queue.OkAsync("list", "--json")).Json().GetProperty("entries")[0].GetProperty("result").GetString());
        }
        finally
        {
            using Process left = Process.GetProcessById(int.Parse(await File.ReadAllTextAsync(pid, Cancel), CultureInfo.InvariantCulture));
            left.Kill();
        }
    }

    [Fact]
    public async Task The_lease_is_renewed_although_the_command_does_not_read_a_task_that_no_pipe_holds()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the commands are for a shell");
        using QueueFixture queue = new();
        await queue.OkAsync("push", new string('x', 60_000));
        await queue.OkAsync("next", "--agent", "bob");
        await queue.OkAsync("checkpoint", "1", "--token", "1", new string('y', 60_000));
        await queue.OkAsync("release", "1", "--token", "1");
        string go = Path.Combine(queue.Folder.FullName, "go");
        Task<CommandLineRun> work = queue.RunAsync("work", "--agent", "ana", "--once", "--lease", Lease, "--", "sh", "-c", $"while ! test -e {go}; do sleep 0.05; done");
        try
        {
            DateTimeOffset until = (await WhenAsync(queue, e => e.GetProperty("status").GetString() == "claimed")).GetProperty("lease_until").GetDateTimeOffset();
            await WhenAsync(queue, e => e.TryGetProperty("lease_until", out JsonElement now) && now.GetDateTimeOffset() > until);
        }
        finally
        {
            await File.WriteAllTextAsync(go, "", Cancel);
        }
        Assert.Equal(ExitCode.Ok, (await work).Exit);
    }

    [Fact]
    public async Task A_command_may_remove_the_folder_of_its_checkpoint_file()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the commands are for a shell");
        using QueueFixture queue = new();
        await queue.OkAsync("push", "clean");
        CommandLineRun run = await queue.OkAsync("work", "--agent", "ana", "--once", "--", "sh", "-c", "rm -r \"$(dirname \"$MESH_CHECKPOINT_FILE\")\"");
        Assert.Equal("1 done, 0 failed, 0 lost\n", run.Out);
    }

    private static int Count(CommandLineRun run, string name) => run.Json().GetProperty(name).GetInt32();

    /// <summary>The first entry when it is so.</summary>
    private static async Task<JsonElement> WhenAsync(QueueFixture queue, Func<JsonElement, bool> holds)
    {
        for (long from = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(from) < Generous;)
        {
            JsonElement entry = (await queue.OkAsync("list", "--json")).Json().GetProperty("entries")[0];
            if (holds(entry)) return entry;
            await Task.Delay(50, Cancel);
        }
        throw new TimeoutException("it did not become so in time");
    }
}
