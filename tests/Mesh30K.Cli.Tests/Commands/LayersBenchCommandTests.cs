using System.Text.Json;

namespace Mesh30K.Cli.Tests.Commands;

/// <summary>The experiment in small, with real processes and real git: up to half a minute.</summary>
public sealed class LayersBenchCommandTests(ITestOutputHelper output)
{
    [Fact]
    public async Task With_mesh_nothing_is_lost_doubled_stale_or_out_of_order()
    {
        CommandLineRun run = await CommandLineRun.OfAsync("bench", "layers", "--writers", "4", "--writes", "400", "--merges", "25", "--json");
        output.WriteLine(run.Out + run.Error);
        JsonElement json = run.Json();
        Assert.Equal(ExitCode.Ok, run.Exit);
        Dictionary<string, JsonElement> scenarios = json.GetProperty("scenarios").EnumerateArray().ToDictionary(s => s.GetProperty("scenario").GetString()!, StringComparer.Ordinal);
        foreach (string ours in (string[])["file/mesh_save", "git/mesh", "queue_10k/mesh", "handoff/channel"])
        {
            foreach (string count in (string[])["lost", "duplicated", "stale", "conflicted_merges", "out_of_order"])
                Assert.Equal((ours, count, 0), (ours, count, scenarios[ours].GetProperty(count).GetInt32()));
        }
        Assert.Equal(scenarios["file/mesh_watch"].GetProperty("lost_unseen").GetInt32(), scenarios["file/mesh_watch"].GetProperty("lost").GetInt32());
        Assert.Equal(25, scenarios["git/mesh"].GetProperty("merges").GetInt32());

        // Without mesh the same work goes wrong, or the experiment would show nothing.
        Assert.True(scenarios["file/last_writer_wins"].GetProperty("lost").GetInt32() > 0);
        Assert.True(scenarios["git/default"].GetProperty("conflicted_merges").GetInt32() > 0);
        Assert.True(scenarios["git/union"].GetProperty("duplicated").GetInt32() > 0);
        Assert.True(scenarios["queue_10k/default"].GetProperty("conflicted_merges").GetInt32() > 0);
    }

    [Theory]
    [InlineData("--writers", "1")]
    [InlineData("--writes", "5")]
    [InlineData("--merges", "0")]
    public async Task A_number_out_of_range_is_refused(string option, string value)
    {
        CommandLineRun run = await CommandLineRun.OfAsync("bench", "layers", option, value, "--json");
        Assert.Equal(ExitCode.Usage, run.Exit);
    }
}
