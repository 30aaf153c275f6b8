using System.CommandLine;
using Mesh30K.Cli.Output;
using Mesh30K.Cli.Verify;
using Spectre.Console;

namespace Mesh30K.Cli.Commands;

/// <summary>Kills processes that share a channel, and checks that nothing which they were told is lost. Exit code 1 when something is.</summary>
public sealed class VerifyChannelCommand : VerbCommand
{
    private readonly Option<int> _kills = new("--kills") { Description = "How many processes are killed with SIGKILL", HelpName = "count", DefaultValueFactory = _ => 500 };
    private readonly Option<int> _processes = new("--processes") { Description = "How many work at once", HelpName = "count", DefaultValueFactory = _ => 8 };
    private readonly Option<int?> _seed = new("--seed") { Description = "Of moments, victims and work (default: by the clock; it is reported)", HelpName = "number" };

    public VerifyChannelCommand()
        : base("channel", "Kill processes that share a channel at random points, and check that nothing acknowledged is lost, doubled or out of order")
    {
        Add(_kills);
        Add(_processes);
        Add(_seed);
    }

    public override IReadOnlyList<string> Examples { get; } = ["mesh verify channel", "mesh verify channel --kills 40 --processes 4 --seed 7 --json"];

    public override async Task<ExitCode> RunAsync(VerbRun run)
    {
        int kills = Within(run.Parse.GetValue(_kills), _kills.Name, 0, 100_000);
        int processes = Within(run.Parse.GetValue(_processes), _processes.Name, 1, 64);
        int seed = run.Parse.GetValue(_seed) ?? Environment.TickCount & 0xFFFFFF;
        DirectoryInfo folder = Directory.CreateTempSubdirectory("mesh-verify-");
        try
        {
            CrashReport report = await ProgressBar.RunAsync(run.Output, async progress =>
            {
                using CrashRun crash = new(new CrashSite(folder.FullName), new CrashRunOptions(kills, processes, seed));
                return await crash.RunAsync(progress, run.Stop).ConfigureAwait(false);
            }).ConfigureAwait(false);
            run.Output.Result(report, console => Render(console, report));
            return report is { Lost: 0, DoneTwice: 0, OutOfOrder: 0, StaleCheckpoints: 0 } ? ExitCode.Ok : ExitCode.NotAchieved;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static int Within(int value, string option, int least, int most) => value >= least && value <= most
        ? value
        : throw new CliException(new CliError(ExitCode.Usage, "bad_value", $"{option} is {value}; it must be {least} to {most}"));

    private static void Render(IAnsiConsole console, CrashReport r)
    {
        Views.Line(console, $"{r.Kills} kills of {r.Processes} processes in {r.WallS} s, seed {r.Seed}: {r.Entries:N0} entries, {r.Acknowledged:N0} acknowledgements, {r.Resumed:N0} resumed from a checkpoint, {r.Compactions} compactions seen");
        Views.Line(console, $"  lost {r.Lost}, done twice {r.DoneTwice}, out of order {r.OutOfOrder}, stale checkpoints {r.StaleCheckpoints}");
        foreach (string finding in r.Findings) Views.Line(console, "  " + finding);
    }
}

/// <summary>One of the processes that <c>mesh verify channel</c> starts and kills; not for people.</summary>
public sealed class VerifyChannelWorkerCommand : VerbCommand
{
    public const string Verb = "channel-worker";

    private readonly Option<string> _site = new("--site") { Required = true };
    private readonly Option<string> _name = new("--name") { Required = true };
    private readonly Option<int> _seed = new("--seed") { Required = true };

    public VerifyChannelWorkerCommand()
        : base(Verb, "One process of mesh verify channel")
    {
        Hidden = true;
        foreach (Option option in (Option[])[_site, _name, _seed]) Add(option);
    }

    public override IReadOnlyList<string> Examples { get; } = ["mesh verify channel"];

    public override async Task<ExitCode> RunAsync(VerbRun run)
    {
        CrashWorker worker = new(new CrashSite(run.PathOf(run.Parse.GetRequiredValue(_site))), run.Parse.GetRequiredValue(_name), run.Parse.GetValue(_seed));
        await worker.RunAsync(run.Stop).ConfigureAwait(false);
        run.Output.ResultText(new { Ended = true }, "");
        return ExitCode.Ok;
    }
}
