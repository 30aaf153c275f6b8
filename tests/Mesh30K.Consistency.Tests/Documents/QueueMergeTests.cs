using Mesh30K.Consistency.Documents;

namespace Mesh30K.Consistency.Tests.Documents;

public sealed class QueueMergeTests
{
    private const string Start = "# Queue\n\n- [ ] [seq:1] build\n- [ ] [seq:2] [depends:1] push\n\n## Done\n\nnotes\n";

    [Theory]
    [InlineData("- [ ] [seq:1] build", "- [x] [seq:1] build", "- [ ] [seq:2] [depends:1] push", "- [ ] [seq:2] [depends:1] [agent:bob] push", "- [x] [seq:1] build\n- [ ] [seq:2] [depends:1] [agent:bob] push\n")]
    [InlineData("- [ ] [seq:1] build", "- [/] [seq:1] build", "- [ ] [seq:1] build", "- [ ] [seq:1] build it", "- [/] [seq:1] build it\n- [ ] [seq:2] [depends:1] push\n")]
    [InlineData("- [ ] [seq:1] build", "- [/] [seq:1] build", "- [ ] [seq:1] build", "- [x] [seq:1] build", "- [x] [seq:1] build\n- [ ] [seq:2] [depends:1] push\n")]
    [InlineData("- [ ] [seq:1] build", "- [ ] [seq:1] build a", "- [ ] [seq:1] build", "- [ ] [seq:1] build b", "- [ ] [seq:1] build a\n- [ ] [seq:1] build b\n- [ ] [seq:2] [depends:1] push\n")]
    [InlineData("- [ ] [seq:1] build\n", "", "push", "push it", "- [ ] [seq:2] [depends:1] push it\n")]
    [InlineData("- [ ] [seq:1] build\n", "", "- [ ] [seq:1]", "- [!] [seq:1]", "- [!] [seq:1] build\n- [ ] [seq:2] [depends:1] push\n")]
    [InlineData("push\n", "push\n- [ ] [seq:3] a\n", "push\n", "push\n- [ ] [seq:3] b\n", "- [ ] [seq:1] build\n- [ ] [seq:2] [depends:1] push\n- [ ] [seq:3] a\n- [ ] [seq:3] b\n")]
    [InlineData("[depends:1]", "[depends:1,7]", "[depends:1]", "[depends:9]", "- [ ] [seq:1] build\n- [ ] [seq:2] [depends:7,9] push\n")]
    [InlineData("build\n", "build\n  with a note\n", "push\n", "push\n- [ ] [seq:3] test\n", "- [ ] [seq:1] build\n  with a note\n- [ ] [seq:2] [depends:1] push\n- [ ] [seq:3] test\n")]
    public void Two_changes_of_the_tasks_join(string from, string ours, string other, string theirs, string tasks)
    {
        string merged = Doc.Merge(DocumentType.Queue, Start, Start.Replace(from, ours, StringComparison.Ordinal), Start.Replace(other, theirs, StringComparison.Ordinal));
        Assert.Equal($"# Queue\n\n{tasks}\n## Done\n\nnotes\n", merged);
    }

    [Fact]
    public void Tasks_stay_in_their_place_below_prose_that_one_side_added()
    {
        string ours = "# Queue\n\nwords\nmore\n\n- [ ] [seq:1] build\n- [ ] [seq:2] [depends:1] push\n\n## Done\n\nnotes\n";
        string theirs = Start + "- [x] [seq:3] test\n";
        Assert.Equal(ours + "- [x] [seq:3] test\n", Doc.Merge(DocumentType.Queue, Start, ours, theirs));
    }

    [Fact]
    public void A_task_that_took_the_number_of_another_one_is_not_done_with_it()
    {
        string start = "- [ ] [seq:4] build\n";
        Assert.Equal("- [x] [seq:4] build\n- [ ] [seq:4] test\n", Doc.Merge(DocumentType.Queue, start, "- [x] [seq:4] build\n", start + "- [ ] [seq:4] test\n"));
    }

    [Theory]
    [InlineData("- [x] [seq:4] [agent:ana] build\n- [ ] [seq:4] [agent:bob] test\n", "- [ ] [seq:4] [agent:bob] test\n- [x] [seq:4] [agent:cy] build\n")]
    [InlineData("- [ ] [seq:4] [agent:bob] test\n", "- [ ] [seq:4] [agent:bob] test\n- [ ] [seq:4] [agent:cy] build\n")]
    [InlineData("- [ ] [seq:4] [agent:ana] build\n", "- [ ] [seq:4] [agent:cy] build\n")]
    public void A_task_that_shares_its_number_in_the_base_stays_one_when_it_changes_hands(string theirs, string merged)
    {
        string start = "- [ ] [seq:4] [agent:ana] build\n- [ ] [seq:4] [agent:bob] test\n";
        string ours = "- [ ] [seq:4] [agent:cy] build\n- [ ] [seq:4] [agent:bob] test\n";
        Assert.Equal(merged, Doc.Merge(DocumentType.Queue, start, ours, theirs));
    }

    [Fact]
    public void Tasks_that_all_took_one_number_merge_in_time()
    {
        string start = "- [ ] [seq:1] task 0\n";
        string ours = start + string.Concat(Enumerable.Range(1, 30_000).Select(i => $"- [ ] [seq:1] task {i:00000}\n"));
        string merged = Doc.Merge(DocumentType.Queue, start, ours, start + "- [x] [seq:1] other\n");
        Assert.Equal(30_002, merged.Count(c => c == '\n'));
    }

    [Fact]
    public void A_task_that_one_side_moved_and_the_other_finished_is_moved_and_finished()
    {
        string ours = "# Queue\n\n- [ ] [seq:2] [depends:1] push\n\n## Done\n\n- [ ] [seq:1] build\nnotes\n";
        string theirs = Start.Replace("[ ] [seq:1]", "[x] [seq:1]", StringComparison.Ordinal);
        Assert.Equal("# Queue\n\n- [ ] [seq:2] [depends:1] push\n\n## Done\n\n- [x] [seq:1] build\nnotes\n", Doc.Merge(DocumentType.Queue, Start, ours, theirs));
    }

    [Theory]
    [InlineData("notes", "notes of ana", "# Queue", "# The queue", "# The queue|notes of ana")]
    [InlineData("notes\n", "notes\n\n", "notes\n", "notes\nmore\n", "# Queue|more")]
    public void Prose_merges_as_text(string from, string ours, string other, string theirs, string expected)
    {
        string merged = Doc.Merge(DocumentType.Queue, Start, Start.Replace(from, ours, StringComparison.Ordinal), Start.Replace(other, theirs, StringComparison.Ordinal));
        Assert.All(expected.Split('|'), line => Assert.Contains(line + "\n", merged, StringComparison.Ordinal));
    }

    [Fact]
    public void Line_endings_and_a_byte_order_mark_are_kept_and_follow_the_side_that_changed_them()
    {
        string crlf = "\uFEFF" + Start.Replace("\n", "\r\n", StringComparison.Ordinal);
        Assert.Equal(crlf, Doc.Merge(DocumentType.Queue, crlf, crlf, crlf));
        Assert.Equal(crlf, Doc.Merge(DocumentType.Queue, Start, crlf, Start));
        Assert.Equal(Start, Doc.Merge(DocumentType.Queue, crlf, crlf, Start));
    }

    [Fact]
    public void A_malformed_task_that_was_there_before_is_left_in_place()
    {
        string start = Start + "- [seq:x] odd\n";
        Assert.Equal(start, Doc.Merge(DocumentType.Queue, start, start, start));
        Assert.Equal("bad_task", DocumentMerge.Check(DocumentType.Queue, Doc.Bytes(start), new MergeOptions())?.Code);
    }

    [Theory]
    [InlineData("notes\n", "notes\n- [ ] [seq:0] zero\n", "bad_task", 9)]
    [InlineData("notes\n", "notes\n- [ ] [seq:3 open\n", "bad_task", 9)]
    [InlineData("notes\n", "notes\n- [ ] [seq:3] [depends:x] open\n", "bad_task", 9)]
    [InlineData("notes\n", "notes\n- [ ] [seq:3] [depends:1 open\n", "bad_task", 9)]
    [InlineData("notes\n", "note", "truncated", 8)]
    [InlineData("notes\n", "<<<<<<< HEAD\na\n=======\nb\n>>>>>>> x\n", "conflict_markers", 8)]
    [InlineData("notes\n", "\0\n", "not_text", 8)]
    public void A_broken_side_is_refused_with_its_line(string from, string to, string code, int line)
    {
        DocumentFailure? failure = Doc.Report(DocumentType.Queue, Start, Start.Replace(from, to, StringComparison.Ordinal), Start).Failure;
        Assert.Equal((code, MergeSide.Ours, line), (failure?.Code, failure?.Side, failure?.Line));
    }

    [Fact]
    public void An_emptied_file_invalid_bytes_and_two_changes_of_one_prose_line_are_refused()
    {
        Doc.Fails(DocumentType.Queue, Start, "", Start, "truncated", MergeSide.Ours, 0);
        Doc.Fails(DocumentType.Queue, Start, Start.Replace("notes", "a", StringComparison.Ordinal), Start.Replace("notes", "b", StringComparison.Ordinal), "prose_conflict", MergeSide.Ours, 8);
        MergeReport report = DocumentMerge.Merge(DocumentType.Queue, [], [(byte)'a', 10, 0xC3], [], new MergeOptions());
        Assert.Equal(("not_utf8", 2), (report.Failure?.Code, report.Failure?.Line));
        report = DocumentMerge.Merge(DocumentType.Log, new byte[(64 << 20) + 1], [], [], new MergeOptions());
        Assert.Equal(("too_large", MergeSide.Base), (report.Failure?.Code, report.Failure?.Side));
    }

    [Fact]
    public void A_heading_underlined_with_seven_signs_is_no_conflict() =>
        Assert.Equal("Heading\n=======\n", Doc.Merge(DocumentType.Queue, "Heading\n=======\n", "Heading\n=======\n", "Heading\n=======\n"));

    [Theory]
    [InlineData("* [X] [seq:1]   [agent:a] [k:v]  text [seq:2] ", "- [x] [seq:1] [agent:a] [k:v] text [seq:2]")]
    [InlineData("- [seq:7@ana] [depends: 3, 1@b ,2,3]", "- [ ] [seq:7@ana] [depends:1@b,2,3]")]
    [InlineData("[seq:5] [status:claimed] go", "[seq:5] [status:claimed] go")]
    [InlineData("[seq:5] [docs:x](http://y)", "[seq:5] [docs:x](http://y)")]
    public void A_task_is_read_and_written_in_canonical_form(string line, string canonical)
    {
        Assert.True(QueueLine.TryParse(line, out QueueLine? task));
        Assert.Equal(canonical, task!.ToString());
        Assert.True(QueueLine.TryParse(canonical, out QueueLine? again));
        Assert.Equal(canonical, again!.ToString());
    }

    [Theory]
    [InlineData("see [seq:1]")]
    [InlineData("  - [ ] [seq:1] indented")]
    [InlineData("- [ ] plain")]
    [InlineData("[seq:]")]
    [InlineData("")]
    public void Other_lines_are_no_tasks(string line) => Assert.False(QueueLine.TryParse(line, out _));
}
