using System.CommandLine;
using System.Globalization;
using Mesh30K.Cli.Bench.Layers;
using Spectre.Console;

namespace Mesh30K.Cli.Commands;

/// <summary>Counts what several writers lose, double and reorder without the layers and with them. Real processes, real git, files on a real disk.</summary>
internal sealed class LayersBenchCommand : VerbCommand
{
    private const int ChainsPerWrites = 100;
    private const int WatchedShare = 25;
    private const int WatchedWritesMin = 20;
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(40);

    private readonly Option<int> _writers = Number("--writers", "Processes that write one file", 8);
    private readonly Option<int> _writes = Number("--writes", "Writes to a shared file; a 25th of them (20 a writer at least) with a watcher, a 10th of them as tasks handed over", 10_000);
    private readonly Option<int> _merges = Number("--merges", "Runs of git merge in each git scenario", 1_000);
    private readonly Option<int> _seed = Number("--seed", "The random choices", 1);
    private readonly Option<string?> _only = new("--only") { Description = "Only the scenarios whose name begins so, such as git/", HelpName = "name" };

    public LayersBenchCommand()
        : base("layers", "Count what writers lose, double and reorder without the layers and with them")
    {
        foreach (Option option in (Option[])[_writers, _writes, _merges, _seed, _only]) Add(option);
    }

    public override IReadOnlyList<string> Examples { get; } = ["mesh bench layers --json", "mesh bench layers --writes 400 --merges 25", "mesh bench layers --only queue_10k"];

    public override async Task<ExitCode> RunAsync(VerbRun run)
    {
        int writers = Checked(run, _writers, 2, 64);
        int writes = Checked(run, _writes, 100, 1_000_000);
        int merges = Checked(run, _merges, 4, 100_000);
        int seed = Checked(run, _seed, 0, 100_000);
        string only = run.Parse.GetValue(_only) ?? "";
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(run.Stop);
        limit.CancelAfter(Limit);
        string folder = Directory.CreateTempSubdirectory("mesh-layers-").FullName;
        LayersRun bench = new(folder, seed, run.Output.Note, limit.Token);
        (string Name, Func<Task<IReadOnlyList<LayersScenario>>> Run)[] all =
        [
            ("file/last_writer_wins", One(() => FileScenarios.RunAsync(bench, LayersWorker.LastWriterWins, writers, writes))),
            ("file/mesh_save", One(() => FileScenarios.RunAsync(bench, LayersWorker.MeshSave, writers, writes))),
            ("file/mesh_watch", One(() => FileScenarios.WatchAsync(bench, writers, Math.Max(writes / WatchedShare, writers * WatchedWritesMin)))),
            ("git/default", One(() => GitScenarios.RunAsync(bench, GitHistory.Default, merges))),
            ("git/union", One(() => GitScenarios.RunAsync(bench, GitHistory.Union, merges))),
            ("git/mesh", One(() => GitScenarios.RunAsync(bench, GitHistory.Mesh, merges))),
            ("queue_10k", () => GitScenarios.LargeQueueAsync(bench)),
            ("handoff/file", One(() => HandoffScenarios.OverFileAsync(bench, writers, Math.Max(writes / ChainsPerWrites, 1)))),
            ("handoff/channel", One(() => HandoffScenarios.OverChannelAsync(bench, writers, Math.Max(writes / ChainsPerWrites, 1)))),
        ];
        List<LayersScenario> done = [];
        try
        {
            foreach ((string name, Func<Task<IReadOnlyList<LayersScenario>>> scenario) in all)
                if (name.StartsWith(only, StringComparison.Ordinal)) done.AddRange(await scenario().ConfigureAwait(false));
        }
        catch (OperationCanceledException) when (!run.Stop.IsCancellationRequested)
        {
            throw new CliException(new CliError(ExitCode.NotAchieved, "too_slow", $"the scenarios took longer than {Limit.TotalMinutes:0} minutes", "Ask for less with --writes and --merges."));
        }
        bool holds = done.TrueForAll(s => s.Holds);
        if (holds) Directory.Delete(folder, recursive: true);
        else run.Output.Note($"mesh: the files of the run are in {folder}; replay: --seed {seed}");
        LayersResult result = new(seed, holds, done);
        run.Output.Result(result, console => Render(console, result));
        return holds ? ExitCode.Ok : ExitCode.NotAchieved;
    }

    private static Func<Task<IReadOnlyList<LayersScenario>>> One(Func<Task<LayersScenario>> scenario) => async () => [await scenario().ConfigureAwait(false)];

    private static Option<int> Number(string name, string description, int usual) => new(name) { Description = description, HelpName = "count", DefaultValueFactory = _ => usual };

    private static int Checked(VerbRun run, Option<int> option, int least, int most)
    {
        int value = run.Parse.GetValue(option);
        return value >= least && value <= most
            ? value
            : throw new CliException(new CliError(ExitCode.Usage, "bad_value", $"{option.Name} is {value}; it must be {least} to {most}"));
    }

    private static void Render(IAnsiConsole console, LayersResult result)
    {
        Table table = new Table().Border(TableBorder.None).AddColumns("scenario", "writers", "writes", "lost", "of these unseen", "doubled", "stale", "merges", "in conflict", "out of order", "ms");
        foreach (LayersScenario s in result.Scenarios)
        {
            int[] counts = [s.Writers, s.Writes, s.Lost, s.LostUnseen, s.Duplicated, s.Stale, s.Merges, s.ConflictedMerges, s.OutOfOrder];
            table.AddRow([s.Ours ? $"[green]{s.Scenario}[/]" : s.Scenario, .. counts.Select(c => c.ToString(CultureInfo.InvariantCulture)), s.Ms.ToString("0", CultureInfo.InvariantCulture)]);
        }
        console.Write(table);
        console.WriteLine(result.Holds ? "With mesh nothing was lost, doubled or out of order." : "With mesh something was lost, doubled or out of order: see above.");
    }

    private sealed record LayersResult(int Seed, bool Holds, IReadOnlyList<LayersScenario> Scenarios);
}

/// <summary>One worker process of <see cref="LayersBenchCommand"/>; nobody else calls it.</summary>
internal sealed class LayersWorkerCommand : VerbCommand
{
    private readonly Argument<string> _task = new("task") { Description = "A file that says what to do" };

    public LayersWorkerCommand()
        : base(LayersWorker.Verb, "A worker of mesh bench layers")
    {
        Hidden = true;
        Add(_task);
    }

    public override IReadOnlyList<string> Examples { get; } = ["mesh bench layers"];

    public override async Task<ExitCode> RunAsync(VerbRun run)
    {
        string task = run.PathOf(run.Parse.GetValue(_task)!);
        if (!File.Exists(task)) throw new CliException(new CliError(ExitCode.Usage, "bad_path", "there is no such task", "This verb is for `mesh bench layers`."));
        await LayersWorker.RunAsync(task, run.Stop).ConfigureAwait(false);
        run.Output.ResultText(new { Done = true }, "");
        return ExitCode.Ok;
    }
}
