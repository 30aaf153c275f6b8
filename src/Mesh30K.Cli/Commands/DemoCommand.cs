using System.CommandLine;
using Mesh30K.Cli.Demo;
using Mesh30K.Cli.Fleet;
using Mesh30K.Cli.Output;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Protocol.Messages;
using Mesh30K.Simulation.Fleet;

namespace Mesh30K.Cli.Commands;

/// <summary>Boots a simulated fleet, warms up, and runs the same operation with each planner: what arrival synchronisation buys.</summary>
public sealed class DemoCommand : VerbCommand
{
    private readonly FleetArguments _fleet;
    private readonly Option<int> _warmUp = new("--warm-up") { Description = "Operations to learn from before anything counts", HelpName = "n", DefaultValueFactory = _ => 20 };
    private readonly Option<int> _rounds = new("--rounds") { Description = "How often each planner runs the operation", HelpName = "n", DefaultValueFactory = _ => 3 };

    public DemoCommand()
        : base("demo", "Bring 30,000 simulated agents to READY at the same moment, with four planners")
    {
        _fleet = new FleetArguments(this);
        Add(_warmUp);
        Add(_rounds);
    }

    public override IReadOnlyList<string> Examples { get; } =
        ["mesh demo", "mesh demo --json", "mesh demo --agents 3000 --warm-up 10 --rounds 1", "mesh demo --network-trace ../shared/data/ripe_rtt"];

    public override async Task<ExitCode> RunAsync(VerbRun run)
    {
        int warmUps = InRange(run, _warmUp, "--warm-up", 0, 1_000);
        int times = InRange(run, _rounds, "--rounds", 1, 100);
        FleetBlueprint blueprint = _fleet.Load(run);
        OperationSpec operation = new() { Verb = Verb.Sync, WindowMs = 500, TimeoutMs = 5_000 };
        DemoOptions options = new(warmUps, times, operation);

        DemoReport report = await ProgressBar.RunAsync(
            run.Output, progress => DemoRun.ExecuteAsync(blueprint, options, progress, run.Stop)).ConfigureAwait(false);
        run.Output.Detail(
            $"garbage collections: {GC.CollectionCount(0)} / {GC.CollectionCount(1)} / {GC.CollectionCount(2)}, paused {GC.GetTotalPauseDuration().TotalMilliseconds:0} ms in all, last full {string.Join(" ", GC.GetGCMemoryInfo(GCKind.Any).PauseDurations.ToArray().Select(p => p.TotalMilliseconds))}");
        run.Output.Result(report, console => DemoView.Render(console, report));
        return report.Planners.First(p => p.Planner == "learned").Decision == "PROCEED" ? ExitCode.Ok : ExitCode.NotAchieved;
    }

    private static int InRange(VerbRun run, Option<int> option, string name, int min, int max)
    {
        int value = run.Parse.GetValue(option);
        return value >= min && value <= max
            ? value
            : throw new CliException(new CliError(ExitCode.Usage, "bad_value", $"{name} must be {min} to {max}, was {value}", $"For example: {name} {Math.Max(min, 3)}"));
    }
}
