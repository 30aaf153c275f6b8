using System.CommandLine;
using System.Globalization;
using Mesh30K.Cli.Client;
using Mesh30K.Cli.Queue;
using Mesh30K.Cli.State;
using Mesh30K.Consistency.Documents;
using Mesh30K.Node.Storage;
using Mesh30K.Node.Watch;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Cli.Commands;

/// <summary>Watches shared documents on a shared file system and merges writes that were made from a stale base.</summary>
public sealed class StateWatchCommand : VerbCommand
{
    private static readonly TimeSpan LockWait = TimeSpan.FromSeconds(2);

    private readonly Argument<string> _folder = new("dir") { Description = "The folder with the documents" };
    private readonly Option<string> _interval = Time("--interval", "Time between two looks; a version that lives shorter is not seen", "500ms");
    private readonly Option<string> _grace = Time("--grace", "While the last version is younger, a write that only takes away is undone", "30s");
    private readonly Option<int> _keep = new("--keep") { Description = "Versions of each file in the history", HelpName = "count", DefaultValueFactory = _ => new HistoryOptions().VersionsMax };
    private readonly Option<string[]> _file = new("--file") { Description = "Watch another file: TYPE=PATH, a path in DIR", HelpName = "type=path" };
    private readonly Option<bool> _once = new("--once") { Description = "One pass over all files, then a result" };

    public StateWatchCommand()
        : base("watch", "Find writes made from a stale base and merge them with what they overwrote")
    {
        Add(_folder);
        foreach (Option option in (Option[])[_interval, _grace, _keep, _file, _once]) Add(option);
    }

    public override IReadOnlyList<string> Examples { get; } =
        ["mesh state watch shared/", "mesh state watch shared/ --interval 100ms --file queue=TASKS.md", "mesh state watch shared/ --once --json"];

    public override async Task<ExitCode> RunAsync(VerbRun run)
    {
        string folder = run.PathOf(run.Parse.GetValue(_folder)!);
        if (!Directory.Exists(folder)) throw new CliException(new CliError(ExitCode.Usage, "bad_path", $"{run.Parse.GetValue(_folder)} is no folder", "Name the folder that has the documents."));
        TimeSpan interval = Duration.Of(_interval.Name, run.Parse.GetValue(_interval)!, TimeSpan.FromMilliseconds(1));
        int keep = run.Parse.GetValue(_keep);
        if (keep is < 2 or > 1_000_000) throw new CliException(new CliError(ExitCode.Usage, "bad_value", $"--keep is {keep}; it must be 2 to 1000000"));
        WatchOptions options = new()
        {
            Folder = folder,
            Targets = Targets(run, folder),
            Grace = Duration.Of(_grace.Name, run.Parse.GetValue(_grace)!, TimeSpan.Zero),
            History = new HistoryOptions { VersionsMax = keep },
        };
        List<WatchEvent> seen = [];
        bool once = run.Parse.GetValue(_once);
        using FolderWatch watch = Start(options, news => Tell(run, seen, news, once));
        try
        {
            if (once)
            {
                await PassAsync(watch, interval, options.PatiencePolls, run.Stop).ConfigureAwait(false);
            }
            else
            {
                run.Output.Note($"mesh: watching {string.Join(", ", options.Targets.Select(t => t.Name))}; Ctrl-C ends it");
                await LoopAsync(watch, folder, interval, run.Stop).ConfigureAwait(false);
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw Failed(failure);
        }
        WatchResult result = new(watch.Files, seen);
        run.Output.ResultText(result, string.Concat(watch.Files.Select(f =>
            $"{f.File}: version {f.Version}, {f.OrdinaryWrites} ordinary writes, {f.MergedWrites} merged{(f.Pending ? ", not settled: look again" : "")}\n")));
        return ExitCode.Ok;
    }

    /// <summary>The known names, whether or not the files exist yet, and what --file names.</summary>
    private List<WatchTarget> Targets(VerbRun run, string folder)
    {
        List<WatchTarget> targets = [.. DocumentFiles.KnownNames.Select(k => new WatchTarget(k.FileName, k.Type))];
        foreach (string given in run.Parse.GetValue(_file) ?? [])
        {
            int split = given.IndexOf('=', StringComparison.Ordinal);
            if (split < 0 || DocumentFiles.TypeOf(given[..split]) is not { } type || split + 1 == given.Length)
                throw new CliException(new CliError(ExitCode.Usage, "bad_value", $"--file must be TYPE=PATH, was {given}", $"Types: {string.Join(", ", DocumentFiles.TypeNames)}. Such as --file queue=TASKS.md."));
            string name = Path.GetRelativePath(folder, Path.GetFullPath(given[(split + 1)..], folder));
            if (name.StartsWith("..", StringComparison.Ordinal))
                throw new CliException(new CliError(ExitCode.Usage, "bad_value", $"--file {given} is outside of the watched folder", "Watch the folder that has it."));
            targets.RemoveAll(t => t.Name == name);
            targets.Add(new WatchTarget(name, type));
        }
        return targets;
    }

    private static FolderWatch Start(WatchOptions options, Action<WatchEvent> tell)
    {
        try
        {
            return FolderWatch.TryStart(options, tell, LockWait)
                ?? throw new CliException(new CliError(ExitCode.NotAchieved, "already_watched", "another watcher watches this folder", "One is enough; end it first."));
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw Failed(failure);
        }
    }

    private static CliException Failed(Exception failure) => new(new CliError(
        ExitCode.NotAchieved, failure is JournalException journal ? "history_" + journal.Code : "watch_failed", failure.Message,
        "The documents are as they were left. To start with a new history, move .mesh/watch away."));

    /// <summary>A file that is broken, or takes something away, is looked at again before it counts.</summary>
    private static async Task PassAsync(FolderWatch watch, TimeSpan interval, int polls, CancellationToken stop)
    {
        for (int i = 0; i <= polls; i++)
        {
            watch.Poll(Instant.From(DateTimeOffset.UtcNow));
            if (!watch.IsPending) return;
            await Task.Delay(interval, stop).ConfigureAwait(false);
        }
    }

    /// <summary>Polls. What the file system tells of this machine's writes only shortens the wait: it knows nothing of other machines.</summary>
    private static async Task LoopAsync(FolderWatch watch, string folder, TimeSpan interval, CancellationToken stop)
    {
        using SemaphoreSlim changed = new(0, 1);
        using FileSystemWatcher? hints = Hints(folder, changed);
        while (!stop.IsCancellationRequested)
        {
            watch.Poll(Instant.From(DateTimeOffset.UtcNow));
            try
            {
                await changed.WaitAsync(interval, stop).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    /// <summary>Null where the system offers none: polling alone does it too, later.</summary>
    private static FileSystemWatcher? Hints(string folder, SemaphoreSlim changed)
    {
        try
        {
            FileSystemWatcher hints = new(folder);
            void Wake(object sender, FileSystemEventArgs change)
            {
                if (change.Name is null || change.Name.StartsWith('.')) return;
                try
                {
                    if (changed.CurrentCount == 0) changed.Release();
                }
                catch (Exception late) when (late is SemaphoreFullException or ObjectDisposedException)
                {
                    // Woken already, or ending.
                }
            }
            hints.Changed += Wake;
            hints.Created += Wake;
            hints.Renamed += Wake;
            hints.EnableRaisingEvents = true;
            return hints;
        }
        catch (Exception none) when (none is IOException or PlatformNotSupportedException or ArgumentException)
        {
            return null;
        }
    }

    private static void Tell(VerbRun run, List<WatchEvent> seen, WatchEvent news, bool keep)
    {
        if (keep) seen.Add(news);
        string what = news.Event switch
        {
            WatchEventKind.Found => "is watched from now on",
            WatchEventKind.Merged => $"a write from version {news.Base} had overwritten {Count(news.OverwrittenCount)}; merged, {Count(news.RestoredCount)} restored",
            WatchEventKind.TakenAway => "something was taken away, and it was no new one: taken as meant",
            WatchEventKind.Unmergeable => $"a write from version {news.Base} overwrote {Count(news.OverwrittenCount)} and cannot be merged: {news.Failure}. They are in .mesh/watch/events.jsonl",
            WatchEventKind.Unreadable => $"is broken and left alone: {news.Failure}",
            _ => "is gone; its history stays",
        };
        run.Output.Note($"{news.At.ToString("HH:mm:ss", CultureInfo.InvariantCulture)} {Plain.Line(news.File)}: {Plain.Line(what)}");
    }

    private static string Count(int elements) => elements == 1 ? "1 element" : $"{elements} elements";

    private static Option<string> Time(string name, string description, string usual) =>
        new(name) { Description = description, HelpName = "time", DefaultValueFactory = _ => usual };

    private sealed record WatchResult(IReadOnlyList<WatchedFileState> Files, IReadOnlyList<WatchEvent> Events);
}
