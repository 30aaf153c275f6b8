using Mesh30K.Consistency.Time;

namespace Mesh30K.Consistency.Documents;

/// <summary>How far a task of a queue document is. The order is the order of joining: of two concurrent changes the later one here wins.</summary>
public enum QueueStatus
{
    /// <summary>Nobody works on it: <c>[ ]</c>, or nothing.</summary>
    Open,

    /// <summary>Somebody works on it: <c>[/]</c>, or <c>[status:claimed]</c>.</summary>
    Claimed,

    /// <summary>It failed and is not tried again: <c>[!]</c>, or <c>[status:failed]</c>.</summary>
    Failed,

    /// <summary>It is not to be done: <c>[-]</c>, or <c>[status:cancelled]</c>.</summary>
    Cancelled,

    /// <summary>It is done: <c>[x]</c>, or <c>[status:done]</c>.</summary>
    Done,
}

/// <summary>
/// One task of a queue document: <c>[seq:142] [depends:141] [agent:code-intel] build frontend</c>, bare or as a Markdown list item
/// (<c>- [ ] [seq:142] build frontend</c>). Immutable.
/// </summary>
public sealed record QueueLine
{
    public required Dot Id { get; init; }

    /// <summary>What has to be done first, ascending, without repetition.</summary>
    public IReadOnlyList<Dot> DependsOn { get; init; } = [];

    /// <summary>Who is to do it; null for anyone.</summary>
    public string? Agent { get; init; }

    public QueueStatus Status { get; init; }

    /// <summary>Further <c>[key:value]</c> fields in their order, kept as they are.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Fields { get; init; } = [];

    public required string Text { get; init; }

    /// <summary>Whether it is written as a Markdown list item.</summary>
    public bool IsListItem { get; init; }

    /// <summary>Reads one line without its line ending; false when it is not a task.</summary>
    public static bool TryParse(ReadOnlySpan<char> line, out QueueLine? task) => throw new InvalidOperationException("contract only");

    /// <summary>The canonical form, one line without its ending.</summary>
    public override string ToString() => throw new InvalidOperationException("contract only");
}
