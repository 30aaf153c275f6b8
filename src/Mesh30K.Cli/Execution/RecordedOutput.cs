using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Mesh30K.Consistency.Strong.Ledger;

namespace Mesh30K.Cli.Execution;

/// <summary>
/// What the verbs keep in the ledger as an effect's output: one line of JSON, then bytes as they came. What another program recorded has no such line. Immutable.
/// </summary>
/// <param name="ExitCode">With which the command ended; 0 for HTTP and for a person's word.</param>
/// <param name="Status">The HTTP status; null for a command.</param>
/// <param name="Truncated">Whether there was more than <see cref="BytesMax"/>, or may have been more than was read: its beginning is kept.</param>
internal sealed record RecordedOutput(int ExitCode, int? Status, bool Truncated)
{
    /// <summary>Bytes of output that are kept: the ledger's bound less room for the line.</summary>
    public const int BytesMax = LedgerLimits.OutputBytesMax - 512;

    private const string Format = "mesh-effect-1";

    /// <summary>The command's stdout, or the body of the response.</summary>
    [JsonIgnore]
    public ReadOnlyMemory<byte> Bytes { get; init; }

    [JsonInclude]
    private string Mesh { get; init; } = Format;

    public static RecordedOutput Read(ReadOnlyMemory<byte> recorded)
    {
        int line = recorded.Span.IndexOf((byte)'\n');
        if (line < 0 || !recorded.Span.StartsWith("{\"ExitCode\":"u8)) return new RecordedOutput(0, null, false) { Bytes = recorded };
        try
        {
            RecordedOutput? head = JsonSerializer.Deserialize<RecordedOutput>(recorded.Span[..line]);
            if (head?.Mesh == Format) return head with { Bytes = recorded[(line + 1)..] };
        }
        catch (JsonException)
        {
            // Another program's output that happens to begin alike.
        }
        return new RecordedOutput(0, null, false) { Bytes = recorded };
    }

    public byte[] Write() => [.. JsonSerializer.SerializeToUtf8Bytes(this), (byte)'\n', .. Bytes.Span];

    /// <summary>The bytes for a JSON result; what is no UTF-8 is replaced.</summary>
    [JsonIgnore]
    public string Text => Encoding.UTF8.GetString(Bytes.Span);
}

/// <summary>Keeps the beginning of what it is given.</summary>
internal sealed class OutputHead
{
    private readonly MemoryStream _bytes = new();
    private volatile bool _isBehind;

    /// <summary>Whether there was more than it keeps.</summary>
    public bool IsTruncated { get; private set; }

    /// <summary>Whether what came is still being passed on, so that more may have come that was not read.</summary>
    public bool IsBehind
    {
        get => _isBehind;
        set => _isBehind = value;
    }

    public ReadOnlyMemory<byte> Bytes
    {
        get
        {
            lock (_bytes) return _bytes.ToArray();
        }
    }

    /// <summary>Nothing more is kept: there may have been more.</summary>
    public void Cut()
    {
        lock (_bytes) IsTruncated = true;
    }

    public void Add(ReadOnlySpan<byte> bytes)
    {
        lock (_bytes)
        {
            int room = RecordedOutput.BytesMax - (int)_bytes.Length;
            if (bytes.Length > room) IsTruncated = true;
            _bytes.Write(bytes[..Math.Min(room, bytes.Length)]);
        }
    }
}
