using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Mesh30K.Simulation.Frames;
using Spectre.Console;

namespace Mesh30K.Cli.Commands;

/// <summary>Sends changed, forged and replayed frames through the gate of a session: none may be accepted.</summary>
internal sealed class VerifyFramesCommand : VerbCommand
{
    private const long CasesMax = 1_000_000_000;

    private readonly Option<long> _cases = new("--cases") { Description = "Frames that must be refused", HelpName = "count", DefaultValueFactory = _ => 100_000 };
    private readonly Option<ulong> _seed = new("--seed") { Description = "The seed of the cases: the same seed gives the same cases", HelpName = "number", DefaultValueFactory = _ => 1 };
    private readonly Option<long?> _case = new("--case") { Description = "Only the case of this number, from 0: what a violation's replay names", HelpName = "number" };

    public VerifyFramesCommand()
        : base("frames", "Check that no forged, changed, replayed or late frame is accepted")
    {
        foreach (Option option in (Option[])[_cases, _seed, _case]) Add(option);
    }

    public override IReadOnlyList<string> Examples { get; } = ["mesh verify frames --cases 1000000 --json", "mesh verify frames --seed 7 --case 8841"];

    public override Task<ExitCode> RunAsync(VerbRun run)
    {
        long count = run.Parse.GetValue(_cases), first = run.Parse.GetValue(_case) ?? 0;
        if (run.Parse.GetValue(_case) is not null) count = 1;
        if (count is < 0 or > CasesMax || first is < 0 or > CasesMax)
            throw new CliException(new CliError(ExitCode.Usage, "bad_value", string.Create(CultureInfo.InvariantCulture, $"--cases is {count} and --case {first}; they must be 0 to {CasesMax}")));
        ulong seed = run.Parse.GetValue(_seed);
        long started = Stopwatch.GetTimestamp(), told = started;
        FrameFuzzReport report = FrameFuzz.Run(first, count, seed, Environment.ProcessorCount, done =>
        {
            if (Stopwatch.GetElapsedTime(told) < TimeSpan.FromSeconds(5)) return;
            told = Stopwatch.GetTimestamp();
            run.Output.Note(string.Create(CultureInfo.InvariantCulture, $"verify frames: {done:N0} of {count:N0} cases"));
        }, run.Stop);
        foreach (FrameViolation v in report.Violations) run.Output.Note($"{v.Way}: {v.Detail}\n  replay: {v.Replay}");
        VerifyFramesResult result = new()
        {
            Cases = report.Cases,
            Seed = seed,
            Refused = report.Refused,
            AcceptedValid = report.AcceptedValid,
            Violations = report.Violations.Count,
            WallS = Math.Round(Stopwatch.GetElapsedTime(started).TotalSeconds, 3),
            Broken = report.Violations,
        };
        run.Output.Result(result, console => Render(console, result));
        return Task.FromResult(result.Violations == 0 ? ExitCode.Ok : ExitCode.NotAchieved);
    }

    private static void Render(IAnsiConsole console, VerifyFramesResult result)
    {
        Table table = new Table().Border(TableBorder.None).AddColumns("refused as", "frames");
        foreach ((string word, long frames) in result.Refused) table.AddRow(word, frames.ToString("N0", CultureInfo.InvariantCulture));
        console.Write(table);
        Views.Line(console, string.Create(CultureInfo.InvariantCulture, $"{result.Cases:N0} cases, {result.AcceptedValid:N0} good frames accepted in between, {result.Violations} violations; seed {result.Seed}, {result.WallS:F1} s"));
    }

    private sealed record VerifyFramesResult
    {
        public required long Cases { get; init; }

        public required ulong Seed { get; init; }

        public required IReadOnlyDictionary<string, long> Refused { get; init; }

        public required long AcceptedValid { get; init; }

        public required int Violations { get; init; }

        public required double WallS { get; init; }

        public required IReadOnlyList<FrameViolation> Broken { get; init; }
    }
}
