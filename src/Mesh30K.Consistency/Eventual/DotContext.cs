using Mesh30K.Consistency.Time;
using Mesh30K.Protocol;

namespace Mesh30K.Consistency.Eventual;

/// <summary>
/// Which events have been seen (Almeida et al. 2018, section 7.2): a vector for those without a gap, and a cloud of dots for those that came
/// before their predecessors. Always compact, so that equal contexts have equal parts.
/// </summary>
internal sealed class DotContext
{
    /// <summary>The largest number of a dot: what <see cref="Dot.TryParse"/> reads.</summary>
    public const long NumberMax = 999_999_999_999_999_999;

    private readonly SortedSet<Dot> _cloud = [];
    private VectorClock _vector = VectorClock.Empty;

    public bool IsEmpty => _vector.Dots.IsEmpty && _cloud.Count == 0;

    /// <summary>How many events have been seen.</summary>
    public long Count
    {
        get
        {
            UInt128 count = (ulong)_cloud.Count;
            foreach (Dot dot in _vector.Dots) count += (ulong)dot.Number;
            return count > long.MaxValue ? long.MaxValue : (long)count;
        }
    }

    public bool Contains(Dot dot) => _vector.Contains(dot) || _cloud.Contains(dot);

    /// <summary>A dot for the next event of that writer.</summary>
    public Dot Next(ReplicaId writer)
    {
        // A writer sees its own events in order, but a copy of it that lost its state may have some of them in the cloud.
        long last = _vector[writer];
        foreach (Dot dot in _cloud)
            if (dot.Writer == writer) last = Math.Max(last, dot.Number);
        Invariant.Check(last < NumberMax);
        return new Dot(last + 1, writer);
    }

    public void Add(Dot dot)
    {
        if (Contains(dot)) return;
        _cloud.Add(dot);
        Compact();
    }

    /// <summary>Sees what the other has seen too; whether anything was new.</summary>
    public bool Merge(DotContext other)
    {
        (VectorClock vectorBefore, int cloudBefore) = (_vector, _cloud.Count);
        bool newDots = false;
        foreach (Dot dot in other._cloud) newDots |= !Contains(dot) && _cloud.Add(dot);
        _vector = _vector.Join(other._vector);
        Compact();
        return newDots || cloudBefore != _cloud.Count || !_vector.Equals(vectorBefore);
    }

    public DotContext Clone()
    {
        DotContext copy = new() { _vector = _vector };
        copy._cloud.UnionWith(_cloud);
        return copy;
    }

    public bool SameAs(DotContext other) => _vector.Equals(other._vector) && _cloud.SetEquals(other._cloud);

    /// <summary>Every event, one by one: as many as <see cref="Count"/> says.</summary>
    public IEnumerable<Dot> Dots()
    {
        foreach (Dot last in _vector.Dots.ToArray())
            for (long number = 1; number <= last.Number; number++) yield return last with { Number = number };
        foreach (Dot dot in _cloud) yield return dot;
    }

    public void Write(CrdtWriter writer)
    {
        writer.Number(_vector.Dots.Length);
        foreach (Dot dot in _vector.Dots) writer.Dot(dot);
        writer.Number(_cloud.Count);
        foreach (Dot dot in _cloud) writer.Dot(dot);
    }

    public static DotContext Read(ref CrdtReader reader)
    {
        DotContext read = new();
        Dot? last = null;
        List<Dot> vector = [];
        for (int left = reader.Count(2); left > 0 && !reader.Failed; left--)
        {
            Dot dot = reader.Dot();
            if (reader.Require(last is null || last.Value.Writer < dot.Writer)) vector.Add(dot);
            last = dot;
        }
        read._vector = VectorClock.Of(vector);
        last = null;
        for (int left = reader.Count(2); left > 0 && !reader.Failed; left--)
        {
            Dot dot = reader.Dot();
            if (reader.Require((last is null || last.Value < dot) && dot.Number > read._vector[dot.Writer] + 1)) read._cloud.Add(dot);
            last = dot;
        }
        int sizeRead = read._cloud.Count;
        read.Compact();
        reader.Require(read._cloud.Count == sizeRead);
        return read;
    }

    /// <summary>Moves dots without a gap from the cloud to the vector. They ascend by number, so that one pass finds every chain.</summary>
    private void Compact()
    {
        if (_cloud.Count == 0) return;
        foreach (Dot dot in _cloud)
            if (dot.Number == _vector[dot.Writer] + 1) _vector = _vector.With(dot);
        _cloud.RemoveWhere(_vector.Contains);
    }
}
