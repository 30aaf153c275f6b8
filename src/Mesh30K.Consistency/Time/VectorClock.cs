using System.Runtime.InteropServices;

namespace Mesh30K.Consistency.Time;

/// <summary>How two vector clocks stand to each other.</summary>
public enum CausalOrder
{
    /// <summary>They are the same.</summary>
    Equal,

    /// <summary>The first had been seen by the second.</summary>
    Before,

    /// <summary>The second had been seen by the first.</summary>
    After,

    /// <summary>Neither had seen the other.</summary>
    Concurrent,
}

/// <summary>
/// For each writer, the number of its events that have been seen (Fidge 1988, Mattern 1989): all of them up to that number, without gaps.
/// Immutable, thread-safe. Made for a handful of writers: operations are linear in their count.
/// </summary>
public sealed class VectorClock : IEquatable<VectorClock>
{
    private readonly Dot[] _dots; // ascending by writer, numbers above 0

    private VectorClock(Dot[] dots) => _dots = dots;

    public static VectorClock Empty { get; } = new([]);

    /// <summary>The number seen of that writer; 0 for none.</summary>
    public long this[ReplicaId writer]
    {
        get
        {
            foreach (Dot dot in _dots)
            {
                if (dot.Writer == writer) return dot.Number;
            }
            return 0;
        }
    }

    /// <summary>The writers, ascending, with their numbers.</summary>
    public ReadOnlySpan<Dot> Dots => _dots;

    /// <summary>Whether that event has been seen.</summary>
    public bool Contains(Dot dot) => dot.Number <= this[dot.Writer];

    /// <summary>This clock with that event, and those of its writer before it, seen.</summary>
    public VectorClock With(Dot dot) => Contains(dot) ? this : Join(new VectorClock([dot]));

    /// <summary>Both: the larger number of each writer.</summary>
    public VectorClock Join(VectorClock other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (other._dots.Length == 0) return this;
        List<Dot> joined = new(_dots.Length + other._dots.Length);
        int mine = 0;
        int theirs = 0;
        while (mine < _dots.Length || theirs < other._dots.Length)
        {
            int order = mine == _dots.Length ? 1 : theirs == other._dots.Length ? -1 : _dots[mine].Writer.CompareTo(other._dots[theirs].Writer);
            if (order < 0) joined.Add(_dots[mine++]);
            else if (order > 0) joined.Add(other._dots[theirs++]);
            else joined.Add(_dots[mine].Number >= other._dots[theirs].Number ? _dots[mine] : other._dots[theirs]);
            if (order != 0) continue;
            mine++;
            theirs++;
        }
        return new VectorClock([.. joined]);
    }

    /// <summary>How this clock stands to the other: <see cref="CausalOrder.Before"/> when the other has seen all of this one and more.</summary>
    public CausalOrder CompareTo(VectorClock other)
    {
        ArgumentNullException.ThrowIfNull(other);
        bool mineIsSeen = Array.TrueForAll(_dots, other.Contains);
        bool theirsIsSeen = Array.TrueForAll(other._dots, Contains);
        return (mineIsSeen, theirsIsSeen) switch
        {
            (true, true) => CausalOrder.Equal,
            (true, false) => CausalOrder.Before,
            (false, true) => CausalOrder.After,
            _ => CausalOrder.Concurrent,
        };
    }

    public bool Equals(VectorClock? other) => other is not null && _dots.AsSpan().SequenceEqual(other._dots);

    public override bool Equals(object? obj) => Equals(obj as VectorClock);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        long hash = _dots.Length;
        foreach (Dot dot in _dots) hash = (hash * 31) + dot.Number;
        return (int)(hash ^ (hash >> 32));
    }

    /// <summary>A clock of these; false unless they ascend by writer, each once, with numbers above 0.</summary>
    public static bool TryCreate(ReadOnlySpan<Dot> dots, out VectorClock clock)
    {
        clock = Empty;
        for (int i = 0; i < dots.Length; i++)
        {
            if (dots[i].Number <= 0 || (i > 0 && dots[i - 1].Writer >= dots[i].Writer)) return false;
        }
        clock = new VectorClock(dots.ToArray());
        return true;
    }

    /// <summary><c>142@ana,12@bob</c>; empty for the empty clock.</summary>
    public override string ToString() => string.Join(',', _dots);

    /// <summary>Reads the form above; writers ascending, each once.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out VectorClock clock)
    {
        clock = Empty;
        List<Dot> dots = [];
        foreach (Range part in text.IsEmpty ? default : text.Split(','))
        {
            if (!Dot.TryParse(text[part], out Dot dot)) return false;
            if (dots.Count > 0 && dots[^1].Writer >= dot.Writer) return false;
            dots.Add(dot);
        }
        clock = new VectorClock([.. CollectionsMarshal.AsSpan(dots)]);
        return true;
    }
}
