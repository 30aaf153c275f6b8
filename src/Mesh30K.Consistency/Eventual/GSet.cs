namespace Mesh30K.Consistency.Eventual;

/// <summary>A set that only grows; its join is the union (Shapiro et al. 2011, section 3.3.1).</summary>
public sealed class GSet : ICrdt<GSet>
{
    private const byte FormatTag = (byte)'G';

    private readonly HashSet<string> _elements = new(StringComparer.Ordinal);

    public bool IsBottom => _elements.Count == 0;

    public int Count => _elements.Count;

    /// <summary>The elements in ordinal order, sorted at each call.</summary>
    public IEnumerable<string> Elements => _elements.Order(StringComparer.Ordinal);

    public bool Contains(string element) => _elements.Contains(element);

    /// <summary>Adds an element; ⊥ when it was there.</summary>
    public GSet Add(string element)
    {
        Crdt.RequireText(element);
        GSet delta = new();
        if (_elements.Add(element)) delta._elements.Add(element);
        return delta;
    }

    public bool Merge(GSet other)
    {
        ArgumentNullException.ThrowIfNull(other);
        int before = _elements.Count;
        _elements.UnionWith(other._elements);
        return _elements.Count > before;
    }

    public GSet Clone()
    {
        GSet copy = new();
        copy._elements.UnionWith(_elements);
        return copy;
    }

    public bool SameAs(GSet other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return _elements.SetEquals(other._elements);
    }

    public void Write(CrdtWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Tag(FormatTag);
        writer.Number(_elements.Count);
        foreach (string element in Elements) writer.Text(element);
    }

    public static GSet? Read(ref CrdtReader reader)
    {
        reader.Tag(FormatTag);
        GSet read = new();
        string? last = null;
        for (int left = reader.Count(1); left > 0 && !reader.Failed; left--) read._elements.Add(last = reader.TextAfter(last));
        return reader.Failed ? null : read;
    }
}
