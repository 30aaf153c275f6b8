using System.Text.Json;
using Mesh30K.Cli.Commands;

namespace Mesh30K.Cli.Tests;

public sealed class MeshCommandLineTests
{
    [Fact]
    public async Task Without_a_verb_the_help_lists_every_verb()
    {
        CommandLineRun run = await CommandLineRun.OfAsync();
        Assert.Equal(ExitCode.Ok, run.Exit);
        foreach (VerbCommand verb in MeshCommandLine.Verbs()) Assert.Contains($"  {verb.Name} ", run.Out, StringComparison.Ordinal);
        Assert.Contains("Exit codes:", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_verb_has_help_with_examples_that_start_with_itself()
    {
        foreach (VerbCommand verb in MeshCommandLine.Verbs())
        {
            CommandLineRun run = await CommandLineRun.OfAsync(verb.Name, "--help");
            Assert.Equal(ExitCode.Ok, run.Exit);
            Assert.StartsWith(verb.Description!, run.Out, StringComparison.Ordinal);
            Assert.Contains($"mesh {verb.Name}", run.Out, StringComparison.Ordinal);
            Assert.NotEmpty(verb.Examples);
            Assert.All(verb.Examples, e => Assert.Contains($"mesh {verb.Name}", e, StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task Every_verb_takes_json_even_for_its_help()
    {
        foreach (VerbCommand verb in MeshCommandLine.Verbs())
        {
            CommandLineRun run = await CommandLineRun.OfAsync(verb.Name, "--help", "--json");
            Assert.Contains("--json", run.Json().GetProperty("help").GetString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Version_tells_version_and_commit()
    {
        CommandLineRun text = await CommandLineRun.OfAsync("--version");
        Assert.Matches(@"^mesh \d+\.\d+\.\d+( \(commit [0-9a-f]{12}\))?\n$", text.Out);
        CommandLineRun json = await CommandLineRun.OfAsync("--version", "--json");
        Assert.Equal(BuildVersion.Current.Version, json.Json().GetProperty("version").GetString());
        Assert.True(json.Json().TryGetProperty("commit", out _));
    }

    [Theory]
    [InlineData("0.1.0+0123456789abcdef", "0.1.0", "0123456789ab")]
    [InlineData("0.1.0", "0.1.0", null)]
    public void Version_is_split_from_its_commit(string informational, string version, string? commit) =>
        Assert.Equal(new BuildVersion(version, commit), BuildVersion.Parse(informational));

    [Theory]
    [InlineData("docter", "unknown_verb", "unknown verb \"docter\"", "Did you mean \"doctor\"? See `mesh --help`.")]
    [InlineData("zzzzzz", "unknown_verb", "unknown verb \"zzzzzz\"", "See `mesh --help`.")]
    [InlineData("doctor --fleat x", "unknown_option", "unknown option \"--fleat\" for mesh doctor", "Did you mean \"--fleet\"? See `mesh doctor --help`.")]
    [InlineData("doctor x", "unexpected_argument", "mesh doctor does not take \"x\"", "See `mesh doctor --help`.")]
    [InlineData("completion", "argument_missing", "mesh completion needs <shell>: bash, zsh or fish", "See `mesh completion --help`.")]
    [InlineData("completion tcsh", "usage", "Argument 'tcsh' not recognized. Must be one of: 'bash' 'zsh' 'fish'", "See `mesh completion --help`.")]
    [InlineData("agents --sector x", "bad_value", "--sector must be a whole number of at most 2147483647, was x", "See `mesh agents --help`.")]
    [InlineData("simulate --agents 99999999999", "bad_value", "--agents must be a whole number of at most 2147483647, was 99999999999", "See `mesh simulate --help`.")]
    [InlineData("simulate --seed -1", "bad_value", "--seed must be a whole number from 0 to 18446744073709551615, was -1", "See `mesh simulate --help`.")]
    [InlineData("--verbose", "verb_missing", "mesh needs a verb: doctor, completion", "See `mesh --help`.")]
    public async Task Wrong_usage_is_one_message_with_a_hint(string line, string code, string message, string hint)
    {
        string[] args = line.Split(' ');
        CommandLineRun text = await CommandLineRun.OfAsync(args);
        Assert.Equal(ExitCode.Usage, text.Exit);
        Assert.Empty(text.Out);
        if (code != "verb_missing") Assert.Equal($"mesh: {message}\n      {hint}\n", text.Error);

        CommandLineRun json = await CommandLineRun.OfAsync([.. args, "--json"]);
        Assert.Equal(ExitCode.Usage, json.Exit);
        JsonElement error = json.Json().GetProperty("error");
        Assert.Equal(code, error.GetProperty("code").GetString());
        if (code != "verb_missing") Assert.Equal(message, error.GetProperty("message").GetString());
        Assert.Equal(hint, error.GetProperty("hint").GetString());
    }

    [Fact]
    public async Task A_bug_is_one_line_without_a_stack_trace_unless_asked_for()
    {
        ProbeVerb verb = new(_ => throw new InvalidOperationException("the tally\nis negative"));
        CommandLineRun plain = await RunAsync(verb, CancellationToken.None, "probe");
        Assert.Equal(ExitCode.InternalBug, plain.Exit);
        Assert.StartsWith("mesh: unexpected InvalidOperationException: the tally is negative\n", plain.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", plain.Error, StringComparison.Ordinal);

        CommandLineRun verbose = await RunAsync(new ProbeVerb(_ => throw new InvalidOperationException("x")), CancellationToken.None, "probe", "--verbose", "--json");
        Assert.Equal("internal_bug", verbose.Json().GetProperty("error").GetProperty("code").GetString());
        Assert.Contains("   at ", verbose.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_known_failure_ends_with_its_own_exit_code()
    {
        ProbeVerb verb = new(_ => throw new CliException(new CliError(ExitCode.NodeUnreachable, "node_unreachable", "no node at 127.0.0.1:7300", "Start one.")));
        CommandLineRun run = await RunAsync(verb, CancellationToken.None, "probe", "--json");
        Assert.Equal(ExitCode.NodeUnreachable, run.Exit);
        Assert.Equal("""{"error":{"code":"node_unreachable","message":"no node at 127.0.0.1:7300","hint":"Start one."}}""" + "\n", run.Out);
    }

    [Fact]
    public async Task A_verb_that_gives_no_json_is_a_bug()
    {
        CommandLineRun run = await RunAsync(new ProbeVerb(_ => Task.FromResult(ExitCode.Ok)), CancellationToken.None, "probe", "--json");
        Assert.Equal(ExitCode.InternalBug, run.Exit);
        Assert.Equal("internal_bug", run.Json().GetProperty("error").GetProperty("code").GetString());
    }

    [Fact]
    public async Task A_failure_after_the_result_leaves_one_object_on_stdout()
    {
        ProbeVerb verb = new(run =>
        {
            run.Output.Result(new { Decision = "RETRY" }, _ => { });
            throw new CliException(new CliError(ExitCode.NotAchieved, "too_late", "too late"));
        });
        CommandLineRun run = await RunAsync(verb, CancellationToken.None, "probe", "--json");
        Assert.Equal(ExitCode.NotAchieved, run.Exit);
        Assert.Equal("RETRY", run.Json().GetProperty("decision").GetString());
        Assert.Contains("too late", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ctrl_C_stops_a_verb_that_listens()
    {
        using CancellationTokenSource stop = new();
        ProbeVerb verb = new(async run =>
        {
            await stop.CancelAsync();
            await Task.Delay(Timeout.Infinite, run.Stop);
            return ExitCode.Ok;
        });
        CommandLineRun run = await RunAsync(verb, stop.Token, "probe");
        Assert.Equal(ExitCode.Interrupted, run.Exit);
        Assert.Equal("mesh: interrupted\n", run.Error);
    }

    [Fact]
    public async Task Ctrl_C_leaves_a_verb_behind_that_does_not_listen()
    {
        using CancellationTokenSource stop = new();
        TaskCompletionSource<ExitCode> never = new();
        ProbeVerb verb = new(_ =>
        {
            stop.Cancel();
            return never.Task;
        });
        CommandLineRun run = await RunAsync(verb, stop.Token, "probe", "--json");
        Assert.Equal(ExitCode.Interrupted, run.Exit);
        Assert.Equal("interrupted", run.Json().GetProperty("error").GetProperty("code").GetString());
    }

    private static Task<CommandLineRun> RunAsync(ProbeVerb verb, CancellationToken stop, params string[] args) =>
        CommandLineRun.WithAsync([verb], Path.GetTempPath(), stop, args);

    private sealed class ProbeVerb(Func<VerbRun, Task<ExitCode>> does) : VerbCommand("probe", "A verb of this test")
    {
        public override IReadOnlyList<string> Examples { get; } = ["mesh probe"];

        public override Task<ExitCode> RunAsync(VerbRun run) => does(run);
    }
}
