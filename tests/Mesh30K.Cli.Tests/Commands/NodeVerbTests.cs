using System.Text.Json;

namespace Mesh30K.Cli.Tests.Commands;

public sealed class NodeVerbTests
{
    /// <summary>What is answered counts also when the machine stands still for seconds; it ends when all have answered.</summary>
    private static readonly string[] Patient = ["--window", "20000", "--timeout", "30000"];

    [Fact]
    public async Task Every_verb_answers_with_one_object()
    {
        await using RunningNode node = await RunningNode.StartAsync();
        Assert.Equal((300, 3), (node.Started.GetProperty("agents").GetInt32(), node.Started.GetProperty("sectors").GetInt32()));
        JsonElement status = await Json(node, ExitCode.Ok, "status");
        Assert.Equal((300, "FULL"), (status.GetProperty("agents_active").GetInt32(), status.GetProperty("mode").GetString()));

        JsonElement cascade = await Json(node, null, "cascade", "--verb", "act", "--payload", """{"task":"x"}""");
        Assert.Equal(("ended", "wave", 400), (cascade.GetProperty("state").GetString(), cascade.GetProperty("cascade").GetString(), cascade.GetProperty("window_ms").GetInt32()));
        Assert.Equal(10, cascade.GetProperty("counts").GetProperty("skipped").GetInt32());
        string id = cascade.GetProperty("operation_id").GetString()!;

        Assert.Equal(id, (await Json(node, ExitCode.Ok, "operation", id)).GetProperty("operation_id").GetString());
        JsonElement roster = await Json(node, ExitCode.Ok, "operation", id, "--roster", "--reason", "insufficient_lead_time", "--limit", "3");
        Assert.Equal((10, 3), (roster.GetProperty("total").GetInt32(), roster.GetProperty("roster").GetArrayLength()));
        JsonElement asked = await Json(node, null, ["ask", "What is your context hash?", "--sample", "10", "--class", "edge", .. Patient]);
        Assert.Equal(10, asked.GetProperty("counts").GetProperty("targets").GetInt32());
        Assert.Equal(1, asked.GetProperty("answers").GetProperty("groups_total").GetInt32());
        JsonElement told = await Json(node, ExitCode.Ok, "broadcast", "Market closed early today", "--class", "edge", "--timeout", "8000");
        Assert.Equal(("broadcast", "fire-now", 200), (told.GetProperty("strategy").GetString(), told.GetProperty("planner").GetString(), told.GetProperty("counts").GetProperty("sent").GetInt32()));
        Assert.Equal(3, (await Json(node, ExitCode.Ok, "operations")).GetProperty("operations").GetArrayLength());
        Assert.Equal(10, (await Json(node, ExitCode.Ok, "agents", "--class", "human")).GetProperty("total").GetInt32());
        Assert.Equal(3, (await Json(node, ExitCode.Ok, "sectors")).GetProperty("total").GetInt32());
        Assert.Equal(2, (await Json(node, ExitCode.Ok, "sector", "1")).GetProperty("clusters").GetArrayLength());
        JsonElement dry = await Json(node, ExitCode.Ok, "cascade", "--dry-run", "--class", "edge");
        Assert.Equal((true, 200), (dry.GetProperty("dry_run").GetBoolean(), dry.GetProperty("would_send").GetInt32()));
        Assert.Equal(3, (await Json(node, ExitCode.Ok, "operations")).GetProperty("operations").GetArrayLength());
    }

    [Fact]
    public async Task Every_verb_has_words_for_people()
    {
        await using RunningNode node = await RunningNode.StartAsync();
        Assert.Contains("300 / 300 active (100.0%)", (await node.RunAsync("status", "--verbose")).Out, StringComparison.Ordinal);
        Assert.Contains("targets", (await node.RunAsync("cascade", "--strategy", "priority-first")).Out, StringComparison.Ordinal);
        // Which of the ten answer is the simulated network's matter: it loses some, and which depends on the moments of the sends.
        Assert.Matches("(^|[^0-9])([1-9]|10) responses?:", (await node.RunAsync(["ask", "hash?", "--sample", "10", "--class", "edge", .. Patient])).Out);
        Assert.Contains("200 of 200 agents", (await node.RunAsync("broadcast", "x", "--dry-run", "--class", "edge")).Out, StringComparison.Ordinal);
        Assert.Contains("priority-first sync", (await node.RunAsync("operations")).Out, StringComparison.Ordinal);
        CommandLineRun agents = await node.RunAsync("agents", "--limit", "2", "--sort", "impedance");
        Assert.Contains("2 of 300; more with --after", agents.Out, StringComparison.Ordinal);
        string one = (await node.RunAsync("agents", "--limit", "1", "--json")).Json().GetProperty("agents")[0].GetProperty("agent_id").GetString()!;
        Assert.Contains("reliability", (await node.RunAsync("agents", one)).Out, StringComparison.Ordinal);
        Assert.Contains("3 of 3 healthy", (await node.RunAsync("sectors")).Out, StringComparison.Ordinal);
        Assert.Contains("slowest", (await node.RunAsync("sector", "0")).Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_decision_that_is_not_proceed_is_exit_code_1()
    {
        await using RunningNode node = await RunningNode.StartAsync();
        JsonElement people = await Json(node, ExitCode.NotAchieved, "cascade", "--class", "human");
        Assert.Equal("NO_TARGETS", people.GetProperty("decision").GetProperty("decision").GetString());
        await Json(node, ExitCode.NotAchieved, "ask", "x", "--class", "human");
        await Json(node, ExitCode.NotAchieved, "ask", "x", "--capability", "no_such_thing");
    }

    [Theory]
    [InlineData("class", "cascade", "--class", "gpux")]
    [InlineData("strategy|cascade", "cascade", "--strategy", "waves")]
    [InlineData("verb", "cascade", "--verb", "sing")]
    [InlineData("--window", "cascade", "--window", "0")]
    [InlineData("--window", "cascade", "--window", "-5")]
    [InlineData("--window", "cascade", "--window", "soon")]
    [InlineData("timeout_ms", "cascade", "--window", "500", "--timeout", "100")]
    [InlineData("priority", "cascade", "--priority", "4")]
    [InlineData("planner", "cascade", "--planner", "magic")]
    [InlineData("not JSON", "cascade", "--payload", "{broken")]
    [InlineData("none.json", "cascade", "--payload", "@none.json")]
    [InlineData("--sample", "ask", "x", "--sample", "0")]
    [InlineData("<question>", "ask")]
    [InlineData("agent nobody", "agents", "nobody")]
    [InlineData("limit", "agents", "--limit", "0")]
    [InlineData("state", "agents", "--state", "happy")]
    [InlineData("sector 99", "sector", "99")]
    [InlineData("operation nonsense", "operation", "nonsense")]
    [InlineData("--roster", "operation", "x", "--reason", "offline")]
    public async Task Wrong_input_is_one_message_and_exit_code_2(string named, params string[] args)
    {
        await using RunningNode node = await RunningNode.StartAsync();
        CommandLineRun run = await node.RunAsync([.. args, "--json"]);
        string message = run.Json().GetProperty("error").GetProperty("message").GetString()!;
        Assert.Equal(ExitCode.Usage, run.Exit);
        Assert.Contains(named.Split('|'), n => message.Contains(n, StringComparison.Ordinal));
        Assert.Empty(run.Error);
        CommandLineRun plain = await node.RunAsync(args);
        Assert.StartsWith("mesh: ", plain.Error, StringComparison.Ordinal);
        Assert.Empty(plain.Out);
    }

    [Fact]
    public async Task A_payload_of_10_MB_is_refused_before_it_is_sent()
    {
        await using RunningNode node = await RunningNode.StartAsync();
        node.Folder.Write("big.json", $"\"{new string('x', 10_000_000)}\"");
        CommandLineRun run = await node.RunAsync("cascade", "--payload", "@big.json");
        Assert.Equal(ExitCode.Usage, run.Exit);
        Assert.Contains("larger than", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_node_or_its_key_the_exit_code_is_3_with_what_to_do()
    {
        using TemporaryFolder elsewhere = new();
        await Refused(elsewhere.FullName, "mesh up", "status");
        await using RunningNode node = await RunningNode.StartAsync();
        await Refused(elsewhere.FullName, "--key-file", "status", "--node", node.Address);
        await Refused(elsewhere.FullName, "--key-file", "status", "--node", node.Address, "--key-file", "missing.key");
        string wrong = elsewhere.Write("wrong.key", new string('A', 43) + "\n");
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(wrong, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead);
            await Refused(elsewhere.FullName, "chmod 600", "status", "--node", node.Address, "--key-file", "wrong.key");
            File.SetUnixFileMode(wrong, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
        await Refused(elsewhere.FullName, "does not accept", "status", "--node", node.Address, "--key-file", "wrong.key");
        Assert.Equal(ExitCode.Ok, (await RunningNode.RunInAsync(elsewhere.FullName, "status", "--node", node.Address, "--key-file", node.KeyFile)).Exit);
        string deep = Directory.CreateDirectory(Path.Combine(node.Folder.FullName, "a", "b")).FullName;
        Assert.Equal(ExitCode.Ok, (await RunningNode.RunInAsync(deep, "status")).Exit);
        CommandLineRun clear = await RunningNode.RunInAsync(node.Folder.FullName, "status", "--node", "http://203.0.113.1:7300");
        Assert.Contains("without TLS", clear.Error, StringComparison.Ordinal);
        string address = node.Address;
        Assert.Equal(ExitCode.Ok, await node.StopAsync());
        await Refused(node.Folder.FullName, "mesh up", "status");
        await Refused(node.Folder.FullName, "no node answers", "status", "--node", address);
    }

    [Fact]
    public async Task Up_says_why_it_cannot_start()
    {
        await using RunningNode node = await RunningNode.StartAsync();
        string port = new Uri(node.Address).Authority;
        CommandLineRun taken = await node.RunAsync("up", "--fleet", "fleet.yaml", "--listen", port, "--data-dir", "other");
        Assert.Equal(ExitCode.Usage, taken.Exit);
        Assert.Contains("port is in use", taken.Error, StringComparison.Ordinal);
        CommandLineRun second = await node.RunAsync("up", "--fleet", "fleet.yaml", "--listen", "127.0.0.1:0");
        Assert.Contains("runs already", second.Error, StringComparison.Ordinal);
        CommandLineRun open = await node.RunAsync("up", "--fleet", "fleet.yaml", "--listen", "0.0.0.0:0", "--data-dir", "other");
        Assert.Contains("without TLS", open.Error, StringComparison.Ordinal);
        CommandLineRun nowhere = await node.RunAsync("up", "--listen", "nowhere", "--fleet", "fleet.yaml");
        Assert.Contains("127.0.0.1:7300", nowhere.Error, StringComparison.Ordinal);
        CommandLineRun missing = await node.RunAsync("up", "--fleet", "missing.yaml");
        Assert.Contains("missing.yaml", missing.Error, StringComparison.Ordinal);
        if (!OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(Path.Combine(node.Folder.FullName, "loose"));
            File.SetUnixFileMode(node.Folder.Write(Path.Combine("loose", "operator.key"), new string('A', 43)), UnixFileMode.UserRead | UnixFileMode.GroupRead);
            CommandLineRun loose = await node.RunAsync("up", "--fleet", "fleet.yaml", "--listen", "127.0.0.1:0", "--data-dir", "loose");
            Assert.Equal(ExitCode.Usage, loose.Exit);
            Assert.Contains("chmod 600", loose.Error, StringComparison.Ordinal);
        }
        Assert.Equal(ExitCode.Ok, await node.StopAsync());
        Assert.False(File.Exists(Path.Combine(node.Folder.FullName, ".mesh", "node.json")));
        Assert.Contains("stopping", node.Errors, StringComparison.Ordinal);
    }

    private static async Task<JsonElement> Json(RunningNode node, ExitCode? expected, params string[] args)
    {
        CommandLineRun run = await node.RunAsync([.. args, "--json"]);
        Assert.True(expected is null || run.Exit == expected, $"{string.Join(' ', args)}: {run.Exit} {run.Out}");
        return run.Json();
    }

    private static async Task Refused(string folder, string hint, params string[] args)
    {
        CommandLineRun run = await RunningNode.RunInAsync(folder, args);
        Assert.True(run.Exit == ExitCode.NodeUnreachable, $"{run.Exit}: {run.Out} {run.Error}");
        Assert.Contains(hint, run.Error, StringComparison.Ordinal);
        Assert.Equal(2, run.Error.Trim().Split('\n').Length);
    }
}
