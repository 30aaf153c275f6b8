using System.CommandLine;
using System.Text;
using Mesh30K.Cli.Git;
using Mesh30K.Cli.State;
using Mesh30K.Consistency.Documents;
using Mesh30K.Node.Runtime;

namespace Mesh30K.Cli.Commands;

/// <summary>Sets a git repository up so that its shared documents merge without loss, or takes exactly that back.</summary>
public sealed class InitCommand : VerbCommand
{
    private const string AttributesName = ".gitattributes";
    private const int FilesCheckedMax = 100;

    private readonly Option<string[]> _file = new("--file") { Description = "Merge further files: TYPE=PATTERN, a pattern as in .gitattributes", HelpName = "type=pattern" };
    private readonly Option<string[]> _without = new("--without") { Description = "Leave this pattern out, such as LOG.md", HelpName = "pattern" };
    private readonly Option<bool> _undo = new("--undo") { Description = "Remove what mesh init wrote, and only that" };
    private readonly Option<bool> _dryRun = new("--dry-run") { Description = "Only tell what would be changed" };

    public InitCommand()
        : base("init", "Let git merge the shared documents of this repository without loss")
    {
        foreach (Option option in (Option[])[_file, _without, _undo, _dryRun]) Add(option);
    }

    public override IReadOnlyList<string> Examples { get; } =
        ["mesh init", "mesh init --file queue=teams/*/TASKS.md --without LOG.md", "mesh init --dry-run --json", "mesh init --undo"];

    public override async Task<ExitCode> RunAsync(VerbRun run)
    {
        bool undo = run.Parse.GetValue(_undo);
        bool dryRun = run.Parse.GetValue(_dryRun);
        List<MergeAttribute> added = [.. (run.Parse.GetValue(_file) ?? []).Select(ReadFileOption)];
        string[] without = run.Parse.GetValue(_without) ?? [];
        if (undo && (added.Count > 0 || without.Length > 0))
            throw new CliException(new CliError(ExitCode.Usage, "usage", "--undo removes all that mesh init wrote", "To leave out one pattern: `mesh init --without PATTERN`."));
        (GitRepository? found, string words) = await GitRepository.FindAsync(run.Context.WorkingDirectory, run.Stop).ConfigureAwait(false);
        if (found is not { } repository)
            throw new CliException(new CliError(ExitCode.Usage, "no_repository", $"this folder is not in the working tree of a git repository: {words}", "Go into a clone, or make a repository with `git init`."));
        byte[] before = ReadAttributes(repository);
        AttributesFile attributes = new(before);
        IReadOnlyList<MergeAttribute> entries = undo ? [] : Wanted(attributes, added, without);
        byte[] after = undo ? attributes.Without() : attributes.With(entries);
        List<Change> changes = await SettingChangesAsync(repository, run, undo).ConfigureAwait(false);
        if (ChangeOf(before, after) is { } change) changes.Add(change);
        if (!dryRun) await ApplyAsync(repository, changes, after).ConfigureAwait(false);
        List<string> warnings = undo ? [] : await WarningsAsync(repository, entries, written: !dryRun).ConfigureAwait(false);
        InitResult result = new(repository.Root, undo, dryRun, changes, [.. entries.Select(e => new Entry(e.Pattern, e.Type))], warnings);
        run.Output.ResultText(result, Say(result));
        return ExitCode.Ok;
    }

    private static MergeAttribute ReadFileOption(string given)
    {
        int split = given.IndexOf('=', StringComparison.Ordinal);
        DocumentType? type = split < 0 ? null : DocumentFiles.TypeOf(given[..split]);
        if (type is null)
            throw new CliException(new CliError(ExitCode.Usage, "bad_value", $"--file must be TYPE=PATTERN, was {given}", $"Types: {string.Join(", ", DocumentFiles.TypeNames)}. Such as --file queue=TASKS.md."));
        string pattern = given[(split + 1)..];
        if (AttributesFile.WhyNot(pattern) is { } wrong)
            throw new CliException(new CliError(ExitCode.Usage, "bad_value", $"the pattern in --file {given} {wrong}", "It is a pattern as in .gitattributes."));
        return new MergeAttribute(pattern, type.Value);
    }

    /// <summary>What the block has already, else the usual names; then what was asked for. A colleague's plain <c>mesh init</c> so changes nothing of it.</summary>
    private static List<MergeAttribute> Wanted(AttributesFile attributes, List<MergeAttribute> added, string[] without)
    {
        IEnumerable<MergeAttribute> start = attributes.HasBlock ? attributes.Entries : DocumentFiles.KnownNames.Select(k => new MergeAttribute(k.FileName, k.Type));
        List<MergeAttribute> wanted = [.. start.Where(e => !without.Contains(e.Pattern, StringComparer.Ordinal))];
        foreach (MergeAttribute entry in added)
        {
            int same = wanted.FindIndex(e => string.Equals(e.Pattern, entry.Pattern, StringComparison.Ordinal));
            if (same >= 0) wanted[same] = entry;
            else wanted.Add(entry);
        }
        return wanted;
    }

    private static byte[] ReadAttributes(GitRepository repository)
    {
        if (new FileInfo(repository.AttributesPath).LinkTarget is not null)
            throw new CliException(new CliError(ExitCode.Usage, "attributes_link", ".gitattributes is a symbolic link, which git does not read", "Replace it by a file."));
        try
        {
            return File.Exists(repository.AttributesPath) ? File.ReadAllBytes(repository.AttributesPath) : [];
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            throw new CliException(new CliError(ExitCode.Usage, "bad_path", $".gitattributes cannot be read: {unreadable.Message}"));
        }
    }

    private static async Task<List<Change>> SettingChangesAsync(GitRepository repository, VerbRun run, bool undo)
    {
        IReadOnlyDictionary<string, string> now = await repository.SettingsAsync().ConfigureAwait(false);
        IReadOnlyList<KeyValuePair<string, string>> ours = MergeDriver.Settings(MergeDriver.Program(run.Context.Environment, Environment.ProcessPath));
        return undo
            ? [.. ours.Where(s => now.ContainsKey(s.Key)).Select(s => new Change("git config", "unset", s.Key, null))]
            : [.. ours.Where(s => !string.Equals(now.GetValueOrDefault(s.Key), s.Value, StringComparison.Ordinal)).Select(s => new Change("git config", "set", s.Key, s.Value))];
    }

    private static Change? ChangeOf(byte[] before, byte[] after) =>
        before.AsSpan().SequenceEqual(after) ? null
        : new Change(AttributesName, before.Length == 0 ? "create" : after.Length == 0 ? "delete" : "change", null, null);

    /// <summary>The configuration comes first and goes last: a name in <c>.gitattributes</c> without its driver would make git merge as if it were not there.</summary>
    private static async Task ApplyAsync(GitRepository repository, List<Change> changes, byte[] attributes)
    {
        foreach (Change set in changes.Where(c => c.Action == "set")) await repository.SetAsync(set.Key!, set.Value!).ConfigureAwait(false);
        if (changes.Exists(c => c.Where == AttributesName))
        {
            try
            {
                if (attributes.Length == 0) File.Delete(repository.AttributesPath);
                else AtomicFile.Replace(repository.AttributesPath, attributes);
            }
            catch (Exception denied) when (denied is IOException or UnauthorizedAccessException)
            {
                throw new CliException(new CliError(ExitCode.Usage, "cannot_write", $".gitattributes was not written: {denied.Message}", "May you write in this folder?"));
            }
        }
        foreach (Change unset in changes.Where(c => c.Action == "unset")) await repository.UnsetAsync(unset.Key!).ConfigureAwait(false);
    }

    /// <summary>Files that would not merge as their type, and files for which git takes another driver all the same.</summary>
    private static async Task<List<string>> WarningsAsync(GitRepository repository, IReadOnlyList<MergeAttribute> entries, bool written)
    {
        List<string> warnings = [];
        MergeOptions options = DocumentFiles.OptionsNow();
        foreach (MergeAttribute entry in entries)
        {
            foreach (string file in (await repository.FilesAsync(entry.Pattern).ConfigureAwait(false)).Take(FilesCheckedMax))
            {
                if (DocumentFiles.WhyNot(Path.Combine(repository.Root, file), file, entry.Type, options) is { } wrong)
                    warnings.Add($"{wrong}. A merge of it will end in git's usual conflict. Correct it, or leave it out: mesh init --without {entry.Pattern}");
                if (written && await repository.DriverForAsync(file).ConfigureAwait(false) is { } driver && driver != MergeDriver.NameOf(entry.Type))
                    warnings.Add($"{file}: git takes merge={driver}, by a later line of {AttributesName}, one in a folder below, or .git/info/attributes");
            }
        }
        return warnings;
    }

    private static string Say(InitResult result)
    {
        StringBuilder text = new();
        if (result.Changes.Count == 0) text.AppendLine(result.Undo ? "Nothing of mesh init is here." : "Everything is set up already.");
        else if (result.DryRun) text.AppendLine("This would be changed:");
        if (!result.DryRun && result.Changes.Count(c => c.Key is not null) is > 0 and int settings) text.AppendLine($"{settings} settings merge.mesh-* {(result.Undo ? "removed from" : "written to")} the git configuration of this repository");
        foreach (Change change in result.Changes.Where(c => result.DryRun || c.Key is null))
            text.AppendLine($"{change.Action} {change.Key ?? change.Where}{(change.Value is null ? "" : " = " + change.Value)}");
        foreach (Entry entry in result.Entries) text.AppendLine($"  {entry.Pattern} merges as {DocumentFiles.NameOf(entry.Type)}");
        foreach (string warning in result.Warnings) text.AppendLine($"warning: {Client.Plain.Line(warning)}");
        if (result is { Undo: false, DryRun: false, Changes.Count: > 0 }) text.AppendLine($"Commit {AttributesName}; each further clone needs `mesh init` once, working trees of this one do not.");
        return text.ToString();
    }

    private sealed record InitResult(
        string Repository, bool Undo, bool DryRun, IReadOnlyList<Change> Changes, IReadOnlyList<Entry> Entries, IReadOnlyList<string> Warnings);

    private sealed record Change(string Where, string Action, string? Key, string? Value);

    private sealed record Entry(string Pattern, DocumentType Type);
}
