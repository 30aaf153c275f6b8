using System.Globalization;
using System.Text;
using System.Text.Json;
using Mesh30K.Consistency.Documents;
using Mesh30K.Node.Storage;

namespace Mesh30K.Cli.Bench.Layers;

/// <summary>One writer of <c>mesh bench layers</c>, a process of its own.</summary>
internal static class LayersWorker
{
    /// <summary>The hidden verb that runs it.</summary>
    public const string Verb = "layers-worker";

    public const string LastWriterWins = "last_writer_wins";
    public const string MeshSave = "mesh_save";

    private const int GoWaitMs = 60_000;
    private const int SaveTriesMax = 10;

    public static string ReadyFile(WorkerTask task) => Path.Combine(task.Folder, $"ready-{task.Worker}");

    public static async Task RunAsync(string file, CancellationToken stop)
    {
        WorkerTask task = JsonSerializer.Deserialize<WorkerTask>(await File.ReadAllTextAsync(file, stop).ConfigureAwait(false))!;
        await File.WriteAllTextAsync(ReadyFile(task), "", stop).ConfigureAwait(false);
        for (int waitedMs = 0; !File.Exists(task.GoFile); waitedMs += 5)
        {
            if (waitedMs > GoWaitMs) throw new InvalidOperationException("nobody said go");
            await Task.Delay(5, stop).ConfigureAwait(false);
        }
        Random random = new((task.Seed * 1_000) + task.Worker);
        switch (task.Kind)
        {
            case LastWriterWins:
            case MeshSave:
                for (int i = 0; i < task.Count; i++) Write(task, i, random, stop);
                break;
            case HandoffWorker.OverFile:
                HandoffWorker.RunOverFile(task, random, stop);
                break;
            case HandoffWorker.OverChannel:
                await HandoffWorker.RunOverChannelAsync(task, random, stop).ConfigureAwait(false);
                break;
            default:
                throw new InvalidOperationException("no such kind of worker: " + task.Kind);
        }
    }

    /// <summary>The file that takes the i-th write of each worker.</summary>
    public static string FileOf(WorkerTask task, int write) =>
        Path.Combine(task.Folder, string.Create(CultureInfo.InvariantCulture, $"{write * task.Workers / task.WritesPerFile}"), "QUEUE.md");

    /// <summary>The key of the i-th entry of a worker.</summary>
    public static string KeyOf(int worker, int write) => string.Create(CultureInfo.InvariantCulture, $"[seq:{write + 1}@w{worker}]");

    private static void Write(WorkerTask task, int write, Random random, CancellationToken stop)
    {
        string path = FileOf(task, write);
        byte[] own = Encoding.UTF8.GetBytes($"- [ ] {KeyOf(task.Worker, write)} [agent:w{task.Worker}] task\n");
        if (task.Kind == LastWriterWins)
        {
            byte[] read = File.ReadAllBytes(path);
            Think(task, random);
            Overwrite(path, [.. read, .. own], task.Worker);
            return;
        }
        SharedDocument document = new(path, DocumentType.Queue);
        for (int attempt = 0; attempt < SaveTriesMax; attempt++)
        {
            byte[] read = document.Read();
            Think(task, random);
            SaveReport saved = document.Save(read, (byte[])[.. read, .. own], stop);
            if (saved.Outcome is SaveOutcome.Written or SaveOutcome.Merged) return;
            if (saved.Outcome != SaveOutcome.Busy) throw new InvalidOperationException($"save ended as {saved.Outcome}: {saved.Merge?.Failure}");
        }
        throw new InvalidOperationException("the lock of the document was never free");
    }

    public static void Think(WorkerTask task, Random random) => Thread.Sleep(random.Next(task.ThinkMsMin, task.ThinkMsMax + 1));

    /// <summary>As an editor saves: whole, at once, and without a look at what others wrote.</summary>
    public static void Overwrite(string path, byte[] content, int worker)
    {
        string temporary = string.Create(CultureInfo.InvariantCulture, $"{path}.{worker}.tmp");
        File.WriteAllBytes(temporary, content);
        File.Move(temporary, path, overwrite: true);
    }
}
