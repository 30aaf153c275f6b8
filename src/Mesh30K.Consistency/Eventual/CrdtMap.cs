using System.Diagnostics.CodeAnalysis;

namespace Mesh30K.Consistency.Eventual;

/// <summary>
/// A map of CRDTs, joined key by key; a lattice because its values are (Almeida et al. 2018, section 5). A key that is not there is ⊥, and keys
/// are not removed: empty what is under them instead. Maps of maps nest.
/// </summary>
/// <typeparam name="T">The type of every value.</typeparam>
public sealed class CrdtMap<T> : ICrdt<CrdtMap<T>>
    where T : class, ICrdt<T>, new()
{
    private const byte FormatTag = (byte)'C';

    private readonly Dictionary<string, T> _values = new(StringComparer.Ordinal); // never ⊥

    public bool IsBottom => _values.Count == 0;

    public int Count => _values.Count;

    /// <summary>The keys that are not ⊥ in ordinal order, sorted at each call.</summary>
    public IEnumerable<string> Keys => _values.Keys.Order(StringComparer.Ordinal);

    /// <summary>What is under a key, to be read and not changed; false for ⊥.</summary>
    public bool TryGet(string key, [NotNullWhen(true)] out T? value) => _values.TryGetValue(key, out value);

    /// <summary>Changes what is under a key by a mutator of its type, and returns the map's delta.</summary>
    /// <param name="key">Any text.</param>
    /// <param name="mutator">Changes the value that it gets and returns that value's delta.</param>
    public CrdtMap<T> Update(string key, Func<T, T> mutator)
    {
        Crdt.RequireText(key);
        ArgumentNullException.ThrowIfNull(mutator);
        T value = _values.GetValueOrDefault(key) ?? new T();
        CrdtMap<T> delta = new();
        T change = mutator(value);
        if (!value.IsBottom) _values[key] = value;
        if (!change.IsBottom) delta._values.Add(key, change);
        return delta;
    }

    public bool Merge(CrdtMap<T> other)
    {
        ArgumentNullException.ThrowIfNull(other);
        bool changed = false;
        foreach ((string key, T theirs) in other._values)
        {
            if (_values.TryGetValue(key, out T? mine))
            {
                changed |= mine.Merge(theirs);
                continue;
            }
            _values.Add(key, theirs.Clone());
            changed = true;
        }
        return changed;
    }

    public CrdtMap<T> Clone()
    {
        CrdtMap<T> copy = new();
        foreach ((string key, T value) in _values) copy._values.Add(key, value.Clone());
        return copy;
    }

    public bool SameAs(CrdtMap<T> other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (_values.Count != other._values.Count) return false;
        foreach ((string key, T value) in _values)
            if (!other._values.TryGetValue(key, out T? theirs) || !value.SameAs(theirs)) return false;
        return true;
    }

    public void Write(CrdtWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Tag(FormatTag);
        writer.Number(_values.Count);
        foreach (string key in Keys)
        {
            writer.Text(key);
            _values[key].Write(writer);
        }
    }

    public static CrdtMap<T>? Read(ref CrdtReader reader)
    {
        reader.Tag(FormatTag);
        CrdtMap<T> read = new();
        string? key = null;
        for (int left = reader.Count(3); left > 0 && !reader.Failed; left--)
        {
            key = reader.TextAfter(key);
            T? value = T.Read(ref reader);
            if (reader.Require(value is { IsBottom: false })) read._values.Add(key, value!);
        }
        return reader.Failed ? null : read;
    }
}
