using Mesh30K.Consistency.Documents;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Consistency.Tests.Documents;

/// <summary>Heartbeats, facts and logs; and what garbage does.</summary>
public sealed class OtherMergeTests
{
    private const string Head = "| agent | status | updated |\n| --- | --- | --- |\n";
    private const string Ana1 = "| ana | idle | 2026-11-21T07:00:01.000Z |\n";
    private const string Bob1 = "| bob | idle | 2026-11-21T07:00:01.000Z |\n";
    private const string Fact1 = """{"entity":"e","attribute":"a","value":1,"at":"2026-11-21T07:00:00.000Z"}""" + "\n";
    private const string Fact2 = """{"entity":"e","attribute":"a","value":{"k":[1,"x"]},"at":"2026-11-21T07:00:01.000Z","by":"ana"}""" + "\n";
    private const string R1 = "2026-11-21T07:00:01Z one\n";
    private const string R2 = "- 2026-11-21 07:00:02 two\n";

    [Theory]
    [InlineData(Ana1 + Bob1, "| ana | busy | 2026-11-21T07:00:02.000Z |\n" + Bob1, Ana1 + "| bob | busy | 2026-11-21T07:00:03.000Z |\n", "| ana | busy | 2026-11-21T07:00:02.000Z |\n| bob | busy | 2026-11-21T07:00:03.000Z |\n")]
    [InlineData(Ana1, "| ana | busy | 2026-11-21T07:00:02.000Z |\n", "| ana | down | 2026-11-21T07:00:03.000Z |\n", "| ana | down | 2026-11-21T07:00:03.000Z |\n")]
    [InlineData(Ana1, "| ana | busy | 2026-11-21T07:00:01.000Z |\n", Ana1, "| ana | busy | 2026-11-21T07:00:01.000Z |\n")]
    [InlineData(Ana1, "| ana | busy | soon |\n", Ana1, Ana1)]
    [InlineData(Ana1 + Bob1, Bob1, Ana1 + Bob1, Bob1)]
    [InlineData(Ana1 + Bob1, Bob1, "| ana | busy | 2026-11-21T07:00:02.000Z |\n" + Bob1, "| ana | busy | 2026-11-21T07:00:02.000Z |\n" + Bob1)]
    [InlineData("", Bob1, "|ana|a \\| b|2026-11-21T07:00:02Z|\n", "| ana | a \\| b | 2026-11-21T07:00:02.000Z |\n" + Bob1)]
    public void Cells_join_by_timestamp(string start, string ours, string theirs, string merged) =>
        Assert.Equal("Agents\n\n" + Head + merged + "\nend\n", Doc.Merge(DocumentType.Heartbeats, Wrap(start), Wrap(ours), Wrap(theirs)));

    [Fact]
    public void A_new_column_of_an_older_row_keeps_its_timestamp()
    {
        string ours = "| agent | status | updated | load |\n| --- | --- | --- | --- |\n| ana | idle | 2026-11-21T07:00:02.000Z | 3 |\n";
        string theirs = Head + "| ana | busy | 2026-11-21T07:00:03.000Z |\n";
        string merged = "| agent | status | updated | load |\n| --- | --- | --- | --- |\n| ana | busy | 2026-11-21T07:00:03.000Z; load=2026-11-21T07:00:02.000Z | 3 |\n";
        Assert.Equal(merged, Doc.Merge(DocumentType.Heartbeats, Head + Ana1, ours, theirs));
        Assert.Equal(merged, Doc.Merge(DocumentType.Heartbeats, Head + Ana1, merged, theirs));
    }

    [Fact]
    public void A_broken_table_or_a_timestamp_of_tomorrow_is_refused()
    {
        Doc.Fails(DocumentType.Heartbeats, Head + Ana1, Head + "| ana | a | b | c |\n", Head + Ana1, "bad_row", MergeSide.Ours, 3);
        Doc.Fails(DocumentType.Heartbeats, Head, Head + "| zoe | i", Head, "truncated", MergeSide.Ours, 3);
        MergeOptions options = new() { Now = Instant.From(new DateTimeOffset(2026, 11, 21, 6, 55, 0, TimeSpan.Zero)) };
        Assert.Equal("too_far_ahead", Doc.Report(DocumentType.Heartbeats, Head, Head + Ana1, Head, options).Failure?.Code);
        Assert.Equal("too_far_ahead", Doc.Report(DocumentType.Facts, "", Fact2, "", options).Failure?.Code);
        Assert.Null(Doc.Report(DocumentType.Facts, "", Fact1, "", options).Failure);
    }

    [Fact]
    public void Facts_are_united_sorted_and_written_in_one_form()
    {
        string loose = """ { "at": "2026-11-21T07:00:01Z@-", "by":"ana", "value": {"k" : [1, "\u0078"]}, "attribute":"a", "entity":"e" } """.Replace("@-", "", StringComparison.Ordinal) + "\n";
        Assert.Equal("# facts\n" + Fact1 + Fact2, Doc.Merge(DocumentType.Facts, "# facts\n", "# facts\n" + loose, "# facts\n" + Fact1));
    }

    [Fact]
    public void Facts_that_differ_in_one_member_are_two_and_a_repeated_line_is_one()
    {
        string other = Fact1.Replace(":1,", ":2,", StringComparison.Ordinal);
        string loose = """{"z":1,"entity":"e","attribute":"b","value":1,"at":"2026-12-31T07:00:00.000Z","k":null}""" + "\n";
        string canonical = """{"entity":"e","attribute":"b","value":1,"at":"2026-12-31T07:00:00.000Z","k":null,"z":1}""" + "\n";
        Assert.Equal(Fact1 + other + canonical, Doc.Merge(DocumentType.Facts, "", Fact1 + loose + Fact1, loose + other));
    }

    [Theory]
    [InlineData("{\"entity\":\"e\"}\n", "bad_fact")]
    [InlineData("{\"entity\":\"e\",\"attribute\":\"a\",\"value\":1,\"at\":\"2026-11-21T07:00:00x000Z\"}\n", "bad_fact")]
    [InlineData("{\"entity\":\"e\",\"attribute\":\"a\",\"value\":1,\"at\":\"2026-13-21T07:00:00Z\"}\n", "bad_fact")]
    [InlineData("{\"k\":1,\"k\":1,\"entity\":\"e\",\"attribute\":\"a\",\"value\":1,\"at\":\"2026-11-21T07:00:00Z\"}\n", "bad_fact")]
    [InlineData("[1]\n", "bad_fact")]
    [InlineData("{\"entity\":1}\n", "bad_fact")]
    [InlineData("{\"entity\":\"e\",\"attribute\":\"a\",\"value\":1,\"at\":\"noon\"}\n", "bad_fact")]
    [InlineData("{\"entity\":\"\\ud800\"}\n", "bad_fact")]
    [InlineData("{\"entity\":\"other", "truncated")]
    public void A_line_that_is_no_fact_is_refused(string line, string code) =>
        Doc.Fails(DocumentType.Facts, Fact1, Fact1 + line, Fact1, code, MergeSide.Ours, 2);

    [Theory]
    [InlineData(R1, R1 + R2, R1 + "2026-11-21T08:00:01.5+01:00 between\n", R1 + "2026-11-21T08:00:01.5+01:00 between\n" + R2)]
    [InlineData(R1, R1 + "  below\n", R1 + R2, R1 + "  below\n" + R2)]
    [InlineData(R1, R1 + R2, R1 + R2, R1 + R2)]
    [InlineData(R1 + R2, R1, R2, R1 + R2)]
    [InlineData(R2, R2 + R1, R2 + "x\n", R2 + "x\n" + R1)]
    [InlineData("b\n", "b\na\n", "b\nc\n", "b\na\nc\n")]
    public void Logs_keep_the_lines_of_both(string start, string ours, string theirs, string merged) =>
        Assert.Equal(merged, Doc.Merge(DocumentType.Log, start, ours, theirs));

    [Fact]
    public void Elements_say_what_a_document_holds()
    {
        Assert.Equal(["[seq:1] [agent:a] x = done [depends:2]"], Doc.Elements(DocumentType.Queue, "- [x] [seq:1] [agent:a] [depends:2] x\nprose\n"));
        Assert.Equal(["ana | status = idle", "ana | updated = 2026-11-21T07:00:01.000Z"], Doc.Elements(DocumentType.Heartbeats, Head + Ana1));
        Assert.Equal([Fact1.Trim() + " = "], Doc.Elements(DocumentType.Facts, "# f\n" + Fact1));
        Assert.Equal(["a = ", "b = "], Doc.Elements(DocumentType.Log, "a\nb\n"));
    }

    /// <summary>Whatever comes in, a merge fails with a value or makes a document that is sound and stays as it is.</summary>
    [Theory]
    [InlineData(DocumentType.Queue)]
    [InlineData(DocumentType.Heartbeats)]
    [InlineData(DocumentType.Facts)]
    [InlineData(DocumentType.Log)]
    public void Garbage_never_throws(DocumentType type)
    {
        for (int seed = 0; seed < 2_000; seed++)
        {
            RandomDocuments random = new(seed);
            string start = random.Document(type);
            byte[] ours = seed % 3 == 0 ? random.Garbage() : random.Damage(start);
            byte[] theirs = Doc.Bytes(random.Edit(type, start));
            MergeReport report = DocumentMerge.Merge(type, Doc.Bytes(start), ours, theirs, new MergeOptions());
            Assert.True((report.Content is null) != (report.Failure is null), $"seed {seed}");
            if (report.Content is not { Length: > 0 } merged) continue;
            MergeReport again = DocumentMerge.Merge(type, merged, merged, merged, new MergeOptions());
            Assert.True(again.Content is not null && merged.AsSpan().SequenceEqual(again.Content), $"seed {seed}: {again.Failure}\n{Doc.Text(merged)}\n---\n{Doc.Text(again.Content ?? [])}");
        }
    }

    private static string Wrap(string rows) => "Agents\n\n" + Head + rows + "\nend\n";
}
