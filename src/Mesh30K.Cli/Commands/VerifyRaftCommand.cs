using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Mesh30K.Simulation.Strong.Raft;
using Spectre.Console;

namespace Mesh30K.Cli.Commands;

/// <summary>Runs the Raft machine under faults in virtual time, a group for each seed. Exit code 1 when a rule broke or a healed group did not work again.</summary>
internal sealed class VerifyRaftCommand : VerbCommand
{
    private const int SeedsMax = 10_000_000;
    private const int FindingsMax = 20;
    private const int MinimisedMax = 3;
    private const int MinimisingRunsMax = 400;

    private readonly Option<int> _seeds = new("--seeds") { Description = "How many seeds", HelpName = "count", DefaultValueFactory = _ => 300 };
    private readonly Option<long> _start = new("--start") { Description = "The first seed: the same seed gives the same run", HelpName = "number", DefaultValueFactory = _ => 1 };
    private readonly Option<string?> _only = new("--only") { Description = "With one seed: only these of its faults strike, by number; 0 for none", HelpName = "numbers" };

    public VerifyRaftCommand()
        : base("raft", "Run groups of servers under lost messages, cuts, crashes and failing disks, and check the rules of Raft")
    {
        Add(_seeds);
        Add(_start);
        Add(_only);
    }

    public override IReadOnlyList<string> Examples { get; } =
        ["mesh verify raft --seeds 2000 --json", "mesh verify raft --seeds 1 --start 8841", "mesh verify raft --seeds 1 --start 8841 --only 3,17,22"];

    public override async Task<ExitCode> RunAsync(VerbRun run)
    {
        int seeds = run.Parse.GetValue(_seeds);
        long start = run.Parse.GetValue(_start);
        if (seeds is < 1 or > SeedsMax || start < 0 || start > long.MaxValue - seeds)
            throw new CliException(new CliError(ExitCode.Usage, "bad_value", string.Create(CultureInfo.InvariantCulture, $"--seeds is {seeds} and --start {start}; they must be 1 to {SeedsMax}, and 0 or more")));
        IReadOnlySet<int>? only = Only(run.Parse.GetValue(_only), seeds);
        long began = Stopwatch.GetTimestamp();
        RaftRunReport[] reports = new RaftRunReport[seeds];
        ParallelOptions options = new() { CancellationToken = run.Stop, MaxDegreeOfParallelism = Environment.ProcessorCount };
        await Task.Run(() => Parallel.For(0, seeds, options, i => reports[i] = RaftSimulation.Run(start + i, only)), run.Stop).ConfigureAwait(false);
        TimeSpan wall = Stopwatch.GetElapsedTime(began);
        RaftFinding[] findings = await Task.Run(() => reports.Where(r => r.FailedRule is not null).Take(FindingsMax).Select((r, i) => Find(r, only, i < MinimisedMax, run.Stop)).ToArray(), run.Stop)
            .ConfigureAwait(false);
        VerifyRaftResult result = Sum(reports, start, wall, findings);
        foreach (RaftFinding finding in findings) run.Output.Note(Told(finding));
        run.Output.Result(result, console => Render(console, result));
        return result is { Violations: 0, LivenessFailures: 0 } ? ExitCode.Ok : ExitCode.NotAchieved;
    }

    private static HashSet<int>? Only(string? text, int seeds)
    {
        if (text is null) return null;
        HashSet<int> numbers = [];
        foreach (string part in text.Split(','))
        {
            if (seeds != 1 || !int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int number))
                throw new CliException(new CliError(ExitCode.Usage, "bad_value", $"--only is {text}; it takes the numbers of faults, such as 3,17,22, or 0 for none, together with --seeds 1"));
            numbers.Add(number);
        }
        return numbers;
    }

    /// <summary>What a seed failed by, with as few of its faults as it needs. What was already chosen with <c>--only</c> is told as it is.</summary>
    private static RaftFinding Find(RaftRunReport report, IReadOnlySet<int>? only, bool minimise, CancellationToken stop)
    {
        string detail = report.Violation?.Detail ?? report.LivenessFailure!;
        if (only is not null || !minimise)
            return new RaftFinding(report.Seed, report.Recipe, report.FailedRule!, detail, RaftViolation.ReplayOf(report.Seed, only?.Order().ToArray()), report.Struck);
        RaftMinimised minimised = RaftMinimiser.Minimise(report, MinimisingRunsMax, stop);
        RaftRunReport least = minimised.Report;
        return new RaftFinding(report.Seed, report.Recipe, report.FailedRule!, least.Violation?.Detail ?? least.LivenessFailure!, minimised.Replay, minimised.Faults);
    }

    private static string Told(RaftFinding finding) =>
        $"verify raft: seed {finding.Seed} ({finding.Recipe}): {finding.Rule}: {finding.Detail}\n  faults: {string.Join("; ", finding.Faults)}\n  replay: {finding.Replay}";

    private static VerifyRaftResult Sum(RaftRunReport[] reports, long start, TimeSpan wall, IReadOnlyList<RaftFinding> findings)
    {
        SortedDictionary<string, long> kinds = new(StringComparer.Ordinal);
        SortedDictionary<string, int> recipes = new(StringComparer.Ordinal);
        ulong trace = 0;
        foreach (RaftRunReport report in reports)
        {
            foreach ((string kind, long hits) in report.Faults) kinds[kind] = kinds.GetValueOrDefault(kind) + hits;
            trace = (trace ^ report.TraceHash) * 0x9E3779B97F4A7C15;
            recipes[report.Recipe] = recipes.GetValueOrDefault(report.Recipe) + 1;
        }
        return new VerifyRaftResult
        {
            Seeds = reports.Length,
            Start = start,
            Violations = reports.Count(r => r.Violation is not null),
            LivenessFailures = reports.Count(r => r.LivenessFailure is not null),
            FaultsInjected = kinds.Values.Sum(),
            FaultKinds = kinds,
            Recipes = recipes,
            Events = reports.Sum(r => r.Events),
            Committed = reports.Sum(r => r.Committed),
            Acknowledged = reports.Sum(r => r.Acknowledged),
            Reads = reports.Sum(r => r.Reads),
            Operations = reports.Sum(r => (long)r.Operations),
            Undecided = reports.Count(r => r.IsUndecided),
            TraceHash = trace.ToString("x16", CultureInfo.InvariantCulture),
            WallS = Math.Round(wall.TotalSeconds, 3),
            Findings = findings,
        };
    }

    private static void Render(IAnsiConsole console, VerifyRaftResult r)
    {
        Views.Line(console, string.Create(CultureInfo.InvariantCulture, $"{r.Seeds:N0} seeds from {r.Start}: {r.Violations} violations, {r.LivenessFailures} liveness failures"));
        Views.Line(console, string.Create(CultureInfo.InvariantCulture, $"  {r.FaultsInjected:N0} faults of {r.FaultKinds.Count} kinds, {r.Events:N0} events, {r.Acknowledged:N0} writes acknowledged, {r.Reads:N0} reads, {r.WallS:F1} s, trace {r.TraceHash}"));
        Views.Line(console, string.Create(CultureInfo.InvariantCulture, $"  {r.Operations:N0} operations of clients checked for one order, {r.Undecided} histories undecided"));
        foreach ((string kind, long count) in r.FaultKinds) Views.Line(console, string.Create(CultureInfo.InvariantCulture, $"  {count,12:N0} {kind}"));
    }

    private sealed record RaftFinding(long Seed, string Recipe, string Rule, string Detail, string Replay, IReadOnlyList<StruckFault> Faults);

    private sealed record VerifyRaftResult
    {
        public required int Seeds { get; init; }

        public required long Start { get; init; }

        public required int Violations { get; init; }

        public required int LivenessFailures { get; init; }

        public required long FaultsInjected { get; init; }

        public required IReadOnlyDictionary<string, long> FaultKinds { get; init; }

        /// <summary>How many seeds concentrated on which trouble.</summary>
        public required IReadOnlyDictionary<string, int> Recipes { get; init; }

        public required long Events { get; init; }

        public required long Committed { get; init; }

        public required long Acknowledged { get; init; }

        public required long Reads { get; init; }

        /// <summary>In the histories of the clients, which were checked.</summary>
        public required long Operations { get; init; }

        /// <summary>Histories whose check came to its bound before it knew.</summary>
        public required int Undecided { get; init; }

        public required string TraceHash { get; init; }

        public required double WallS { get; init; }

        public required IReadOnlyList<RaftFinding> Findings { get; init; }
    }
}
