using System.Globalization;
using System.Text.Json;

namespace Mesh30K.Cli.Tests.Agents;

/// <summary><c>mesh agent run</c> with a script: what its exit code becomes, what it may know, and its end.</summary>
public sealed class AgentRunTests
{
    private const string Script = """
        #!/bin/sh
        case "$(cat)" in
          secret) echo "token=${MESH_ENROL_TOKEN-none} id=${MESH_MESSAGE_ID:+given}" ;;
          bad) echo first >&2; echo "the sums differ" >&2; exit 65 ;;
          unable) exit 69 ;;
          other) exit 7 ;;
          hang) echo $$ > pid.new; mv pid.new pid; exec sleep 600 ;;
        esac
        """;

    [Fact]
    public async Task The_exit_code_is_the_answer_the_token_stays_with_the_agent_and_work_that_nobody_wants_is_killed()
    {
        if (OperatingSystem.IsWindows()) Assert.Skip("needs sh");
        await using RunningNode node = await RunningNode.StartEmptyAsync();
        node.Folder.Write("worker.sh", Script);
        using ExampleAgent agent = ExampleAgent.Start(
            node, node.Folder.FullName, "export MESH_ENROL_TOKEN=$(mesh agent enrol script --class local --capability script --bare)", "mesh agent run --identity .agent --id script -- sh worker.sh");
        await agent.WroteAsync("connected as script");

        JsonElement secret = await AskUntilSentAsync(node, "secret");
        Assert.Equal((1, "token=none id=given"), (Count(secret, "ready"), secret.GetProperty("answers").GetProperty("groups")[0].GetProperty("value").GetString()));
        foreach ((string payload, string type, string why) in ((string, string, string)[])[("bad", "DATA_CONTRADICTION", "the sums differ"), ("unable", "CAPABILITY_MISMATCH", "exit code 69"), ("other", "OTHER", "exit code 7")])
        {
            JsonElement conflict = await OperationAsync(node, payload);
            Assert.Equal((1, 0, 1), (Count(conflict, "sent"), Count(conflict, "ready"), Count(conflict, "conflict")));
            JsonElement group = conflict.GetProperty("answers").GetProperty("conflict_types")[0];
            Assert.Equal((type, 1), (group.GetProperty("type").GetString(), group.GetProperty("whys")[0].GetProperty("agents").GetInt32()));
            Assert.Contains(why, group.GetProperty("whys")[0].GetProperty("why").GetString(), StringComparison.Ordinal);
            string shown = (await node.RunAsync("operation", conflict.GetProperty("operation_id").GetString()!)).Out;
            Assert.Contains($"CONFLICT ({type})\n      1: ", shown, StringComparison.Ordinal);
            Assert.Contains(why, shown, StringComparison.Ordinal);
        }
        CommandLineRun delegated = await node.RunAsync("delegate", "bad", "--to", "script", "--json");
        Assert.Equal((ExitCode.NotAchieved, "NOBODY_COULD"), (delegated.Exit, delegated.Json().GetProperty("outcome").GetString()));
        string? told = delegated.Json().GetProperty("candidates")[0].GetProperty("why").GetString();
        Assert.StartsWith("DATA_CONTRADICTION: ", told, StringComparison.Ordinal);
        Assert.Contains("the sums differ", told, StringComparison.Ordinal);

        JsonElement hung = await OperationAsync(node, "hang", "--ttl", "8000", "--window", "8000", "--timeout", "10000");
        Assert.Equal(1, Count(hung, "transit"));
        int pid = int.Parse(await File.ReadAllTextAsync(Path.Combine(node.Folder.FullName, "pid"), TestContext.Current.CancellationToken), CultureInfo.InvariantCulture);
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(TimeSpan.FromSeconds(30));
        while (Directory.Exists($"/proc/{pid}")) await Task.Delay(50, limit.Token);
        Assert.Equal(1, Count(await OperationAsync(node, "secret"), "ready"));
    }

    private static async Task<JsonElement> AskUntilSentAsync(RunningNode node, string payload)
    {
        for (int round = 1; ; round++)
        {
            JsonElement operation = await OperationAsync(node, payload);
            if (Count(operation, "sent") == 1) return operation;
            Assert.True(round < 40, operation.ToString());
            await Task.Delay(250, TestContext.Current.CancellationToken);
        }
    }

    private static async Task<JsonElement> OperationAsync(RunningNode node, string payload, params string[] more) =>
        (await node.RunAsync(["ask", payload, "--capability", "script", "--planner", "fire-now", "--json", .. more.Length > 0 ? more : ["--window", "20000", "--timeout", "30000"]])).Json();

    private static int Count(JsonElement operation, string state) => operation.GetProperty("counts").GetProperty(state).GetInt32();
}
