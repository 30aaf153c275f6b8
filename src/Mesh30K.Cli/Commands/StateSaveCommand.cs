using System.CommandLine;
using Mesh30K.Cli.State;
using Mesh30K.Consistency.Documents;
using Mesh30K.Node.Storage;

namespace Mesh30K.Cli.Commands;

/// <summary>Saves a document that others may have written since it was read: under a lock, merged with what they wrote.</summary>
public sealed class StateSaveCommand : VerbCommand
{
    private readonly Argument<string> _file = new("file") { Description = "The shared document" };
    private readonly Option<string> _base = new("--base") { Description = "A copy of the document as it was read, before it was changed", HelpName = "file", Required = true };
    private readonly Option<string?> _from = new("--from") { Description = "The changed document (default: stdin)", HelpName = "file" };
    private readonly Option<string?> _type = new("--type") { Description = "What it is, where the name does not tell", HelpName = "type" };

    public StateSaveCommand()
        : base("save", "Save a document; what others wrote meanwhile is merged in")
    {
        _type.AcceptOnlyFromAmong(DocumentFiles.TypeNames);
        Add(_file);
        foreach (Option option in (Option[])[_base, _from, _type]) Add(option);
    }

    public override IReadOnlyList<string> Examples { get; } =
        ["mesh state save QUEUE.md --base queue.read --from queue.new", "mesh state save shared/FACTS.jsonl --base facts.read --json < facts.new"];

    public override Task<ExitCode> RunAsync(VerbRun run)
    {
        string path = run.Parse.GetValue(_file)!;
        string? from = run.Parse.GetValue(_from);
        DocumentType type = DocumentFiles.TypeFor(run.Parse.GetValue(_type), path);
        string absolute = run.PathOf(path);
        byte[] start = DocumentFiles.Read(run, run.Parse.GetValue(_base)!);
        byte[] made = from is null ? ReadIn(run) : DocumentFiles.Read(run, from);
        SaveReport report = Save(absolute, path, type, start, made, run.Stop);
        if (ErrorOf(report, path) is { } error) return Task.FromResult(run.Output.Fail(error));
        SaveResult result = new(path, type, report.Outcome, report.Merge?.Added ?? 0, report.Merge?.Changed ?? 0, report.Merge?.Removed ?? 0);
        run.Output.ResultText(result, Say(result));
        return Task.FromResult(ExitCode.Ok);
    }

    private static byte[] ReadIn(VerbRun run)
    {
        using Stream stdin = run.Context.OpenIn();
        return DocumentFiles.Read(stdin, "stdin");
    }

    private static SaveReport Save(string absolute, string path, DocumentType type, byte[] start, byte[] made, CancellationToken stop)
    {
        try
        {
            return new SharedDocument(absolute, type).Save(start, made, stop);
        }
        catch (Exception denied) when (denied is IOException or UnauthorizedAccessException)
        {
            throw new CliException(new CliError(ExitCode.Usage, "cannot_write", $"{path} was not saved: {denied.Message}", "May you write the file and its folder?"));
        }
    }

    private static CliError? ErrorOf(SaveReport report, string path) => report.Outcome switch
    {
        SaveOutcome.NotMergeable when report.Merge?.Failure is { } failure => DocumentFiles.Explain(failure, path, failure.Side switch
        {
            MergeSide.Base => "as it was read (--base)",
            MergeSide.Ours => "as it is in the file",
            _ => "as it was to be saved",
        }),
        SaveOutcome.Busy => new CliError(ExitCode.NotAchieved, "busy", $"{path} was not saved: others held its lock all the time", "Try again."),
        SaveOutcome.Gone => new CliError(
            ExitCode.NotAchieved, "gone", $"{path} was not saved: it was removed after it was read", "If it is to exist again, save with an empty file as --base."),
        _ => null,
    };

    private static string Say(SaveResult result) => result.Outcome switch
    {
        SaveOutcome.Written => $"{result.File}: written",
        SaveOutcome.Unchanged => $"{result.File}: holds all of it already",
        _ => $"{result.File}: merged with what others wrote; added {result.Added}, changed {result.Changed}, removed {result.Removed}",
    };

    private sealed record SaveResult(string File, DocumentType Type, SaveOutcome Outcome, int Added, int Changed, int Removed);
}
