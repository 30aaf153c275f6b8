using Mesh30K.Consistency.Documents;

namespace Mesh30K.Consistency.Tests.Documents;

/// <summary>The laws of merging, on random documents and edits. A failure prints its seed: <c>new RandomDocuments(seed)</c> replays it.</summary>
public sealed class MergeLawTests
{
    private const int Cases = 500;

    [Theory]
    [InlineData(DocumentType.Queue)]
    [InlineData(DocumentType.Heartbeats)]
    [InlineData(DocumentType.Facts)]
    [InlineData(DocumentType.Log)]
    public void Merging_is_symmetric_idempotent_and_associative(DocumentType type)
    {
        for (int seed = 0; seed < Cases; seed++)
        {
            RandomDocuments random = new(seed);
            string o = random.Document(type);
            string a = random.Edit(type, o);
            string b = random.Edit(type, o);
            string c = random.Edit(type, o);
            if (o.Length == 0 || a.Length == 0 || b.Length == 0 || c.Length == 0) continue;
            string canonical = Doc.Merge(type, o, o, a);
            string ab = Doc.Merge(type, o, a, b);
            string ac = Doc.Merge(type, o, a, c);
            string bc = Doc.Merge(type, o, b, c);
            string replay = $"seed {seed}\n--- o\n{o}--- a\n{a}--- b\n{b}--- c\n{c}--- ab\n{ab}--- ac\n{ac}--- bc\n{bc}";
            Same(canonical, Doc.Merge(type, o, canonical, canonical), replay);
            Same(canonical, Doc.Merge(type, o, o, canonical), replay);
            if (ab.Length == 0 || ac.Length == 0 || bc.Length == 0) continue;
            string abc = Doc.Merge(type, o, ab, c);
            Same(abc, Doc.Merge(type, o, ac, b), replay);
            Same(abc, Doc.Merge(type, o, bc, a), replay);
            Same(ab, Doc.Merge(type, a, a, ab), replay);
        }
    }

    private static void Same(string expected, string actual, string replay) =>
        Assert.True(expected == actual, $"--- expected\n{expected}--- actual\n{actual}--- replay: {replay}");
}
