using Mesh30K.Cli.Git;

namespace Mesh30K.Cli.Doctor;

/// <summary>Whether git in the current folder can do what <c>mesh init</c> set up. Changes nothing.</summary>
internal static class RepositoryChecks
{
    /// <summary>The merge driver of the repository around a folder; null where there is no repository.</summary>
    public static async Task<Finding?> MergeDriverAsync(string folder, CancellationToken stop)
    {
        const string name = "merge_driver";
        try
        {
            (GitRepository? repository, _) = await GitRepository.FindAsync(folder, stop).ConfigureAwait(false);
            return repository is null ? null : await JudgeAsync(name, repository).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is CliException or IOException or UnauthorizedAccessException)
        {
            return Finding.Warn(name, failure.Message, "Without git, shared documents cannot be merged by `git merge`.");
        }
    }

    private static async Task<Finding> JudgeAsync(string name, GitRepository repository)
    {
        IReadOnlyDictionary<string, string> settings = await repository.SettingsAsync().ConfigureAwait(false);
        AttributesFile attributes = new(File.Exists(repository.AttributesPath) ? File.ReadAllBytes(repository.AttributesPath) : []);
        foreach ((string key, string command) in settings.Where(s => s.Key.EndsWith(".driver", StringComparison.Ordinal)).OrderBy(s => s.Key, StringComparer.Ordinal))
        {
            if (MergeDriver.FilesOf(command).FirstOrDefault(f => !File.Exists(f)) is { } gone)
                return Finding.Fail(name, $"{key} calls {gone}, which is gone: a merge would leave ours in place", "Run `mesh init` again with the mesh that you use now.");
        }
        if (!attributes.HasBlock)
            return Finding.Ok(name, settings.Count > 0 ? "configured; no file of this branch uses it" : "not set up in this repository; `mesh init` does");
        foreach (MergeAttribute entry in attributes.Entries)
        {
            if (!settings.ContainsKey(MergeDriver.KeyOf(entry.Type)))
                return Finding.Warn(name, $".gitattributes asks for {MergeDriver.NameOf(entry.Type)}, which this clone's configuration does not have", "Run `mesh init` once in this clone.");
        }
        return Finding.Ok(name, $"merges {string.Join(", ", attributes.Entries.Select(e => e.Pattern))}");
    }
}
