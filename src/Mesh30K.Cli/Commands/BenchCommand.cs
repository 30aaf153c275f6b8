using System.CommandLine;
using System.Globalization;
using Mesh30K.Cli.Bench;
using Spectre.Console;

namespace Mesh30K.Cli.Commands;

/// <summary>Measures this build on this machine. Each bench is a sub-verb; docs/benchmarks.md says what is inside each.</summary>
public sealed class BenchCommand : VerbCommand
{
    public BenchCommand()
        : base("bench", "Measure this build on this machine, each figure beside its limit")
    {
        foreach (IBench bench in (IBench[])[new PlanBench(), new CascadeBench(), new BusBench(), new HeartbeatBench(), new RegistryBench(), new ReleaseBench(), new CrdtBench()])
            Add(new BenchVerb(bench, "--agents", 30_000, 3_000_000));
        Add(new BenchVerb(new ScaleBench(), "--agents-max", ScaleBench.AgentsMaxDefault, SimulationInput.AgentsMax));
        Add(new BenchVerb(new JournalBench(), "--callers", JournalBench.CallersDefault, JournalBench.CallersMax));
        Add(new BenchVerb(new ChannelBench(), "--workers", ChannelBench.WorkersDefault, ChannelBench.WorkersMax));
        Add(new BenchVerb(new LedgerBench(), "--clients", LedgerBench.ClientsDefault, LedgerBench.ClientsMax));
        Add(new PredictorBenchCommand());
        Add(new LayersBenchCommand());
        Add(new LayersWorkerCommand());
        Add(new AgentsBenchCommand());
        Add(new AgentsWorkerCommand());
    }

    public override IReadOnlyList<string> Examples { get; } = ["mesh bench cascade --json", "mesh bench scale --agents-max 300000"];

    public override Task<ExitCode> RunAsync(VerbRun run) => throw new InvalidOperationException("bench has sub-verbs only");
}

/// <summary>One bench as a verb.</summary>
internal sealed class BenchVerb : VerbCommand
{
    private const int RunsMax = 1_000;

    private readonly IBench _bench;
    private readonly int _agentsMost;
    private readonly Option<int> _runs = new("--runs") { Description = "Measured runs; the median of fewer than 7 says little", HelpName = "count", DefaultValueFactory = _ => 7 };
    private readonly Option<int> _agents;
    private readonly Option<double> _seconds = new("--seconds") { Description = "Length of a run", HelpName = "seconds" };

    public BenchVerb(IBench bench, string agentsOption, int agentsDefault, int agentsMost)
        : base(bench.Name, bench.Summary)
    {
        _bench = bench;
        _agentsMost = agentsMost;
        _agents = new(agentsOption) { Description = $"How many {agentsOption.Split('-')[2]}", HelpName = "count", DefaultValueFactory = _ => agentsDefault };
        Add(_runs);
        Add(_agents);
        if (bench.SecondsPerRun is not { } usual) return;
        _seconds.DefaultValueFactory = _ => usual;
        Add(_seconds);
    }

    public override IReadOnlyList<string> Examples => [$"mesh bench {_bench.Name}", $"mesh bench {_bench.Name} --runs 15 --json"];

    public override async Task<ExitCode> RunAsync(VerbRun run)
    {
        int runCount = run.Parse.GetValue(_runs);
        int agentCount = run.Parse.GetValue(_agents);
        double secondsPerRun = _bench.SecondsPerRun is null ? 0 : run.Parse.GetValue(_seconds);
        Require(runCount is >= 1 and <= RunsMax, _runs.Name, runCount, 1, RunsMax);
        Require(agentCount >= 2 && agentCount <= _agentsMost, _agents.Name, agentCount, 2, _agentsMost);
        Require(_bench.SecondsPerRun is null || secondsPerRun is >= 0.01 and <= 3_600, _seconds.Name, secondsPerRun, 0.01, 3_600);
        SimulationInput.CheckNumbers(agentCount, 1, 1);
        BenchReport report = await _bench.RunAsync(new BenchArguments(runCount, agentCount, secondsPerRun, run.Output.Note, run.Stop)).ConfigureAwait(false);
        run.Output.Result(report.ToJson(), console => Render(console, report));
        return ExitCode.Ok;
    }

    private static void Require(bool holds, string option, double value, double least, double most)
    {
        if (holds) return;
        throw new CliException(new CliError(
            ExitCode.Usage, "bad_value", string.Create(CultureInfo.InvariantCulture, $"{option} is {value}; it must be {least} to {most}")));
    }

    private static void Render(IAnsiConsole console, BenchReport report)
    {
        Table table = new Table().Border(TableBorder.None).HideHeaders().AddColumns("", "");
        string Text(object? value) => value switch
        {
            double d => d.ToString("G5", CultureInfo.InvariantCulture),
            IEnumerable<Dictionary<string, object>> rows => string.Join('\n', rows.Select(r => string.Join("  ", r.Select(p => $"{p.Key} {Text(p.Value)}")))),
            IFormattable f => f.ToString(null, CultureInfo.InvariantCulture),
            _ => value?.ToString() ?? "",
        };
        void Row(string name, string value) => table.AddRow(Markup.Escape(name), Markup.Escape(value));
        Row(report.Bench, report.What);
        Row("median", $"{Text(report.Median)} {report.Unit}, {Text(report.Values.Min())} to {Text(report.Values.Max())} in {report.Values.Length} runs");
        Row("limit", $"{Text(BenchReport.Quantile(report.LimitValues, 0.5))} {report.Unit}: {report.LimitWhat}; ratio {Text(report.RatioToLimit)}");
        Row("aim", $"{Text(report.Aim)} {report.Unit}: {(report.AimReached ? "reached" : "missed")}");
        foreach ((string name, object? value) in report.Extra) Row(name, Text(value));
        console.Write(table);
    }
}
