using System.Text.Json;

namespace Mesh30K.Cli.Tests.Commands;

public sealed class DelegateCommandTests
{
    [Fact]
    public async Task A_task_is_done_by_one_of_the_class_and_one_that_takes_too_long_is_not()
    {
        await using RunningNode node = await RunningNode.StartAsync();
        CommandLineRun run = await node.RunAsync("delegate", "Describe the picture", "--to", "CLASS_A_EDGE", "--json");
        JsonElement done = run.Json();
        Assert.Equal((ExitCode.Ok, "DONE"), (run.Exit, done.GetProperty("outcome").GetString()));
        Assert.NotEqual("", done.GetProperty("agent_id").GetString());
        CommandLineRun late = await node.RunAsync("delegate", "Approve", "--to", "CLASS_F_HUMAN", "--timeout", "50ms", "--json");
        Assert.Equal((ExitCode.NotAchieved, "TIMED_OUT"), (late.Exit, late.Json().GetProperty("outcome").GetString()));
        CommandLineRun text = await node.RunAsync("delegate", "Approve", "--to", "CLASS_F_HUMAN", "--timeout", "50ms");
        Assert.StartsWith("Nobody did it within", text.Out, StringComparison.Ordinal);
        CommandLineRun refused = await node.RunAsync("delegate", "x", "--capability", "telepathy", "--json");
        Assert.Equal((ExitCode.NotAchieved, "capability_mismatch"), (refused.Exit, refused.Json().GetProperty("error").GetProperty("code").GetString()));
        Assert.Contains("telepathy", refused.Json().GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task In_a_mesh_without_agents_nobody_can()
    {
        await using RunningNode node = await RunningNode.StartEmptyAsync();
        CommandLineRun run = await node.RunAsync("delegate", "x", "--hedge");
        Assert.Equal(ExitCode.NotAchieved, run.Exit);
        Assert.StartsWith("Nobody is there to ask.", run.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("delegate", "x", "--timeout", "0ms")]
    [InlineData("delegate", "x", "--timeout", "soon")]
    [InlineData("delegate", "x", "--capability", "")]
    [InlineData("delegate")]
    public async Task Wrong_input_is_refused_without_a_node(params string[] args) => Assert.Equal(ExitCode.Usage, (await CommandLineRun.OfAsync(args)).Exit);
}
