using System.Text.Json;

namespace Mesh30K.Cli.Tests.Commands;

public sealed class VerifyFramesTests
{
    [Fact]
    public async Task No_frame_that_must_be_refused_is_accepted()
    {
        CommandLineRun run = await CommandLineRun.OfAsync("verify", "frames", "--cases", "20000", "--seed", "20260102", "--json");
        Assert.True(run.Exit == ExitCode.Ok, run.Error);
        JsonElement result = run.Json();
        Assert.Equal((20_000, 20_000, 0), (result.GetProperty("cases").GetInt32(), result.GetProperty("accepted_valid").GetInt32(), result.GetProperty("violations").GetInt32()));
        Assert.Equal(20_000, result.GetProperty("refused").EnumerateObject().Sum(p => p.Value.GetInt64()));
    }

    [Fact]
    public async Task One_case_is_run_alone()
    {
        CommandLineRun run = await CommandLineRun.OfAsync("verify", "frames", "--seed", "7", "--case", "123", "--json");
        Assert.Equal(1, run.Json().GetProperty("cases").GetInt32());
        Assert.Equal(7, run.Json().GetProperty("seed").GetInt32());
    }

    [Theory]
    [InlineData("--cases is -1", "--cases", "-1")]
    [InlineData("--case -5", "--case", "-5")]
    public async Task Bad_input_is_one_clear_message(string message, params string[] options)
    {
        CommandLineRun run = await CommandLineRun.OfAsync(["verify", "frames", .. options, "--json"]);
        Assert.Equal(ExitCode.Usage, run.Exit);
        Assert.Contains(message, run.Json().GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
    }
}
