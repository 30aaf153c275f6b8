using System.Net;
using System.Net.Sockets;
using System.Text.Json;

namespace Mesh30K.Cli.Tests.Agents;

/// <summary>The agents of examples/agents join a running node as their READMEs say.</summary>
public sealed class ExampleAgentsTests
{
    private const int Agents = 4;
    private const int WindowMs = 20_000;
    private const int TimeoutMs = 25_000;

    [Fact]
    public async Task Agents_in_four_languages_are_READY_at_T_and_one_that_is_killed_is_in_TRANSIT_and_receives_once_when_it_is_back()
    {
        int port = FreePort();
        await using RunningNode node = await RunningNode.StartEmptyAsync("--allow-webhook", $"http://127.0.0.1:{port}/");
        string nodeFolder = ExampleAgent.CopyTo(node, "node");
        await SkipWithoutAsync(node, nodeFolder);

        using ExampleAgent dotnet = ExampleAgent.Start(node, Repository("examples/agents/dotnet"), WordsLines(node));
        using ExampleAgent shell = ExampleAgent.Start(node, ExampleAgent.CopyTo(node, "shell"), ExampleAgent.ReadmeLines("shell"));
        using ExampleAgent python = ExampleAgent.Start(node, ExampleAgent.CopyTo(node, "python"), [.. ExampleAgent.ReadmeLines("python").Select(line => line.Replace("7401", $"{port}", StringComparison.Ordinal))]);
        ExampleAgent hashes = ExampleAgent.Start(node, nodeFolder, ExampleAgent.ReadmeLines("node")[1..]);
        try
        {
            await Task.WhenAll(dotnet.WroteAsync("connected as words-1"), shell.WroteAsync("connected as shell-1"), hashes.WroteAsync("hash-1 is connected"), python.WroteAsync("count-1 listens on"));

            await AllReadyAsync(node);

            CommandLineRun asked = await node.RunAsync("ask", "three small words", "--capability", "example", "--window", $"{WindowMs}", "--timeout", $"{TimeoutMs}");
            Assert.Contains("3 words, 17 characters", asked.Out, StringComparison.Ordinal);
            Assert.Contains("0 lines, 3 words, sha256", asked.Out, StringComparison.Ordinal);
            Assert.Contains("\"lines\": 1, \"words\": 3, \"characters\": 17", asked.Out, StringComparison.Ordinal);

            // A pipe that nobody writes to: the agent is in the middle of it for as long as the test wants.
            using ExampleAgent pipe = ExampleAgent.Start(node, nodeFolder, "mkfifo slow");
            Assert.Equal((0, ""), await pipe.EndedAsync());
            Task<JsonElement> broken = CascadeAsync(node, """{"files":["slow"]}""");
            await hashes.WroteAsync("is begun", times: hashes.Count("is READY") + 1);
            hashes.Kill();
            JsonElement without = await broken;
            await AssertCountsAsync(node, (4, 3, 0, 1), without);
            Assert.InRange(without.GetProperty("total_ms").GetDouble(), 0, TimeoutMs + WindowMs);

            hashes.Dispose();
            hashes = ExampleAgent.Start(node, nodeFolder, ExampleAgent.ReadmeLines("node")[^1]);
            await hashes.WroteAsync("1 deliveries come again");
            await hashes.WroteAsync("is begun");
            using ExampleAgent writer = ExampleAgent.Start(node, nodeFolder, "printf hello > slow");
            await hashes.WroteAsync("is READY");

            // Once: what it did before it was killed, and after it came back, is all that it got.
            int before = hashes.Count("is begun");
            Assert.Equal(1, before);
            int rounds = await AllReadyAsync(node);
            Assert.InRange(hashes.Count("is begun"), before + 1, before + rounds);
        }
        finally
        {
            hashes.Dispose();
        }
    }

    /// <summary>
    /// The C# agent is stopped (SIGSTOP) when the delivery comes, and dies (SIGKILL) without having answered it: TRANSIT. Back with the identity on its disk, it gets that delivery again, once.
    /// </summary>
    [Fact]
    public async Task The_agent_in_C_sharp_that_is_killed_is_in_TRANSIT_and_what_it_had_not_answered_comes_again_once()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "stops processes by what /proc tells");
        await using RunningNode node = await RunningNode.StartEmptyAsync();
        string[] lines = WordsLines(node);
        ExampleAgent words = ExampleAgent.Start(node, Repository("examples/agents/dotnet"), lines);
        try
        {
            await words.WroteAsync("connected as words-1");
            await AllReadyAsync(node, agents: 1);
            words.Freeze();
            JsonElement without = await CascadeAsync(node, "\"not answered\"", 8_000, "--planner", "fire-now"); // sent at once: the learned planner may find that T is too near
            await AssertCountsAsync(node, (1, 0, 0, 1), without);
            foreach (int comeAgain in (int[])[1, 0])
            {
                words.Kill();
                words.Dispose();
                words = ExampleAgent.Start(node, Repository("examples/agents/dotnet"), lines[^1]);
                await words.WroteAsync($"{comeAgain} deliveries come again");
                await AllReadyAsync(node, agents: 1); // what came again was answered before what comes after it
            }
        }
        finally
        {
            words.Dispose();
        }
    }

    /// <summary>The lines of the C# example's README, but for the build, which the solution's was; the identity beside the node's folder.</summary>
    private static string[] WordsLines(RunningNode node)
    {
        string identity = Path.Combine(node.Folder.FullName, "words-1");
        return [.. ExampleAgent.ReadmeLines("dotnet")[1..].Select(line => line.Replace(".agent", identity).Replace("mesh agent", $"cd {node.Folder.FullName}; mesh agent"))];
    }

    private static async Task SkipWithoutAsync(RunningNode node, string folder)
    {
        using ExampleAgent tools = ExampleAgent.Start(node, folder, "node --version && npm --version && python3 --version");
        if (await tools.EndedAsync() is { Exit: not 0 } none) Assert.Skip($"needs Node 20, npm and Python 3.9: {none.Output}");
        using ExampleAgent install = ExampleAgent.Start(node, folder, ExampleAgent.ReadmeLines("node")[0]);
        if (await install.EndedAsync() is { Exit: not 0 } failed) Assert.Skip($"needs the npm registry for the package ws: {failed.Output}");
    }

    /// <summary>
    /// Cascades until one brings all to READY with one of them at T, and says how many that took: an agent that has just joined may not be counted in its sector's summary yet, how fast they are is
    /// learned, and all are late when the machine stands still. What was sent is READY each time; none may be lost.
    /// </summary>
    private static async Task<int> AllReadyAsync(RunningNode node, int agents = Agents)
    {
        JsonElement last = default;
        for (int round = 1; round <= 30; round++)
        {
            last = await CascadeAsync(node, "\"three small words\"");
            (int sent, int ready, _, _) = Counts(last);
            await AssertCountsAsync(node, (sent, sent, 0, 0), last);
            if (ready == agents && last.GetProperty("ready_by_target_rate").GetDouble() >= 1.0 / agents)
            {
                Assert.Equal(1.0, last.GetProperty("window_hit_rate").GetDouble());
                Assert.InRange(last.GetProperty("arrival").GetProperty("spread_ms").GetDouble(), agents > 1 ? 0.001 : 0, 2 * WindowMs);
                return round;
            }
            await Task.Delay(500, TestContext.Current.CancellationToken);
        }
        Assert.Fail($"never all READY with one at T: {last}");
        return 0;
    }

    /// <summary>With the default planner, the learned one; the window is as wide as a loaded machine needs.</summary>
    private static async Task<JsonElement> CascadeAsync(RunningNode node, string payload, int timeoutMs = TimeoutMs, params string[] more) =>
        (await node.RunAsync(["cascade", "--capability", "example", "--payload", payload, "--window", $"{Math.Min(WindowMs, timeoutMs)}", "--timeout", $"{timeoutMs}", "--json", .. more])).Json();

    internal static int FreePort()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static (int Sent, int Ready, int Conflict, int Transit) Counts(JsonElement operation)
    {
        JsonElement counts = operation.GetProperty("counts");
        return (counts.GetProperty("sent").GetInt32(), counts.GetProperty("ready").GetInt32(), counts.GetProperty("conflict").GetInt32(), counts.GetProperty("transit").GetInt32());
    }

    /// <summary>Fails with what each agent did.</summary>
    private static async Task AssertCountsAsync(RunningNode node, (int Sent, int Ready, int Conflict, int Transit) expected, JsonElement operation)
    {
        if (Counts(operation) == expected) return;
        CommandLineRun roster = await node.RunAsync("operation", operation.GetProperty("operation_id").GetString()!, "--roster", "--json");
        Assert.Fail($"{Counts(operation)} of {expected}: {operation}\n{roster.Out}");
    }

    private static string Repository(string path)
    {
        DirectoryInfo? at = new(AppContext.BaseDirectory);
        while (at is not null && !File.Exists(Path.Combine(at.FullName, "Mesh30K.slnx"))) at = at.Parent;
        return Path.Combine(at!.FullName, path);
    }
}
