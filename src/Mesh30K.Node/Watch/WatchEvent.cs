using Mesh30K.Consistency.Documents;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Watch;

/// <summary>What happened to a watched file. Ordinary writes are no events.</summary>
public enum WatchEventKind
{
    /// <summary>It is watched from now on, and was not before.</summary>
    Found,

    /// <summary>A write from a stale base was merged with what it had overwritten.</summary>
    Merged,

    /// <summary>Something was taken away, or the file went back to an older version, and the grace period was over: taken as meant.</summary>
    TakenAway,

    /// <summary>A write from a stale base cannot be merged. The file is left as it was written; what it overwrote is in the event and the history.</summary>
    Unmergeable,

    /// <summary>The file stays broken. It is left alone until it can be read again.</summary>
    Unreadable,

    /// <summary>The file is gone. Its history stays.</summary>
    Vanished,
}

/// <summary>One event.</summary>
/// <param name="At">When it was noticed, on the watcher's clock.</param>
/// <param name="File">The file, relative to the watched folder.</param>
/// <param name="Event">What happened. Who wrote cannot be known.</param>
/// <param name="Version">Number of the version that the file has now; 0 when it has none.</param>
/// <param name="Base">Number of the version that the writer started from; 0 when unknown.</param>
/// <param name="OverwrittenCount">Elements of the last version that the write had not.</param>
/// <param name="Overwritten">Their keys, at most <see cref="ElementsMax"/>.</param>
/// <param name="RestoredCount">Elements that the merge put back.</param>
/// <param name="Restored">Their keys, at most <see cref="ElementsMax"/>.</param>
/// <param name="Failure">What is wrong with the file; null when nothing is.</param>
public sealed record WatchEvent(
    DateTimeOffset At,
    string File,
    WatchEventKind Event,
    long Version,
    long Base = 0,
    int OverwrittenCount = 0,
    IReadOnlyList<string>? Overwritten = null,
    int RestoredCount = 0,
    IReadOnlyList<string>? Restored = null,
    string? Failure = null)
{
    public const int ElementsMax = 100;

    internal static WatchEvent Of(Instant at, string file, WatchEventKind kind, long version, WriteVerdict verdict) => new(
        at.ToDateTimeOffset(),
        file,
        kind,
        version,
        verdict.Base,
        verdict.Overwritten.Count,
        [.. verdict.Overwritten.Take(ElementsMax).Select(e => e.Key)],
        verdict.Restored.Count,
        [.. verdict.Restored.Take(ElementsMax).Select(e => e.Key)],
        verdict.Failure is { } wrong ? $"{wrong.Code}: {wrong.Message}" : null);
}
