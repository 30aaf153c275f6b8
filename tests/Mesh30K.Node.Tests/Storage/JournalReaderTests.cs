using Mesh30K.Node.Storage;

namespace Mesh30K.Node.Tests.Storage;

public sealed class JournalReaderTests : IDisposable
{
    private readonly JournalBox _box = new();

    public void Dispose() => _box.Dispose();

    [Fact]
    public async Task A_reader_beside_a_writer_that_compacts_sees_a_beginning_of_the_count_and_no_damage()
    {
        const int Records = 600;
        JournalOptions small = new() { SegmentBytes = 2_000 };
        Task writer = Task.Run(() =>
        {
            using JournalFolder journal = _box.Locked(new Heard(), small);
            for (int i = 1; i <= Records; i++)
            {
                JournalBox.Append(journal, $"{i}");
                if (i % 97 == 0) journal.Compact(JournalBox.Snapshot([.. Enumerable.Range(1, i).Select(n => $"{n}")]));
            }
        }, TestContext.Current.CancellationToken);
        using JournalFolder reading = JournalFolder.Open(_box.Folder, small);
        Heard heard = new();
        while (heard.Records.Count < Records)
        {
            bool over = writer.IsCompleted;
            reading.CatchUp(heard);
            Assert.Equal(Enumerable.Range(1, heard.Records.Count).Select(n => $"{n}"), heard.Records);
            Assert.True(!over || heard.Records.Count == Records, $"{heard.Records.Count} read after the writer had ended");
        }
        await writer;
    }

    [Fact]
    public void A_reader_ends_at_a_torn_tail_without_cutting_it_and_the_next_writer_cuts_it()
    {
        using (JournalFolder journal = _box.Locked(new Heard())) JournalBox.Append(journal, "one", "two");
        byte[] bytes = File.ReadAllBytes(_box.Segment(1));
        File.WriteAllBytes(_box.Segment(1), bytes[..^2]);
        using JournalFolder reading = JournalFolder.Open(_box.Folder);
        Heard heard = new();
        reading.CatchUp(heard);
        Assert.Equal(["one"], heard.Records);
        Assert.Equal(bytes.Length - 2, new FileInfo(_box.Segment(1)).Length);
        using (JournalFolder journal = _box.Locked(new Heard())) JournalBox.Append(journal, "other");
        reading.CatchUp(heard);
        Assert.Equal(["one", "other"], heard.Records);
    }

    /// <summary>Else a reader that refused one record goes on behind it, as if it had taken it.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_record_that_its_reader_did_not_take_is_not_skipped(bool locked)
    {
        using (JournalFolder journal = _box.Locked(new Heard())) JournalBox.Append(journal, "one", "two", "three");
        using JournalFolder reading = JournalFolder.Open(_box.Folder);
        if (locked) Assert.True(JournalBox.Lock(reading));
        Heard heard = new(() => throw new InvalidDataException("a record that this version does not know"));
        Assert.Throws<InvalidDataException>(() => reading.CatchUp(heard));
        Assert.Throws<InvalidDataException>(() => reading.CatchUp(heard));
        Heard late = new();
        reading.CatchUp(late);
        Assert.Equal((1, 3), (late.Resets, late.Records.Count));
    }

    [Fact]
    public void A_reader_that_saw_records_which_their_writer_took_back_starts_again()
    {
        using (JournalFolder journal = _box.Locked(new Heard())) JournalBox.Append(journal, "one");
        byte[] before = File.ReadAllBytes(_box.Segment(1));
        using (JournalFolder journal = _box.Locked(new Heard())) JournalBox.Append(journal, "never acknowledged");
        using JournalFolder reading = JournalFolder.Open(_box.Folder);
        Heard heard = new();
        reading.CatchUp(heard);
        File.WriteAllBytes(_box.Segment(1), before);
        using (JournalFolder journal = _box.Locked(new Heard())) JournalBox.Append(journal, "another");
        reading.CatchUp(heard);
        Assert.Equal((1, "one another"), (heard.Resets, string.Join(' ', heard.Records)));
    }

    /// <summary>The last record is the same again; one before it in the batch is not.</summary>
    [Fact]
    public void A_reader_that_saw_a_batch_taken_back_starts_again_also_when_another_batch_ends_alike()
    {
        using (JournalFolder journal = _box.Locked(new Heard())) JournalBox.Append(journal, "one");
        byte[] before = File.ReadAllBytes(_box.Segment(1));
        using (JournalFolder journal = _box.Locked(new Heard())) JournalBox.Append(journal, "never", "same");
        using JournalFolder reading = JournalFolder.Open(_box.Folder);
        Heard heard = new();
        reading.CatchUp(heard);
        File.WriteAllBytes(_box.Segment(1), before);
        using (JournalFolder journal = _box.Locked(new Heard())) JournalBox.Append(journal, "other", "same");
        reading.CatchUp(heard);
        Assert.Equal("one other same", string.Join(' ', heard.Records));
    }

    [Fact]
    public void A_handle_refuses_a_journal_that_lost_what_it_knew_to_be_durable_and_gives_no_sequence_again()
    {
        using JournalFolder journal = _box.Locked(new Heard());
        JournalBox.Append(journal, "one");
        byte[] before = File.ReadAllBytes(_box.Segment(1));
        JournalBox.Append(journal, "two");
        journal.Unlock();
        File.WriteAllBytes(_box.Segment(1), before);
        using (JournalFolder other = _box.Locked(new Heard())) JournalBox.Append(other, "2nd");
        Assert.Equal("damaged", Assert.Throws<JournalException>(() => journal.CatchUp(new Heard())).Code);
        Assert.True(JournalBox.Lock(journal));
        Assert.Contains("no longer as it was", Assert.Throws<JournalException>(() => journal.CatchUp(new Heard())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_reader_looks_again_at_what_seems_damaged_before_it_says_so()
    {
        using (JournalFolder journal = _box.Locked(new Heard())) JournalBox.Append(journal, "one", "two");
        byte[] right = File.ReadAllBytes(_box.Segment(1)), wrong = [.. right];
        wrong[^1] ^= 1;
        File.WriteAllBytes(_box.Segment(1), wrong);
        using JournalFolder reading = JournalFolder.Open(_box.Folder);
        Heard heard = new(() => File.WriteAllBytes(_box.Segment(1), right));
        reading.CatchUp(heard);
        Assert.Equal(["one", "two"], heard.Records);
    }
}
