using System.CommandLine;
using Mesh30K.Cli.Git;
using Mesh30K.Cli.State;
using Mesh30K.Consistency.Documents;
using Mesh30K.Node.Runtime;

namespace Mesh30K.Cli.Commands;

/// <summary>
/// Merges two sides of a document that started from one base. As git's merge driver (<c>--driver</c>) the result goes into OURS; when the sides cannot be
/// merged, git's own conflict does, so that nobody takes one side for the result.
/// </summary>
public sealed class StateMergeCommand : VerbCommand
{
    private readonly Argument<string> _base = new("base") { Description = "What both sides started from; an empty file when there was nothing" };
    private readonly Argument<string> _ours = new("ours") { Description = "One side" };
    private readonly Argument<string> _theirs = new("theirs") { Description = "The other side" };
    private readonly Option<string?> _type = new("--type") { Description = "What they are, where the name does not tell", HelpName = "type" };
    private readonly Option<string> _output = new("--output") { Description = "Where the result goes: a file, or - for stdout", HelpName = "file", DefaultValueFactory = _ => "-" };
    private readonly Option<bool> _check = new("--check") { Description = "Write no document: only tell whether they can be merged" };
    private readonly Option<bool> _driver = new("--driver") { Description = "Run as git's merge driver: the result, or git's own conflict, goes into OURS" };
    private readonly Option<string?> _path = new("--path") { Description = "The name of the document in messages (%P of git)", HelpName = "name" };
    private readonly Option<string?> _markerSize = new("--marker-size") { Description = "Length of the markers of a conflict (%L of git)", HelpName = "n" };

    public StateMergeCommand()
        : base("merge", "Merge two sides of a document")
    {
        _type.AcceptOnlyFromAmong(DocumentFiles.TypeNames);
        foreach (Argument argument in (Argument[])[_base, _ours, _theirs]) Add(argument);
        foreach (Option option in (Option[])[_type, _output, _check, _driver, _path, _markerSize]) Add(option);
    }

    public override IReadOnlyList<string> Examples { get; } =
        ["mesh state merge base.md QUEUE.md theirs.md", "mesh state merge a b c --type facts --output FACTS.jsonl --json", "mesh state merge a b c --type log --check"];

    public override Task<ExitCode> RunAsync(VerbRun run)
    {
        DocumentType type = DocumentFiles.TypeFor(
            run.Parse.GetValue(_type), run.Parse.GetValue(_path), run.Parse.GetValue(_ours), run.Parse.GetValue(_base), run.Parse.GetValue(_theirs), run.Parse.GetValue(_output));
        return run.Parse.GetValue(_driver) ? DriveAsync(run, type) : Task.FromResult(MergeFiles(run, type));
    }

    private MergeReport Merge(VerbRun run, DocumentType type) => DocumentMerge.Merge(
        type, DocumentFiles.Read(run, run.Parse.GetValue(_base)!), DocumentFiles.Read(run, run.Parse.GetValue(_ours)!), DocumentFiles.Read(run, run.Parse.GetValue(_theirs)!),
        DocumentFiles.OptionsNow());

    private ExitCode MergeFiles(VerbRun run, DocumentType type)
    {
        string output = run.Parse.GetValue(_output)!;
        bool check = run.Parse.GetValue(_check);
        MergeReport merge = Merge(run, type);
        if (merge.Failure is { } failure) return run.Output.Fail(DocumentFiles.Explain(failure, NameOf(run, failure.Side), SideName(failure.Side)));
        byte[] content = merge.Content!;
        bool toStdout = output == "-" && !check;
        if (!check && !toStdout) Put(run.PathOf(output), output, content);
        MergeResult result = new(
            type, !check && !toStdout ? output : null, merge.Added, merge.Changed, merge.Removed, toStdout && run.Output.Json ? System.Text.Encoding.UTF8.GetString(content) : null);
        if (toStdout) run.Output.ResultBytes(result, content);
        else run.Output.ResultText(result, $"{(check ? "can be merged" : $"merged into {output}")}: ours gets {merge.Added} added, {merge.Changed} changed, {merge.Removed} removed");
        return ExitCode.Ok;
    }

    /// <summary>Whatever goes wrong, also a bug of mesh, OURS gets git's own conflict first: git would take an OURS left as it is for the result.</summary>
    private async Task<ExitCode> DriveAsync(VerbRun run, DocumentType type)
    {
        string name = run.Parse.GetValue(_path) ?? run.Parse.GetValue(_ours)!;
        string ours = run.PathOf(run.Parse.GetValue(_ours)!);
        try
        {
            MergeReport merge = Merge(run, type);
            if (merge.Content is { } content)
            {
                Put(ours, name, content);
                return ExitCode.Ok;
            }
            await WriteConflictAsync(run, ours).ConfigureAwait(false);
            return run.Output.Fail(DocumentFiles.Explain(merge.Failure!, name, SideName(merge.Failure!.Side)));
        }
        catch (Exception failure) when (failure is not OperationCanceledException)
        {
            await WriteConflictAsync(run, ours).ConfigureAwait(false);
            if (failure is CliException known) return run.Output.Fail(known.Error with { Exit = ExitCode.NotAchieved, Message = $"{name}: {known.Error.Message}" });
            throw;
        }
    }

    /// <summary>git leaves ours alone where it cannot merge line by line either: binary files.</summary>
    private async Task WriteConflictAsync(VerbRun run, string ours)
    {
        const int conflictsMax = 127;
        string[] size = int.TryParse(run.Parse.GetValue(_markerSize), out int given) && given > 0 ? [$"--marker-size={given}"] : [];
        try
        {
            GitResult merged = await GitCommand.RunAsync(
                run.Context.WorkingDirectory, run.Stop,
                ["merge-file", "-p", "-q", .. size, "-L", "ours", "-L", "base", "-L", "theirs", "--", ours, run.PathOf(run.Parse.GetValue(_base)!), run.PathOf(run.Parse.GetValue(_theirs)!)]).ConfigureAwait(false);
            if (merged.ExitCode <= conflictsMax) AtomicFile.Replace(ours, merged.Out);
            else run.Output.Note("mesh: git cannot show this conflict, so ours stays in place: " + merged.ErrorLine);
        }
        catch (Exception failure) when (failure is CliException or IOException or UnauthorizedAccessException)
        {
            run.Output.Note("mesh: the conflict could not be written, so ours stays in place: " + failure.Message);
        }
    }

    private static void Put(string path, string name, byte[] content)
    {
        try
        {
            AtomicFile.Replace(AtomicFile.TargetOf(path), content);
        }
        catch (Exception denied) when (denied is IOException or UnauthorizedAccessException)
        {
            throw new CliException(new CliError(ExitCode.Usage, "cannot_write", $"{name} was not written: {denied.Message}", "May you write the file and its folder?"));
        }
    }

    private string NameOf(VerbRun run, MergeSide side) => run.Parse.GetValue(_path) ?? run.Parse.GetValue(side switch
    {
        MergeSide.Base => _base,
        MergeSide.Ours => _ours,
        _ => _theirs,
    })!;

    private static string SideName(MergeSide side) => side.ToString().ToLowerInvariant();

    private sealed record MergeResult(DocumentType Type, string? Output, int Added, int Changed, int Removed, string? Content);
}
