using System.Text.Json;

namespace Mesh30K.Cli.Tests.Verify;

public sealed class VerifyEffectsTests
{
    /// <summary>60 effects and 10 kills; the full 200 and 40 by <c>mesh verify effects</c>.</summary>
    [Fact]
    public async Task Killed_processes_run_each_effect_once()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "processes are killed with SIGKILL");
        CommandLineRun run = await CommandLineRun.OfAsync("verify", "effects", "--effects", "60", "--kills", "10", "--json");
        Assert.True(run.Exit == ExitCode.Ok, run.Out + run.Error);
        JsonElement report = run.Json();
        Assert.True(report.GetProperty("kills").GetInt32() >= 5, run.Out);
    }
}
