using System.ComponentModel;
using System.Diagnostics;
using Mesh30K.Cli.Client;

namespace Mesh30K.Cli.Queue;

/// <summary>
/// The data directory that the agents of one repository share: <c>mesh</c> in git's common directory, which all its worktrees have in common and
/// which git does not version; outside a repository <c>.mesh</c> in the caller's folder.
/// </summary>
internal static class SharedDirectory
{
    private static readonly TimeSpan GitWithin = TimeSpan.FromSeconds(10);

    public static async Task<string> FindAsync(string workingDirectory, CancellationToken stop)
    {
        ProcessStartInfo start = new("git", ["rev-parse", "--path-format=absolute", "--git-common-dir"])
        {
            WorkingDirectory = workingDirectory,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            UseShellExecute = false,
        };
        start.Environment["LC_ALL"] = "C";
        try
        {
            using Process git = Process.Start(start)!;
            git.StandardInput.Close();
            using CancellationTokenSource within = CancellationTokenSource.CreateLinkedTokenSource(stop);
            within.CancelAfter(GitWithin);
            Task<string> told = git.StandardOutput.ReadToEndAsync(within.Token);
            string wrong = await git.StandardError.ReadToEndAsync(within.Token).ConfigureAwait(false);
            string common = (await told.ConfigureAwait(false)).TrimEnd('\n', '\r');
            await git.WaitForExitAsync(within.Token).ConfigureAwait(false);
            if (git.ExitCode == 0) return Path.Combine(common, "mesh");
            if (wrong.Contains("not a git repository", StringComparison.Ordinal)) return Path.Combine(workingDirectory, ".mesh");
            throw Unknown(Plain.Line(wrong, 300));
        }
        catch (Win32Exception)
        {
            return Path.Combine(workingDirectory, ".mesh"); // git is not installed
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            throw Unknown($"it did not answer within {GitWithin.TotalSeconds:0} s");
        }
    }

    private static CliException Unknown(string why) =>
        new(new CliError(ExitCode.Usage, "data_dir", $"cannot ask git where this repository is: {why}", "Name the data directory with --data-dir DIR."));
}
