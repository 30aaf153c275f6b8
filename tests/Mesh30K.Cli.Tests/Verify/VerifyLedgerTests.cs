using System.Text.Json;

namespace Mesh30K.Cli.Tests.Verify;

public sealed class VerifyLedgerTests
{
    [Fact]
    public async Task Seeds_are_counted_and_give_the_same_again()
    {
        JsonElement[] runs = new JsonElement[2];
        for (int i = 0; i < 2; i++)
        {
            CommandLineRun run = await CommandLineRun.OfAsync("verify", "ledger", "--seeds", "20", "--start", "5", "--json");
            Assert.Equal(ExitCode.Ok, run.Exit);
            runs[i] = run.Json();
        }
        Assert.Equal(runs[0].GetProperty("trace_hash").GetUInt64(), runs[1].GetProperty("trace_hash").GetUInt64());
        Assert.Equal((20, 0, 0, 120), (Number("seeds"), Number("violations"), Number("liveness_failures"), Number("effects")));
        Assert.Equal(Number("faults_injected"), runs[0].GetProperty("fault_kinds").EnumerateObject().Sum(k => k.Value.GetInt32()));

        int Number(string name) => runs[0].GetProperty(name).GetInt32();
    }

    [Fact]
    public async Task Bad_input_is_one_clear_message()
    {
        CommandLineRun run = await CommandLineRun.OfAsync("verify", "ledger", "--seeds", "0", "--json");
        Assert.Equal((ExitCode.Usage, "--seeds is 0; it must be 1 to 10000000"), (run.Exit, run.Json().GetProperty("error").GetProperty("message").GetString()));
    }
}
