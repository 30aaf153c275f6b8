using Mesh30K.Protocol;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Consistency.Documents;

/// <summary>What a write was, as far as its content tells.</summary>
public enum WriteKind
{
    /// <summary>The last version is what is there: nothing was written.</summary>
    Unchanged,

    /// <summary>Written from the last version. It becomes the last version; there is nothing to do.</summary>
    Ordinary,

    /// <summary>Written from an older version: <see cref="WriteVerdict.Merged"/> is to take its place.</summary>
    Stale,

    /// <summary>It cannot be read now: half written, or broken. Look again; then leave it alone.</summary>
    Unreadable,

    /// <summary>Written from an older version, and not to be merged. It is left as it is; what it overwrote is in the history.</summary>
    Unmergeable,
}

/// <summary>The decision on one write.</summary>
public sealed record WriteVerdict(WriteKind Kind)
{
    /// <summary>Number of the version that the writer started from; 0 where nothing says.</summary>
    public long Base { get; init; }

    /// <summary>It takes something away that its base had. A file that is being written looks like that too: look twice before acting on it.</summary>
    public bool TakesAway { get; init; }

    /// <summary>It has nothing of its own: it only takes away, or goes back to what was.</summary>
    public bool IsRollback { get; init; }

    /// <summary>What to write instead, for <see cref="WriteKind.Stale"/>.</summary>
    public byte[]? Merged { get; init; }

    /// <summary>What is wrong, for <see cref="WriteKind.Unreadable"/> and <see cref="WriteKind.Unmergeable"/>.</summary>
    public DocumentFailure? Failure { get; init; }

    /// <summary>Elements of the last version that the write had not, or with another value, in the order of the document.</summary>
    public IReadOnlyList<DocumentElement> Overwritten { get; init; } = [];

    /// <summary>Those that the merge has again.</summary>
    public IReadOnlyList<DocumentElement> Restored { get; init; } = [];
}

/// <summary>
/// Tells from its content alone whether a write overwrote versions that its writer had not read, and merges it then.
///
/// A writer reads version V, changes little, and writes N. Meanwhile others made L, the last version, of V. N then lacks what L added since V. So the
/// base of N is the version from which the fewest and likeliest changes lead to N. What a writer took away is less likely than what it added, and that
/// it has something which others added after V, by chance, is less likely still. A writer may also have read a version between V and the one after it
/// that lived too short to be seen: what came between these two may or may not be in N.
///
/// The same bytes can come from a stale writer and from one who means it: N may take away just what L added last, or go back to an older version. Then
/// time decides: while L is younger than the grace period it is taken as stale, afterwards as meant. Where a write has something of its own beside
/// that, keeping wins: a line too many can be taken out again, a lost one is gone. Asking the writer is refused: it is gone by then, or an agent that
/// does not know what it overwrote.
/// </summary>
public static class StaleWrite
{
    /// <summary>Added, or changed: what writers do.</summary>
    private const long OwnCost = 1L << 32;

    /// <summary>Taken away.</summary>
    private const long RemovedCost = 3 * OwnCost;

    /// <summary>Has what others added after the base, though it had not read it.</summary>
    private const long ForeseenCost = 4 * OwnCost;

    /// <summary>A line that is no element. It decides only where elements do not: an editor may change the spacing of all of them.</summary>
    private const long LineCost = 1;

    /// <summary>Judges what is in the file now.</summary>
    /// <param name="history">What was seen before; has at least one version.</param>
    /// <param name="content">What is there now.</param>
    /// <param name="now">The moment of looking, on the clock of the history.</param>
    /// <param name="grace">How young the last version is when taking it away counts as stale.</param>
    /// <param name="options">How to merge.</param>
    public static WriteVerdict Judge(VersionHistory history, byte[] content, Instant now, TimeSpan grace, MergeOptions options)
    {
        Invariant.Check(history.Last is not null);
        SeenVersion last = history.Last;
        if (content.AsSpan().SequenceEqual(last.Content.Span)) return new WriteVerdict(WriteKind.Unchanged) { Base = last.Number };
        if (Flaw(history, content, options) is { } flaw) return new WriteVerdict(WriteKind.Unreadable) { Failure = flaw };
        bool young = now - last.SeenAt < grace;

        // What was judged stale stays stale as long as its merge is the last version: also when a crash came between the record and the file.
        if (history.Versions.Count > 1 && history.Versions[^2] is { Origin: VersionOrigin.Stale } before && before.Content.Span.SequenceEqual(content))
            return Merge(history, before, content, false, options);

        Dictionary<string, string> written = VersionHistory.PartsOf(history.Type, content);
        bool keepsLast = Keeps(written, history.LastParts, values: true);
        (int nearest, int older, bool tie) = FindBase(history, written);
        if (nearest == history.Versions.Count - 1)
        {
            WriteVerdict ordinary = new(WriteKind.Ordinary) { Base = last.Number, TakesAway = !Keeps(written, history.LastParts, values: false) };
            // Both explain it equally well, as when two change one value. A merge that changes nothing settles most of these.
            return tie && !keepsLast && young && Merge(history, history.Versions[older], content, true, options) is { Kind: not WriteKind.Ordinary } stale ? stale : ordinary;
        }
        SeenVersion start = history.Versions[nearest];
        Dictionary<string, string> startParts = VersionHistory.PartsOf(history.Type, start.Content.Span);
        bool rollback = Keeps(startParts, written, values: true) || Keeps(history.LastParts, written, values: true);
        if (rollback && !young) return new WriteVerdict(WriteKind.Ordinary) { Base = last.Number, IsRollback = true, TakesAway = true };
        return Merge(history, start, content, rollback, options) with { TakesAway = !Keeps(written, startParts, values: false) };
    }

    /// <summary>An empty file is what a writer leaves who opened it and has not written yet.</summary>
    private static DocumentFailure? Flaw(VersionHistory history, byte[] content, MergeOptions options)
    {
        if (content.Length == 0 && history.LastParts.Keys.Any(VersionHistory.IsElement))
            return new DocumentFailure("truncated", MergeSide.Theirs, 0, "the file is empty, and was not before", "Write it whole: a temporary file beside it, then rename.");
        return DocumentMerge.Check(history.Type, content, options) is { } wrong ? wrong with { Side = MergeSide.Theirs } : null;
    }

    private static WriteVerdict Merge(VersionHistory history, SeenVersion start, byte[] content, bool rollback, MergeOptions options)
    {
        SeenVersion last = history.Last!;
        MergeReport merge = DocumentMerge.Merge(history.Type, start.Content.Span, last.Content.Span, content, options);
        IReadOnlyList<DocumentElement> overwritten = Missing(history.Type, last.Content.Span, content);
        if (merge.Content is not { } merged)
            return new WriteVerdict(WriteKind.Unmergeable) { Base = start.Number, IsRollback = rollback, Failure = merge.Failure, Overwritten = overwritten };
        if (merged.AsSpan().SequenceEqual(content)) return new WriteVerdict(WriteKind.Ordinary) { Base = last.Number, IsRollback = rollback };
        return new WriteVerdict(WriteKind.Stale)
        {
            Base = start.Number,
            IsRollback = rollback,
            Merged = merged,
            Overwritten = overwritten,
            Restored = Missing(history.Type, merged, content),
        };
    }

    private static List<DocumentElement> Missing(DocumentType type, ReadOnlySpan<byte> of, ReadOnlySpan<byte> among)
    {
        HashSet<DocumentElement> there = [.. DocumentMerge.Elements(type, among)];
        return [.. DocumentMerge.Elements(type, of).Where(e => !there.Contains(e))];
    }

    /// <summary>Whether all elements of the second are in the first, with their values or without looking at them.</summary>
    private static bool Keeps(Dictionary<string, string> parts, Dictionary<string, string> others, bool values)
    {
        foreach ((string key, string value) in others)
        {
            if (!VersionHistory.IsElement(key)) continue;
            if (!parts.TryGetValue(key, out string? own) || (values && own != value)) return false;
        }
        return true;
    }

    /// <summary>
    /// The newest version at the least cost, the newest at the least cost among those before the last, and whether that one costs as little as the last.
    /// Walks back from the last version; each step costs what changed in it.
    /// </summary>
    private static (int Nearest, int Older, bool Tie) FindBase(VersionHistory history, Dictionary<string, string> written)
    {
        Dictionary<string, string> last = history.LastParts;
        Dictionary<string, string> parts = new(last, StringComparer.Ordinal);
        long cost = 0;
        foreach ((string key, string value) in parts) cost += Cost(key, value, written.GetValueOrDefault(key), inLast: true);
        foreach ((string key, string value) in written)
        {
            if (!parts.ContainsKey(key)) cost += Cost(key, null, value, inLast: false);
        }
        long costOfLast = cost;
        long least = long.MaxValue;
        int older = -1;
        for (int i = history.Versions.Count - 2; i >= 0; i--)
        {
            long mayHaveRead = 0;
            foreach ((string key, string? value) in history.BackFrom(i))
            {
                string? after = parts.GetValueOrDefault(key);
                string? own = written.GetValueOrDefault(key);
                bool inLast = last.ContainsKey(key);
                long here = Cost(key, value, own, inLast);
                cost += here - Cost(key, after, own, inLast);
                if (own == after) mayHaveRead += here;
                if (value is null) parts.Remove(key);
                else parts[key] = value;
            }
            if (cost - mayHaveRead >= least) continue;
            least = cost - mayHaveRead;
            older = i;
        }
        return (least < costOfLast ? older : history.Versions.Count - 1, older, least == costOfLast);
    }

    /// <summary>What it costs that a base has one value and the write another; null where it has none.</summary>
    private static long Cost(string key, string? start, string? written, bool inLast)
    {
        if (start == written) return 0;
        if (!VersionHistory.IsElement(key)) return LineCost;
        if (written is null) return RemovedCost;
        return start is null && inLast ? ForeseenCost : OwnCost;
    }
}
