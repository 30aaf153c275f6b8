using System.Text.Json;
using Mesh30K.Simulation.Laws;

namespace Mesh30K.Cli.Tests.Commands;

public sealed class VerifyCommandTests
{
    [Fact]
    public async Task Every_type_is_checked_and_counted()
    {
        CommandLineRun run = await CommandLineRun.OfAsync("verify", "crdt", "--cases", "50", "--json");
        Assert.Equal(ExitCode.Ok, run.Exit);
        JsonElement[] types = [.. run.Json().GetProperty("types").EnumerateArray()];
        Assert.Equal(CrdtLaws.Types, types.Select(t => t.GetProperty("type").GetString()));
        Assert.All(types, t => Assert.Equal((50, 0), (t.GetProperty("cases").GetInt32(), t.GetProperty("violations").GetInt32())));
        Assert.Equal(0, run.Json().GetProperty("states_enumerated").GetInt64());
    }

    [Fact]
    public async Task One_type_can_be_enumerated_alone()
    {
        CommandLineRun run = await CommandLineRun.OfAsync("verify", "crdt", "--type", "lww-register", "--cases", "0", "--enumerate", "--json");
        Assert.Equal(ExitCode.Ok, run.Exit);
        JsonElement type = Assert.Single(run.Json().GetProperty("types").EnumerateArray());
        Assert.Equal(0, type.GetProperty("cases").GetInt32());
        Assert.True(run.Json().GetProperty("states_enumerated").GetInt64() > 100);
        Assert.Contains("enumerating", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_case_is_run_alone()
    {
        CommandLineRun run = await CommandLineRun.OfAsync("verify", "crdt", "--type", "or-set", "--seed", "7", "--case", "123", "--json");
        Assert.Equal(1, Assert.Single(run.Json().GetProperty("types").EnumerateArray()).GetProperty("cases").GetInt32());
    }

    [Theory]
    [InlineData("--cases is -1", "--cases", "-1")]
    [InlineData("no-such-type", "--type", "no-such-type")]
    public async Task Bad_input_is_one_clear_message(string message, params string[] options)
    {
        CommandLineRun run = await CommandLineRun.OfAsync(["verify", "crdt", .. options, "--json"]);
        Assert.Equal(ExitCode.Usage, run.Exit);
        Assert.Contains(message, run.Json().GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Layers_prints_the_table()
    {
        CommandLineRun json = await CommandLineRun.OfAsync("layers", "--json");
        JsonElement first = json.Json().GetProperty("operations")[0];
        Assert.Equal(["operation", "layer", "example", "reason", "command"], first.EnumerateObject().Select(p => p.Name));
        Assert.Equal("eventual", first.GetProperty("layer").GetString());
        CommandLineRun plain = await CommandLineRun.OfAsync("layers");
        Assert.Contains("not built yet", plain.Out, StringComparison.Ordinal);
    }
}
