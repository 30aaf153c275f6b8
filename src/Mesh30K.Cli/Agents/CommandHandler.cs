using System.Text;
using System.Text.Json;
using Mesh30K.Agent;
using Mesh30K.Cli.Client;
using Mesh30K.Cli.Queue;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Cli.Agents;

/// <summary>
/// Does each delivery with a command: the payload on its stdin, what it prints is the result. Its exit code says how it ended, in the words of sysexits.h; the last line of its stderr is the reason of a conflict.
/// Cancelled, the command and what it started are killed. Thread-safe.
/// </summary>
internal sealed class CommandHandler(IReadOnlyList<string> command, string workingDirectory)
{
    internal const string VerbVariable = "MESH_VERB";
    internal const string MessageVariable = "MESH_MESSAGE_ID";
    internal const string TargetVariable = "MESH_TARGET";

    /// <summary>EX_DATAERR.</summary>
    private const int DataError = 65;

    /// <summary>EX_UNAVAILABLE.</summary>
    private const int Unavailable = 69;

    private int _ready;
    private int _conflicts;
    private int _cancelled;

    /// <summary>How many ended how so far.</summary>
    internal (int Ready, int Conflicts, int Cancelled) Counts => (Volatile.Read(ref _ready), Volatile.Read(ref _conflicts), Volatile.Read(ref _cancelled));

    internal async Task<WorkResult> RunAsync(Work work, CancellationToken cancel)
    {
        try
        {
            using TaskChild child = TaskChild.Start(command, workingDirectory, EnvironmentOf(work), InputOf(work.Payload), WorkResult.ResultBytesMax);
            _ = await child.EndedAsync(Timeout.InfiniteTimeSpan, cancel).ConfigureAwait(false);
            (int exitCode, string output, string error) = await child.TextAsync().ConfigureAwait(false);
            if (exitCode == 0 && Encoding.UTF8.GetByteCount(output) <= WorkResult.ResultBytesMax)
            {
                Interlocked.Increment(ref _ready);
                return WorkResult.Ready(output.TrimEnd('\n', '\r'));
            }
            Interlocked.Increment(ref _conflicts);
            return exitCode == 0 ? WorkResult.Conflict($"the command printed more than {WorkResult.ResultBytesMax} bytes") : WorkResult.Conflict(ReasonOf(exitCode, error), TypeOf(exitCode));
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            Interlocked.Increment(ref _cancelled);
            throw;
        }
        catch (CliException unstartable)
        {
            Interlocked.Increment(ref _conflicts);
            return WorkResult.Conflict(unstartable.Error.Message, ConflictType.CapabilityMismatch);
        }
    }

    private static ConflictType TypeOf(int exitCode) => exitCode switch
    {
        DataError => ConflictType.DataContradiction,
        Unavailable => ConflictType.CapabilityMismatch,
        _ => ConflictType.Other,
    };

    private static string ReasonOf(int exitCode, string error)
    {
        string text = error.TrimEnd();
        string last = Plain.Line(text[(text.LastIndexOf('\n') + 1)..].Trim(), 200);
        return last.Length > 0 ? last : $"exit code {exitCode}";
    }

    /// <summary>A JSON string as its text, anything else as JSON: a script should not need a JSON parser for a sentence.</summary>
    private static string InputOf(string payload) => payload.StartsWith('"') ? JsonSerializer.Deserialize<string>(payload)! : payload;

    private static Dictionary<string, string> EnvironmentOf(Work work) => new(StringComparer.Ordinal)
    {
        [VerbVariable] = WireNames.Verbs.NameOf(work.Verb),
        [MessageVariable] = work.Id.ToString(),
        [TargetVariable] = work.Target.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", System.Globalization.CultureInfo.InvariantCulture),
    };
}
