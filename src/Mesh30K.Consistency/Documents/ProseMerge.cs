namespace Mesh30K.Consistency.Documents;

/// <summary>
/// The three-way merge of prose, as diff3 does it (Khanna, Kunal, Pierce, "A Formal Investigation of Diff3", 2007): what one side changed is
/// taken; what both changed differently in one place is a conflict, unless one of them changed nothing but blank lines.
/// </summary>
internal sealed class ProseMerge
{
    private readonly Prose _start;
    private readonly Prose _ours;
    private readonly Prose _theirs;
    private readonly int[]? _oursInStart; // for each line its line of the base, or -1; null: all three are the same
    private readonly int[]? _theirsInStart;
    private readonly int[]? _startGaps; // for each gap its gap of the merged prose
    private readonly int[]? _oursGaps;
    private readonly int[]? _theirsGaps;

    private ProseMerge(Prose start, Prose ours, Prose theirs)
    {
        (_start, _ours, _theirs) = (start, ours, theirs);
        if (start.Matches(ours) && start.Matches(theirs))
        {
            Lines.AddRange(start.Lines);
            return;
        }
        _oursInStart = LineDiff.Match(start.Lines, ours.Lines);
        _theirsInStart = LineDiff.Match(start.Lines, theirs.Lines);
        int[] inOurs = new int[ours.Lines.Count];
        int[] inTheirs = new int[theirs.Lines.Count];
        int[] inStart = new int[start.Lines.Count];
        Array.Fill(inOurs, -1);
        Array.Fill(inTheirs, -1);
        Array.Fill(inStart, -1);
        Failure = Join(inStart, inOurs, inTheirs);
        _startGaps = GapsOf(inStart);
        _oursGaps = GapsOf(inOurs);
        _theirsGaps = GapsOf(inTheirs);
    }

    public List<string> Lines { get; } = [];

    public DocumentFailure? Failure { get; }

    public static ProseMerge Of(Prose start, Prose ours, Prose theirs) => new(start, ours, theirs);

    /// <summary>The merged gap of an element of the base.</summary>
    public int GapOfStart(int gap) => _startGaps is null ? gap : _startGaps[gap];

    public int GapOfOurs(int gap) => _oursGaps is null ? gap : _oursGaps[gap];

    public int GapOfTheirs(int gap) => _theirsGaps is null ? gap : _theirsGaps[gap];

    /// <summary>
    /// The merged gap of an element that both sides have: of the side that moved it; when both did, the later one. A gap below 0 for the base: it is new.
    /// </summary>
    public int JoinGaps(int start, int ours, int theirs)
    {
        int inOurs = GapOfOurs(ours);
        int inTheirs = GapOfTheirs(theirs);
        if (start >= 0 && IsSame(_oursInStart, ours, start)) return inTheirs;
        return start >= 0 && IsSame(_theirsInStart, theirs, start) ? inOurs : Math.Max(inOurs, inTheirs);
    }

    private static bool IsSame(int[]? inStart, int gap, int start) =>
        inStart is null ? gap == start : gap == 0 ? start == 0 : inStart[gap - 1] == start - 1;

    /// <summary>Walks from one line that all three have to the next.</summary>
    private DocumentFailure? Join(int[] inStart, int[] inOurs, int[] inTheirs)
    {
        int[] startInOurs = Invert(_oursInStart!, inStart.Length);
        int[] startInTheirs = Invert(_theirsInStart!, inStart.Length);
        int s = 0;
        int o = 0;
        int t = 0;
        for (int i = 0; i <= inStart.Length; i++)
        {
            bool isEnd = i == inStart.Length;
            if (!isEnd && (startInOurs[i] < 0 || startInTheirs[i] < 0)) continue;
            int oEnd = isEnd ? inOurs.Length : startInOurs[i];
            int tEnd = isEnd ? inTheirs.Length : startInTheirs[i];
            if (!TryChoose(s..i, o..oEnd, t..tEnd, out bool takesOurs)) return Conflict(o, oEnd);
            int offset = Lines.Count;
            (List<string> from, int at, int end) = takesOurs ? (_ours.Lines, o, oEnd) : (_theirs.Lines, t, tEnd);
            int[] chosen = takesOurs ? inOurs : inTheirs;
            for (int n = at; n < end; n++)
            {
                chosen[n] = Lines.Count;
                Lines.Add(from[n]);
            }
            MapOther(takesOurs, s..i, o..oEnd, t..tEnd, offset, inStart, inOurs, inTheirs);
            if (isEnd) break;
            inStart[i] = inOurs[oEnd] = inTheirs[tEnd] = Lines.Count;
            Lines.Add(_start.Lines[i]);
            (s, o, t) = (i + 1, oEnd + 1, tEnd + 1);
        }
        return null;
    }

    /// <summary>Finds the chosen side's lines in the base and in the other side.</summary>
    private void MapOther(bool takesOurs, Range s, Range o, Range t, int offset, int[] inStart, int[] inOurs, int[] inTheirs)
    {
        int[] chosen = takesOurs ? inOurs : inTheirs;
        int[] chosenInStart = takesOurs ? _oursInStart! : _theirsInStart!;
        Range taken = takesOurs ? o : t;
        for (int n = taken.Start.Value; n < taken.End.Value; n++)
        {
            if (chosenInStart[n] >= 0) inStart[chosenInStart[n]] = chosen[n];
        }
        int[] other = takesOurs ? inTheirs : inOurs;
        int[] otherInStart = takesOurs ? _theirsInStart! : _oursInStart!;
        Range left = takesOurs ? t : o;
        bool isSame = AreSame(_ours.Lines, o, _theirs.Lines, t);
        for (int n = left.Start.Value; n < left.End.Value; n++)
        {
            if (isSame) other[n] = offset + n - left.Start.Value;
            else if (otherInStart[n] >= s.Start.Value) other[n] = inStart[otherInStart[n]];
        }
    }

    private bool TryChoose(Range s, Range o, Range t, out bool takesOurs)
    {
        takesOurs = true;
        if (AreSame(_start.Lines, s, _theirs.Lines, t) || AreSame(_ours.Lines, o, _theirs.Lines, t)) return true;
        takesOurs = false;
        if (AreSame(_start.Lines, s, _ours.Lines, o)) return true;
        List<string> start = WithoutBlanks(_start.Lines, s);
        List<string> ours = WithoutBlanks(_ours.Lines, o);
        List<string> theirs = WithoutBlanks(_theirs.Lines, t);
        bool oursIsSame = start.SequenceEqual(ours, StringComparer.Ordinal);
        bool theirsIsSame = start.SequenceEqual(theirs, StringComparer.Ordinal);
        takesOurs = oursIsSame == theirsIsSame ? IsLarger(o, t) : theirsIsSame;
        return oursIsSame || theirsIsSame || ours.SequenceEqual(theirs, StringComparer.Ordinal);
    }

    /// <summary>Of two places that differ in blank lines the one with more; of as many, the larger.</summary>
    private bool IsLarger(Range o, Range t)
    {
        int byCount = (o.End.Value - o.Start.Value).CompareTo(t.End.Value - t.Start.Value);
        if (byCount != 0) return byCount > 0;
        for (int n = 0; n < o.End.Value - o.Start.Value; n++)
        {
            int order = string.CompareOrdinal(_ours.Lines[o.Start.Value + n], _theirs.Lines[t.Start.Value + n]);
            if (order != 0) return order > 0;
        }
        return true;
    }

    private DocumentFailure Conflict(int o, int end)
    {
        int line = o < end ? _ours.Numbers[o] : o > 0 ? _ours.Numbers[o - 1] : 1;
        return new DocumentFailure(
            "prose_conflict", MergeSide.Ours, line, "both sides changed the same text between the elements", "resolve the conflict that git shows, as in any text file");
    }

    private static bool AreSame(List<string> a, Range inA, List<string> b, Range inB)
    {
        int length = inA.End.Value - inA.Start.Value;
        if (length != inB.End.Value - inB.Start.Value) return false;
        for (int n = 0; n < length; n++)
        {
            if (a[inA.Start.Value + n] != b[inB.Start.Value + n]) return false;
        }
        return true;
    }

    private static List<string> WithoutBlanks(List<string> lines, Range range)
    {
        List<string> kept = [];
        for (int n = range.Start.Value; n < range.End.Value; n++)
        {
            if (!string.IsNullOrWhiteSpace(lines[n])) kept.Add(lines[n]);
        }
        return kept;
    }

    private static int[] Invert(int[] match, int count)
    {
        int[] inverse = new int[count];
        Array.Fill(inverse, -1);
        for (int i = 0; i < match.Length; i++)
        {
            if (match[i] >= 0) inverse[match[i]] = i;
        }
        return inverse;
    }

    /// <summary>The gap after a line that is gone is the gap after the nearest line before it that is not.</summary>
    private static int[] GapsOf(int[] merged)
    {
        int[] gaps = new int[merged.Length + 1];
        for (int i = 0; i < merged.Length; i++) gaps[i + 1] = merged[i] >= 0 ? merged[i] + 1 : gaps[i];
        return gaps;
    }
}
