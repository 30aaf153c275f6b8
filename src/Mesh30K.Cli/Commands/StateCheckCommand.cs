using System.CommandLine;
using Mesh30K.Cli.State;
using Mesh30K.Consistency.Documents;

namespace Mesh30K.Cli.Commands;

/// <summary>Says what is wrong in shared documents, for a hook before a commit and for CI. Changes nothing.</summary>
public sealed class StateCheckCommand : VerbCommand
{
    private readonly Argument<string[]> _files = new("file") { Description = "Documents to check", Arity = ArgumentArity.OneOrMore };
    private readonly Option<string?> _type = new("--type") { Description = "What they are, where the name does not tell", HelpName = "type" };

    public StateCheckCommand()
        : base("check", "Tell what is wrong in documents, with the line")
    {
        _type.AcceptOnlyFromAmong(DocumentFiles.TypeNames);
        Add(_files);
        Add(_type);
    }

    public override IReadOnlyList<string> Examples { get; } = ["mesh state check QUEUE.md HEARTBEATS.md", "mesh state check tasks.md --type queue --json"];

    public override Task<ExitCode> RunAsync(VerbRun run)
    {
        MergeOptions options = DocumentFiles.OptionsNow();
        List<CheckedFile> files = [];
        foreach (string path in run.Parse.GetValue(_files)!)
        {
            DocumentType type = DocumentFiles.TypeFor(run.Parse.GetValue(_type), path);
            DocumentFailure? wrong = DocumentMerge.Check(type, DocumentFiles.Read(run, path), options);
            files.Add(new CheckedFile(path, type, wrong is null, wrong?.Code, wrong?.Line, wrong?.Message, wrong?.Hint));
        }
        bool sound = files.TrueForAll(f => f.Sound);
        run.Output.ResultText(new CheckResult(sound, files), string.Concat(files.Select(Line)));
        return Task.FromResult(sound ? ExitCode.Ok : ExitCode.NotAchieved);
    }

    private static string Line(CheckedFile file) => file.Sound
        ? $"{file.File}: a sound {DocumentFiles.NameOf(file.Type)} document\n"
        : $"{file.File}:{file.Line}: {Client.Plain.Line(file.Message!)}\n    {Client.Plain.Line(file.Hint!)}\n";

    private sealed record CheckResult(bool Sound, IReadOnlyList<CheckedFile> Files);

    private sealed record CheckedFile(string File, DocumentType Type, bool Sound, string? Code, int? Line, string? Message, string? Hint);
}
