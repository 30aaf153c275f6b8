using System.Text.Json;

namespace Mesh30K.Cli.Tests.Verify;

public sealed class VerifyJournalTests
{
    [Fact]
    public async Task Seeds_are_counted_and_give_the_same_again()
    {
        JsonElement[] runs = [await OfAsync("5"), await OfAsync("5"), await OfAsync("6")];
        string?[] traces = [.. runs.Select(r => r.GetProperty("trace_hash").GetString())];
        Assert.Equal(traces[0], traces[1]);
        Assert.NotEqual(traces[0], traces[2]);
        Assert.Equal((30, 5, 0, 0), (Number("seeds"), Number("start"), Number("violations"), Number("liveness_failures")));
        Assert.Equal(Number("faults_injected"), runs[0].GetProperty("fault_kinds").EnumerateObject().Sum(k => k.Value.GetInt32()));
        Assert.True(Number("damage_refused") > 10 && Number("acknowledged") > 1_000, $"{Number("damage_refused")} damages refused, {Number("acknowledged")} records: the runs show little");

        int Number(string name) => runs[0].GetProperty(name).GetInt32();
    }

    [Fact]
    public async Task Bad_input_is_one_clear_message()
    {
        CommandLineRun run = await CommandLineRun.OfAsync("verify", "journal", "--seeds", "0", "--json");
        Assert.Equal(
            (ExitCode.Usage, "--seeds is 0 and --start 1; they must be 1 to 10000000, and 0 or more"),
            (run.Exit, run.Json().GetProperty("error").GetProperty("message").GetString()));
    }

    private static async Task<JsonElement> OfAsync(string start)
    {
        CommandLineRun run = await CommandLineRun.OfAsync("verify", "journal", "--seeds", "30", "--start", start, "--json");
        Assert.Equal(ExitCode.Ok, run.Exit);
        return run.Json();
    }
}
