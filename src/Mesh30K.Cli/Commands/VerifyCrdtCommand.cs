using System.Collections.Concurrent;
using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Mesh30K.Cli.Output;
using Mesh30K.Simulation.Laws;
using Spectre.Console;

namespace Mesh30K.Cli.Commands;

/// <summary>Checks the laws of the replicated types: random cases, and every reachable state of 3 replicas and 5 operations.</summary>
internal sealed class VerifyCrdtCommand : VerbCommand
{
    private const long CasesMax = 1_000_000_000;

    private readonly Option<string?> _type = new("--type") { Description = "Only this type: " + string.Join(", ", CrdtLaws.Types), HelpName = "name" };
    private readonly Option<long> _cases = new("--cases") { Description = "Random cases of each type", HelpName = "count", DefaultValueFactory = _ => 10_000 };
    private readonly Option<ulong> _seed = new("--seed") { Description = "The seed of the cases: the same seed gives the same cases", HelpName = "number", DefaultValueFactory = _ => 1 };
    private readonly Option<long?> _case = new("--case") { Description = "Only the case of this number, from 0: what a violation's replay names", HelpName = "number" };
    private readonly Option<bool> _enumerate = new("--enumerate") { Description = "Also every reachable state of 3 replicas and 5 operations" };

    public VerifyCrdtCommand()
        : base("crdt", "Check the laws of the replicated types")
    {
        _type.AcceptOnlyFromAmong([.. CrdtLaws.Types]);
        foreach (Option option in (Option[])[_type, _cases, _seed, _case, _enumerate]) Add(option);
    }

    public override IReadOnlyList<string> Examples { get; } =
        ["mesh verify crdt --enumerate", "mesh verify crdt --type or-set --cases 1000000 --json", "mesh verify crdt --type lww-map --seed 7 --case 8841"];

    public override async Task<ExitCode> RunAsync(VerbRun run)
    {
        long count = run.Parse.GetValue(_cases);
        long first = run.Parse.GetValue(_case) ?? 0;
        if (run.Parse.GetValue(_case) is not null) count = 1;
        if (count is < 0 or > CasesMax || first < 0)
            throw new CliException(new CliError(ExitCode.Usage, "bad_value", string.Create(CultureInfo.InvariantCulture, $"--cases is {count} and --case {first}; they must be 0 to {CasesMax}")));
        IReadOnlyList<string> types = run.Parse.GetValue(_type) is { } one ? [one] : CrdtLaws.Types;
        ulong seed = run.Parse.GetValue(_seed);
        bool enumerate = run.Parse.GetValue(_enumerate);
        long started = Stopwatch.GetTimestamp();
        ConcurrentDictionary<string, TypeResult> results = new(StringComparer.Ordinal);
        ParallelOptions options = new() { CancellationToken = run.Stop, MaxDegreeOfParallelism = Environment.ProcessorCount };
        await Parallel.ForEachAsync(types, options, (type, stop) =>
        {
            results[type] = Verify(type, first, count, seed, enumerate, run.Output, stop);
            return ValueTask.CompletedTask;
        }).ConfigureAwait(false);
        VerifyResult result = new()
        {
            Types = [.. types.Select(t => results[t])],
            StatesEnumerated = results.Values.Sum(r => r.StatesEnumerated),
            Seed = seed,
            WallS = Math.Round(Stopwatch.GetElapsedTime(started).TotalSeconds, 3),
        };
        run.Output.Result(result, console => Render(console, result));
        return result.Types.All(t => t.Violations == 0) ? ExitCode.Ok : ExitCode.NotAchieved;
    }

    private static TypeResult Verify(string type, long first, long count, ulong seed, bool enumerate, CliOutput output, CancellationToken stop)
    {
        long told = Stopwatch.GetTimestamp();
        LawReport report = CrdtLaws.Check(type, first, count, seed, done =>
        {
            stop.ThrowIfCancellationRequested();
            if (Stopwatch.GetElapsedTime(told) < TimeSpan.FromSeconds(5)) return;
            told = Stopwatch.GetTimestamp();
            output.Note(string.Create(CultureInfo.InvariantCulture, $"verify crdt: {type}: {done:N0} of {count:N0} cases"));
        });
        if (enumerate) output.Note($"verify crdt: {type}: enumerating");
        EnumerationReport? enumerated = enumerate ? CrdtLaws.Enumerate(type) : null;
        List<LawViolation> violations = [.. report.Violations, .. enumerated?.Violations ?? []];
        foreach (LawViolation v in violations)
            output.Note(string.Join("\n  ", (string[])[$"{v.Type}: broken: {v.Law}: {v.Detail}", .. v.Steps, $"replay: {v.Replay}"]));
        output.Note(string.Create(CultureInfo.InvariantCulture, $"verify crdt: {type}: {report.Cases:N0} cases, {enumerated?.States ?? 0:N0} states enumerated, {violations.Count} violations"));
        return new TypeResult
        {
            Type = type,
            Cases = report.Cases,
            Violations = violations.Count,
            Steps = report.Steps,
            StatesEnumerated = enumerated?.States ?? 0,
            ReplicaStatesEnumerated = enumerated?.ReplicaStates ?? 0,
            TransitionsEnumerated = enumerated?.Transitions ?? 0,
            Broken = violations,
        };
    }

    private static void Render(IAnsiConsole console, VerifyResult result)
    {
        Table table = new Table().Border(TableBorder.None).AddColumns("type", "cases", "steps", "states enumerated", "violations");
        foreach (TypeResult t in result.Types)
        {
            string[] cells = [t.Type, .. ((long[])[t.Cases, t.Steps, t.StatesEnumerated, t.Violations]).Select(n => n.ToString("N0", CultureInfo.InvariantCulture))];
            table.AddRow([.. cells.Select(Markup.Escape)]);
        }
        console.Write(table);
        Views.Line(console, $"seed {result.Seed}, {result.WallS:F1} s");
    }

    private sealed record VerifyResult
    {
        public required IReadOnlyList<TypeResult> Types { get; init; }

        public required long StatesEnumerated { get; init; }

        public required ulong Seed { get; init; }

        public required double WallS { get; init; }
    }

    private sealed record TypeResult
    {
        public required string Type { get; init; }

        public required long Cases { get; init; }

        public required int Violations { get; init; }

        public required long Steps { get; init; }

        public required long StatesEnumerated { get; init; }

        public required long ReplicaStatesEnumerated { get; init; }

        public required long TransitionsEnumerated { get; init; }

        public required IReadOnlyList<LawViolation> Broken { get; init; }
    }
}
