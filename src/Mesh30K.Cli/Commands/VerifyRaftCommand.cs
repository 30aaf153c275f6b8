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

    private readonly Option<int> _seeds = new("--seeds") { Description = "How many seeds", HelpName = "count", DefaultValueFactory = _ => 300 };
    private readonly Option<long> _start = new("--start") { Description = "The first seed: the same seed gives the same run", HelpName = "number", DefaultValueFactory = _ => 1 };

    public VerifyRaftCommand()
        : base("raft", "Run groups of servers under lost messages, cuts, crashes and failing disks, and check the rules of Raft")
    {
        Add(_seeds);
        Add(_start);
    }

    public override IReadOnlyList<string> Examples { get; } = ["mesh verify raft --seeds 2000 --json", "mesh verify raft --seeds 1 --start 8841"];

    public override async Task<ExitCode> RunAsync(VerbRun run)
    {
        int seeds = run.Parse.GetValue(_seeds);
        long start = run.Parse.GetValue(_start);
        if (seeds is < 1 or > SeedsMax || start < 0 || start > long.MaxValue - seeds)
            throw new CliException(new CliError(ExitCode.Usage, "bad_value", string.Create(CultureInfo.InvariantCulture, $"--seeds is {seeds} and --start {start}; they must be 1 to {SeedsMax}, and 0 or more")));
        long began = Stopwatch.GetTimestamp();
        RaftRunReport[] reports = new RaftRunReport[seeds];
        ParallelOptions options = new() { CancellationToken = run.Stop, MaxDegreeOfParallelism = Environment.ProcessorCount };
        await Task.Run(() => Parallel.For(0, seeds, options, i => reports[i] = RaftSimulation.Run(start + i)), run.Stop).ConfigureAwait(false);
        VerifyRaftResult result = Sum(reports, start, Stopwatch.GetElapsedTime(began));
        foreach (RaftFinding finding in result.Findings) run.Output.Note($"verify raft: seed {finding.Seed}: {finding.Rule}: {finding.Detail}\n  replay: {finding.Replay}");
        run.Output.Result(result, console => Render(console, result));
        return result is { Violations: 0, LivenessFailures: 0 } ? ExitCode.Ok : ExitCode.NotAchieved;
    }

    private static VerifyRaftResult Sum(RaftRunReport[] reports, long start, TimeSpan wall)
    {
        SortedDictionary<string, long> kinds = new(StringComparer.Ordinal);
        List<RaftFinding> findings = [];
        ulong trace = 0;
        foreach (RaftRunReport report in reports)
        {
            foreach ((string kind, long hits) in report.Faults) kinds[kind] = kinds.GetValueOrDefault(kind) + hits;
            trace = (trace ^ report.TraceHash) * 0x9E3779B97F4A7C15;
            if (findings.Count >= FindingsMax) continue;
            if (report.Violation is { } v) findings.Add(new RaftFinding(v.Seed, v.Rule, v.Detail, v.Replay));
            if (report.LivenessFailure is { } stuck) findings.Add(new RaftFinding(report.Seed, "works again when healed", stuck, new RaftViolation(report.Seed, "", "").Replay));
        }
        return new VerifyRaftResult
        {
            Seeds = reports.Length,
            Start = start,
            Violations = reports.Count(r => r.Violation is not null),
            LivenessFailures = reports.Count(r => r.LivenessFailure is not null),
            FaultsInjected = kinds.Values.Sum(),
            FaultKinds = kinds,
            Events = reports.Sum(r => r.Events),
            Committed = reports.Sum(r => r.Committed),
            Acknowledged = reports.Sum(r => r.Acknowledged),
            Reads = reports.Sum(r => r.Reads),
            TraceHash = trace.ToString("x16", CultureInfo.InvariantCulture),
            WallS = Math.Round(wall.TotalSeconds, 3),
            Findings = findings,
        };
    }

    private static void Render(IAnsiConsole console, VerifyRaftResult r)
    {
        Views.Line(console, string.Create(CultureInfo.InvariantCulture, $"{r.Seeds:N0} seeds from {r.Start}: {r.Violations} violations, {r.LivenessFailures} liveness failures"));
        Views.Line(console, string.Create(CultureInfo.InvariantCulture, $"  {r.FaultsInjected:N0} faults of {r.FaultKinds.Count} kinds, {r.Events:N0} events, {r.Acknowledged:N0} writes acknowledged, {r.Reads:N0} reads, {r.WallS:F1} s, trace {r.TraceHash}"));
    }

    private sealed record RaftFinding(long Seed, string Rule, string Detail, string Replay);

    private sealed record VerifyRaftResult
    {
        public required int Seeds { get; init; }

        public required long Start { get; init; }

        public required int Violations { get; init; }

        public required int LivenessFailures { get; init; }

        public required long FaultsInjected { get; init; }

        public required IReadOnlyDictionary<string, long> FaultKinds { get; init; }

        public required long Events { get; init; }

        public required long Committed { get; init; }

        public required long Acknowledged { get; init; }

        public required long Reads { get; init; }

        public required string TraceHash { get; init; }

        public required double WallS { get; init; }

        public required IReadOnlyList<RaftFinding> Findings { get; init; }
    }
}
