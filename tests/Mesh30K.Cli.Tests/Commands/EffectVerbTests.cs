using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json;
using Mesh30K.Cli.Execution;
using Mesh30K.Consistency.Strong.Effects;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Node.Ledger;
using Mesh30K.Node.Storage;
using Mesh30K.Protocol.Json;

namespace Mesh30K.Cli.Tests.Commands;

public sealed class EffectVerbTests : IDisposable
{
    private static readonly TimeSpan Generous = TimeSpan.FromSeconds(60);

    private readonly TemporaryFolder _folder = new();

    private string Lines => Path.Combine(_folder.FullName, "lines");

    [Fact]
    public async Task A_command_runs_once_and_its_output_and_exit_code_are_replayed()
    {
        for (int i = 0; i < 2; i++)
        {
            CommandLineRun run = await RunAsync("effect", "run", "--key", "a", "--", "sh", "-c", "echo x >> lines; echo out $MESH_EFFECT_KEY $MESH_EFFECT_EPOCH $MESH_EFFECT_PRINCIPAL");
            Assert.Equal((ExitCode.Ok, "out a 1 default\n"), (run.Exit, run.Out));
            CommandLineRun failed = await RunAsync("effect", "run", "--key", "b", "--json", "--", "sh", "-c", "echo y >> lines; echo no; exit 7");
            JsonElement told = failed.Json();
            Assert.Equal((7, "failed", i == 1, "no\n"), ((int)failed.Exit, told.GetProperty("ending").GetString(), told.GetProperty("replayed").GetBoolean(), told.GetProperty("output").GetString()));
        }
        Assert.Equal("x\ny\n", File.ReadAllText(Lines));
    }

    [Fact]
    public async Task Another_command_or_stdin_under_the_key_is_refused()
    {
        Assert.Equal("one", (await RunWithStdinAsync("one", "effect", "run", "--key", "a", "--stdin", "--", "cat")).Out);
        Assert.Equal("one", (await RunWithStdinAsync("one", "effect", "run", "--key", "a", "--stdin", "--", "cat")).Out);
        foreach (CommandLineRun other in (CommandLineRun[])
        [
            await RunWithStdinAsync("two", "effect", "run", "--key", "a", "--stdin", "--", "cat"), await RunAsync("effect", "run", "--key", "a", "--", "cat", "-n"),
            await RunWithStdinAsync("one", "effect", "run", "--key", "a", "--stdin", "--honours-key", "--", "cat"),
        ])
        {
            Assert.Equal((ExitCode.Usage, ""), (other.Exit, other.Out));
            Assert.Contains("refused a", other.Error, StringComparison.Ordinal);
        }
        Assert.Equal(ExitCode.Ok, (await RunAsync("effect", "run", "--key", "a", "--principal", "bob", "--", "true")).Exit);
    }

    [Fact]
    public async Task What_did_not_run_runs_next_time_and_a_signal_or_a_time_out_is_in_doubt()
    {
        Assert.Equal(ExitCode.RunAgain, (await RunAsync("effect", "run", "--key", "missing", "--", "./later")).Exit);
        File.WriteAllText(Path.Combine(_folder.FullName, "later"), "#!/bin/sh\necho there\n");
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(Path.Combine(_folder.FullName, "later"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        Assert.Equal("there\n", (await RunAsync("effect", "run", "--key", "missing", "--", "./later")).Out);
        string[] busy = ["effect", "run", "--key", "busy", "--retry-on", "75", "--", "sh", "-c", "test -e lines || { touch lines; exit 75; }; echo at last"];
        Assert.Equal(ExitCode.RunAgain, (await RunAsync(busy)).Exit);
        Assert.Equal("at last\n", (await RunAsync(busy)).Out);
        foreach (string[] doubtful in (string[][])[["--key", "signal", "--", "sh", "-c", "kill -9 $$"], ["--key", "slow", "--timeout", "100ms", "--", "sleep", "60"]])
        {
            CommandLineRun run = await RunAsync(["effect", "run", .. doubtful]);
            Assert.True(run.Exit == ExitCode.InDoubt, run.Error);
            Assert.Equal(ExitCode.InDoubt, (await RunAsync(["effect", "run", .. doubtful])).Exit);
        }
        JsonElement listed = (await RunAsync("effect", "list", "--status", "in-doubt", "--json")).Json();
        Assert.Equal(["signal", "slow"], listed.GetProperty("effects").EnumerateArray().Select(e => e.GetProperty("key").GetString()!));
    }

    [Fact]
    public async Task A_person_decides_on_what_is_in_doubt()
    {
        string[] killed = ["--", "sh", "-c", "echo x >> lines; test $(wc -l < lines) -gt 3 || kill -9 $$"];
        foreach (string key in (string[])["a", "b", "c"]) Assert.Equal(ExitCode.InDoubt, (await RunAsync(["effect", "run", "--key", key, .. killed])).Exit);
        Assert.Equal("confirmation_needed", (await RunAsync("effect", "resolve", "a", "--done", "--json")).Json().GetProperty("error").GetProperty("code").GetString());
        Assert.Equal(ExitCode.Ok, (await RunAsync("effect", "resolve", "a", "--done", "--dry-run")).Exit);
        Assert.Equal("in_doubt", await StatusAsync("a"));
        Assert.Equal(ExitCode.Ok, (await RunAsync("effect", "resolve", "a", "--done", "--output", "it is live", "--note", "looked", "--yes")).Exit);
        Assert.Equal("it is live\n", (await RunAsync(["effect", "run", "--key", "a", .. killed])).Out);
        Assert.Equal(ExitCode.Ok, (await RunAsync("effect", "resolve", "b", "--not-done", "--yes")).Exit);
        Assert.Equal(ExitCode.Ok, (await RunAsync(["effect", "run", "--key", "b", .. killed])).Exit);
        Assert.Equal(ExitCode.Ok, (await RunAsync("effect", "resolve", "c", "--abandon", "--yes")).Exit);
        Assert.Equal(ExitCode.Abandoned, (await RunAsync(["effect", "run", "--key", "c", .. killed])).Exit);
        Assert.Equal(ExitCode.NotAchieved, (await RunAsync("effect", "resolve", "b", "--done", "--yes")).Exit);
        Assert.Equal(4, File.ReadAllLines(Lines).Length);
    }

    [Fact]
    public async Task Long_output_is_kept_to_its_bound_and_that_is_said()
    {
        string[] args = ["effect", "run", "--key", "a", "--", "sh", "-c", "head -c 100000 /dev/zero | tr '\\0' a"];
        CommandLineRun first = await RunAsync(args), again = await RunAsync(args);
        Assert.Equal((100_000, RecordedOutput.BytesMax), (first.Out.Length, again.Out.Length));
        Assert.All((string[])[first.Error, again.Error], e => Assert.Contains("its beginning", e, StringComparison.Ordinal));
    }

    /// <summary>Whoever reads stdout has stopped reading, as a terminal that is held: what is recorded then is a beginning and says so, and a command that goes on is told to end when its time is over.</summary>
    [Theory]
    [InlineData("head -c 40000 /dev/zero", null)]
    [InlineData("head -c 400000 /dev/zero; sleep 60", 0.5)]
    public async Task Output_that_nobody_takes_keeps_nothing_from_ending(string command, double? timeoutS)
    {
        if (OperatingSystem.IsWindows()) Assert.Skip("needs sh");
        CancellationToken cancel = TestContext.Current.CancellationToken;
        using ManualResetEventSlim taken = new();
        EffectContext context = new(new EffectRequest("default", "a", PayloadHash.Of("r"u8), HonoursKey: false), 1, 1, CancellationToken.None);
        TimeSpan? timeout = timeoutS is { } seconds ? TimeSpan.FromSeconds(seconds) : null;
        EffectChildOptions options = new(["sh", "-c", command], _folder.FullName, default, timeout, KeepRunning: false, static _ => false, _ => taken.Wait(cancel));
        try
        {
            EffectOutcome outcome = await Task.Run(() => EffectChild.RunAsync(options, context, cancel), cancel).WaitAsync(TimeSpan.FromSeconds(30), cancel);
            Assert.Equal(timeout is null ? EffectReport.Done : null, outcome.Report);
            if (timeout is not null) Assert.Contains("did not end within 0.5 s", outcome.Why, StringComparison.Ordinal);
            else Assert.True(RecordedOutput.Read(outcome.Output) is { Truncated: true, Bytes.Length: > 0 and < 40_000 });
        }
        finally
        {
            taken.Set();
        }
    }

    [Fact]
    public async Task Killed_while_the_command_runs_it_is_in_doubt_and_the_next_run_does_not_run_it()
    {
        string[] args = ["effect", "run", "--key", "a", "--lease", "1s", "--", "sh", "-c", "echo x >> lines; test -e go || sleep 60"];
        using (Process mesh = Start(args))
        {
            await UntilAsync(() => File.Exists(Lines) && new FileInfo(Lines).Length > 0);
            mesh.Kill(); // mesh alone, as kill -9 does
            await mesh.WaitForExitAsync(TestContext.Current.CancellationToken);
        }
        CommandLineRun next = await RunAsync(args);
        Assert.True(next.Exit == ExitCode.InDoubt, next.Error);
        Assert.Single(File.ReadAllLines(Lines));
        _folder.Write("go", "");
        Assert.Equal(ExitCode.Ok, (await RunAsync("effect", "resolve", "a", "--not-done", "--yes")).Exit);
        Assert.Equal(ExitCode.Ok, (await RunAsync(args)).Exit);
        Assert.Equal(2, File.ReadAllLines(Lines).Length);
    }

    /// <summary>As when a machine sleeps: its lease ends, a person finds that nothing came of it, another run does it. The first command must not go on beside the second, unless it is to.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task When_another_run_was_given_the_effect_the_command_is_told_to_end_unless_it_is_to_go_on(bool goesOn)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "stops processes by signals, and sees by /proc that they stand");
        string[] args = ["effect", "run", "--key", "a", "--lease", "1s", .. goesOn ? (string[])["--keep-running"] : [], "--", "sh", "-c", "trap 'echo told >> lines; exit 9' TERM; echo $MESH_EFFECT_EPOCH >> lines; until test -e go; do sleep 0.05; done; echo ended >> lines"];
        using Process mesh = Start(args);
        Process? second = null;
        try
        {
            await UntilAsync(() => File.Exists(Lines) && new FileInfo(Lines).Length > 0);
            await StopWithoutLockAsync(mesh);
            for (long from = Stopwatch.GetTimestamp(); await StatusAsync("a") != "in_doubt"; await Task.Delay(50, TestContext.Current.CancellationToken))
                Assert.True(Stopwatch.GetElapsedTime(from) < Generous, "the lease did not end");
            Assert.Equal(ExitCode.Ok, (await RunAsync("effect", "resolve", "a", "--not-done", "--yes")).Exit);
            second = Start(args);
            await UntilAsync(() => File.ReadAllLines(Lines).Length == 2);
            Signal(mesh, "CONT");
            if (!goesOn) await UntilAsync(() => File.ReadAllLines(Lines).Contains("told"));
            else await Task.WhenAny(mesh.WaitForExitAsync(TestContext.Current.CancellationToken), Task.Delay(1_500, TestContext.Current.CancellationToken)); // several times as long as it takes to hear of it
            _folder.Write("go", "");
            foreach (Process process in (Process[])[mesh, second]) await process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(Generous, TestContext.Current.CancellationToken);
            Assert.Equal(goesOn ? ["1", "2", "ended", "ended"] : ["1", "2", "ended", "told"], File.ReadAllLines(Lines).Order(StringComparer.Ordinal));
            Assert.Equal(0, second.ExitCode);
            Assert.Equal("done", await StatusAsync("a"));
        }
        finally
        {
            foreach (Process? left in (Process?[])[mesh, second])
                if (left is { HasExited: false }) left.Kill(entireProcessTree: true);
            second?.Dispose();
        }
    }

    [Fact]
    public async Task Many_processes_at_once_on_one_key_run_it_once_and_all_have_its_output()
    {
        Process[] all = [.. Enumerable.Range(0, 20).Select(_ => Start("effect", "run", "--key", "a", "--", "sh", "-c", "echo x >> lines; sleep 0.3; echo done"))];
        string[] outputs = await Task.WhenAll(all.Select(p => p.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken)));
        foreach (Process process in all)
        {
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.Equal(0, process.ExitCode);
            process.Dispose();
        }
        Assert.All(outputs, o => Assert.Equal("done\n", o));
        Assert.Single(File.ReadAllLines(Lines));
    }

    [Fact]
    public async Task A_request_is_sent_once_with_its_key_and_statuses_mean_what_they_say()
    {
        using HttpListener server = Listen(out string url);
        List<string> keys = [];
        Task serving = ServeAsync(server, context =>
        {
            keys.Add(context.Request.Headers["Idempotency-Key"]!);
            context.Response.StatusCode = int.Parse(context.Request.Url!.AbsolutePath.Trim('/'), System.Globalization.CultureInfo.InvariantCulture);
            context.Response.Close(Encoding.UTF8.GetBytes($"answer {keys.Count}"), willBlock: true);
        });
        for (int i = 0; i < 2; i++)
        {
            Assert.Equal((ExitCode.Ok, "answer 1"), await HttpAsync("made", url + "201", "--data", "{}"));
            Assert.Equal((ExitCode.NotAchieved, "answer 2"), await HttpAsync("wrong", url + "422"));
            Assert.Equal(ExitCode.InDoubt, (await HttpAsync("broke", url + "500")).Exit);
        }
        Assert.Equal(["made", "wrong", "broke"], keys);
        Assert.Equal(ExitCode.RunAgain, (await HttpAsync("later", url + "429")).Exit);
        Assert.Equal(ExitCode.RunAgain, (await HttpAsync("honoured", url + "500", "--honours-key")).Exit);
        Assert.Equal(3, keys.Count(k => k == "honoured"));
        Assert.Equal(ExitCode.Usage, (await HttpAsync("named", url + "201", "--header", "X-Name: Zoë")).Exit); // no header can say that: nothing was started that could be in doubt
        server.Stop();
        Assert.Equal(ExitCode.RunAgain, (await HttpAsync("nobody", url + "201")).Exit); // connection refused: surely not run
        Assert.Equal(ExitCode.RunAgain, (await HttpAsync("patient", url + "201", "--timeout", "30d")).Exit);
        await serving;
    }

    [Theory]
    [InlineData(204, EffectReport.Done)]
    [InlineData(303, EffectReport.Done)]
    [InlineData(307, EffectReport.Failed)]
    [InlineData(404, EffectReport.Failed)]
    [InlineData(409, EffectReport.Failed)]
    [InlineData(425, EffectReport.NotRun)]
    [InlineData(401, EffectReport.NotRun)]
    [InlineData(403, EffectReport.Failed)]
    [InlineData(408, null)]
    [InlineData(503, null)]
    public void A_status_says_whether_it_took_place(int status, EffectReport? report) => Assert.Equal(report, EffectHttp.ReportOf((HttpStatusCode)status, honoursKey: false));

    [Theory]
    [InlineData("effect", "run", "--key", " ", "--", "true")]
    [InlineData("effect", "run", "--key", "a", "--lease", "5x", "--", "true")]
    [InlineData("effect", "run", "--key", "a", "--retry-on", "0", "--", "true")]
    [InlineData("effect", "http", "--key", "a b", "http://127.0.0.1:1/")]
    [InlineData("effect", "http", "--key", "a", "ftp://127.0.0.1/")]
    [InlineData("effect", "http", "--key", "a", "http://127.0.0.1:1/", "--header", "Idempotency-Key: b")]
    [InlineData("effect", "list", "--status", "odd")]
    [InlineData("effect", "show", "nothing")]
    [InlineData("effect", "resolve", "a", "--done", "--abandon")]
    public async Task Wrong_input_is_told_and_nothing_runs(params string[] args)
    {
        CommandLineRun run = await RunAsync(args);
        Assert.Equal((ExitCode.Usage, ""), (run.Exit, run.Out));
        Assert.StartsWith("mesh: ", run.Error, StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Dispose();

    private static HttpListener Listen(out string url)
    {
        for (int port = 20_000 + (Environment.ProcessId % 10_000); ; port++)
        {
            HttpListener listener = new();
            url = $"http://127.0.0.1:{port}/";
            listener.Prefixes.Add(url);
            try
            {
                listener.Start();
                return listener;
            }
            catch (HttpListenerException)
            {
                listener.Close(); // taken
            }
        }
    }

    private static async Task ServeAsync(HttpListener server, Action<HttpListenerContext> answer)
    {
        try
        {
            while (true) answer(await server.GetContextAsync());
        }
        catch (Exception stopped) when (stopped is HttpListenerException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        for (long from = Stopwatch.GetTimestamp(); !condition(); await Task.Delay(10, TestContext.Current.CancellationToken))
            Assert.True(Stopwatch.GetElapsedTime(from) < Generous, "it did not come to that");
    }

    private async Task<(ExitCode Exit, string Out)> HttpAsync(string key, string url, params string[] more)
    {
        CommandLineRun run = await RunAsync(["effect", "http", "--key", key, url, .. more]);
        return (run.Exit, run.Out);
    }

    private async Task<string?> StatusAsync(string key) => (await RunAsync("effect", "show", key, "--json")).Json().GetProperty("effect").GetProperty("status").GetString();

    private Task<CommandLineRun> RunAsync(params string[] args) => RunWithStdinAsync("", args);

    private Task<CommandLineRun> RunWithStdinAsync(string stdin, params string[] args) =>
        CommandLineRun.WithAsync(MeshCommandLine.Verbs(), _folder.FullName, CancellationToken.None, args, stdin).WaitAsync(Generous, TestContext.Current.CancellationToken);

    /// <summary>Stops it (SIGSTOP) while it does not hold the ledger's lock, which nobody else could have then.</summary>
    private async Task StopWithoutLockAsync(Process process)
    {
        using JournalFolder journal = JournalFolder.Open(Path.Combine(_folder.FullName, ".mesh", "ledger", "journal"));
        for (long from = Stopwatch.GetTimestamp(); ; await Task.Delay(20, TestContext.Current.CancellationToken))
        {
            Signal(process, "STOP");
            await UntilAsync(() => Directory.GetDirectories($"/proc/{process.Id}/task").All(task => File.ReadAllText(Path.Combine(task, "stat")).Contains(") T ", StringComparison.Ordinal)));
            if (journal.TryLock(TimeSpan.Zero, TestContext.Current.CancellationToken)) break;
            Signal(process, "CONT");
            Assert.True(Stopwatch.GetElapsedTime(from) < Generous, "it never let the ledger go");
        }
        journal.Unlock();
    }

    private static void Signal(Process process, string signal)
    {
        using Process kill = Process.Start("kill", [$"-{signal}", $"{process.Id}"]);
        kill.WaitForExit();
    }

    private Process Start(params string[] args)
    {
        ProcessStartInfo start = new("dotnet", [Path.Combine(AppContext.BaseDirectory, "mesh.dll"), .. args]) { WorkingDirectory = _folder.FullName, UseShellExecute = false, RedirectStandardOutput = true };
        return Process.Start(start)!;
    }
}
