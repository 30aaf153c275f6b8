using System.CommandLine;
using Mesh30K.Cli.Commands;
using Mesh30K.Cli.Queue;
using Mesh30K.Node.Ledger;
using Mesh30K.Node.Storage;

namespace Mesh30K.Cli.Ledger;

/// <summary>The option by which verbs find their ledger: a group's folder, or a data folder with a ledger of one.</summary>
internal sealed class LedgerOption
{
    private const string Variable = "MESH_LEDGER";

    private readonly Option<string?> _ledger = new("--ledger")
    {
        Description = $"The ledger: the folder of a group of coordinators, or a folder that several processes may use at once (default: {Variable}, else ledger in mesh of git's common directory, else in .mesh)",
        HelpName = "dir",
    };

    public LedgerOption(Command verb) => verb.Add(_ledger);

    /// <summary>Opens it. Throws a <see cref="CliException"/> when it cannot be used.</summary>
    /// <param name="creates">Whether a ledger that does not exist is made, else it is an error.</param>
    public async Task<ILedger> OpenAsync(VerbRun run, bool creates)
    {
        string folder = await FolderAsync(run).ConfigureAwait(false);
        bool isGroup = File.Exists(Path.Combine(folder, GroupFile.FileName));
        if (!isGroup && !creates && !Directory.Exists(Path.Combine(folder, "journal")))
            throw new CliException(new CliError(ExitCode.Usage, "no_ledger", $"there is no ledger in {folder}", $"The first `mesh effect run` makes it. Another place: --ledger DIR or {Variable}."));
        run.Output.Detail($"ledger {folder}");
        try
        {
            return isGroup ? LedgerClient.Open(folder) : FolderLedger.Open(folder);
        }
        catch (Exception wrong) when (wrong is IOException or UnauthorizedAccessException)
        {
            throw Unusable(wrong);
        }
    }

    /// <summary>What an error of the folder or the disk is to the user.</summary>
    public static CliException Unusable(Exception wrong) => new(new CliError(
        wrong is LedgerUnavailableException ? ExitCode.NodeUnreachable : ExitCode.Usage,
        wrong is JournalException journal ? "ledger_" + journal.Code : wrong is LedgerUnavailableException ? "ledger_busy" : "ledger_unusable",
        $"cannot use the ledger: {wrong.Message}",
        "See to the disk or the folder, then try again; or choose another with --ledger DIR."));

    private async Task<string> FolderAsync(VerbRun run)
    {
        if (run.Parse.GetValue(_ledger) is { } given) return run.PathOf(given);
        if (run.Context.Environment(Variable) is { Length: > 0 } variable) return run.PathOf(variable);
        return Path.Combine(await SharedDirectory.FindAsync(run.Context.WorkingDirectory, run.Stop).ConfigureAwait(false), "ledger");
    }
}
