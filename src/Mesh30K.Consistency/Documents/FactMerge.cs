using System.Text;

namespace Mesh30K.Consistency.Documents;

/// <summary>The merge of facts: a G-Set. Lines that are blank or begin with <c>#</c> or <c>//</c> are prose; facts are sorted inside its gaps.</summary>
internal sealed class FactMerge
{
    private readonly Dictionary<string, Fact> _read = []; // lines that several files have are read once
    private readonly MergeOptions _options;
    private byte[] _utf8 = new byte[1_024];

    private FactMerge(MergeOptions options) => _options = options;

    public static MergeReport Merge(DocumentText startText, DocumentText oursText, DocumentText theirsText, MergeOptions options)
    {
        FactMerge merge = new(options);
        Document start = merge.Parse(startText, MergeSide.Base);
        Document ours = merge.Parse(oursText, MergeSide.Ours);
        Document theirs = merge.Parse(theirsText, MergeSide.Theirs);
        ProseMerge prose = ProseMerge.Of(start.Prose, ours.Prose, theirs.Prose);
        DocumentFailure? failure = oursText.FindTruncation(MergeSide.Ours, startText, theirsText, start.Facts.Count > 0)
            ?? theirsText.FindTruncation(MergeSide.Theirs, startText, oursText, start.Facts.Count > 0)
            ?? ours.Failure
            ?? theirs.Failure
            ?? prose.Failure;
        if (failure is not null) return new MergeReport { Failure = failure };
        List<PlacedFact> a = Sort(ours.Facts);
        List<PlacedFact> merged = Join(Sort(start.Facts), a, Sort(theirs.Facts), prose);
        StringBuilder text = Print(prose.Lines, merged, oursText.Text.Length + 1_024);
        return new MergeReport { Content = DocumentText.Write(text, startText, oursText, theirsText), Added = merged.Count - a.Count };
    }

    public static Document Parse(DocumentText text, MergeOptions options) => new FactMerge(options).Parse(text, MergeSide.Ours);

    private Document Parse(DocumentText text, MergeSide side)
    {
        Document document = new();
        Dictionary<string, Fact>.AlternateLookup<ReadOnlySpan<char>> read = _read.GetAlternateLookup<ReadOnlySpan<char>>();
        for (int i = 0; i < text.Count; i++)
        {
            ReadOnlySpan<char> line = text[i];
            if (line.Length == 0 || line[0] == '#' || line.StartsWith("//", StringComparison.Ordinal) || line.IsWhiteSpace())
            {
                document.Prose.Add(line, i + 1);
                continue;
            }
            if (!read.TryGetValue(line, out Fact? fact))
            {
                fact = Read(line, out string error);
                if (fact is null)
                {
                    bool isCut = !text.IsComplete && i == text.Count - 1;
                    document.Failure ??= Fail(isCut, side, i + 1, error);
                    document.Prose.Add(line, i + 1);
                    continue;
                }
                read[line] = fact;
            }
            document.Failure ??= Stamps.FindAhead(fact.At, _options, side, i + 1);
            document.Facts.Add(new PlacedFact(fact, document.Prose.Gap));
        }
        return document;
    }

    private Fact? Read(ReadOnlySpan<char> line, out string error)
    {
        int most = Encoding.UTF8.GetMaxByteCount(line.Length);
        if (_utf8.Length < most) _utf8 = new byte[most * 2];
        return Fact.TryParse(_utf8.AsSpan(0, Encoding.UTF8.GetBytes(line, _utf8)), out error);
    }

    private static DocumentFailure Fail(bool isCut, MergeSide side, int line, string error) => isCut
        ? new DocumentFailure("truncated", side, line, "the last line has no ending: " + error, "restore the file")
        : new DocumentFailure("bad_fact", side, line, error, """a fact is written: {"entity":"e","attribute":"a","value":1,"at":"2026-11-21T07:00:00Z"}""");

    private static List<PlacedFact> Sort(List<PlacedFact> facts)
    {
        bool isSorted = true;
        for (int i = 1; i < facts.Count && isSorted; i++) isSorted = Fact.Compare(facts[i - 1].Fact, facts[i].Fact) < 0;
        if (isSorted) return facts;
        facts.Sort((a, b) => Fact.Compare(a.Fact, b.Fact) is not 0 and int order ? order : b.Gap.CompareTo(a.Gap));
        List<PlacedFact> once = new(facts.Count);
        foreach (PlacedFact fact in facts)
        {
            if (once.Count == 0 || Fact.Compare(once[^1].Fact, fact.Fact) != 0) once.Add(fact);
        }
        return once;
    }

    private static List<PlacedFact> Join(List<PlacedFact> start, List<PlacedFact> ours, List<PlacedFact> theirs, ProseMerge prose)
    {
        List<PlacedFact> merged = new(Math.Max(ours.Count, theirs.Count) + 16);
        int s = 0;
        int o = 0;
        int t = 0;
        while (o < ours.Count || t < theirs.Count)
        {
            int order = o == ours.Count ? 1 : t == theirs.Count ? -1 : Fact.Compare(ours[o].Fact, theirs[t].Fact);
            Fact fact = order <= 0 ? ours[o].Fact : theirs[t].Fact;
            while (s < start.Count && Fact.Compare(start[s].Fact, fact) < 0) s++;
            int was = s < start.Count && Fact.Compare(start[s].Fact, fact) == 0 ? start[s].Gap : -1;
            int gap = order < 0 ? prose.GapOfOurs(ours[o].Gap) : order > 0 ? prose.GapOfTheirs(theirs[t].Gap) : prose.JoinGaps(was, ours[o].Gap, theirs[t].Gap);
            merged.Add(new PlacedFact(fact, gap));
            if (order <= 0) o++;
            if (order >= 0) t++;
        }
        return merged;
    }

    private static StringBuilder Print(List<string> prose, List<PlacedFact> facts, int chars)
    {
        StringBuilder text = new(chars);
        int[] order = Gaps.Order(facts, fact => fact.Gap, prose.Count, out int[] ends);
        int at = 0;
        for (int g = 0; g <= prose.Count; g++)
        {
            for (; at < ends[g]; at++) text.Append(facts[order[at]].Fact.Json).Append('\n');
            if (g < prose.Count) text.Append(prose[g]).Append('\n');
        }
        return text;
    }

    internal readonly record struct PlacedFact(Fact Fact, int Gap);

    internal sealed class Document
    {
        public Prose Prose { get; } = new();

        public List<PlacedFact> Facts { get; } = [];

        public DocumentFailure? Failure { get; set; }

        public List<DocumentElement> Elements()
        {
            List<DocumentElement> elements = new(Facts.Count);
            foreach (PlacedFact placed in Facts) elements.Add(new DocumentElement(placed.Fact.Json, ""));
            return elements;
        }
    }
}
