using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Mesh30K.Simulation.Strong.Effects;
using Spectre.Console;

namespace Mesh30K.Cli.Commands;

/// <summary>The life of effects under simulated crashes, a seed at a time. Exit code 1 when something does not hold, or does not end.</summary>
internal sealed class VerifyLedgerCommand : VerbCommand
{
    private const int SeedsMost = 10_000_000;
    private const int BrokenMax = 10;

    private readonly Option<int> _seeds = new("--seeds") { Description = "How many seeds", HelpName = "count", DefaultValueFactory = _ => 1_000 };
    private readonly Option<int?> _effects = new("--effects") { Description = $"As many seeds as have so many effects, {EffectLife.EffectCount} each (instead of --seeds)", HelpName = "count" };
    private readonly Option<int> _start = new("--start") { Description = "The first one", HelpName = "number", DefaultValueFactory = _ => 1 };

    public VerifyLedgerCommand()
        : base("ledger", "Check that effects run once, under simulated crashes of executors and of the ledger")
    {
        Add(_seeds);
        Add(_effects);
        Add(_start);
    }

    public override IReadOnlyList<string> Examples { get; } = ["mesh verify ledger --seeds 2000 --json", "mesh verify ledger --effects 1000000", "mesh verify ledger --seeds 1 --start 8841"];

    public override Task<ExitCode> RunAsync(VerbRun run)
    {
        int seeds = run.Parse.GetValue(_effects) is { } effects
            ? (Within(effects, _effects.Name, 1) + EffectLife.EffectCount - 1) / EffectLife.EffectCount
            : Within(run.Parse.GetValue(_seeds), _seeds.Name, 1);
        int start = Within(run.Parse.GetValue(_start), _start.Name, 0);
        long started = Stopwatch.GetTimestamp();
        LedgerResult result = new() { Seeds = seeds, Start = start };
        Lock gate = new();
        ParallelOptions options = new() { CancellationToken = run.Stop, MaxDegreeOfParallelism = Environment.ProcessorCount };
        Parallel.For(start, start + seeds, options, seed =>
        {
            EffectLifeReport report = EffectLife.Run((ulong)seed);
            lock (gate) result.Add(seed, report);
        });
        result.WallS = Math.Round(Stopwatch.GetElapsedTime(started).TotalSeconds, 3);
        foreach (BrokenSeed broken in result.Broken) run.Output.Note($"seed {broken.Seed}: {broken.Detail}\nreplay: {broken.Replay}");
        run.Output.Result(result, console => Render(console, result));
        return Task.FromResult(result is { Violations: 0, LivenessFailures: 0 } ? ExitCode.Ok : ExitCode.NotAchieved);
    }

    private static int Within(int value, string option, int least) => value >= least && value <= SeedsMost
        ? value
        : throw new CliException(new CliError(ExitCode.Usage, "bad_value", $"{option} is {value}; it must be {least} to {SeedsMost}"));

    private static void Render(IAnsiConsole console, LedgerResult r)
    {
        Views.Line(console, string.Create(CultureInfo.InvariantCulture, $"{r.Seeds:N0} seeds in {r.WallS} s: {r.Effects:N0} effects, {r.Crashes:N0} crashes among {r.FaultsInjected:N0} faults of {r.FaultKinds.Count} kinds; {r.Violations} violations, {r.LivenessFailures} without an end"));
        Views.Line(console, string.Create(CultureInfo.InvariantCulture, $"  {r.AppliedAgain:N0} effects whose receiver does not honour keys were applied again, after they had been reported in doubt; {r.Replays:N0} answers were replays"));
        foreach ((string kind, long count) in r.FaultKinds) Views.Line(console, string.Create(CultureInfo.InvariantCulture, $"  {count,12:N0} {kind}"));
    }

    private sealed record LedgerResult
    {
        public int Seeds { get; init; }

        public int Start { get; init; }

        public long Violations { get; private set; }

        public long LivenessFailures { get; private set; }

        public long FaultsInjected { get; private set; }

        public SortedDictionary<string, long> FaultKinds { get; } = new(StringComparer.Ordinal);

        public long Events { get; private set; }

        public long Effects { get; private set; }

        public long AppliedAgain { get; private set; }

        public long Replays { get; private set; }

        /// <summary>Of executors and of the ledger, at every point of an effect's life: those of <see cref="FaultKinds"/> with <c>crash</c> in their names.</summary>
        public long Crashes { get; private set; }

        /// <summary>Of all seeds, whatever their order.</summary>
        public ulong TraceHash { get; private set; }

        public double WallS { get; set; }

        /// <summary>The first seeds, by number, of those that were found; at most 10.</summary>
        public List<BrokenSeed> Broken { get; } = [];

        public void Add(int seed, EffectLifeReport report)
        {
            Violations += report.Violations.Count;
            if (!report.HasEnded) LivenessFailures++;
            foreach ((string kind, long count) in report.Faults)
            {
                FaultKinds[kind] = FaultKinds.GetValueOrDefault(kind) + count;
                if (kind.Contains("_crash_", StringComparison.Ordinal)) Crashes += count;
            }
            FaultsInjected += report.Faults.Values.Sum();
            Events += report.Events;
            Effects += EffectLife.EffectCount;
            AppliedAgain += report.AppliedAgain;
            Replays += report.Replays;
            TraceHash = unchecked(TraceHash + report.TraceHash);
            if (report is { Violations.Count: 0, HasEnded: true }) return;
            Broken.Add(new BrokenSeed(seed, report.Violations.Count > 0 ? report.Violations[0] : "an effect came to no end", $"mesh verify ledger --seeds 1 --start {seed}"));
            Broken.Sort(static (a, b) => a.Seed.CompareTo(b.Seed));
            if (Broken.Count > BrokenMax) Broken.RemoveAt(BrokenMax);
        }
    }

    private sealed record BrokenSeed(int Seed, string Detail, string Replay);
}
