using System.CommandLine;
using Mesh30K.Cli.Ledger;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Node.Ledger;
using Mesh30K.Node.Storage;

namespace Mesh30K.Cli.Commands;

/// <summary>Effects outside the mesh that run once per key. Each thing that can be done is a sub-verb.</summary>
public sealed class EffectCommand : VerbCommand
{
    public EffectCommand()
        : base("effect", "Run a command or an HTTP request once per key, and tell when it may have run")
    {
        foreach (EffectVerb verb in (EffectVerb[])[new EffectRunCommand(), new EffectHttpCommand(), new EffectListCommand(), new EffectShowCommand(), new EffectResolveCommand()]) Add(verb);
    }

    public override IReadOnlyList<string> Examples { get; } =
        ["mesh effect run --key deploy-12 -- ./deploy.sh 12", "mesh effect list --status in-doubt", "mesh effect resolve deploy-12 --not-done --yes"];

    public override Task<ExitCode> RunAsync(VerbRun run) => throw new InvalidOperationException("effect has sub-verbs only");
}

/// <summary>A verb on one ledger.</summary>
public abstract class EffectVerb : VerbCommand
{
    private const string PrincipalVariable = "MESH_PRINCIPAL";

    /// <summary>How long to try to reach the ledger.</summary>
    private protected static readonly TimeSpan LedgerWithin = TimeSpan.FromSeconds(30);

    private readonly LedgerOption _ledger;
    private readonly Option<string?> _principal = new("--principal") { Description = $"In whose name: the same key of two principals is two effects (default: {PrincipalVariable}, else default)", HelpName = "name" };
    private readonly bool _creates;

    private protected EffectVerb(string name, string summary, bool creates)
        : base(name, summary)
    {
        _creates = creates;
        Add(_principal);
        _ledger = new LedgerOption(this);
    }

    public sealed override async Task<ExitCode> RunAsync(VerbRun run)
    {
        await CheckInputAsync(run).ConfigureAwait(false);
        ILedger ledger = await _ledger.OpenAsync(run, _creates).ConfigureAwait(false);
        await using (ledger.ConfigureAwait(false))
        {
            try
            {
                return await RunAsync(run, ledger).ConfigureAwait(false);
            }
            catch (Exception wrong) when (wrong is JournalException or LedgerUnavailableException)
            {
                throw LedgerOption.Unusable(wrong);
            }
        }
    }

    /// <summary>Checks what can be checked without a ledger; throws a <see cref="CliException"/>.</summary>
    private protected virtual Task CheckInputAsync(VerbRun run) => Task.CompletedTask;

    private protected abstract Task<ExitCode> RunAsync(VerbRun run, ILedger ledger);

    /// <summary>The principal that was named; null for none.</summary>
    private protected string? NamedPrincipal(VerbRun run) => run.Parse.GetValue(_principal) ?? run.Context.Environment(PrincipalVariable);

    private protected string Principal(VerbRun run) => NamedPrincipal(run) ?? "default";

    /// <summary>The effect under a key. Throws a <see cref="CliException"/> when there is none.</summary>
    private protected async Task<LedgerEffect> FindAsync(VerbRun run, ILedger ledger, string key)
    {
        LedgerKey id = new(Principal(run), key);
        LedgerPage<LedgerEntry> found = await ledger.ReadAsync(new LedgerQuery.Find(LedgerEntryKind.Effect, id), LedgerWithin, run.Stop).ConfigureAwait(false);
        return found.Items is [LedgerEffect effect]
            ? effect
            : throw new CliException(new CliError(ExitCode.Usage, "no_effect", $"no effect is known under the key {key} of {id.Scope}: it was never recorded, or its retention is over", "`mesh effect list` shows those that are."));
    }
}
