using Mesh30K.Consistency.Journal;
using Mesh30K.Node.Storage;

namespace Mesh30K.Node.Tests.Storage;

/// <summary>A file that is longer than its records: what follows them is zero, and is neither torn nor damaged.</summary>
public sealed class JournalPreallocationTests : IDisposable
{
    private const int RecordBytes = RecordFrame.OverheadBytes;
    private static readonly JournalOptions Ahead = new() { PreallocateBytes = 10_000, SegmentBytes = 25_000 };

    private readonly JournalBox _box = new();

    public void Dispose() => _box.Dispose();

    [Fact]
    public void The_file_grows_in_steps_up_to_a_full_segment_and_what_is_not_used_is_given_back()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "elsewhere there is no fallocate");
        List<string> all = [];
        using JournalFolder reading = JournalFolder.Open(_box.Folder);
        Heard heard = new();
        HashSet<long> lengths = [];
        using (JournalFolder journal = _box.Locked(new Heard(), Ahead))
        {
            for (int i = 0; i < 30; i++)
            {
                all.Add($"{i}".PadLeft(1_000));
                JournalBox.Append(journal, all[^1]);
                lengths.Add(new FileInfo(_box.Segment(1)).Length);
                reading.CatchUp(heard);
                Assert.Equal(all, heard.Records);
            }
        }
        const int record = RecordBytes + 1_000, header = SegmentHeader.Bytes;
        Assert.Equal([header + record + 10_000, header + (11 * record) + 10_000, 25_000, header + (24 * record)], lengths);
        Assert.Equal(header + (6 * record), new FileInfo(_box.Segment(2)).Length);
        Assert.Equal(all, _box.ReadAll().Records);
    }

    [Fact]
    public void Processes_that_preallocate_and_others_append_in_turns_also_after_one_was_killed()
    {
        List<string> all = [];
        FaultyDisk disk = new(new Random(1));
        for (int i = 0; i < 12; i++)
        {
            JournalOptions options = Ahead with { PreallocateBytes = i % 3 * 2_000 };
            Heard heard = new();
            JournalFolder journal = _box.Locked(heard, options, disk);
            Assert.Equal(all, heard.Records);
            all.Add($"{i}");
            JournalBox.Append(journal, all[^1]);
            if (i % 2 == 0) disk.Arm(DiskTrouble.Killed, 0);
            long before = new FileInfo(_box.Segment(1)).Length;
            journal.Dispose();
            disk.Restart();
            bool isLonger = new FileInfo(_box.Segment(1)).Length > SegmentHeader.Bytes + all.Sum(r => r.Length + RecordBytes);
            Assert.Equal(i % 2 == 0 && before > SegmentHeader.Bytes + all.Sum(r => r.Length + RecordBytes), isLonger);
        }
        using JournalFolder reading = JournalFolder.Open(_box.Folder);
        Heard read = new();
        reading.CatchUp(read);
        Assert.Equal(all, read.Records);
    }

    [Fact]
    public void A_segment_that_another_process_closes_earlier_gives_its_rest_back()
    {
        FaultyDisk disk = new(new Random(1));
        JournalFolder killed = _box.Locked(new Heard(), Ahead, disk);
        JournalBox.Append(killed, "one");
        disk.Arm(DiskTrouble.Killed, 0);
        killed.Dispose();
        disk.Restart();
        const int content = SegmentHeader.Bytes + RecordBytes + 3;
        Assert.Equal(content + 10_000, new FileInfo(_box.Segment(1)).Length);
        using (JournalFolder journal = _box.Locked(new Heard(), new JournalOptions { SegmentBytes = 80 }, disk)) JournalBox.Append(journal, "two");
        Assert.Equal(content, new FileInfo(_box.Segment(1)).Length);
        Assert.Equal(["one", "two"], _box.ReadAll().Records);
    }

    [Fact]
    public void Every_byte_flipped_before_the_zeros_is_refused()
    {
        byte[] right = WithZeros("first", new string('x', 600), "last");
        int content = right.AsSpan().LastIndexOfAnyExcept((byte)0) + 1;
        for (int at = 0; at < content; at++)
        {
            byte[] wrong = [.. right];
            wrong[at] ^= (byte)(1 << (at % 8));
            File.WriteAllBytes(_box.Segment(1), wrong);
            Assert.Equal("damaged", _box.Refused().Code);
        }
        File.WriteAllBytes(_box.Segment(1), right);
        Assert.Equal(3, _box.ReadAll().Records.Count);
    }

    /// <summary>More than one window of the reader, so that it has to look behind it.</summary>
    [Theory]
    [InlineData(300_000)]
    [InlineData(5_000)]
    [InlineData(20)]
    public void Zeros_with_something_behind_them_are_judged_as_sectors_that_were_never_written(int zeros)
    {
        byte[] right = WithZeros("first", "second");
        byte[] content = right[..(right.AsSpan().LastIndexOfAnyExcept((byte)0) + 1)];
        Assert.Null(SegmentHeader.Read(content, out SegmentHeader header));
        byte[] Followed(long durable)
        {
            byte[] bytes = [.. content, .. new byte[zeros], .. new byte[RecordBytes + 1]];
            RecordFrame.Write(bytes.AsSpan(content.Length + zeros), new RecordFrame(0, 4, durable, 1, 1, 0), "4"u8, content.Length + zeros, header.Checksum);
            return bytes;
        }
        File.WriteAllBytes(_box.Segment(1), Followed(durable: 3));
        Assert.Equal("damaged", _box.Refused().Code);
        File.WriteAllBytes(_box.Segment(1), Followed(durable: 2));
        if (zeros < RecordFrame.SectorBytes)
        {
            Assert.Equal("damaged", _box.Refused().Code); // no whole sector is missing
            return;
        }
        Assert.Equal(["first", "second"], _box.ReadAll().Records);
        Assert.Equal(content.Length, new FileInfo(_box.Segment(1)).Length);
    }

    [Fact]
    public void A_sector_never_written_in_the_last_batch_is_cut_with_what_follows_it_and_in_an_older_one_refused()
    {
        byte[] right = WithZeros("first", new string('a', 600) + "|" + new string('b', 600));
        byte[] wrong = [.. right];
        wrong.AsSpan(512, 512).Clear();
        File.WriteAllBytes(_box.Segment(1), wrong);
        Assert.Equal(["first"], _box.ReadAll().Records);
        File.WriteAllBytes(_box.Segment(1), right);
        using (JournalFolder journal = _box.Locked(new Heard(), Ahead)) JournalBox.Append(journal, "later");
        wrong = File.ReadAllBytes(_box.Segment(1));
        wrong.AsSpan(512, 512).Clear();
        File.WriteAllBytes(_box.Segment(1), wrong);
        Assert.Equal("damaged", _box.Refused().Code);
    }

    [Fact]
    public void An_earlier_segment_may_end_in_zeros_and_lacks_no_record_then()
    {
        JournalOptions small = new() { SegmentBytes = 300 };
        using (JournalFolder journal = _box.Locked(new Heard(), small))
            for (int i = 0; i < 12; i++) JournalBox.Append(journal, $"record {i}");
        byte[] right = File.ReadAllBytes(_box.Segment(1));
        File.WriteAllBytes(_box.Segment(1), [.. right, .. new byte[5_000]]);
        Assert.Equal(12, _box.ReadAll().Records.Count);
        byte[] wrong = [.. right, .. new byte[5_000]];
        wrong.AsSpan(right.Length - RecordBytes - 8, RecordBytes + 8).Clear();
        File.WriteAllBytes(_box.Segment(1), wrong);
        Assert.Contains("records before it are missing", _box.Refused().Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_snapshot_that_ends_in_zeros_too_early_is_refused()
    {
        using (JournalFolder journal = _box.Locked(new Heard())) journal.Compact(JournalBox.Snapshot("one", "two"));
        byte[] wrong = [.. File.ReadAllBytes(_box.Segment(2)), .. new byte[2_000]];
        File.WriteAllBytes(_box.Segment(2), wrong);
        Assert.Equal(["one", "two"], _box.ReadAll().Records);
        wrong.AsSpan(SegmentHeader.Bytes + RecordBytes + 3).Clear();
        File.WriteAllBytes(_box.Segment(2), wrong);
        Assert.Contains("snapshot ends early", _box.Refused().Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(28, true)]
    [InlineData(5, false)]
    public void Without_room_to_preallocate_a_batch_is_appended_and_another_error_ends_the_handle(int error, bool goesOn)
    {
        FaultyDisk disk = new(new Random(1));
        JournalFolder journal = _box.Locked(new Heard(), Ahead, disk);
        int asked = 0;
        disk.Fail = what => what == "allocate" && ++asked > 0 ? new IOException("refused", error) : null;
        if (goesOn)
        {
            JournalBox.Append(journal, "one");
            JournalBox.Append(journal, "two");
            Assert.Equal(1, asked);
        }
        else
        {
            Assert.Equal("io_failed", Assert.Throws<JournalException>(() => JournalBox.Append(journal, "one")).Code);
        }
        journal.Dispose();
        Assert.Equal(goesOn ? ["one", "two"] : [], _box.ReadAll().Records);
    }

    [Fact]
    public void Killed_or_without_power_at_every_step_what_was_acknowledged_is_there()
    {
        bool finished = false;
        for (int step = 0; !finished; step++)
        {
            foreach (DiskTrouble trouble in (DiskTrouble[])[DiskTrouble.Killed, DiskTrouble.PowerFails])
            {
                using JournalBox box = new();
                FaultyDisk disk = new(new Random(step));
                disk.Arm(trouble, step);
                List<string> acknowledged = [];
                try
                {
                    using JournalFolder journal = box.Locked(new Heard(), new JournalOptions { SegmentBytes = 4_000, PreallocateBytes = 1_500 }, disk);
                    for (int i = 0; i < 12; i++)
                    {
                        JournalBox.Append(journal, $"{i}".PadLeft(700));
                        acknowledged.Add($"{i}".PadLeft(700));
                    }
                }
                catch (JournalException)
                {
                    Assert.Equal(trouble, disk.Ended);
                }
                finished = disk.Ended == DiskTrouble.None;
                disk.Restart();
                Heard heard = box.ReadAll(files: disk);
                Assert.Equal(acknowledged, heard.Records.Take(acknowledged.Count));
                Assert.InRange(heard.Records.Count, acknowledged.Count, acknowledged.Count + 1);
            }
        }
    }

    /// <summary>A journal of these batches; its segment goes on with zeros.</summary>
    private byte[] WithZeros(params string[] batches)
    {
        using (JournalFolder journal = _box.Locked(new Heard()))
            foreach (string batch in batches) JournalBox.Append(journal, batch.Split('|'));
        byte[] bytes = [.. File.ReadAllBytes(_box.Segment(1)), .. new byte[200_000]];
        File.WriteAllBytes(_box.Segment(1), bytes);
        return bytes;
    }
}
