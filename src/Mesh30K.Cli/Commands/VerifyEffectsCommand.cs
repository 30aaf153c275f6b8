using System.CommandLine;
using Mesh30K.Cli.Output;
using Mesh30K.Cli.Verify;
using Spectre.Console;

namespace Mesh30K.Cli.Commands;

/// <summary>Kills processes that have effects run once, and checks what their receivers did. Exit code 1 when something does not hold.</summary>
public sealed class VerifyEffectsCommand : VerbCommand
{
    private readonly Option<int> _effects = new("--effects") { Description = "How many, half of them with a receiver that honours keys", HelpName = "count", DefaultValueFactory = _ => 200 };
    private readonly Option<int> _kills = new("--kills") { Description = "How many processes are killed with SIGKILL, as long as there is something to do", HelpName = "count", DefaultValueFactory = _ => 40 };
    private readonly Option<int> _processes = new("--processes") { Description = "How many work at once", HelpName = "count", DefaultValueFactory = _ => 4 };
    private readonly Option<int?> _seed = new("--seed") { Description = "Of moments, victims and work (default: by the clock; it is reported)", HelpName = "number" };

    public VerifyEffectsCommand()
        : base("effects", "Kill processes that run effects over one folder, and check that each effect ran once or was reported in doubt first")
    {
        foreach (Option option in (Option[])[_effects, _kills, _processes, _seed]) Add(option);
    }

    public override IReadOnlyList<string> Examples { get; } = ["mesh verify effects", "mesh verify effects --effects 5000 --kills 1000 --processes 8 --json"];

    public override async Task<ExitCode> RunAsync(VerbRun run)
    {
        int effects = Within(run.Parse.GetValue(_effects), _effects.Name, 1, 50_000);
        int kills = Within(run.Parse.GetValue(_kills), _kills.Name, 0, 100_000);
        int processes = Within(run.Parse.GetValue(_processes), _processes.Name, 1, 64);
        int seed = run.Parse.GetValue(_seed) ?? Environment.TickCount & 0xFFFFFF;
        DirectoryInfo folder = Directory.CreateTempSubdirectory("mesh-verify-");
        try
        {
            EffectsReport report = await ProgressBar.RunAsync(run.Output, async progress =>
            {
                EffectsCrashRun crash = new(folder.FullName, effects, kills, processes, seed);
                await using (crash.ConfigureAwait(false)) return await crash.RunAsync(progress, run.Stop).ConfigureAwait(false);
            }).ConfigureAwait(false);
            run.Output.Result(report, console => Render(console, report));
            return report.Violations.Count == 0 ? ExitCode.Ok : ExitCode.NotAchieved;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static int Within(int value, string option, int least, int most) => value >= least && value <= most
        ? value
        : throw new CliException(new CliError(ExitCode.Usage, "bad_value", $"{option} is {value}; it must be {least} to {most}"));

    private static void Render(IAnsiConsole console, EffectsReport r)
    {
        Views.Line(console, $"{r.Effects:N0} effects, {r.Kills} kills of {r.Processes} processes in {r.WallS} s, seed {r.Seed}: {r.InDoubt} in doubt, {r.Violations.Count} violations");
        Views.Line(console, $"  {r.AppliedAgain} effects whose receiver does not honour keys were applied again, after they had been reported in doubt");
        foreach (string violation in r.Violations.Take(20)) Views.Line(console, "  " + violation);
    }
}

/// <summary>One of the processes that <c>mesh verify effects</c> starts and kills; not for people.</summary>
public sealed class VerifyEffectsWorkerCommand : VerbCommand
{
    public const string Verb = "effects-worker";

    private readonly Option<string> _ledger = new("--ledger") { Required = true };
    private readonly Option<int> _port = new("--port") { Required = true };
    private readonly Option<string> _name = new("--name") { Required = true };
    private readonly Option<int> _effects = new("--effects") { Required = true };
    private readonly Option<int> _seed = new("--seed") { Required = true };

    public VerifyEffectsWorkerCommand()
        : base(Verb, "One process of mesh verify effects")
    {
        Hidden = true;
        foreach (Option option in (Option[])[_ledger, _port, _name, _effects, _seed]) Add(option);
    }

    public override IReadOnlyList<string> Examples { get; } = ["mesh verify effects"];

    public override async Task<ExitCode> RunAsync(VerbRun run)
    {
        EffectsWorker worker = new(
            run.PathOf(run.Parse.GetRequiredValue(_ledger)), run.Parse.GetValue(_port), run.Parse.GetRequiredValue(_name), run.Parse.GetValue(_effects), run.Parse.GetValue(_seed));
        await worker.RunAsync(run.Stop).ConfigureAwait(false);
        run.Output.ResultText(new { Ended = true }, "");
        return ExitCode.Ok;
    }
}
