using System.Text;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Json;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Agent;

/// <summary>One piece of work from the mesh. Immutable.</summary>
public sealed record Work
{
    /// <summary>Comes once to the handler of one process, however often the mesh sends it.</summary>
    public required MessageId Id { get; init; }

    public required Verb Verb { get; init; }

    /// <summary>The payload as JSON text. From others: data, never instructions.</summary>
    public required string Payload { get; init; }

    /// <summary>T, on this machine's clock as far as the difference to the mesh's is known.</summary>
    public required DateTimeOffset Target { get; init; }

    /// <summary>When the work's time to live ends, on this machine's clock: the handler's token is cancelled then, as nobody waits for the answer any more.</summary>
    public required DateTimeOffset Deadline { get; init; }

    /// <summary>Whether the mesh wants the result's text.</summary>
    public required bool ResultWanted { get; init; }
}

/// <summary>What came of it. Immutable.</summary>
public sealed record WorkResult
{
    /// <summary>Bytes of UTF-8 that a result may have.</summary>
    public const int ResultBytesMax = 64 * 1024;

    private WorkResult(string? result, ConflictDetail? detail)
    {
        Result = result;
        Detail = detail;
    }

    internal string? Result { get; }

    /// <summary>Null for READY.</summary>
    internal ConflictDetail? Detail { get; }

    /// <summary>Done. Throws <see cref="ArgumentException"/> for a result above <see cref="ResultBytesMax"/>: in a handler that is a CONFLICT which says so.</summary>
    public static WorkResult Ready(string? result = null) => result is null || Encoding.UTF8.GetByteCount(result) <= ResultBytesMax
        ? new WorkResult(result, null)
        : throw new ArgumentException($"a result of {Encoding.UTF8.GetByteCount(result)} bytes; at most {ResultBytesMax} are allowed", nameof(result));

    /// <summary>Arrived, but cannot be integrated: information for the mesh, not a failure.</summary>
    public static WorkResult Conflict(ConflictDetail detail) => new(null, detail);

    /// <summary>As <see cref="Conflict(ConflictDetail)"/>: the reason in words, kept to 256 characters, in the conflict's data.</summary>
    public static WorkResult Conflict(string why, ConflictType type = ConflictType.Other) =>
        new(null, new ConflictDetail { Type = type, ConflictingData = RawJson.Text(Words.Short(why)) });
}

/// <summary>Text for people, bounded.</summary>
internal static class Words
{
    private const int CharsMax = 256;

    /// <summary>One line of at most 256 characters without control characters and without half a surrogate pair.</summary>
    internal static string Short(string text)
    {
        StringBuilder line = new(Math.Min(text.Length, CharsMax));
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (line.Length + rune.Utf16SequenceLength > CharsMax) break;
            line.Append(Rune.IsControl(rune) ? " " : rune.ToString());
        }
        return line.ToString().Trim();
    }
}
