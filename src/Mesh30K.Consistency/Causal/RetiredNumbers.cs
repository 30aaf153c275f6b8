using System.Runtime.InteropServices;
using Mesh30K.Protocol;

namespace Mesh30K.Consistency.Causal;

/// <summary>Numbers of one writer, first to last, that ended alike and are no more known singly.</summary>
internal readonly record struct RetiredRange(long First, long Last, EntryStatus Status);

/// <summary>
/// How the retired entries of one writer ended, as ranges: one for all while everything gets done in order. At most <see cref="RangesMax"/>; beyond
/// it the lowest is forgotten, and with it everything up to <see cref="Forgotten"/> that is not known singly.
/// </summary>
internal sealed class RetiredNumbers
{
    /// <summary>A constant, not an option: what is forgotten has to be the same in every process that reads the journal.</summary>
    public const int RangesMax = 100_000;

    private readonly List<RetiredRange> _ranges = []; // ascending, disjoint; neighbours with one status are one

    /// <summary>Nothing is known any more of the numbers up to here, unless the entry itself is.</summary>
    public long Forgotten { get; set; }

    public ReadOnlySpan<RetiredRange> Ranges => CollectionsMarshal.AsSpan(_ranges);

    /// <summary>How that number ended; null when it is not retired.</summary>
    public EntryStatus? Find(long number)
    {
        int at = RangesUpTo(number) - 1;
        return at >= 0 && number <= _ranges[at].Last ? _ranges[at].Status : null;
    }

    /// <summary>Adds a number that is not among them; a straggler among the forgotten is forgotten too. Cheap at the end, where numbers arrive; elsewhere it moves what is above.</summary>
    public void Add(long number, EntryStatus status)
    {
        if (number <= Forgotten) return;
        int at = RangesUpTo(number);
        Invariant.Check(at == 0 || _ranges[at - 1].Last < number);
        bool joinsLower = at > 0 && _ranges[at - 1].Last == number - 1 && _ranges[at - 1].Status == status;
        bool joinsUpper = at < _ranges.Count && _ranges[at].First == number + 1 && _ranges[at].Status == status;
        if (joinsLower && joinsUpper)
        {
            _ranges[at - 1] = _ranges[at - 1] with { Last = _ranges[at].Last };
            _ranges.RemoveAt(at);
        }
        else if (joinsLower) _ranges[at - 1] = _ranges[at - 1] with { Last = number };
        else if (joinsUpper) _ranges[at] = _ranges[at] with { First = number };
        else _ranges.Insert(at, new RetiredRange(number, number, status));
        if (_ranges.Count > RangesMax) ForgetLowest();
    }

    /// <summary>Adds a range above all others, from a snapshot; false when it is not above, or could be one with the last.</summary>
    public bool TryAppend(RetiredRange range)
    {
        bool fits = range.First > Forgotten && range.Last >= range.First && _ranges.Count < RangesMax
            && (_ranges.Count == 0 || range.First > _ranges[^1].Last + (range.Status == _ranges[^1].Status ? 1 : 0));
        if (fits) _ranges.Add(range);
        return fits;
    }

    private void ForgetLowest()
    {
        int dropped = RangesMax / 100; // a hundredth at once: taking one from the front moves all others
        Forgotten = _ranges[dropped - 1].Last;
        _ranges.RemoveRange(0, dropped);
    }

    /// <summary>How many ranges begin at or below that number.</summary>
    private int RangesUpTo(long number)
    {
        if (_ranges.Count == 0 || _ranges[^1].First <= number) return _ranges.Count;
        int low = 0;
        int high = _ranges.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (_ranges[middle].First <= number) low = middle + 1;
            else high = middle;
        }
        return low;
    }
}
