using System.Text.Json;
using System.Text.Json.Serialization;

namespace Mesh30K.Node.Watch;

/// <summary>
/// The events as JSON lines, for programs. Not synced: the history is the truth, an event is news. Bounded by <see cref="WatchOptions.EventBytesMax"/>:
/// then <c>events.jsonl</c> becomes <c>events.1.jsonl</c>. Not thread-safe.
/// </summary>
internal sealed class WatchEventLog(string folder, long bytesMax)
{
    private static readonly JsonSerializerOptions Format = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };

    private readonly string _path = Path.Combine(folder, "events.jsonl");

    public void Add(WatchEvent news)
    {
        FileInfo file = new(_path);
        if (file.Exists && file.Length > bytesMax) File.Move(_path, Path.Combine(folder, "events.1.jsonl"), overwrite: true);
        File.AppendAllText(_path, JsonSerializer.Serialize(news, Format) + "\n");
    }
}
