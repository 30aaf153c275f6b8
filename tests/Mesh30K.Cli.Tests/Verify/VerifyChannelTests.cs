using System.Text.Json;
using Mesh30K.Cli.Verify;

namespace Mesh30K.Cli.Tests.Verify;

public sealed class VerifyChannelTests
{
    /// <summary>40 kills; the full 500 by <c>mesh verify channel</c>.</summary>
    [Fact]
    public async Task Killed_processes_lose_nothing_that_was_acknowledged()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "processes are killed with SIGKILL");
        CommandLineRun run = await CommandLineRun.OfAsync("verify", "channel", "--kills", "40", "--processes", "4", "--json");
        Assert.True(run.Exit == ExitCode.Ok, run.Out + run.Error);
        JsonElement report = run.Json();
        Assert.Equal(40, report.GetProperty("kills").GetInt32());
        Assert.True(report.GetProperty("acknowledged").GetInt32() > 100 && report.GetProperty("resumed").GetInt32() > 0, run.Out);
    }

    [Fact]
    public void Each_kind_of_violation_is_found()
    {
        CrashLine push = new(CrashAct.Push, 1, 2, 1, 0, default, 0);
        CrashLine after = new(CrashAct.Push, 1, 2, 2, 0, default, 1);
        CrashLine done = new(CrashAct.Complete, 30, 40, 1, 5, default, 0);
        CrashFindings findings = CrashChecker.Check(
            [
                push, after, done, done with { Token = 6 }, new CrashLine(CrashAct.Checkpoint, 5, 6, 1, 4, new CrashMark(4, 1), 0), new CrashLine(CrashAct.Claim, 7, 8, 1, 5, default, 0),
                new CrashLine(CrashAct.Claim, 10, 20, 2, 7, default, 1),
            ],
            new JournalWitness());
        Assert.Equal((5, 1, 1, 1), (findings.Lost, findings.DoneTwice, findings.OutOfOrder, findings.StaleCheckpoints));
        Assert.Equal(done, CrashLine.Parse(done.ToString()));
    }
}
