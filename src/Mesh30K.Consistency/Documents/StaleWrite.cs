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
/// that, keeping wins: a line too many can be taken out again, a lost one is gone. Whoever insists, and writes the same once more after the grace period,
/// has it. Asking the writer is refused: it is gone by then, or an agent that does not know what it overwrote.
/// </summary>
public static class StaleWrite
{
    /// <summary>Added, or changed: what writers do; and what both sides did, by chance.</summary>
    private const long OwnCost = 1;

    /// <summary>Changed, where the last version has the value of the base: such a change goes back from what others made of it.</summary>
    private const long UndoneCost = 2 * OwnCost;

    /// <summary>Taken away, though the last version has it: what both sides took away is no loss.</summary>
    private const long RemovedCost = 4 * OwnCost;

    /// <summary>Has what others added after the base, though it had not read it.</summary>
    private const long ForeseenCost = 3 * OwnCost;

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

        Dictionary<string, string> written = VersionHistory.PartsOf(history.Type, content);
        (int nearest, int older, bool tie, bool hasOwn) = FindBase(history, written);
        if (nearest == history.Versions.Count - 1)
        {
            WriteVerdict ordinary = new(WriteKind.Ordinary) { Base = last.Number, TakesAway = !Keeps(written, history.LastParts, values: false) };
            if (!tie || !young || Keeps(written, history.LastParts, values: true)) return ordinary;
            // Both explain it equally well, as when two change one value. A merge that brings nothing back settles most of these.
            WriteVerdict stale = Merge(history, history.Versions[older], content, true, options);
            return stale.Kind == WriteKind.Ordinary ? ordinary : stale with { TakesAway = ordinary.TakesAway };
        }
        SeenVersion start = history.Versions[nearest];
        Dictionary<string, string> startParts = VersionHistory.PartsOf(history.Type, start.Content.Span);
        bool rollback = !hasOwn || OnlyTakesAway(written, history.LastParts, startParts);
        if (!rollback || young) return Merge(history, start, content, rollback, options) with { TakesAway = !Keeps(written, startParts, values: false) };
        return new WriteVerdict(WriteKind.Ordinary)
        {
            Base = last.Number,
            IsRollback = true,
            TakesAway = true,
            Overwritten = Missing(history.Type, last.Content.Span, content),
        };
    }

    /// <summary>Whether a write has nothing that the last version has not, and something of it that its likeliest base had not.</summary>
    private static bool OnlyTakesAway(Dictionary<string, string> written, Dictionary<string, string> last, Dictionary<string, string> start) =>
        Keeps(last, written, values: true) && written.Keys.Any(k => VersionHistory.IsElement(k) && !start.ContainsKey(k));

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
        if (IsSame(VersionHistory.PartsOf(history.Type, merged), VersionHistory.PartsOf(history.Type, content)))
            return new WriteVerdict(WriteKind.Ordinary) { Base = last.Number, IsRollback = rollback };
        return new WriteVerdict(WriteKind.Stale)
        {
            Base = start.Number,
            IsRollback = rollback,
            Merged = merged,
            Overwritten = overwritten,
            Restored = Missing(history.Type, merged, content),
        };
    }

    private static bool IsSame(Dictionary<string, string> parts, Dictionary<string, string> others) =>
        parts.Count == others.Count && parts.All(p => others.TryGetValue(p.Key, out string? value) && value == p.Value);

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
    /// The version that is the likeliest base, the likeliest among those before the last, and whether that one is as likely as the last; the newest of
    /// several. Lines decide between versions that have the elements of the last one: where elements differ too, an editor may have changed the
    /// spacing of all lines. Walks back from the last version; each step costs what changed in it.
    /// </summary>
    private static (int Nearest, int Older, bool Tie, bool HasOwn) FindBase(VersionHistory history, Dictionary<string, string> written)
    {
        Walk walk = new(history.LastParts, written);
        Likeliest older = new(-1, long.MaxValue, long.MaxValue);
        bool sameElements = true;
        int newest = history.Versions.Count - 1;
        Likeliest last = new(newest, walk.ElementCost, walk.LineCost);
        for (int i = newest - 1; i >= 0; i--)
        {
            sameElements &= !history.BackFrom(i).Any(p => VersionHistory.IsElement(p.Key));
            walk.Step(history.BackFrom(i));
            // A stale version did not come of the one before it, nor a merge: what lived between came of their bases.
            long least = walk.ElementCost;
            foreach (IReadOnlyList<KeyValuePair<string, string?>> next in history.OffspringOf(i)) least = Math.Min(least, walk.ElementCost - walk.MayHaveRead(next));
            Likeliest here = new(i, least, sameElements ? walk.LineCost : long.MaxValue);
            if (here.IsBetterThan(older)) older = here;
        }
        return (older.IsBetterThan(last) ? older.Version : newest, older.Version, older.Elements == last.Elements, older is not { Elements: 0, Lines: 0 or long.MaxValue });
    }

    private readonly record struct Likeliest(int Version, long Elements, long Lines)
    {
        public bool IsBetterThan(Likeliest other) => Elements != other.Elements ? Elements < other.Elements : Lines < other.Lines;
    }

    /// <summary>What it would have taken to come from one version to the write, for each version from the last one back.</summary>
    private sealed class Walk
    {
        private readonly Dictionary<string, string> _last;
        private readonly Dictionary<string, string> _parts;
        private readonly Dictionary<string, string> _written;

        public Walk(Dictionary<string, string> last, Dictionary<string, string> written)
        {
            _last = last;
            _parts = new(last, StringComparer.Ordinal);
            _written = written;
            foreach ((string key, string value) in last) Count(key, value, +1);
            foreach (string key in written.Keys)
            {
                if (!last.ContainsKey(key)) Count(key, null, +1);
            }
        }

        public long ElementCost { get; private set; }

        public long LineCost { get; private set; }

        public void Step(IReadOnlyList<KeyValuePair<string, string?>> back)
        {
            foreach ((string key, string? value) in back)
            {
                Count(key, _parts.GetValueOrDefault(key), -1);
                Count(key, value, +1);
                if (value is null) _parts.Remove(key);
                else _parts[key] = value;
            }
        }

        /// <summary>How much less it takes from a version that lived between this one and one that came of it, at best.</summary>
        public long MayHaveRead(IReadOnlyList<KeyValuePair<string, string?>> next) => next
            .Where(p => VersionHistory.IsElement(p.Key) && _written.GetValueOrDefault(p.Key) == p.Value)
            .Sum(p => Cost(_parts.GetValueOrDefault(p.Key), p.Value, _last.GetValueOrDefault(p.Key)));

        private void Count(string key, string? value, int sign)
        {
            string? written = _written.GetValueOrDefault(key);
            if (VersionHistory.IsElement(key)) ElementCost += sign * Cost(value, written, _last.GetValueOrDefault(key));
            else if (value != written) LineCost += sign;
        }

        /// <summary>What it costs that a base has one value and the write another; null where it has none.</summary>
        private static long Cost(string? start, string? written, string? last)
        {
            if (start == written) return 0;
            if (last is null) return OwnCost;
            if (written is null) return RemovedCost;
            if (start is null) return ForeseenCost;
            return start == last ? UndoneCost : OwnCost;
        }
    }
}
