using System.CommandLine;
using System.Text;
using Mesh30K.Cli.Client;
using Mesh30K.Cli.Queue;
using Mesh30K.Consistency.Causal;
using Mesh30K.Consistency.Documents;
using Mesh30K.Node.Api.Channels;
using Mesh30K.Node.Runtime;
using Spectre.Console;

namespace Mesh30K.Cli.Commands;

/// <summary>Lists tasks.</summary>
public sealed class QueueListCommand : QueueVerb
{
    private const int LimitMost = 1_000_000;

    private readonly Option<string?> _status = new("--status") { Description = "waiting, ready, claimed, done, failed or cancelled", HelpName = "name" };
    private readonly Option<int> _limit = new("--limit") { Description = "At most so many", HelpName = "count", DefaultValueFactory = _ => 100 };
    private readonly Option<string?> _after = new("--after") { Description = "Go on after the page before: its next_after", HelpName = "id" };

    public QueueListCommand()
        : base("list", "List the tasks")
    {
        _status.AcceptOnlyFromAmong([.. Enum.GetNames<EntryStatus>().Select(n => n.ToLowerInvariant())]);
        foreach (Option option in (Option[])[_status, _limit, _after]) Add(option);
    }

    public override IReadOnlyList<string> Examples { get; } = ["mesh queue list", "mesh queue list --status ready --json"];

    private protected override async Task<ExitCode> RunAsync(VerbRun run, IQueue queue)
    {
        int limit = run.Parse.GetValue(_limit);
        if (limit is < 1 or > LimitMost) throw new CliException(new CliError(ExitCode.Usage, "bad_value", $"--limit must be 1 to {LimitMost}, was {limit}"));
        string? after = run.Parse.GetValue(_after) is { } text ? IdOf(_after.Name, text).ToString() : null;
        EntryPage page = await queue.EntriesAsync(run.Parse.GetValue(_status), limit, after, run.Stop).ConfigureAwait(false);
        Give(run, page, ChannelViews.Default.EntryPage, console => Render(console, page));
        return ExitCode.Ok;
    }

    private static void Render(IAnsiConsole console, EntryPage page)
    {
        Table table = new Table().Border(TableBorder.Simple).AddColumns(new TableColumn("id") { NoWrap = true }, new TableColumn("status"), new TableColumn("who"), new TableColumn("tries"), new TableColumn("waits for"), new TableColumn("task"));
        foreach (EntryView e in page.Entries)
        {
            string waits = e.Status == "waiting" ? Short(e.BlockedBy is { } by ? by : e.DependsOn) + (e.BlockedBy is null ? "" : " (blocked)") : "";
            table.AddRow([.. ((string[])[e.Id, e.Status, e.ClaimedBy ?? e.Agent ?? "", $"{e.Attempts}/{e.AttemptsMax}", waits, e.Text]).Select(c => new Text(Plain.Line(c, 200)))]);
        }
        console.Write(table);
        CountsView c = page.Counts;
        Views.Line(console, $"{c.Ready} ready, {c.Claimed} claimed, {c.Waiting} waiting, {c.Done} done, {c.Failed} failed, {c.Cancelled} cancelled, {c.Retired} retired{(page.NextAfter is { } next ? $"; more with --after {next}" : "")}");
    }

    private static string Short(IReadOnlyList<string> ids) => string.Join(", ", ids.Take(3)) + (ids.Count > 3 ? ", …" : "");
}

/// <summary>Shows what waits for what.</summary>
public sealed class QueueGraphCommand() : QueueVerb("graph", "Show what waits for what, as a tree")
{
    public override IReadOnlyList<string> Examples { get; } = ["mesh queue graph", "mesh queue graph --channel builds --json"];

    private protected override async Task<ExitCode> RunAsync(VerbRun run, IQueue queue)
    {
        GraphView graph = await queue.GraphAsync(run.Stop).ConfigureAwait(false);
        Give(run, graph, ChannelViews.Default.GraphView, console =>
        {
            foreach (string line in QueueTree.Lines(graph)) Views.Line(console, line);
            if (graph.Nodes.Count == 0) Views.Line(console, "Nothing is open.");
            if (graph.Truncated) Views.Line(console, $"… and more: only the first {GraphView.NodesMax} are shown.");
        });
        return ExitCode.Ok;
    }
}

/// <summary>Writes the channel as a queue document.</summary>
public sealed class QueueExportCommand : QueueVerb
{
    private readonly Argument<string?> _file = new("file") { Description = "The document to write or bring up to date (default: stdout)", Arity = ArgumentArity.ZeroOrOne };

    public QueueExportCommand()
        : base("export", "Write the channel as a queue document; other lines of it stay") => Add(_file);

    public override IReadOnlyList<string> Examples { get; } = ["mesh queue export", "mesh queue export QUEUE.md"];

    private protected override async Task<ExitCode> RunAsync(VerbRun run, IQueue queue)
    {
        string? file = run.Parse.GetValue(_file) is { } name ? run.PathOf(name) : null;
        EntryPage all = await queue.EntriesAsync(null, int.MaxValue, null, run.Stop).ConfigureAwait(false);
        string before = file is not null && File.Exists(file) ? QueueImportCommand.ReadSound(file) : "";
        (string text, int added, int changed) = QueueFile.Write(all.Entries, all.Writer is not null, before);
        if (file is null)
        {
            run.Output.ResultText(new { Document = text }, text);
            return ExitCode.Ok;
        }
        if (text != before)
        {
            AtomicFile.Replace(AtomicFile.TargetOf(file), Encoding.UTF8.GetBytes(text));
        }
        run.Output.Result(new { File = file, Entries = all.Entries.Count, Added = added, Changed = changed }, console =>
            Views.Line(console, $"{file}: {added} added, {changed} changed, {all.Entries.Count - added - changed} as they were"));
        return ExitCode.Ok;
    }
}

/// <summary>Takes over what a queue document has and the channel has not, entries and ends of entries: all of it or nothing.</summary>
public sealed class QueueImportCommand : QueueVerb
{
    private const long FileBytesMax = 64L << 20;

    private readonly Argument<string> _file = new("file") { Description = "The queue document" };

    public QueueImportCommand()
        : base("import", "Add what a queue document has and the channel has not, and end what has ended there", creates: true) => Add(_file);

    public override IReadOnlyList<string> Examples { get; } = ["mesh queue import QUEUE.md", "mesh queue import --writer ana QUEUE.md --json"];

    /// <summary>Reads a queue document; throws a <see cref="CliException"/> when it is not sound.</summary>
    internal static string ReadSound(string file)
    {
        FileInfo info = new(file);
        if (!info.Exists) throw new CliException(new CliError(ExitCode.Usage, "no_file", $"there is no file {file}"));
        if (info.Length > FileBytesMax) throw new CliException(new CliError(ExitCode.Usage, "too_large", $"{file} has {info.Length} bytes; at most {FileBytesMax}"));
        byte[] content = File.ReadAllBytes(file);
        if (DocumentMerge.Check(DocumentType.Queue, content, new MergeOptions()) is { } failure)
            throw new CliException(new CliError(ExitCode.Usage, failure.Code, $"{file}{(failure.Line > 0 ? $", line {failure.Line}" : "")}: {failure.Message}", failure.Hint));
        return Encoding.UTF8.GetString(content);
    }

    private protected override async Task<ExitCode> RunAsync(VerbRun run, IQueue queue)
    {
        string text = ReadSound(run.PathOf(run.Parse.GetRequiredValue(_file)));
        KnownEntries known = await queue.KnownAsync(run.Stop).ConfigureAwait(false);
        (List<ChannelCommand.Push> fresh, List<ChannelCommand.Push> ends, int skipped) = QueueFile.Read(text, known);
        ReplyView reply = new("ok", []);
        if (fresh.Count + ends.Count > 0) reply = await queue.StepAsync(new ChannelCommand.PushAll([.. fresh, .. ends]), TimeSpan.Zero, run.Stop).ConfigureAwait(false);
        string[] ids = [.. reply.Entries.Select(e => e.Id)];
        run.Output.Result(new { Added = ids[..fresh.Count], Ended = ids[fresh.Count..], Skipped = skipped }, console =>
        {
            foreach (EntryView entry in reply.Entries) Views.Line(console, $"{entry.Id} [{entry.Status}] {entry.Text}");
            Views.Line(console, $"{fresh.Count} added, {(ends.Count > 0 ? $"{ends.Count} ended, " : "")}{skipped} were there already");
        });
        return ExitCode.Ok;
    }
}
