using Mesh30K.Protocol.Identity;

namespace Mesh30K.Consistency.Documents;

/// <summary>The kinds of shared documents.</summary>
public enum DocumentType
{
    /// <summary>Tasks, one a line, with a number and dependencies; an OR-Set. Concurrent adding wins over removing.</summary>
    Queue,

    /// <summary>A Markdown table, a row an agent; an LWW-Map of cells. The later timestamp wins.</summary>
    Heartbeats,

    /// <summary>JSON Lines of (entity, attribute, value, at, by); grows only. A later fact supersedes, none is deleted.</summary>
    Facts,

    /// <summary>Lines, oldest first; a G-Set.</summary>
    Log,
}

/// <summary>Which of the files of a merge.</summary>
public enum MergeSide
{
    /// <summary>What both sides started from.</summary>
    Base,

    /// <summary>The first side.</summary>
    Ours,

    /// <summary>The second side.</summary>
    Theirs,
}

/// <summary>Why a document was not merged. Nothing is merged in part.</summary>
/// <param name="Code">One of the stable words, in snake_case: <c>conflict_markers</c>, <c>truncated</c>, <c>not_utf8</c>, …</param>
/// <param name="Side">The file that is at fault.</param>
/// <param name="Line">Its line, from 1; 0 when it is the whole file.</param>
/// <param name="Message">What is wrong.</param>
/// <param name="Hint">What would be right, or what to do.</param>
public sealed record DocumentFailure(string Code, MergeSide Side, int Line, string Message, string Hint);

/// <summary>How to merge.</summary>
public sealed record MergeOptions
{
    /// <summary>The wall clock; null: timestamps are not held against it.</summary>
    public Instant? Now { get; init; }

    /// <summary>How far ahead of <see cref="Now"/> a timestamp may be. Default 5 minutes. A larger value lets a wrong clock win for longer.</summary>
    public TimeSpan AheadMax { get; init; } = TimeSpan.FromMinutes(5);
}

/// <summary>What a merge made: either <see cref="Content"/> or <see cref="Failure"/>.</summary>
public sealed record MergeReport
{
    public byte[]? Content { get; init; }

    public DocumentFailure? Failure { get; init; }

    /// <summary>Elements of the result that ours had not.</summary>
    public int Added { get; init; }

    /// <summary>Elements of ours that the result has with another value.</summary>
    public int Changed { get; init; }

    /// <summary>Elements of ours that the result has no more.</summary>
    public int Removed { get; init; }
}

/// <summary>One element of a document as its CRDT sees it, for whoever compares documents.</summary>
/// <param name="Key">What it is: of a queue number, agent and text; of a table row and column; of facts and logs the whole line.</param>
/// <param name="Value">What may change while it stays the same element: a status, a cell. Empty where nothing may.</param>
public readonly record struct DocumentElement(string Key, string Value);

/// <summary>Merges documents. Pure and thread-safe.</summary>
public static class DocumentMerge
{
    /// <summary>
    /// Merges two sides that started from <paramref name="start"/>. The result does not depend on which side is ours.
    /// </summary>
    public static MergeReport Merge(DocumentType type, ReadOnlySpan<byte> start, ReadOnlySpan<byte> ours, ReadOnlySpan<byte> theirs, MergeOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        DocumentText? startText = DocumentText.TryRead(start, MergeSide.Base, out DocumentFailure? failure);
        DocumentText? oursText = failure is null ? DocumentText.TryRead(ours, MergeSide.Ours, out failure) : null;
        DocumentText? theirsText = failure is null ? DocumentText.TryRead(theirs, MergeSide.Theirs, out failure) : null;
        if (startText is null || oursText is null || theirsText is null) return new MergeReport { Failure = failure };
        return type switch
        {
            DocumentType.Queue => QueueMerge.Merge(startText, oursText, theirsText),
            DocumentType.Heartbeats => HeartbeatMerge.Merge(startText, oursText, theirsText, options),
            DocumentType.Facts => FactMerge.Merge(startText, oursText, theirsText, options),
            DocumentType.Log => LogMerge.Merge(startText, oursText, theirsText),
            _ => throw new ArgumentOutOfRangeException(nameof(type)),
        };
    }

    /// <summary>What is wrong with one document by itself; null when nothing is.</summary>
    public static DocumentFailure? Check(DocumentType type, ReadOnlySpan<byte> content, MergeOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        DocumentText? text = DocumentText.TryRead(content, MergeSide.Ours, out DocumentFailure? failure);
        if (text is null) return failure;
        return type switch
        {
            DocumentType.Queue => QueueMerge.FindMalformed(QueueDocument.Parse(text), MergeSide.Ours, start: null),
            DocumentType.Heartbeats => HeartbeatDocument.Parse(text, MergeSide.Ours, options).Failure,
            DocumentType.Facts => FactMerge.Parse(text, options).Failure,
            DocumentType.Log => null,
            _ => throw new ArgumentOutOfRangeException(nameof(type)),
        };
    }

    /// <summary>The elements of a sound document, in its order; none of a file that is not even text.</summary>
    public static IReadOnlyList<DocumentElement> Elements(DocumentType type, ReadOnlySpan<byte> content)
    {
        DocumentText? text = DocumentText.TryRead(content, MergeSide.Ours, out _);
        if (text is null) return [];
        return type switch
        {
            DocumentType.Queue => QueueDocument.Parse(text).Elements(),
            DocumentType.Heartbeats => HeartbeatDocument.Parse(text, MergeSide.Ours, new MergeOptions()).Elements(),
            DocumentType.Facts => FactMerge.Parse(text, new MergeOptions()).Elements(),
            DocumentType.Log => LogLine.Elements(text),
            _ => throw new ArgumentOutOfRangeException(nameof(type)),
        };
    }
}
