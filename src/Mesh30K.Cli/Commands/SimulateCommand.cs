using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Serialization;
using Mesh30K.Cli.Bench;
using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Coordination.Topology;
using Mesh30K.Simulation.Virtual;
using Spectre.Console;

namespace Mesh30K.Cli.Commands;

/// <summary>Runs the production roles over a simulated fleet under virtual time, and says how well the sends were aimed.</summary>
public sealed class SimulateCommand : VerbCommand
{
    private static readonly OperationSpec Defaults = new();

    private readonly Option<int> _agents = new("--agents") { Description = "How many agents", HelpName = "count", DefaultValueFactory = _ => 30_000 };
    private readonly Option<int> _operations = new("--operations") { Description = "How many operations, one after the other", HelpName = "count", DefaultValueFactory = _ => 60 };
    private readonly Option<string> _planner = new("--planner") { Description = "How sends are aimed: learned, spec, fire-now or oracle", HelpName = "name", DefaultValueFactory = _ => "learned" };
    private readonly Option<ulong> _seed = new("--seed") { Description = "The seed of everything random: the same seed gives the same trace", HelpName = "number", DefaultValueFactory = _ => 1 };
    private readonly Option<string?> _networkTrace = new("--network-trace") { Description = "A folder of recorded round trips (epoch;rtt;cp)", HelpName = "folder" };
    private readonly Option<string?> _serviceTrace = new("--service-trace") { Description = "A CSV file of recorded service times", HelpName = "file" };
    private readonly Option<string?> _serviceColumn = new("--service-column") { Description = "The column of milliseconds; several by a prefix with *", HelpName = "name" };
    private readonly Option<string?> _serviceGroup = new("--service-group") { Description = "The columns, joined by commas, that tell groups apart", HelpName = "name" };
    private readonly Option<float> _leadLevel = new("--lead-level") { Description = "Wanted share READY at T, 0.5 to below 1", HelpName = "share", DefaultValueFactory = _ => Defaults.LeadLevel };
    private readonly Option<double> _window = new("--window-ms") { Description = "Arrival window around T in ms", HelpName = "ms", DefaultValueFactory = _ => Defaults.WindowMs };
    private readonly Option<double> _timeout = new("--timeout-ms") { Description = "The longest that an operation may take in ms", HelpName = "ms", DefaultValueFactory = _ => Defaults.TimeoutMs };
    private readonly Option<int> _workers = new("--workers") { Description = "Threads; the result does not depend on them", HelpName = "count", DefaultValueFactory = _ => Environment.ProcessorCount };

    public SimulateCommand()
        : base("simulate", "Try a fleet under virtual time: how well are sends aimed?")
    {
        _planner.AcceptOnlyFromAmong(SimulationInput.PlannerNames);
        foreach (Option option in (Option[])[_agents, _operations, _planner, _seed, _networkTrace, _serviceTrace, _serviceColumn, _serviceGroup, _leadLevel, _window, _timeout, _workers])
            Add(option);
    }

    public override IReadOnlyList<string> Examples { get; } =
    [
        "mesh simulate --agents 30000 --operations 60",
        "mesh simulate --planner fire-now --json",
        "mesh simulate --network-trace rtt/ --service-trace calls.csv --service-column ms --service-group model",
    ];

    public override Task<ExitCode> RunAsync(VerbRun run)
    {
        SimulationInput input = Read(run);
        long started = Stopwatch.GetTimestamp();
        SimulationSummary summary = Execute(input, run);
        double wallS = Stopwatch.GetElapsedTime(started).TotalSeconds;
        SimulateResult result = SimulateResult.Of(summary, input, wallS);
        run.Output.Result(result, console => Render(console, result));
        return Task.FromResult(ExitCode.Ok);
    }

    private SimulationInput Read(VerbRun run)
    {
        int agentCount = run.Parse.GetValue(_agents);
        int operationCount = run.Parse.GetValue(_operations);
        int threads = run.Parse.GetValue(_workers);
        SimulationInput.CheckNumbers(agentCount, operationCount, threads);
        PlannerKind kind = (PlannerKind)Array.IndexOf(SimulationInput.PlannerNames, run.Parse.GetRequiredValue(_planner));
        OperationSpec spec = SimulationInput.Checked(Defaults with
        {
            Planner = kind,
            LeadLevel = run.Parse.GetValue(_leadLevel),
            WindowMs = run.Parse.GetValue(_window),
            TimeoutMs = run.Parse.GetValue(_timeout),
        });
        ulong seedValue = run.Parse.GetValue(_seed);
        string? network = run.Parse.GetValue(_networkTrace) is { } folder ? run.PathOf(folder) : null;
        return new SimulationInput(
            agentCount, operationCount, kind, seedValue, threads, spec, SimulationInput.BuildFleet(agentCount, seedValue, network, ReadServiceTrace(run)));
    }

    private ServiceTraceSource? ReadServiceTrace(VerbRun run)
    {
        string? file = run.Parse.GetValue(_serviceTrace);
        string? column = run.Parse.GetValue(_serviceColumn);
        string? group = run.Parse.GetValue(_serviceGroup);
        if (file is null && column is null && group is null) return null;
        return file is null || column is null
            ? throw new CliException(new CliError(
                ExitCode.Usage, "bad_trace", $"--{(file is null ? "service-trace" : "service-column")} is missing", "A service trace is a file and its column of milliseconds."))
            : new ServiceTraceSource(run.PathOf(file), column, group);
    }

    private static SimulationSummary Execute(SimulationInput input, VerbRun run)
    {
        int threads = input.Workers;
        VirtualMeshOptions options = new()
        {
            Planner = input.Planner,
            Interval = TimeSpan.FromMilliseconds(Math.Max(10_000, (2 * input.Spec.TimeoutMs) + 1_000)),
            Workers = threads,
            ForEach = threads == 1 ? null : (count, body) => Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = threads }, body),
        };
        MeshSettings settings = new() { Shape = MeshShape.For(input.Agents) };
        long told = Stopwatch.GetTimestamp();
        return SimulationRun.Execute(input.Fleet, settings, options, input.Spec, input.Operations, done =>
        {
            run.Stop.ThrowIfCancellationRequested();
            if (Stopwatch.GetElapsedTime(told) < TimeSpan.FromSeconds(1) && done < input.Operations) return;
            told = Stopwatch.GetTimestamp();
            run.Output.Note(string.Create(CultureInfo.InvariantCulture, $"simulate: {done} of {input.Operations} operations"));
        });
    }

    private static void Render(IAnsiConsole console, SimulateResult r)
    {
        Table table = new Table().Border(TableBorder.None).HideHeaders().AddColumns("", "");
        void Row(string name, FormattableString value) => table.AddRow(Markup.Escape(name), Markup.Escape(FormattableString.Invariant(value)));
        Row("agents × operations", $"{r.Agents} × {r.Operations}, planner {r.Planner}, seed {r.Seed}");
        Row("window hits", $"{r.WindowHitRate * 100:F2}% of what was sent, within ±{r.WindowMs} ms of T");
        Row("READY by T", $"{r.ReadyRate * 100:F2}%");
        Row("spread", $"{r.SpreadMs:F1} ms of arrivals, {r.StartSpreadMs:F1} ms of starts (p95 − p5)");
        Row("prediction error", $"p50 {r.PredictionErrorMs.P50:F1}, p90 {r.PredictionErrorMs.P90:F1}, p99 {r.PredictionErrorMs.P99:F1} ms");
        Row("beside the oracle", $"pinball × {r.PinballRatioToOracle:F3}, width × {r.WidthRatioToOracle:F3}, coverage {r.Coverage * 100:F1}% (oracle {r.OracleCoverage * 100:F1}%)");
        Row("cost", $"{r.Events} events in {r.WallS:F1} s, {r.PeakResidentMb:F0} MiB at most");
        Row("trace", $"{r.TraceHash}");
        console.Write(table);
    }

    private sealed record ErrorQuantiles(double P50, double P90, double P99);

    private sealed record SimulateResult
    {
        public required int Agents { get; init; }

        public required int Operations { get; init; }

        public required string Planner { get; init; }

        public required ulong Seed { get; init; }

        public required double WindowHitRate { get; init; }

        public required ErrorQuantiles PredictionErrorMs { get; init; }

        public required double SpreadMs { get; init; }

        public required double PinballRatioToOracle { get; init; }

        public required double Coverage { get; init; }

        public required double WidthRatioToOracle { get; init; }

        public required long Events { get; init; }

        public required double WallS { get; init; }

        public required double PeakResidentMb { get; init; }

        public required string TraceHash { get; init; }

        [JsonPropertyName("pinball_ratio_5_to_10_samples")]
        public required double PinballRatioYoung { get; init; }

        public required double StartSpreadMs { get; init; }

        public required double ReadyRate { get; init; }

        public required IReadOnlyDictionary<string, int> Decisions { get; init; }

        public required double OracleCoverage { get; init; }

        public required int WarmUpOperations { get; init; }

        public required double WindowMs { get; init; }

        public required int Workers { get; init; }

        public static SimulateResult Of(SimulationSummary s, SimulationInput input, double wallS)
        {
            Sketch errors = s.Warm.Errors;
            return new SimulateResult
            {
                Agents = s.Agents,
                Operations = s.Operations,
                Planner = SimulationInput.PlannerNames[(int)s.Planner],
                Seed = input.Seed,
                WindowHitRate = s.WindowHitRate,
                PredictionErrorMs = new(errors.Quantile(0.5), errors.Quantile(0.9), errors.Quantile(0.99)),
                SpreadMs = s.SpreadMs,
                PinballRatioToOracle = s.Warm.PinballRatio,
                Coverage = s.Warm.Coverage,
                WidthRatioToOracle = s.Warm.WidthRatio,
                Events = s.Events,
                WallS = Math.Round(wallS, 3),
                PeakResidentMb = ProcessMemory.PeakResidentMb(),
                TraceHash = s.TraceHash.ToString("x16", CultureInfo.InvariantCulture),
                PinballRatioYoung = s.Young.PinballRatio,
                StartSpreadMs = s.StartSpreadMs,
                ReadyRate = s.ReadyByTargetRate,
                Decisions = s.Decisions.OrderBy(d => d.Key).ToDictionary(d => System.Text.Json.JsonNamingPolicy.SnakeCaseLower.ConvertName(d.Key.ToString()), d => d.Value),
                OracleCoverage = s.Warm.Scored == 0 ? 0 : (double)s.Warm.OracleCovered / s.Warm.Scored,
                WarmUpOperations = s.WarmUp,
                WindowMs = input.Spec.WindowMs,
                Workers = input.Workers,
            };
        }
    }
}
