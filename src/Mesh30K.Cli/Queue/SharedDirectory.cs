using Mesh30K.Cli.Git;

namespace Mesh30K.Cli.Queue;

/// <summary>
/// The data directory that the agents of one repository share: <c>mesh</c> in git's common directory, which all its worktrees have in common and
/// which git does not version; outside a repository <c>.mesh</c> in the caller's folder.
/// </summary>
internal static class SharedDirectory
{
    public static async Task<string> FindAsync(string workingDirectory, CancellationToken stop)
    {
        GitResult told;
        try
        {
            told = await GitCommand.RunAsync(workingDirectory, stop, "rev-parse", "--path-format=absolute", "--git-common-dir").ConfigureAwait(false);
        }
        catch (CliException wrong)
        {
            return wrong.Error.Code == "git_missing" ? Path.Combine(workingDirectory, ".mesh") : throw Unknown(wrong.Error.Message);
        }
        if (told.ExitCode == 0) return Path.Combine(told.Text, "mesh");
        return told.Error.Contains("not a git repository", StringComparison.Ordinal) ? Path.Combine(workingDirectory, ".mesh") : throw Unknown(told.ErrorLine);
    }

    private static CliException Unknown(string why) =>
        new(new CliError(ExitCode.Usage, "data_dir", $"cannot ask git where this repository is: {why}", "Name the data directory with --data-dir DIR."));
}
