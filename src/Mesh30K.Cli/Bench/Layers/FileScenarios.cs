using System.Diagnostics;
using System.Globalization;
using Mesh30K.Consistency.Documents;
using Mesh30K.Node.Watch;

namespace Mesh30K.Cli.Bench.Layers;

/// <summary>Several processes that each read a shared queue, think, and write it back with an entry of their own.</summary>
internal static class FileScenarios
{
    private const int WritesPerFile = 1_000;
    private const int WatchKeep = 100_000;
    private static readonly TimeSpan SettleWithin = TimeSpan.FromSeconds(30);

    /// <summary>A fresh file every thousand writes, so that the length of the file does not grow with that of the run.</summary>
    public static async Task<LayersScenario> RunAsync(LayersRun run, string kind, int writers, int writes)
    {
        string name = "file/" + kind;
        run.Note($"{name}: {writers} processes, {writes} writes …");
        List<WorkerTask> tasks = Tasks(run, name, kind, writers, writes);
        foreach (string path in Files(tasks[0])) Begin(path);
        double ms = await run.RunWorkersAsync(tasks, static () => Task.CompletedTask).ConfigureAwait(false);
        (int lost, int doubled, _) = Count(tasks[0], _ => false);
        return new LayersScenario(name) { Writers = writers, Writes = writers * tasks[0].Count, Lost = lost, Duplicated = doubled, Ms = ms, Ours = kind == LayersWorker.MeshSave };
    }

    /// <summary>Writers at a human pace and a watcher that repairs. What it never saw it cannot bring back: that is counted apart.</summary>
    public static async Task<LayersScenario> WatchAsync(LayersRun run, int writers, int writes)
    {
        const string name = "file/mesh_watch";
        run.Note($"{name}: {writers} processes, {writes} writes …");
        List<WorkerTask> tasks = [.. Tasks(run, name, LayersWorker.LastWriterWins, writers, writes).Select(t => t with { ThinkMsMin = 20, ThinkMsMax = 80, WritesPerFile = int.MaxValue })];
        string path = LayersWorker.FileOf(tasks[0], 0);
        string folder = Path.GetDirectoryName(path)!;
        Begin(path);
        using Process watcher = LayersRun.Start(folder, "state", "watch", folder, "--interval", "2ms", "--keep", WatchKeep.ToString(CultureInfo.InvariantCulture));
        try
        {
            string events = Path.Combine(folder, ".mesh", "watch", "events.jsonl");
            await run.UntilAsync(() => File.Exists(events) || watcher.HasExited, SettleWithin, "the watcher did not start").ConfigureAwait(false);
            double ms = await run.RunWorkersAsync(tasks, static () => Task.CompletedTask).ConfigureAwait(false);
            DateTime last = DateTime.MinValue;
            await run.UntilAsync(() => IsQuiet(path, ref last), SettleWithin, "the watched file did not come to rest").ConfigureAwait(false);
            watcher.Kill();
            await watcher.WaitForExitAsync(run.Stop).ConfigureAwait(false);
            HashSet<string> seen = Seen(folder);
            (int lost, int doubled, int unseen) = Count(tasks[0], seen.Contains);
            return new LayersScenario(name) { Writers = writers, Writes = writers * tasks[0].Count, Lost = lost, LostUnseen = unseen, Duplicated = doubled, Ms = ms, Ours = true };
        }
        finally
        {
            if (!watcher.HasExited) watcher.Kill();
        }
    }

    private static List<WorkerTask> Tasks(LayersRun run, string name, string kind, int writers, int writes)
    {
        string folder = run.NewFolder(name);
        int each = (writes + writers - 1) / writers;
        return [.. Enumerable.Range(0, writers).Select(w => new WorkerTask(kind, folder, w, writers, each, run.Seed) { WritesPerFile = WritesPerFile })];
    }

    private static IEnumerable<string> Files(WorkerTask task) => Enumerable.Range(0, task.Count).Select(i => LayersWorker.FileOf(task, i)).Distinct(StringComparer.Ordinal);

    private static void Begin(string path)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, "# Tasks\n\n");
    }

    private static (int Lost, int Doubled, int LostUnseen) Count(WorkerTask task, Predicate<string> wasSeen)
    {
        Dictionary<string, int> there = new(StringComparer.Ordinal);
        foreach (string path in Files(task))
        {
            foreach (string key in Keys(File.ReadAllText(path))) there[key] = there.GetValueOrDefault(key) + 1;
        }
        List<string> all = [.. from w in Enumerable.Range(0, task.Workers) from i in Enumerable.Range(0, task.Count) select LayersWorker.KeyOf(w, i)];
        List<string> lost = [.. all.Where(k => !there.ContainsKey(k))];
        return (lost.Count, there.Values.Count(n => n > 1), task.Kind == LayersWorker.LastWriterWins ? lost.Count(k => !wasSeen(k)) : 0);
    }

    private static IEnumerable<string> Keys(string text) =>
        text.Split('\n').Where(l => l.Contains("[seq:", StringComparison.Ordinal)).Select(l => l[l.IndexOf("[seq:", StringComparison.Ordinal)..(l.IndexOf(']', l.IndexOf("[seq:", StringComparison.Ordinal)) + 1)]);

    /// <summary>Whether nothing was written for a second.</summary>
    private static bool IsQuiet(string path, ref DateTime last)
    {
        DateTime written = File.GetLastWriteTimeUtc(path);
        bool same = written == last;
        last = written;
        return same && DateTime.UtcNow - written > TimeSpan.FromSeconds(1);
    }

    /// <summary>All entries that the watcher, killed by now, had seen.</summary>
    private static HashSet<string> Seen(string folder)
    {
        WatchTarget target = new("QUEUE.md", DocumentType.Queue);
        WatchOptions options = new() { Folder = folder, Targets = [target], History = new HistoryOptions { VersionsMax = WatchKeep, BytesMax = long.MaxValue } };
        using FolderWatch history = FolderWatch.TryStart(options, static _ => { }, SettleWithin)
            ?? throw new CliException(new CliError(ExitCode.NotAchieved, "worker_failed", "the killed watcher still holds its lock"));
        return [.. history.VersionsOf(target).SelectMany(v => Keys(System.Text.Encoding.UTF8.GetString(v.Content.Span)))];
    }
}
