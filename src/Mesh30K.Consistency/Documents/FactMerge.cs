using System.Text;

namespace Mesh30K.Consistency.Documents;

/// <summary>The merge of facts: a G-Set. Lines that are blank or begin with <c>#</c> or <c>//</c> are prose; facts are sorted inside its gaps.</summary>
internal sealed class FactMerge
{
    private readonly FactReader _reader = new();
    private readonly MergeOptions _options;

    private FactMerge(MergeOptions options) => _options = options;

    public static MergeReport Merge(DocumentText startText, DocumentText oursText, DocumentText theirsText, MergeOptions options)
    {
        FactMerge merge = new(options);
        Document start = merge.Parse(startText, MergeSide.Base, []);
        Document ours = merge.Parse(oursText, MergeSide.Ours, [start]);
        Document theirs = merge.Parse(theirsText, MergeSide.Theirs, [start, ours]);
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

    public static Document Parse(DocumentText text, MergeOptions options) => new FactMerge(options).Parse(text, MergeSide.Ours, []);

    /// <summary>Reads a file. Of the lines that one of the <paramref name="earlier"/> files has in the same order, it takes over the facts.</summary>
    private Document Parse(DocumentText text, MergeSide side, ReadOnlySpan<Document> earlier)
    {
        Document document = new();
        Span<int> at = stackalloc int[earlier.Length];
        for (int i = 0; i < text.Count; i++)
        {
            ReadOnlySpan<char> line = text[i];
            if (line.Length == 0 || line[0] == '#' || line.StartsWith("//", StringComparison.Ordinal) || line.IsWhiteSpace())
            {
                document.Prose.Add(line, i + 1);
                continue;
            }
            string error = "";
            Fact? fact = Find(line, earlier, at) ?? _reader.TryRead(text.Text.AsMemory(text.StartOf(i), line.Length), out error);
            if (fact is null)
            {
                bool isCut = !text.IsComplete && i == text.Count - 1;
                document.Failure ??= Fail(isCut, side, i + 1, error);
                document.Prose.Add(line, i + 1);
                continue;
            }
            Skip(fact, earlier, at);
            document.Failure ??= Stamps.FindAhead(fact.At, _options, side, i + 1);
            document.Facts.Add(new PlacedFact(fact, document.Prose.Gap));
        }
        return document;
    }

    /// <summary>The fact of a line that comes next in an earlier file.</summary>
    private static Fact? Find(ReadOnlySpan<char> line, ReadOnlySpan<Document> earlier, ReadOnlySpan<int> at)
    {
        for (int n = 0; n < earlier.Length; n++)
        {
            List<PlacedFact> facts = earlier[n].Facts;
            if (at[n] < facts.Count && line.SequenceEqual(facts[at[n]].Fact.Json.Span)) return facts[at[n]].Fact;
        }
        return null;
    }

    /// <summary>In each earlier file skips what comes before a fact, and the fact: linear, and without effect on the result.</summary>
    private static void Skip(Fact fact, ReadOnlySpan<Document> earlier, Span<int> at)
    {
        for (int n = 0; n < earlier.Length; n++)
        {
            List<PlacedFact> facts = earlier[n].Facts;
            while (at[n] < facts.Count && Fact.Compare(facts[at[n]].Fact, fact) is var order and <= 0)
            {
                at[n]++;
                if (order == 0) break;
            }
        }
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
            for (; at < ends[g]; at++) text.Append(facts[order[at]].Fact.Json.Span).Append('\n');
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
            foreach (PlacedFact placed in Facts) elements.Add(new DocumentElement(placed.Fact.Json.ToString(), ""));
            return elements;
        }
    }
}
