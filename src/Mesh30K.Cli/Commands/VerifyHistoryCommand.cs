using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Mesh30K.Simulation.Strong;
using Spectre.Console;

namespace Mesh30K.Cli.Commands;

/// <summary>Checks a recorded history for linearizability. Exit code 1 when it is not, or when that is undecided.</summary>
internal sealed class VerifyHistoryCommand : VerbCommand
{
    private const long FileBytesMax = 1L << 30;

    /// <summary>How many operations of a prefix are told: those that were called last.</summary>
    private const int ToldMax = 20;

    private readonly Argument<string> _file = new("file") { Description = "The history, an operation a line: docs/guide/histories.md" };
    private readonly Option<long> _configurations = new("--configurations")
    {
        Description = "After how many configurations of one key the search gives up",
        HelpName = "count",
        DefaultValueFactory = _ => LinearizabilityChecker.ConfigurationsMax,
    };

    public VerifyHistoryCommand()
        : base("history", "Check whether a recorded history of gets, puts and compare-and-sets is linearizable")
    {
        Add(_file);
        Add(_configurations);
    }

    public override IReadOnlyList<string> Examples { get; } = ["mesh verify history history.jsonl", "mesh verify history history.jsonl --configurations 50000000 --json"];

    public override Task<ExitCode> RunAsync(VerbRun run)
    {
        long configurations = run.Parse.GetValue(_configurations);
        if (configurations < 1) throw new CliException(new CliError(ExitCode.Usage, "bad_value", $"--configurations is {configurations}; it must be at least 1"));
        string file = run.Parse.GetRequiredValue(_file);
        IReadOnlyList<HistoryOperation> operations = Read(run, file);
        long started = Stopwatch.GetTimestamp();
        HistoryReport report = LinearizabilityChecker.Check(operations, configurations, run.Stop);
        HistoryResult result = new()
        {
            File = file,
            Verdict = report.Verdict.ToString().ToLowerInvariant(),
            Operations = operations.Count,
            Clients = operations.DistinctBy(o => o.Client).Count(),
            Keys = report.Keys.Count,
            Unknown = operations.Count(o => o.Outcome == HistoryOutcome.Unknown),
            Violations = [.. report.Keys.Where(k => k.Witness is not null).Select(k => Told(k, k.Witness!))],
            Undecided = [.. report.Keys.Where(k => k.Verdict == HistoryVerdict.Undecided).Select(k => k.Key)],
            Configurations = report.Keys.Sum(k => k.Configurations),
            WallS = Math.Round(Stopwatch.GetElapsedTime(started).TotalSeconds, 3),
        };
        run.Output.Result(result, console => Render(console, result));
        return Task.FromResult(report.Verdict == HistoryVerdict.Linearizable ? ExitCode.Ok : ExitCode.NotAchieved);
    }

    private static IReadOnlyList<HistoryOperation> Read(VerbRun run, string file)
    {
        string path = run.PathOf(file);
        try
        {
            long bytes = new FileInfo(path).Length;
            if (bytes > FileBytesMax) throw new CliException(new CliError(ExitCode.Usage, "too_large", $"{file} has {bytes} bytes; at most {FileBytesMax}", "Check it in parts, each with whole keys."));
            return HistoryReader.Read(File.ReadAllBytes(path));
        }
        catch (HistoryFormatException wrong)
        {
            throw new CliException(new CliError(ExitCode.Usage, "bad_history", $"{file}:{wrong.Message}", "The format is described in docs/guide/histories.md."));
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            throw new CliException(new CliError(ExitCode.Usage, "unreadable_file", $"cannot read {file}: {gone.Message}"));
        }
    }

    private static HistoryViolation Told(KeyReport key, HistoryWitness witness) => new()
    {
        Key = key.Key,
        Line = witness.Blocked.Line,
        Operation = witness.Blocked.ToString(),
        Possible = witness.Possible,
        PrefixOperations = witness.Prefix.Count,
        Prefix = [.. witness.Prefix.TakeLast(ToldMax).Select(o => new HistoryStep(o.Line, o.CallNs, o.ReturnNs, o.ToString()))],
    };

    private static void Render(IAnsiConsole console, HistoryResult r)
    {
        Views.Line(console, string.Create(CultureInfo.InvariantCulture, $"{r.Verdict}: {r.Operations:N0} operations of {r.Clients:N0} clients on {r.Keys:N0} keys, {r.Unknown:N0} of unknown outcome; {r.Configurations:N0} configurations in {r.WallS} s"));
        foreach (HistoryViolation v in r.Violations)
        {
            Views.Line(console, Client.Plain.Line($"{v.Key}: line {v.Line} fits no order: {v.Operation}; by then the key could hold {string.Join(" or ", v.Possible.Select(HistoryOperation.Show))}"));
            Views.Line(console, $"  the last {v.Prefix.Count} of the {v.PrefixOperations} operations until then:");
            foreach (HistoryStep step in v.Prefix) Views.Line(console, Client.Plain.Line($"  line {step.Line}  {step.Call}–{step.Return?.ToString(CultureInfo.InvariantCulture) ?? "…"} ns  {step.Operation}"));
        }
        foreach (string key in r.Undecided) Views.Line(console, Client.Plain.Line($"{key}: undecided; raise --configurations"));
    }

    private sealed record HistoryResult
    {
        public required string File { get; init; }

        public required string Verdict { get; init; }

        public required int Operations { get; init; }

        public required int Clients { get; init; }

        public required int Keys { get; init; }

        public required int Unknown { get; init; }

        public required IReadOnlyList<HistoryViolation> Violations { get; init; }

        public required IReadOnlyList<string> Undecided { get; init; }

        public required long Configurations { get; init; }

        public required double WallS { get; init; }
    }

    private sealed record HistoryViolation
    {
        public required string Key { get; init; }

        public required int Line { get; init; }

        public required string Operation { get; init; }

        public required IReadOnlyList<string?> Possible { get; init; }

        public required int PrefixOperations { get; init; }

        public required IReadOnlyList<HistoryStep> Prefix { get; init; }
    }

    private sealed record HistoryStep(int Line, long Call, long? Return, string Operation);
}
