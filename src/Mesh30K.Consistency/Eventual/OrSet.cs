using Mesh30K.Consistency.Time;

namespace Mesh30K.Consistency.Eventual;

/// <summary>
/// A set in which an addition wins over a concurrent removal: the optimised observed-remove set (Bieniusa et al., "An optimized conflict-free
/// replicated set", 2012) with the causal context of Almeida et al. 2018. An addition has a dot; a removal removes the dots that it has seen.
/// No tombstones: a dot that the context has and the set has not was removed.
/// </summary>
/// <remarks>
/// THE CALLER'S DUTY: a writer's name belongs to one copy of the state. A replica that lost its state takes a new name, or else it gives new additions
/// the dots of old ones.
/// </remarks>
public sealed class OrSet : ICrdt<OrSet>
{
    private const byte FormatTag = (byte)'O';

    private readonly Dictionary<string, Dot[]> _elements = new(StringComparer.Ordinal); // dots ascending, never empty
    private readonly Dictionary<Dot, string> _holders = []; // the same, the other way round
    private DotContext _seen = new();

    public bool IsBottom => _seen.IsEmpty;

    public int Count => _elements.Count;

    /// <summary>The elements in ordinal order, sorted at each call.</summary>
    public IEnumerable<string> Elements => _elements.Keys.Order(StringComparer.Ordinal);

    public bool Contains(string element) => _elements.ContainsKey(element);

    /// <summary>Whether this state knows of that addition, be it still there or removed.</summary>
    public bool HasSeen(Dot dot) => _seen.Contains(dot);

    /// <summary>Adds an element. Its older dots are replaced: one that concurrently removes those does not remove this one.</summary>
    public OrSet Add(ReplicaId writer, string element)
    {
        Crdt.RequireText(element);
        Dot dot = _seen.Next(writer);
        OrSet delta = Remove(element);
        Hold(dot, element);
        _seen.Add(dot);
        delta.Hold(dot, element);
        delta._seen.Add(dot);
        return delta;
    }

    /// <summary>Removes an element as it is known here; ⊥ when it is not there.</summary>
    public OrSet Remove(string element)
    {
        OrSet delta = new();
        foreach (Dot dot in _elements.GetValueOrDefault(element, []))
        {
            Drop(dot);
            delta._seen.Add(dot);
        }
        return delta;
    }

    public bool Merge(OrSet other)
    {
        ArgumentNullException.ThrowIfNull(other);
        // What the other has seen and holds no more is gone. A delta has seen little, a full state much: go through the shorter side.
        IEnumerable<Dot> candidates = other._seen.Count <= _holders.Count ? other._seen.Dots() : _holders.Keys;
        List<Dot> gone = [];
        foreach (Dot dot in candidates)
            if (_holders.ContainsKey(dot) && !other._holders.ContainsKey(dot) && other._seen.Contains(dot)) gone.Add(dot);
        foreach (Dot dot in gone) Drop(dot);
        foreach ((Dot dot, string element) in other._holders)
            if (!_seen.Contains(dot)) Hold(dot, element);
        return _seen.Merge(other._seen) || gone.Count > 0;
    }

    public OrSet Clone()
    {
        OrSet copy = new() { _seen = _seen.Clone() };
        foreach ((string element, Dot[] dots) in _elements) copy._elements.Add(element, dots);
        foreach ((Dot dot, string element) in _holders) copy._holders.Add(dot, element);
        return copy;
    }

    public bool SameAs(OrSet other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (_holders.Count != other._holders.Count || !_seen.SameAs(other._seen)) return false;
        foreach ((Dot dot, string element) in _holders)
            if (!other._holders.TryGetValue(dot, out string? theirs) || element != theirs) return false;
        return true;
    }

    public void Write(CrdtWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Tag(FormatTag);
        _seen.Write(writer);
        writer.Number(_elements.Count);
        foreach (string element in Elements)
        {
            Dot[] dots = _elements[element];
            writer.Text(element);
            writer.Number(dots.Length);
            foreach (Dot dot in dots) writer.Dot(dot);
        }
    }

    public static OrSet? Read(ref CrdtReader reader)
    {
        reader.Tag(FormatTag);
        OrSet read = new() { _seen = DotContext.Read(ref reader) };
        string? element = null;
        for (int left = reader.Count(4); left > 0 && !reader.Failed; left--)
        {
            element = reader.TextAfter(element);
            Dot[] dots = new Dot[reader.Count(2)];
            reader.Require(dots.Length > 0);
            for (int i = 0; i < dots.Length && !reader.Failed; i++)
            {
                dots[i] = reader.Dot();
                reader.Require(read._seen.Contains(dots[i]) && read._holders.TryAdd(dots[i], element) && (i == 0 || dots[i - 1] < dots[i]));
            }
            if (!reader.Failed) read._elements.Add(element, dots);
        }
        return reader.Failed ? null : read;
    }

    private void Hold(Dot dot, string element)
    {
        _holders.Add(dot, element);
        Dot[] dots = [.. _elements.GetValueOrDefault(element, []), dot];
        Array.Sort(dots);
        _elements[element] = dots;
    }

    private void Drop(Dot dot)
    {
        _holders.Remove(dot, out string? element);
        Dot[] left = Array.FindAll(_elements[element!], d => d != dot);
        if (left.Length == 0) _elements.Remove(element!);
        else _elements[element!] = left;
    }
}
