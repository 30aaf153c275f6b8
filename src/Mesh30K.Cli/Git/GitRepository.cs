using System.Text;

namespace Mesh30K.Cli.Git;

/// <summary>One working tree of a git repository, by the <c>git</c> command. Configuration is that of all its working trees.</summary>
internal sealed class GitRepository
{
    private const int NothingFound = 1;
    private const int NothingToUnset = 5;

    private readonly CancellationToken _stop;

    private GitRepository(string root, CancellationToken stop)
    {
        Root = root;
        _stop = stop;
    }

    /// <summary>The folder at the top of the working tree.</summary>
    public string Root { get; }

    public string AttributesPath => Path.Combine(Root, ".gitattributes");

    /// <summary>The working tree around a folder; null with git's words where there is none.</summary>
    /// <exception cref="CliException">git could not be run.</exception>
    public static async Task<(GitRepository? Repository, string Error)> FindAsync(string folder, CancellationToken stop)
    {
        GitResult top = await GitCommand.RunAsync(folder, stop, ["rev-parse", "--show-toplevel"]).ConfigureAwait(false);
        return top.ExitCode == 0 && top.Text.Length > 0 ? (new GitRepository(top.Text, stop), "") : (null, top.ErrorLine);
    }

    /// <summary>The values of the local configuration whose keys begin with <c>merge.mesh-</c>.</summary>
    public async Task<IReadOnlyDictionary<string, string>> SettingsAsync()
    {
        GitResult found = await ExpectAsync([NothingFound], "config", "--local", "-z", "--get-regexp", @"^merge\.mesh-").ConfigureAwait(false);
        Dictionary<string, string> settings = new(StringComparer.Ordinal);
        foreach (string setting in SplitAtZero(found.Out))
        {
            int end = setting.IndexOf('\n', StringComparison.Ordinal);
            settings[end < 0 ? setting : setting[..end]] = end < 0 ? "" : setting[(end + 1)..];
        }
        return settings;
    }

    public Task SetAsync(string key, string value) => ExpectAsync([], "config", "--local", "--replace-all", key, value);

    public Task UnsetAsync(string key) => ExpectAsync([NothingToUnset], "config", "--local", "--unset-all", key);

    /// <summary>Tracked files that a pattern of <c>.gitattributes</c> fits, and the file of just that name at the root; from the root.</summary>
    public async Task<IReadOnlyList<string>> FilesAsync(string pattern)
    {
        GitResult tracked = await ExpectAsync([], "ls-files", "-z", "--cached", "--ignored", "--exclude=" + pattern).ConfigureAwait(false);
        string atRoot = pattern.TrimStart('/');
        return [.. SplitAtZero(tracked.Out).Append(atRoot).Where(f => File.Exists(Path.Combine(Root, f))).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
    }

    /// <summary>The merge driver that git takes for a path; <c>unspecified</c> when none is named.</summary>
    public async Task<string> DriverForAsync(string path)
    {
        GitResult answer = await ExpectAsync([], "check-attr", "-z", "merge", "--", path).ConfigureAwait(false);
        return SplitAtZero(answer.Out)[^1];
    }

    private Task<GitResult> ExpectAsync(int[] alsoFine, params string[] arguments) => GitCommand.ExpectAsync(Root, alsoFine, _stop, arguments);

    private static string[] SplitAtZero(byte[] output) => Encoding.UTF8.GetString(output).Split('\0', StringSplitOptions.RemoveEmptyEntries);
}
