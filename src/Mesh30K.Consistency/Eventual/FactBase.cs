using System.Runtime.InteropServices;
using Mesh30K.Consistency.Time;

namespace Mesh30K.Consistency.Eventual;

/// <summary>One value that an attribute had, ordered by (timestamp with its replica, value).</summary>
public readonly record struct FactVersion(Hlc At, string Value) : IComparable<FactVersion>
{
    public int CompareTo(FactVersion other) => At != other.At ? At.CompareTo(other.At) : string.CompareOrdinal(Value, other.Value);
}

/// <summary>Somebody's statement that an attribute of an entity has a value.</summary>
public readonly record struct Fact(string Entity, string Attribute, string Value, Hlc At);

/// <summary>
/// A grow-only set of facts: the latest one of an (entity, attribute) is current and supersedes the earlier ones, which stay (spec of layered
/// consistency, section 4, layer 1). Its join is the union. It grows with every fact; who needs less starts a new base.
/// </summary>
public sealed class FactBase : ICrdt<FactBase>
{
    private const byte FormatTag = (byte)'F';

    private readonly Dictionary<Subject, List<FactVersion>> _versions = []; // ascending, never empty

    public bool IsBottom => _versions.Count == 0;

    /// <summary>How many facts, superseded ones too.</summary>
    public int Count { get; private set; }

    /// <summary>Every fact by entity, attribute, time and value, sorted at each call.</summary>
    public IEnumerable<Fact> Facts =>
        from pair in Sorted()
        from version in pair.Value
        select new Fact(pair.Key.Entity, pair.Key.Attribute, version.Value, version.At);

    /// <summary>What holds now; null when nothing was ever said.</summary>
    public FactVersion? Current(string entity, string attribute) =>
        _versions.TryGetValue(new Subject(entity, attribute), out List<FactVersion>? versions) ? versions[^1] : null;

    /// <summary>What was ever said, oldest first; the last one is current.</summary>
    public IReadOnlyList<FactVersion> History(string entity, string attribute) =>
        _versions.TryGetValue(new Subject(entity, attribute), out List<FactVersion>? versions) ? [.. versions] : [];

    /// <summary>Adds a fact; ⊥ when it was there.</summary>
    public FactBase Add(string entity, string attribute, string value, Hlc at)
    {
        Crdt.RequireText(entity);
        Crdt.RequireText(attribute);
        Crdt.RequireText(value);
        Subject subject = new(entity, attribute);
        FactBase delta = new();
        if (!Include(subject, [new FactVersion(at, value)])) return delta;
        delta.Include(subject, [new FactVersion(at, value)]);
        return delta;
    }

    public bool Merge(FactBase other)
    {
        ArgumentNullException.ThrowIfNull(other);
        bool changed = false;
        _versions.EnsureCapacity(other._versions.Count);
        foreach ((Subject subject, List<FactVersion> theirs) in other._versions) changed |= Include(subject, CollectionsMarshal.AsSpan(theirs));
        return changed;
    }

    public FactBase Clone()
    {
        FactBase copy = new() { Count = Count };
        copy._versions.EnsureCapacity(_versions.Count);
        foreach ((Subject subject, List<FactVersion> versions) in _versions) copy._versions.Add(subject, [.. versions]);
        return copy;
    }

    public bool SameAs(FactBase other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (Count != other.Count || _versions.Count != other._versions.Count) return false;
        foreach ((Subject subject, List<FactVersion> mine) in _versions)
        {
            if (!other._versions.TryGetValue(subject, out List<FactVersion>? theirs)) return false;
            if (!CollectionsMarshal.AsSpan(mine).SequenceEqual(CollectionsMarshal.AsSpan(theirs))) return false;
        }
        return true;
    }

    public void Write(CrdtWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Tag(FormatTag);
        writer.Number(Count);
        foreach (Fact fact in Facts)
        {
            writer.Text(fact.Entity);
            writer.Text(fact.Attribute);
            writer.Stamp(fact.At);
            writer.Text(fact.Value);
        }
    }

    public static FactBase? Read(ref CrdtReader reader)
    {
        reader.Tag(FormatTag);
        FactBase read = new();
        Subject last = default;
        FactVersion lastVersion = default;
        for (int left = reader.Count(6); left > 0 && !reader.Failed; left--)
        {
            Subject subject = new(reader.Text(), reader.Text());
            FactVersion version = new(reader.Stamp(), reader.Text());
            int order = read.Count == 0 ? -1 : last.CompareTo(subject);
            if (!reader.Require(order < 0 || (order == 0 && lastVersion.CompareTo(version) < 0))) break;
            read.Include(subject, [version]);
            (last, lastVersion) = (subject, version);
        }
        return reader.Failed ? null : read;
    }

    /// <summary>Takes ascending versions of one subject; whether one was new.</summary>
    private bool Include(Subject subject, ReadOnlySpan<FactVersion> theirs)
    {
        ref List<FactVersion>? mine = ref CollectionsMarshal.GetValueRefOrAddDefault(_versions, subject, out _);
        int before = mine?.Count ?? 0;
        if (mine is null) mine = [.. theirs];
        else if (theirs[0].CompareTo(mine[^1]) > 0) mine.AddRange(theirs);
        else if (theirs.Length > 1) mine = Union(CollectionsMarshal.AsSpan(mine), theirs);
        else if (mine.BinarySearch(theirs[0]) is < 0 and int at) mine.Insert(~at, theirs[0]);
        Count += mine.Count - before;
        return mine.Count > before;
    }

    private static List<FactVersion> Union(ReadOnlySpan<FactVersion> a, ReadOnlySpan<FactVersion> b)
    {
        List<FactVersion> union = new(a.Length + b.Length);
        while (a.Length > 0 && b.Length > 0)
        {
            int order = a[0].CompareTo(b[0]);
            union.Add(order <= 0 ? a[0] : b[0]);
            if (order <= 0) a = a[1..];
            if (order >= 0) b = b[1..];
        }
        union.AddRange(a);
        union.AddRange(b);
        return union;
    }

    private IEnumerable<KeyValuePair<Subject, List<FactVersion>>> Sorted() => _versions.OrderBy(v => v.Key);

    private readonly record struct Subject(string Entity, string Attribute) : IComparable<Subject>
    {
        public int CompareTo(Subject other) =>
            string.CompareOrdinal(Entity, other.Entity) is not 0 and int order ? order : string.CompareOrdinal(Attribute, other.Attribute);
    }
}
