using System.Text;
using System.Text.Json;

namespace Mesh30K.Simulation.Strong;

/// <summary>A line that is no operation of a history: which, and what is wrong with it.</summary>
public sealed class HistoryFormatException(int line, string message) : Exception($"line {line}: {message}")
{
    public int Line => line;
}

/// <summary>Reads histories in JSON Lines, strictly: docs/guide/histories.md. The caller reads the file. Stateless.</summary>
public static class HistoryReader
{
    /// <summary>Bytes of a line.</summary>
    public const int LineBytesMax = 1 << 20;

    private static readonly string[] Needed = ["client", "op", "key", "call", "outcome"];

    /// <summary>Reads a file. Throws <see cref="HistoryFormatException"/> for the first line that is no operation; empty lines are passed over.</summary>
    public static IReadOnlyList<HistoryOperation> Read(ReadOnlyMemory<byte> file)
    {
        List<HistoryOperation> operations = [];
        if (file.Span.StartsWith("\uFEFF"u8)) file = file[3..];
        for (int line = 1; !file.IsEmpty; line++)
        {
            int end = file.Span.IndexOf((byte)'\n');
            if (ReadLine(end < 0 ? file : file[..end], line) is { } operation) operations.Add(operation);
            file = end < 0 ? default : file[(end + 1)..];
        }
        return operations;
    }

    /// <summary>Reads an operation. Throws <see cref="HistoryFormatException"/> for anything else. An empty line is null.</summary>
    /// <param name="utf8">The line without its end.</param>
    /// <param name="line">Its number, from 1.</param>
    public static HistoryOperation? ReadLine(ReadOnlyMemory<byte> utf8, int line)
    {
        if (utf8.Length > LineBytesMax) throw new HistoryFormatException(line, $"has {utf8.Length} bytes; at most {LineBytesMax}");
        if (utf8.Span.Trim(" \t\r"u8).IsEmpty) return null;
        try
        {
            using JsonDocument document = JsonDocument.Parse(utf8, new JsonDocumentOptions { AllowDuplicateProperties = false });
            if (document.RootElement.ValueKind != JsonValueKind.Object) throw new HistoryFormatException(line, "is no JSON object");
            return Check(Read(document.RootElement, line));
        }
        catch (JsonException broken)
        {
            throw new HistoryFormatException(line, "is no JSON: " + broken.Message);
        }
    }

    private static HistoryOperation Read(JsonElement json, int line)
    {
        HistoryOperation read = new(line, 0, default, "", null, null, 0, null, default, null);
        List<string> missing = [.. Needed];
        foreach (JsonProperty property in json.EnumerateObject())
        {
            missing.Remove(property.Name);
            JsonElement v = property.Value;
            read = property.Name switch
            {
                "client" => read with { Client = Number(v, "client", line) },
                "op" => read with { Op = Word<HistoryOp>(v, "op", line) },
                "key" => read with { Key = Text(v, "key", line) ?? throw new HistoryFormatException(line, "key is null") },
                "value" => read with { Value = Text(v, "value", line) },
                "expected" => read with { Expected = Text(v, "expected", line) },
                "call" => read with { CallNs = Number(v, "call", line) },
                "return" => read with { ReturnNs = v.ValueKind == JsonValueKind.Null ? null : Number(v, "return", line) },
                "outcome" => read with { Outcome = Word<HistoryOutcome>(v, "outcome", line) },
                "output" => read with { Output = Text(v, "output", line) },
                _ => throw new HistoryFormatException(line, $"has the field {Quoted(property.Name)}, which the format does not know"),
            };
        }
        return missing.Count == 0 ? read : throw new HistoryFormatException(line, "lacks " + string.Join(", ", missing));
    }

    private static HistoryOperation Check(HistoryOperation read)
    {
        bool ok = read.Outcome == HistoryOutcome.Ok;
        bool failedCas = read is { Op: HistoryOp.Cas, Outcome: HistoryOutcome.Fail };
        string? wrong = null;
        if (read.ReturnNs is { } returned && returned < read.CallNs) wrong = $"return {returned} is before call {read.CallNs}";
        else if (read.ReturnNs is null && read.Outcome != HistoryOutcome.Unknown) wrong = "return is null, so the outcome is unknown";
        else if (read.Op == HistoryOp.Get && read.Value is not null) wrong = "a get has no value: what it read is its output";
        else if (read.Op != HistoryOp.Cas && read.Expected is not null) wrong = "only a cas has expected";
        else if (read.Output is not null && !failedCas && !(ok && read.Op == HistoryOp.Get)) wrong = "output is what a get that is ok read, or what a failed cas found; here it is to be null";
        else if (failedCas && read.Output is not null && read.Output == read.Expected) wrong = "a cas does not fail on the value that it expected; one that was not tried is no operation of the history";
        return wrong is null ? read : throw new HistoryFormatException(read.Line, wrong);
    }

    private static string? Text(JsonElement json, string field, int line) => json.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.String => Unescaped(json, field, line),
        _ => throw new HistoryFormatException(line, field + " is no string"),
    };

    /// <summary>Half a surrogate pair in an escape is no text.</summary>
    private static string Unescaped(JsonElement json, string field, int line)
    {
        try
        {
            return json.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw new HistoryFormatException(line, field + " is no text of Unicode");
        }
    }

    private static long Number(JsonElement json, string field, int line) =>
        json.ValueKind == JsonValueKind.Number && json.TryGetInt64(out long number) ? number : throw new HistoryFormatException(line, field + " is no whole number of 64 bits");

    private static T Word<T>(JsonElement json, string field, int line)
        where T : struct, Enum
    {
        string? text = Text(json, field, line);
        foreach (T word in Enum.GetValues<T>())
        {
            if (text == word.ToString().ToLowerInvariant()) return word;
        }
        throw new HistoryFormatException(line, $"{field} is {Quoted(text ?? "null")}; it has to be {string.Join(", ", Enum.GetNames<T>().Select(n => n.ToLowerInvariant()))}");
    }

    /// <summary>A word of the file, as it may stand in a message.</summary>
    private static string Quoted(string text)
    {
        StringBuilder shown = new();
        foreach (char c in text.AsSpan(0, Math.Min(text.Length, 40))) shown.Append(char.IsControl(c) ? '?' : c);
        return $"\"{shown}\"{(text.Length > 40 ? "…" : "")}";
    }
}
