using System.CommandLine;
using System.Text;
using Mesh30K.Cli.Execution;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Node.Api.Effects;
using Mesh30K.Node.Ledger;
using Resolve = Mesh30K.Consistency.Strong.Ledger.LedgerCommand.Resolve;

namespace Mesh30K.Cli.Commands;

/// <summary>A person's decision on an effect that is in doubt. Asks on a terminal; elsewhere it needs --yes.</summary>
public sealed class EffectResolveCommand : EffectVerb
{
    private readonly Argument<string> _key = new("key") { Description = "The effect's key" };
    private readonly Option<bool> _done = new("--done") { Description = "It took place: it does not run again, and whoever asks gets --output" };
    private readonly Option<bool> _notDone = new("--not-done") { Description = "It did not take place: it runs again when somebody asks for it" };
    private readonly Option<bool> _abandon = new("--abandon") { Description = "Whether or not it took place, it does not run again; also for one that waits to be run again" };
    private readonly Option<string?> _output = new("--output") { Description = "With --done: what is replayed as its output", HelpName = "text" };
    private readonly Option<string?> _note = new("--note") { Description = "Why; kept with the effect", HelpName = "text" };
    private readonly Option<string?> _by = new("--by") { Description = "Who decides (default: USER, else operator)", HelpName = "name" };
    private readonly Option<bool> _yes = new("--yes") { Description = "Do not ask" };
    private readonly Option<bool> _dryRun = new("--dry-run") { Description = "Show what would be decided on, and change nothing" };

    public EffectResolveCommand()
        : base("resolve", "Decide on an effect that is in doubt", creates: false)
    {
        Add(_key);
        foreach (Option option in (Option[])[_done, _notDone, _abandon, _output, _note, _by, _yes, _dryRun]) Add(option);
    }

    public override IReadOnlyList<string> Examples { get; } =
        ["mesh effect resolve deploy-12 --done --note \"version 12 is live\"", "mesh effect resolve mail-7 --not-done --yes", "mesh effect resolve pay-77 --abandon --dry-run"];

    private protected override async Task<ExitCode> RunAsync(VerbRun run, ILedger ledger)
    {
        EffectVerdict verdict = Verdict(run);
        string? output = run.Parse.GetValue(_output);
        if (output is not null && verdict != EffectVerdict.Done) throw new CliException(new CliError(ExitCode.Usage, "usage", "--output goes with --done only: otherwise nothing is replayed"));
        LedgerEffect effect = await FindAsync(run, ledger, run.Parse.GetRequiredValue(_key)).ConfigureAwait(false);
        bool mayDecide = effect.Status == EffectStatus.InDoubt || (effect.Status == EffectStatus.Intended && verdict == EffectVerdict.Abandon);
        if (!mayDecide)
            throw new CliException(new CliError(ExitCode.NotAchieved, "not_in_doubt", $"{effect.Id.Name} is {EffectView.NameOf(effect.Status)}: there is nothing to decide", "Only an effect in doubt is decided on; one that is intended can be given up with --abandon."));
        if (run.Parse.GetValue(_dryRun))
        {
            Give(run, effect, verdict, decided: false, "would be decided on; nothing was changed");
            return ExitCode.Ok;
        }
        if (!run.Parse.GetValue(_yes) && !await AgreesAsync(run, effect, verdict).ConfigureAwait(false))
        {
            Give(run, effect, verdict, decided: false, "was left as it is");
            return ExitCode.NotAchieved;
        }
        string by = run.Parse.GetValue(_by) ?? run.Context.Environment("USER") ?? "operator";
        byte[] recorded = verdict == EffectVerdict.Done ? new RecordedOutput(0, null, false) { Bytes = Encoding.UTF8.GetBytes(output is { Length: > 0 } ? output + "\n" : "") }.Write() : [];
        Resolve resolve = new(effect.Id.Scope, effect.Id.Name, effect.Epoch, verdict, by, run.Parse.GetValue(_note) ?? "", recorded);
        LedgerAnswer answer = await ledger.AskAsync(resolve, LedgerWithin, run.Stop).ConfigureAwait(false);
        if (answer.Reply is { Outcome: LedgerOutcome.Ok, Entry: LedgerEffect after })
        {
            Give(run, after, verdict, decided: true, "is decided");
            return ExitCode.Ok;
        }
        throw answer.Reply is { } refused
            ? new CliException(new CliError(refused.Outcome == LedgerOutcome.Invalid ? ExitCode.Usage : ExitCode.NotAchieved, "not_decided", refused.Message, $"`mesh effect show {effect.Id.Name}` shows how it is now."))
            : new CliException(new CliError(ExitCode.NodeUnreachable, "ledger_unreachable", $"the ledger did not answer: {answer.Why}", $"`mesh effect show {effect.Id.Name}` shows whether it was taken; deciding again does no harm."));
    }

    private EffectVerdict Verdict(VerbRun run)
    {
        (bool done, bool notDone, bool abandon) = (run.Parse.GetValue(_done), run.Parse.GetValue(_notDone), run.Parse.GetValue(_abandon));
        return (done, notDone, abandon) switch
        {
            (true, false, false) => EffectVerdict.Done,
            (false, true, false) => EffectVerdict.NotDone,
            (false, false, true) => EffectVerdict.Abandon,
            _ => throw new CliException(new CliError(ExitCode.Usage, "usage", "one of --done, --not-done and --abandon is needed", "Find out first whether it took place: mesh effect show KEY says who started it and when.")),
        };
    }

    private static async Task<bool> AgreesAsync(VerbRun run, LedgerEffect effect, EffectVerdict verdict)
    {
        if (!run.Context.InIsTerminal || run.Output.Json)
            throw new CliException(new CliError(ExitCode.Usage, "confirmation_needed", $"this decides for good on {effect.Id.Name}, and there is nobody to ask", "Look with --dry-run, then give --yes."));
        string what = verdict switch { EffectVerdict.Done => "took place and will not run again", EffectVerdict.NotDone => "did NOT take place and may run again", _ => "is given up and will not run" };
        run.Output.Note($"{effect.Id.Name} of {effect.Id.Scope}, started {effect.Attempts} times, last by {effect.Executor}: you say that it {what}. Type yes:");
        using StreamReader answer = new(run.Context.OpenIn());
        return string.Equals((await answer.ReadLineAsync(run.Stop).ConfigureAwait(false))?.Trim(), "yes", StringComparison.OrdinalIgnoreCase);
    }

    private static void Give(VerbRun run, LedgerEffect effect, EffectVerdict verdict, bool decided, string what)
    {
        EffectView view = EffectView.Of(effect, withOutput: false);
        run.Output.Result(new { Decided = decided, Verdict = verdict, Effect = view }, console => Views.Line(console, $"{view.Key} {what}: {view.Status}"));
    }
}
