using System.Text;
using Mesh30K.Protocol;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Consistency.Documents;

/// <summary>How a version of a watched document came about.</summary>
public enum VersionOrigin
{
    /// <summary>Somebody wrote it, from the version before it as far as can be told.</summary>
    Written,

    /// <summary>Somebody wrote it from a base that others had changed meanwhile; the version after it is the merge. Never the last one.</summary>
    Stale,

    /// <summary>The watcher merged it.</summary>
    Merged,
}

/// <summary>One version of a document.</summary>
/// <param name="Number">From 1, without gaps, never used again.</param>
/// <param name="SeenAt">When it was first seen; of a merge that only restored the version before, when that one was.</param>
/// <param name="Base">Number of the version that it came of: of a stale one that which its writer had read, else the one before; 0 for none.</param>
public sealed record SeenVersion(long Number, ReadOnlyMemory<byte> Content, Instant SeenAt, VersionOrigin Origin, long Base);

/// <summary>How much history is kept. Overflow: the oldest versions leave first; the last version always stays.</summary>
public sealed record HistoryOptions
{
    /// <summary>Versions. Default 200. A base older than that is not recognised; more cost memory and time at each write.</summary>
    public int VersionsMax { get; init; } = 200;

    /// <summary>Bytes of content. Default 32 MiB.</summary>
    public long BytesMax { get; init; } = 32L << 20;
}

/// <summary>
/// The versions of one document that a watcher saw, oldest first. Of the last one it knows the elements, and of each older one in what it differs
/// from the next, so that a walk back through all of them costs what changed and not versions × elements. Not thread-safe.
/// </summary>
public sealed class VersionHistory(DocumentType type, HistoryOptions options)
{
    private readonly List<SeenVersion> _versions = [];

    /// <summary>At i: what turns the elements of version i + 1 into those of version i; null for what it has not.</summary>
    private readonly List<IReadOnlyList<KeyValuePair<string, string?>>> _back = [];

    /// <summary>By the number of a version: for each written one that came of it, what turns the elements of the former into those of the latter.</summary>
    private readonly Dictionary<long, List<IReadOnlyList<KeyValuePair<string, string?>>>> _offspring = [];

    public DocumentType Type { get; } = type;

    public IReadOnlyList<SeenVersion> Versions => _versions;

    /// <summary>What the document should hold now; null before the first version.</summary>
    public SeenVersion? Last => _versions.Count == 0 ? null : _versions[^1];

    /// <summary>Bytes of all versions together.</summary>
    public long Bytes { get; private set; }

    internal Dictionary<string, string> LastParts { get; private set; } = new(StringComparer.Ordinal);

    internal IReadOnlyList<KeyValuePair<string, string?>> BackFrom(int version) => _back[version];

    internal IReadOnlyList<IReadOnlyList<KeyValuePair<string, string?>>> OffspringOf(int version) => _offspring.GetValueOrDefault(_versions[version].Number) ?? [];

    /// <summary>Adds a version. Its content is sound: <see cref="DocumentMerge.Check"/> found nothing.</summary>
    public void Add(SeenVersion version)
    {
        Invariant.Check(Last is not { } last || version.Number == last.Number + 1);
        Dictionary<string, string> parts = PartsOf(Type, version.Content.Span);
        if (_versions.Count > 0) _back.Add(Difference(parts, LastParts));
        if (version.Origin != VersionOrigin.Merged && _versions.Find(v => v.Number == version.Base) is { } start)
        {
            Dictionary<string, string> startParts = start == Last ? LastParts : PartsOf(Type, start.Content.Span);
            if (!_offspring.TryGetValue(start.Number, out List<IReadOnlyList<KeyValuePair<string, string?>>>? offspring)) _offspring.Add(start.Number, offspring = []);
            offspring.Add(Difference(startParts, parts));
        }
        LastParts = parts;
        _versions.Add(version);
        Bytes += version.Content.Length;
        int leave = 0;
        while (leave < _versions.Count - 1 && (_versions.Count - leave > options.VersionsMax || Bytes > options.BytesMax))
        {
            _offspring.Remove(_versions[leave].Number);
            Bytes -= _versions[leave++].Content.Length;
        }
        _versions.RemoveRange(0, leave);
        _back.RemoveRange(0, Math.Min(leave, _back.Count));
    }

    /// <summary>
    /// What a document consists of, by key: its elements, and its lines without their spacing as well, so that a change of prose is seen too. Whether
    /// a key is an element or a line shows in its first character.
    /// </summary>
    internal static Dictionary<string, string> PartsOf(DocumentType type, ReadOnlySpan<byte> content)
    {
        Dictionary<string, string> parts = new(StringComparer.Ordinal);
        foreach (DocumentElement element in DocumentMerge.Elements(type, content)) parts["e" + element.Key] = element.Value;
        foreach (string line in Encoding.UTF8.GetString(content).Split('\n')) parts["l" + string.Concat(line.Where(c => !char.IsWhiteSpace(c)))] = "";
        return parts;
    }

    internal static bool IsElement(string key) => key[0] == 'e';

    private static List<KeyValuePair<string, string?>> Difference(Dictionary<string, string> from, Dictionary<string, string> to)
    {
        List<KeyValuePair<string, string?>> difference = [];
        foreach ((string key, string value) in to)
        {
            if (!from.TryGetValue(key, out string? other) || other != value) difference.Add(new(key, value));
        }
        foreach (string key in from.Keys)
        {
            if (!to.ContainsKey(key)) difference.Add(new(key, null));
        }
        return difference;
    }
}
