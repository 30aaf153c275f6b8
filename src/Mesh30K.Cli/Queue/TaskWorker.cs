using System.Diagnostics;
using System.Text.Json;
using Mesh30K.Consistency.Causal;
using Mesh30K.Consistency.Time;
using Mesh30K.Node.Api.Channels;

namespace Mesh30K.Cli.Queue;

/// <summary>How a worker does tasks.</summary>
/// <param name="Agent">Who claims.</param>
/// <param name="Lease">How long a claim holds; renewed at each third of it.</param>
/// <param name="Retry">How long after a first failure it is tried again; twice as long after each further one.</param>
/// <param name="Command">What does a task.</param>
/// <param name="WorkingDirectory">Where it runs.</param>
/// <param name="Note">Takes a line for stderr.</param>
internal sealed record TaskWorkerOptions(string Agent, TimeSpan Lease, TimeSpan Retry, IReadOnlyList<string> Command, string WorkingDirectory, Action<string> Note);

/// <summary>How one task ended for this worker.</summary>
internal enum TaskEnd
{
    /// <summary>The command ended with 0 and the entry is done.</summary>
    Done,

    /// <summary>The command ended otherwise; the entry is tried again, or has failed.</summary>
    Failed,

    /// <summary>Another one may have it: the command was killed and its work counts for nothing.</summary>
    Lost,
}

/// <summary>Does claimed entries with a command: renews the lease, records checkpoints, completes or fails. One task at a time.</summary>
internal sealed class TaskWorker(IQueue queue, TaskWorkerOptions options)
{
    public const string CheckpointFileVariable = "MESH_CHECKPOINT_FILE";

    private const int CheckpointCharsMax = 65_536;
    private static readonly TimeSpan RetryMost = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);

    /// <summary>Does one entry that this agent has claimed. Stopped, it kills the command and gives the entry back.</summary>
    public async Task<TaskEnd> DoAsync(EntryView entry, CancellationToken stop)
    {
        Dot id = QueueDots.Parse(entry.Id);
        long token = entry.Token!.Value;
        DirectoryInfo folder = Directory.CreateTempSubdirectory("mesh-task-");
        string checkpointFile = Path.Combine(folder.FullName, "checkpoint");
        try
        {
            await File.WriteAllTextAsync(checkpointFile, entry.Checkpoint ?? "", CancellationToken.None).ConfigureAwait(false);
            using TaskChild child = await StartAsync(entry, checkpointFile).ConfigureAwait(false);
            Held held = new(id, token, checkpointFile, entry.Checkpoint ?? "");
            if (!await RunAsync(child, held, stop).ConfigureAwait(false)) return Lost(entry);
            return await EndAsync(child, held, entry).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            await TryAsync(new ChannelCommand.Release(id, token)).ConfigureAwait(false);
            throw;
        }
        finally
        {
            Delete(folder);
        }
    }

    /// <summary>A command that cannot be started did nothing: the entry is given back, and the attempt does not count.</summary>
    private async Task<TaskChild> StartAsync(EntryView entry, string checkpointFile)
    {
        try
        {
            return TaskChild.Start(options.Command, options.WorkingDirectory, EnvironmentOf(entry, checkpointFile), JsonSerializer.Serialize(entry, ChannelViews.Default.EntryView) + "\n");
        }
        catch (CliException)
        {
            await TryAsync(new ChannelCommand.Release(QueueDots.Parse(entry.Id), entry.Token!.Value)).ConfigureAwait(false);
            throw;
        }
    }

    private static void Delete(DirectoryInfo folder)
    {
        try
        {
            folder.Delete(recursive: true);
        }
        catch (Exception left) when (left is IOException or UnauthorizedAccessException)
        {
            // The command removed it, or something that it left running writes there: no concern of the task.
        }
    }

    /// <summary>Waits for the command's end and holds the entry meanwhile; false when the lease was lost.</summary>
    private async Task<bool> RunAsync(TaskChild child, Held held, CancellationToken stop)
    {
        TimeSpan third = options.Lease / 3;
        TimeSpan look = third < LookEvery ? third : LookEvery;
        long heldFrom = Stopwatch.GetTimestamp();
        while (!await child.EndedAsync(look, stop).ConfigureAwait(false))
        {
            string? checkpoint = held.NewCheckpoint(options.Note);
            if (checkpoint is null && Stopwatch.GetElapsedTime(heldFrom) < third) continue; // by the clock: on a busy machine a look takes longer than was asked for
            long from = Stopwatch.GetTimestamp();
            ChannelCommand command = checkpoint is null ? new ChannelCommand.Renew(held.Id, held.Token, options.Lease) : new ChannelCommand.Checkpoint(held.Id, held.Token, checkpoint, options.Lease);
            if (!await TryAsync(command).ConfigureAwait(false)) return false;
            heldFrom = from;
        }
        return true;
    }

    private async Task<TaskEnd> EndAsync(TaskChild child, Held held, EntryView entry)
    {
        (int exitCode, string output, string error) = await child.ResultAsync().ConfigureAwait(false);
        if (exitCode == 0) return await TryAsync(new ChannelCommand.Complete(held.Id, held.Token, output)).ConfigureAwait(false) ? TaskEnd.Done : Lost(entry);
        if (held.NewCheckpoint(options.Note) is { } last && !await TryAsync(new ChannelCommand.Checkpoint(held.Id, held.Token, last, options.Lease)).ConfigureAwait(false)) return Lost(entry);
        double factor = Math.Pow(2, Math.Clamp(entry.Attempts - 1, 0, 30));
        TimeSpan retry = options.Retry * factor < RetryMost ? options.Retry * factor : RetryMost;
        string reason = error.Length > 0 ? $"exit code {exitCode}: {error}" : $"exit code {exitCode}";
        options.Note($"{entry.Id}: {reason}");
        return await TryAsync(new ChannelCommand.Fail(held.Id, held.Token, TaskChild.Line(reason), retry)).ConfigureAwait(false) ? TaskEnd.Failed : Lost(entry);
    }

    private TaskEnd Lost(EntryView entry)
    {
        options.Note($"{entry.Id}: the lease was lost; the command was killed, or its end does not count");
        return TaskEnd.Lost;
    }

    /// <summary>False when the entry is not this worker's any more.</summary>
    private async Task<bool> TryAsync(ChannelCommand command)
    {
        try
        {
            await queue.StepAsync(command, TimeSpan.Zero, CancellationToken.None).ConfigureAwait(false);
            return true;
        }
        catch (CliException refused) when (refused.Error.Code is "not_held" or "not_found")
        {
            return false;
        }
    }

    private Dictionary<string, string> EnvironmentOf(EntryView entry, string checkpointFile) => new(StringComparer.Ordinal)
    {
        ["MESH_ID"] = entry.Id,
        [Commands.QueueOptions.TokenVariable] = FormattableString.Invariant($"{entry.Token}"),
        [Commands.QueueOptions.AgentVariable] = options.Agent,
        ["MESH_TEXT"] = entry.Text,
        ["MESH_ATTEMPT"] = FormattableString.Invariant($"{entry.Attempts}"),
        ["MESH_CHECKPOINT"] = entry.Checkpoint ?? "",
        [CheckpointFileVariable] = checkpointFile,
    };

    private sealed class Held(Dot id, long token, string checkpointFile, string recorded)
    {
        private string _recorded = recorded;

        public Dot Id => id;

        public long Token => token;

        /// <summary>What the command wrote since the last look; null for nothing new, or what cannot be a checkpoint.</summary>
        public string? NewCheckpoint(Action<string> note)
        {
            string text;
            try
            {
                if (new FileInfo(checkpointFile) is not { Exists: true, Length: <= 4 * CheckpointCharsMax }) return null;
                text = File.ReadAllText(checkpointFile).TrimEnd('\n', '\r');
            }
            catch (IOException)
            {
                return null; // it is being replaced: the next look
            }
            if (text.Length == 0 || text == _recorded) return null;
            _recorded = text;
            if (text.Length <= CheckpointCharsMax && !text.Any(char.IsControl)) return text;
            note($"{Id}: the checkpoint is not one line of at most {CheckpointCharsMax} characters, and was not recorded");
            return null;
        }
    }
}
