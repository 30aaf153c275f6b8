using System.Text.Json;

namespace Mesh30K.Cli.Tests.Verify;

public sealed class VerifyRaftTests
{
    [Fact]
    public async Task Seeds_are_counted_and_give_the_same_trace_again()
    {
        JsonElement[] runs = [await OfAsync("5"), await OfAsync("5"), await OfAsync("6")];
        string?[] traces = [.. runs.Select(r => r.GetProperty("trace_hash").GetString())];
        Assert.Equal(traces[0], traces[1]);
        Assert.NotEqual(traces[0], traces[2]);
        Assert.Equal((8, 5, 0, 0), (Number("seeds"), Number("start"), Number("violations"), Number("liveness_failures")));
        Assert.Equal(Number("faults_injected"), runs[0].GetProperty("fault_kinds").EnumerateObject().Sum(k => k.Value.GetInt32()));

        int Number(string name) => runs[0].GetProperty(name).GetInt32();
    }

    [Fact]
    public async Task Bad_input_is_one_clear_message()
    {
        CommandLineRun run = await CommandLineRun.OfAsync("verify", "raft", "--seeds", "0", "--json");
        Assert.Equal(
            (ExitCode.Usage, "--seeds is 0 and --start 1; they must be 1 to 10000000, and 0 or more"),
            (run.Exit, run.Json().GetProperty("error").GetProperty("message").GetString()));
    }

    [Theory]
    [InlineData("3,x")]
    [InlineData("-1")]
    public async Task Faults_are_chosen_by_their_numbers(string only)
    {
        CommandLineRun run = await CommandLineRun.OfAsync("verify", "raft", "--seeds", "1", "--only", only, "--json");
        Assert.Equal(
            (ExitCode.Usage, $"--only is {only}; it takes the numbers of faults, such as 3,17,22, or 0 for none, together with --seeds 1"),
            (run.Exit, run.Json().GetProperty("error").GetProperty("message").GetString()));
    }

    [Fact]
    public async Task A_seed_without_its_faults_is_another_run()
    {
        JsonElement whole = (await CommandLineRun.OfAsync("verify", "raft", "--seeds", "1", "--start", "7", "--json")).Json();
        JsonElement none = (await CommandLineRun.OfAsync("verify", "raft", "--seeds", "1", "--start", "7", "--only", "0", "--json")).Json();
        Assert.NotEqual(whole.GetProperty("trace_hash").GetString(), none.GetProperty("trace_hash").GetString());
        Assert.True(whole.GetProperty("fault_kinds").EnumerateObject().Count() > 5);
        Assert.Equal(["overtaken"], none.GetProperty("fault_kinds").EnumerateObject().Select(k => k.Name)); // messages overtake each other without any fault
    }

    private static async Task<JsonElement> OfAsync(string start)
    {
        CommandLineRun run = await CommandLineRun.OfAsync("verify", "raft", "--seeds", "8", "--start", start, "--json");
        Assert.Equal(ExitCode.Ok, run.Exit);
        return run.Json();
    }
}
