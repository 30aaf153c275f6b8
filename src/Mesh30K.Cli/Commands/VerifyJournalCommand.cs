using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Mesh30K.Cli.Verify;
using Spectre.Console;

namespace Mesh30K.Cli.Commands;

/// <summary>Lives of the production journal on a disk that fails, a seed at a time. Exit code 1 when something does not hold, or the journal takes no more records.</summary>
internal sealed class VerifyJournalCommand : VerbCommand
{
    private const int SeedsMost = 10_000_000;
    private const int BrokenMax = 10;

    private readonly Option<int> _seeds = new("--seeds") { Description = "How many seeds", HelpName = "count", DefaultValueFactory = _ => 300 };
    private readonly Option<long> _start = new("--start") { Description = "The first one", HelpName = "number", DefaultValueFactory = _ => 1 };

    public VerifyJournalCommand()
        : base("journal", "Check that the journal loses nothing it acknowledged and skips no damage, on a disk that fails")
    {
        Add(_seeds);
        Add(_start);
    }

    public override IReadOnlyList<string> Examples { get; } = ["mesh verify journal --seeds 2000 --json", "mesh verify journal --seeds 1 --start 8841"];

    public override async Task<ExitCode> RunAsync(VerbRun run)
    {
        int seeds = run.Parse.GetValue(_seeds);
        long start = run.Parse.GetValue(_start);
        if (seeds is < 1 or > SeedsMost || start < 0 || start > long.MaxValue - seeds)
            throw new CliException(new CliError(ExitCode.Usage, "bad_value", string.Create(CultureInfo.InvariantCulture, $"--seeds is {seeds} and --start {start}; they must be 1 to {SeedsMost}, and 0 or more")));
        long began = Stopwatch.GetTimestamp();
        JournalLifeReport[] reports = new JournalLifeReport[seeds];
        string root = Directory.CreateTempSubdirectory("mesh-verify-journal-").FullName;
        try
        {
            ParallelOptions options = new() { CancellationToken = run.Stop, MaxDegreeOfParallelism = Environment.ProcessorCount };
            await Task.Run(() => Parallel.For(0, seeds, options, i => reports[i] = Live(start + i, Path.Combine(root, i.ToString(CultureInfo.InvariantCulture)))), run.Stop).ConfigureAwait(false);
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
        JournalResult result = Sum(reports, start, Stopwatch.GetElapsedTime(began));
        foreach (BrokenSeed broken in result.Broken) run.Output.Note($"verify journal: seed {broken.Seed}: {broken.Detail}\n  replay: {broken.Replay}");
        run.Output.Result(result, console => Render(console, result));
        return result is { Violations: 0, LivenessFailures: 0 } ? ExitCode.Ok : ExitCode.NotAchieved;
    }

    private static JournalLifeReport Live(long seed, string folder)
    {
        JournalLifeReport report = JournalLife.Run(seed, folder);
        Directory.Delete(folder, recursive: true);
        return report;
    }

    private static JournalResult Sum(JournalLifeReport[] reports, long start, TimeSpan wall)
    {
        SortedDictionary<string, long> kinds = new(StringComparer.Ordinal);
        ulong trace = 0;
        foreach (JournalLifeReport report in reports)
        {
            foreach ((string kind, long hits) in report.Faults) kinds[kind] = kinds.GetValueOrDefault(kind) + hits;
            trace = (trace ^ report.TraceHash) * 0x9E3779B97F4A7C15;
        }
        return new JournalResult
        {
            Seeds = reports.Length,
            Start = start,
            Violations = reports.Count(r => r.Violation is not null),
            LivenessFailures = reports.Count(r => !r.HasEnded),
            FaultsInjected = kinds.Values.Sum(),
            FaultKinds = kinds,
            Events = reports.Sum(r => r.Calls),
            Acknowledged = reports.Sum(r => r.Acknowledged),
            DamageRefused = reports.Sum(r => r.Refused),
            TraceHash = trace.ToString("x16", CultureInfo.InvariantCulture),
            WallS = Math.Round(wall.TotalSeconds, 3),
            Broken = [.. reports.Select((r, i) => (Report: r, Seed: start + i)).Where(r => r.Report.Violation is not null || !r.Report.HasEnded).Take(BrokenMax)
                .Select(r => new BrokenSeed(r.Seed, r.Report.Violation ?? "the journal took no record when all trouble was over", $"mesh verify journal --seeds 1 --start {r.Seed}"))],
        };
    }

    private static void Render(IAnsiConsole console, JournalResult r)
    {
        Views.Line(console, string.Create(CultureInfo.InvariantCulture, $"{r.Seeds:N0} seeds in {r.WallS} s: {r.Acknowledged:N0} records acknowledged, {r.FaultsInjected:N0} faults of {r.FaultKinds.Count} kinds; {r.Violations} violations, {r.LivenessFailures} without an end"));
        Views.Line(console, string.Create(CultureInfo.InvariantCulture, $"  {r.DamageRefused:N0} damages refused, {r.Events:N0} calls to the folder, trace {r.TraceHash}"));
        foreach ((string kind, long count) in r.FaultKinds) Views.Line(console, string.Create(CultureInfo.InvariantCulture, $"  {count,12:N0} {kind}"));
    }

    private sealed record BrokenSeed(long Seed, string Detail, string Replay);

    private sealed record JournalResult
    {
        public required int Seeds { get; init; }

        public required long Start { get; init; }

        public required int Violations { get; init; }

        public required int LivenessFailures { get; init; }

        public required long FaultsInjected { get; init; }

        public required IReadOnlyDictionary<string, long> FaultKinds { get; init; }

        /// <summary>Calls to the folder.</summary>
        public required long Events { get; init; }

        public required long Acknowledged { get; init; }

        public required long DamageRefused { get; init; }

        public required string TraceHash { get; init; }

        public required double WallS { get; init; }

        public required IReadOnlyList<BrokenSeed> Broken { get; init; }
    }
}
