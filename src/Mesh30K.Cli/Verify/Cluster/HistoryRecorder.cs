using System.Buffers;
using System.Diagnostics;
using System.Text.Json;
using Mesh30K.Simulation.Strong;

namespace Mesh30K.Cli.Verify.Cluster;

/// <summary>
/// Keeps what clients saw, in memory and as JSON Lines (docs/guide/histories.md). An operation is written when it has ended, so the lines are in the order of the returns.
/// Thread-safe.
/// </summary>
internal sealed class HistoryRecorder(Stream file) : IDisposable
{
    private readonly Lock _gate = new();
    private readonly List<HistoryOperation> _operations = [];
    private readonly ArrayBufferWriter<byte> _line = new();
    private readonly long _began = Stopwatch.GetTimestamp();

    /// <summary>The clock of the history, for all clients: nanoseconds from the recorder's making.</summary>
    public long NowNs => (long)((Stopwatch.GetTimestamp() - _began) * (1_000_000_000.0 / Stopwatch.Frequency));

    /// <summary>All so far; only when nobody adds any more.</summary>
    public IReadOnlyList<HistoryOperation> Operations => _operations;

    /// <summary>Adds an operation; its line number is given here.</summary>
    public void Add(HistoryOperation operation)
    {
        lock (_gate)
        {
            operation = operation with { Line = _operations.Count + 1 };
            _operations.Add(operation);
            _line.ResetWrittenCount();
            Write(operation, _line);
            file.Write(_line.WrittenSpan);
        }
    }

    public void Dispose() => file.Flush();

    /// <summary>One line, with its end.</summary>
    internal static void Write(HistoryOperation operation, IBufferWriter<byte> to)
    {
        using (Utf8JsonWriter json = new(to))
        {
            json.WriteStartObject();
            json.WriteNumber("client", operation.Client);
            json.WriteString("op", operation.Op.ToString().ToLowerInvariant());
            json.WriteString("key", operation.Key);
            json.WriteString("value", operation.Value);
            json.WriteString("expected", operation.Expected);
            json.WriteNumber("call", operation.CallNs);
            if (operation.ReturnNs is { } returned) json.WriteNumber("return", returned);
            else json.WriteNull("return");
            json.WriteString("outcome", operation.Outcome.ToString().ToLowerInvariant());
            json.WriteString("output", operation.Output);
            json.WriteEndObject();
        }
        to.Write("\n"u8);
    }
}
