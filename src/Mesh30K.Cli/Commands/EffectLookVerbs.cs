using System.CommandLine;
using Mesh30K.Cli.Client;
using Mesh30K.Cli.Execution;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Node.Api.Effects;
using Mesh30K.Node.Ledger;
using Spectre.Console;

namespace Mesh30K.Cli.Commands;

/// <summary>The effects that a ledger knows.</summary>
public sealed class EffectListCommand : EffectVerb
{
    private const int LimitMost = 100_000;

    private readonly Option<string?> _status = new("--status") { Description = "Only those that are intended, executing, in-doubt, done, failed or abandoned", HelpName = "status" };
    private readonly Option<int> _limit = new("--limit") { Description = "How many at most", HelpName = "count", DefaultValueFactory = _ => 100 };

    public EffectListCommand()
        : base("list", "Show effects, of all principals or one", creates: false)
    {
        Add(_status);
        Add(_limit);
    }

    public override IReadOnlyList<string> Examples { get; } = ["mesh effect list", "mesh effect list --status in-doubt --json"];

    private protected override async Task<ExitCode> RunAsync(VerbRun run, ILedger ledger)
    {
        EffectStatus? status = run.Parse.GetValue(_status) is { } name
            ? EffectView.StatusOf(name) ?? throw new CliException(new CliError(ExitCode.Usage, "bad_value", $"--status must be intended, executing, in-doubt, done, failed or abandoned, was {name}"))
            : null;
        int limit = run.Parse.GetValue(_limit);
        if (limit is < 1 or > LimitMost) throw new CliException(new CliError(ExitCode.Usage, "bad_value", $"--limit is {limit}; it must be 1 to {LimitMost}"));
        string? principal = NamedPrincipal(run);
        List<EffectView> effects = [];
        LedgerKey? after = null;
        bool isAll;
        do
        {
            LedgerPage<LedgerEntry> page = await ledger.ReadAsync(new LedgerQuery.List(LedgerEntryKind.Effect, status, after), LedgerWithin, run.Stop).ConfigureAwait(false);
            foreach (LedgerEffect effect in page.Items.Cast<LedgerEffect>())
            {
                if (effects.Count <= limit && (principal is null || effect.Id.Scope == principal)) effects.Add(EffectView.Of(effect, withOutput: false));
            }
            after = page.Next;
            isAll = effects.Count <= limit;
        }
        while (after is not null && isAll);
        if (!isAll) effects.RemoveAt(limit);
        run.Output.Result(new { Effects = effects, More = !isAll }, console => Render(console, effects, !isAll));
        return ExitCode.Ok;
    }

    private static void Render(IAnsiConsole console, List<EffectView> effects, bool more)
    {
        Table table = new Table().Border(TableBorder.Simple).AddColumns(new TableColumn("key") { NoWrap = true }, new TableColumn("principal"), new TableColumn("status"), new TableColumn("since"), new TableColumn("attempts"), new TableColumn("executor"));
        foreach (EffectView e in effects)
            table.AddRow([.. ((string[])[e.Key, e.Principal, e.Status, e.Since, $"{e.Attempts}", e.Executor ?? ""]).Select(c => new Text(Plain.Line(c, 100)))]);
        if (effects.Count > 0) console.Write(table);
        Views.Line(console, more ? $"the first {effects.Count} effects; more with --limit" : $"{effects.Count} effects");
    }
}

/// <summary>All that a ledger knows of one effect.</summary>
public sealed class EffectShowCommand : EffectVerb
{
    private readonly Argument<string> _key = new("key") { Description = "The effect's key" };

    public EffectShowCommand()
        : base("show", "Show one effect with its recorded output", creates: false) => Add(_key);

    public override IReadOnlyList<string> Examples { get; } = ["mesh effect show deploy-12", "mesh effect show deploy-12 --json"];

    private protected override async Task<ExitCode> RunAsync(VerbRun run, ILedger ledger)
    {
        LedgerEffect effect = await FindAsync(run, ledger, run.Parse.GetRequiredValue(_key)).ConfigureAwait(false);
        EffectView view = EffectView.Of(effect, withOutput: false);
        RecordedOutput? recorded = effect.Status is EffectStatus.Done or EffectStatus.Failed ? RecordedOutput.Read(effect.Output) : null;
        object result = new { Effect = view, recorded?.ExitCode, HttpStatus = recorded?.Status, Output = recorded?.Text, OutputTruncated = recorded?.Truncated };
        run.Output.Result(result, console => Render(console, view, recorded));
        return ExitCode.Ok;
    }

    private static void Render(IAnsiConsole console, EffectView e, RecordedOutput? recorded)
    {
        Views.Line(console, $"{e.Key} of {e.Principal}: {e.Status} since {e.Since}");
        Views.Line(console, $"  recorded {e.IntendedAt}, started {e.Attempts} times, epoch {e.Epoch}, {(e.HonoursKey ? "its receiver honours the key" : "its receiver does not honour the key")}");
        if (e.Executor is { } executor) Views.Line(console, $"  last executor {executor}{(e.LeaseUntil is { } until ? $", lease until {until}" : "")}");
        if (e.ResolvedBy is { } by) Views.Line(console, $"  decided by {by}{(e.Note is { } note ? $": {note}" : "")}");
        if (e.ForgottenAt is { } at) Views.Line(console, $"  kept until {at}");
        Views.Line(console, $"  request {e.Request}");
        if (e.Status == "in_doubt") Views.Line(console, $"  it may have taken place: find out, then mesh effect resolve {e.Key} --done or --not-done");
        if (recorded is null) return;
        Views.Line(console, recorded.Status is { } status ? $"  HTTP status {status}; the body:" : $"  exit code {recorded.ExitCode}; the output:");
        foreach (string line in recorded.Text.Split('\n').Take(50)) Views.Line(console, "  | " + line);
    }
}
