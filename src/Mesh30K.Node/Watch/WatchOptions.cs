using Mesh30K.Consistency.Documents;

namespace Mesh30K.Node.Watch;

/// <summary>A file to watch.</summary>
/// <param name="Name">Its path relative to the watched folder.</param>
/// <param name="Type">What it is.</param>
public sealed record WatchTarget(string Name, DocumentType Type);

/// <summary>How a folder is watched.</summary>
public sealed record WatchOptions
{
    /// <summary>The watched folder. History and events are in its folder <c>.mesh/watch</c>.</summary>
    public required string Folder { get; init; }

    public required IReadOnlyList<WatchTarget> Targets { get; init; }

    /// <summary>
    /// While the last version is younger, a write that only takes away is taken as stale and undone. Default 30 s. A larger value protects writers
    /// that think for longer, and undoes more removals that were meant.
    /// </summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How much of each file is kept.</summary>
    public HistoryOptions History { get; init; } = new();

    /// <summary>Polls for which a file may be broken or keep changing before that is told. Default 10. A larger value is told later.</summary>
    public int PatiencePolls { get; init; } = 10;

    /// <summary>The largest file, in bytes. Default 15 MiB: a version is one record of the journal. A larger one is told as unreadable.</summary>
    public int FileBytesMax { get; init; } = 15 << 20;

    /// <summary>The event log, in bytes. Default 8 MiB. Overflow: it is renamed, with what was renamed before gone, and starts anew.</summary>
    public long EventBytesMax { get; init; } = 8L << 20;
}
