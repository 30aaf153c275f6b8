using System.Diagnostics;
using System.Globalization;
using System.Text;
using Mesh30K.Consistency.Causal;
using Mesh30K.Consistency.Documents;
using Mesh30K.Node.Channels;

namespace Mesh30K.Cli.Bench.Layers;

/// <summary>
/// One agent that takes tasks over from others and hands them on. Task t, from 0, is step t mod length of chain t / length; each step belongs to one agent.
/// What really happened is in a log of each agent, with times of the machine's monotonic clock, which all its processes share.
/// </summary>
internal static class HandoffWorker
{
    public const string OverFile = "handoff_file";
    public const string OverChannel = "handoff_channel";
    public const string ChannelName = "handoff";

    /// <summary>After this long without a task that it may start, an agent starts the next one of its own: as impatient agents do.</summary>
    private const int PatienceMs = 250;

    private const int WorkMsMax = 2;
    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(60);

    public static string LogFile(string folder, int worker) => Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"log-{worker}"));

    public static int AgentOf(WorkerTask task, int number) => ((number / task.ChainLength) + (number % task.ChainLength)) % task.Workers;

    public static void RunOverFile(WorkerTask task, Random random, CancellationToken stop)
    {
        string path = LayersWorker.FileOf(task, 0);
        using StreamWriter log = Log(task);
        long idleSince = Stopwatch.GetTimestamp();
        while (!File.Exists(task.StopFile))
        {
            stop.ThrowIfCancellationRequested();
            HashSet<long> done = [.. Lines(File.ReadAllText(path)).Where(l => l.Status == QueueStatus.Done).Select(l => l.Id.Number)];
            List<int> own = [.. Enumerable.Range(0, task.Count).Where(t => AgentOf(task, t) == task.Worker && !done.Contains(t + 1))];
            int next = own.FindIndex(t => t % task.ChainLength == 0 || done.Contains(t));
            if (next < 0 && own.Count > 0 && Stopwatch.GetElapsedTime(idleSince).TotalMilliseconds > PatienceMs) next = 0;
            if (next < 0)
            {
                Thread.Sleep(random.Next(1, 4));
                continue;
            }
            Do(log, own[next], random);
            MarkDone(task, path, own[next], random);
            idleSince = Stopwatch.GetTimestamp();
        }
    }

    public static async Task RunOverChannelAsync(WorkerTask task, Random random, CancellationToken stop)
    {
        using StreamWriter log = Log(task);
        using FolderChannel channel = FolderChannel.Open(ChannelFolder.Find(task.Folder, ChannelName)!);
        string agent = string.Create(CultureInfo.InvariantCulture, $"w{task.Worker}");
        while (!File.Exists(task.StopFile))
        {
            ChannelReply claimed = await channel.ClaimAsync(new ChannelCommand.Claim(agent, Lease), TimeSpan.FromMilliseconds(100), stop).ConfigureAwait(false);
            if (claimed.Outcome != ChannelOutcome.Ok) continue;
            ChannelEntry entry = claimed.Entries[0];
            Do(log, int.Parse(entry.Text, CultureInfo.InvariantCulture), random);
            ChannelReply completed = channel.Step(new ChannelCommand.Complete(entry.Id, entry.Token, null), stop);
            if (completed.Outcome != ChannelOutcome.Ok) throw new InvalidOperationException($"{entry.Id} was not completed: {completed.Outcome} {completed.Message}");
        }
    }

    public static IEnumerable<QueueLine> Lines(string text)
    {
        foreach (string line in text.Split('\n'))
        {
            if (QueueLine.TryParse(line, out QueueLine? task)) yield return task!;
        }
    }

    private static void MarkDone(WorkerTask task, string path, int number, Random random)
    {
        string read = File.ReadAllText(path);
        LayersWorker.Think(task, random);
        string key = string.Create(CultureInfo.InvariantCulture, $"[seq:{number + 1}]");
        LayersWorker.Overwrite(path, Encoding.UTF8.GetBytes(read.Replace("- [ ] " + key, "- [x] " + key, StringComparison.Ordinal)), task.Worker);
    }

    private static void Do(StreamWriter log, int number, Random random)
    {
        log.WriteLine(string.Create(CultureInfo.InvariantCulture, $"S {number} {Stopwatch.GetTimestamp()}"));
        log.Flush();
        Thread.Sleep(random.Next(0, WorkMsMax + 1));
        log.WriteLine(string.Create(CultureInfo.InvariantCulture, $"E {number} {Stopwatch.GetTimestamp()}"));
        log.Flush();
    }

    private static StreamWriter Log(WorkerTask task) =>
        new(new FileStream(LogFile(task.Folder, task.Worker), FileMode.Create, FileAccess.Write, FileShare.ReadWrite)) { NewLine = "\n" };
}
