using System.Globalization;
using Mesh30K.Consistency.Causal;
using Mesh30K.Consistency.Documents;
using Mesh30K.Consistency.Time;
using Mesh30K.Node.Channels;

namespace Mesh30K.Cli.Bench.Layers;

/// <summary>Chains of tasks that agents hand to each other: over a shared file, and over a channel.</summary>
internal static class HandoffScenarios
{
    private const int ChainLength = 10;
    private static readonly TimeSpan Within = TimeSpan.FromMinutes(5);

    public static async Task<LayersScenario> OverFileAsync(LayersRun run, int agents, int chains)
    {
        const string name = "handoff/file";
        List<WorkerTask> tasks = Tasks(run, name, HandoffWorker.OverFile, agents, chains);
        string path = LayersWorker.FileOf(tasks[0], 0);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        await File.WriteAllTextAsync(path, "# Tasks\n\n" + string.Concat(Enumerable.Range(0, tasks[0].Count).Select(t => LineOf(tasks[0], t))), run.Stop).ConfigureAwait(false);
        double ms = await run.RunWorkersAsync(tasks, () => EndAsync(run, tasks)).ConfigureAwait(false);
        HashSet<long> done = [.. HandoffWorker.Lines(await File.ReadAllTextAsync(path, run.Stop).ConfigureAwait(false)).Where(l => l.Status == QueueStatus.Done).Select(l => l.Id.Number)];
        return Count(name, tasks, tasks[0].Count - done.Count) with { Ms = ms };
    }

    public static async Task<LayersScenario> OverChannelAsync(LayersRun run, int agents, int chains)
    {
        const string name = "handoff/channel";
        List<WorkerTask> tasks = Tasks(run, name, HandoffWorker.OverChannel, agents, chains);
        using FolderChannel channel = FolderChannel.Open(ChannelFolder.FindOrCreate(tasks[0].Folder, HandoffWorker.ChannelName, null));
        Dot last = default;
        for (int t = 0; t < tasks[0].Count; t++)
        {
            string agent = string.Create(CultureInfo.InvariantCulture, $"w{HandoffWorker.AgentOf(tasks[0], t)}");
            Dot[] before = t % ChainLength == 0 ? [] : [last];
            ChannelReply pushed = channel.Step(new ChannelCommand.Push(t.ToString(CultureInfo.InvariantCulture), before, agent), run.Stop);
            last = pushed.Outcome == ChannelOutcome.Ok ? pushed.Entries[0].Id : throw new InvalidOperationException(pushed.Message);
        }
        double ms = await run.RunWorkersAsync(tasks, () => EndAsync(run, tasks)).ConfigureAwait(false);
        long done = channel.Read(c => c.Counts.Done + c.Counts.Retired);
        return Count(name, tasks, tasks[0].Count - (int)done) with { Ms = ms, Ours = true };
    }

    private static List<WorkerTask> Tasks(LayersRun run, string name, string kind, int agents, int chains)
    {
        run.Note($"{name}: {agents} agents, {chains} chains of {ChainLength} tasks …");
        string folder = run.NewFolder(name);
        return [.. Enumerable.Range(0, agents).Select(w => new WorkerTask(kind, folder, w, agents, chains * ChainLength, run.Seed) { ChainLength = ChainLength, WritesPerFile = int.MaxValue })];
    }

    private static string LineOf(WorkerTask task, int t)
    {
        string depends = t % ChainLength == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $" [depends:{t}]");
        return string.Create(CultureInfo.InvariantCulture, $"- [ ] [seq:{t + 1}]{depends} [agent:w{HandoffWorker.AgentOf(task, t)}] step {t % ChainLength} of chain {t / ChainLength}\n");
    }

    /// <summary>Lets the agents go on until each task was finished once, and a little more: a done mark may vanish only then.</summary>
    private static async Task EndAsync(LayersRun run, List<WorkerTask> tasks)
    {
        await run.UntilAsync(() => Log(tasks).Where(l => l.IsEnd).Select(l => l.Task).Distinct().Count() == tasks[0].Count, Within, "the tasks were not all done").ConfigureAwait(false);
        await Task.Delay(500, run.Stop).ConfigureAwait(false);
        await File.WriteAllTextAsync(tasks[0].StopFile, "", run.Stop).ConfigureAwait(false);
    }

    private static LayersScenario Count(string name, List<WorkerTask> tasks, int lost)
    {
        int outOfOrder = 0;
        int starts = 0;
        HashSet<int> finished = [];
        foreach ((bool isEnd, int task, _) in Log(tasks).OrderBy(l => l.At))
        {
            if (isEnd)
            {
                finished.Add(task);
                continue;
            }
            starts++;
            if (task % ChainLength != 0 && !finished.Contains(task - 1)) outOfOrder++;
        }
        return new LayersScenario(name) { Writers = tasks.Count, Writes = tasks[0].Count, Lost = lost, Duplicated = starts - tasks[0].Count, OutOfOrder = outOfOrder };
    }

    /// <summary>What the agents logged so far. A last line that is being written is left out.</summary>
    private static List<(bool IsEnd, int Task, long At)> Log(List<WorkerTask> tasks)
    {
        List<(bool, int, long)> all = [];
        foreach (WorkerTask worker in tasks)
        {
            using FileStream file = new(HandoffWorker.LogFile(worker.Folder, worker.Worker), FileMode.OpenOrCreate, FileAccess.Read, FileShare.ReadWrite);
            using StreamReader reader = new(file);
            string[] lines = reader.ReadToEnd().Split('\n');
            foreach (string line in lines[..^1])
            {
                string[] parts = line.Split(' ');
                all.Add((parts[0] == "E", int.Parse(parts[1], CultureInfo.InvariantCulture), long.Parse(parts[2], CultureInfo.InvariantCulture)));
            }
        }
        return all;
    }
}
