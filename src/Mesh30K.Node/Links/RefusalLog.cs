using System.Collections.Concurrent;
using Mesh30K.Protocol.Identity;
using Microsoft.Extensions.Logging;

namespace Mesh30K.Node.Links;

/// <summary>Writes at most one line a second for each reason, and how many like it went unwritten. No payloads, no secrets. Thread-safe.</summary>
internal sealed partial class RefusalLog
{
    private readonly ConcurrentDictionary<string, Line> _lines = new(StringComparer.Ordinal);

    /// <summary>Where to; null keeps silent.</summary>
    public ILogger? Logger { get; set; }

    public void Write(string code, string agent, string why, Instant now)
    {
        if (Logger is not { } log) return;
        Line line = _lines.GetOrAdd(code, static _ => new Line());
        long unwritten;
        lock (line)
        {
            if (now < line.NextAt)
            {
                line.Unwritten++;
                return;
            }
            line.NextAt = now + TimeSpan.FromSeconds(1);
            (unwritten, line.Unwritten) = (line.Unwritten, 0);
        }
        Refused(log, agent, code, why, unwritten);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Code}: agent {Agent}: {Why} ({Unwritten} more like this since the last line)")]
    private static partial void Refused(ILogger log, string agent, string code, string why, long unwritten);

    private sealed class Line
    {
        public Instant NextAt;
        public long Unwritten;
    }
}
