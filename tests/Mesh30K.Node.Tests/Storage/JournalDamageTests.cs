using System.Buffers.Binary;
using Mesh30K.Consistency.Journal;
using Mesh30K.Node.Storage;

namespace Mesh30K.Node.Tests.Storage;

/// <summary>Torn tails are cut; damage is refused and named; nothing that was acknowledged is lost or altered silently.</summary>
public sealed class JournalDamageTests : IDisposable
{
    private static readonly JournalOptions Small = new() { SegmentBytes = 400 };

    /// <summary>Six commits over two segments; the fourth holds three records.</summary>
    private static readonly string[][] Batches = [["alpha"], ["beta", "gamma"], [new string('d', 300)], ["epsilon", "zeta", "eta"], ["theta"], ["iota"]];

    private static readonly string[] All = [.. Batches.SelectMany(b => b)];

    private readonly JournalBox _box = new();

    public void Dispose() => _box.Dispose();

    [Fact]
    public void Cut_at_every_byte_of_the_last_segment_all_whole_records_before_are_read_and_appending_goes_on()
    {
        Write();
        byte[] last = File.ReadAllBytes(_box.Segment(2));
        int[] ends = RecordEnds(last);
        int before = All.Length - ends.Length + 1;
        for (int cut = 0; cut < last.Length; cut++)
        {
            File.WriteAllBytes(_box.Segment(2), last[..cut]);
            if (cut < SegmentHeader.Bytes)
            {
                Assert.Contains("inside the segment header", _box.Refused(Small).Message, StringComparison.Ordinal);
                continue;
            }
            string[] whole = All[..(before + ends.Count(e => e <= cut) - 1)];
            Heard heard = new();
            using (JournalFolder journal = _box.Locked(heard, Small))
            {
                Assert.Equal(whole, heard.Records);
                JournalBox.Append(journal, "after");
            }
            Assert.Equal([.. whole, "after"], _box.ReadAll(Small).Records);
        }
    }

    [Fact]
    public void Cut_at_any_byte_of_an_earlier_segment_is_refused()
    {
        Write();
        byte[] first = File.ReadAllBytes(_box.Segment(1));
        for (int cut = 0; cut < first.Length; cut++)
        {
            File.WriteAllBytes(_box.Segment(1), first[..cut]);
            Assert.Equal("damaged", _box.Refused(Small).Code);
            Assert.Equal(cut, new FileInfo(_box.Segment(1)).Length);
        }
    }

    [Fact]
    public void A_manifest_of_another_version_says_that_another_mesh_wrote_it()
    {
        Write();
        byte[] manifest = File.ReadAllBytes(_box.Manifest);
        manifest[8] = 2;
        BinaryPrimitives.WriteUInt32LittleEndian(manifest.AsSpan(60), Crc32C.Of(manifest.AsSpan(0, 60)));
        File.WriteAllBytes(_box.Manifest, manifest);
        Assert.Contains("format version 2 is not known here, only 1: use the mesh that wrote it", _box.Refused(Small).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_lock_that_cannot_be_opened_says_why_in_words()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "elsewhere the lock is another one");
        Write();
        File.Delete(Path.Combine(_box.Folder, "lock"));
        Directory.CreateDirectory(Path.Combine(_box.Folder, "lock"));
        Assert.Contains("Is a directory", _box.Refused(Small).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("0000000001.segment")]
    [InlineData("0000000002.segment")]
    [InlineData("manifest")]
    public void Every_byte_flipped_is_refused_and_named_and_nothing_is_changed(string name)
    {
        Write();
        string path = Path.Combine(_box.Folder, name);
        byte[] right = File.ReadAllBytes(path);
        for (int at = 0; at < right.Length; at++)
        {
            byte[] wrong = [.. right];
            wrong[at] ^= (byte)(1 << (at % 8)); // every bit: SegmentScannerTests
            File.WriteAllBytes(path, wrong);
            JournalException error = _box.Refused(Small);
            Assert.True(error.Code == "damaged", $"byte {at}: {error.Message}");
            Assert.Contains(name, error.Message, StringComparison.Ordinal);
        }
        File.WriteAllBytes(path, right);
        Assert.Equal(All, _box.ReadAll(Small).Records);
    }

    [Fact]
    public void Every_byte_set_to_zero_is_refused_or_was_zero()
    {
        Write();
        byte[] right = File.ReadAllBytes(_box.Segment(2));
        for (int at = 0; at < right.Length; at++)
        {
            if (right[at] == 0) continue;
            byte[] wrong = [.. right];
            wrong[at] = 0;
            File.WriteAllBytes(_box.Segment(2), wrong);
            Assert.Equal("damaged", _box.Refused(Small).Code);
        }
    }

    [Fact]
    public void A_sector_never_written_in_the_last_batch_is_cut_with_what_follows_it()
    {
        using (JournalFolder journal = _box.Locked(new Heard()))
        {
            JournalBox.Append(journal, "first");
            JournalBox.Append(journal, new string('a', 600), new string('b', 600), new string('c', 600));
        }
        byte[] right = File.ReadAllBytes(_box.Segment(1));
        int[] ends = RecordEnds(right);
        string[] records = [.. _box.ReadAll().Records];
        for (int sector = 0; sector * RecordFrame.SectorBytes < right.Length; sector++)
        {
            int from = Math.Max(sector * RecordFrame.SectorBytes, ends[1]), to = Math.Min((sector + 1) * RecordFrame.SectorBytes, right.Length);
            byte[] wrong = [.. right];
            wrong.AsSpan(from, to - from).Clear();
            File.WriteAllBytes(_box.Segment(1), wrong);
            Heard heard = new();
            using (JournalFolder journal = _box.Locked(heard)) JournalBox.Append(journal, "after");
            string[] kept = records[..(ends.Count(e => e <= from) - 1)];
            Assert.Equal(kept, heard.Records);
            Assert.Equal([.. kept, "after"], _box.ReadAll().Records);
        }
    }

    [Fact]
    public void A_zero_sector_in_an_older_batch_is_refused()
    {
        using (JournalFolder journal = _box.Locked(new Heard()))
        {
            JournalBox.Append(journal, new string('a', 2_000));
            JournalBox.Append(journal, "a later batch, which says that the first was durable");
        }
        byte[] right = File.ReadAllBytes(_box.Segment(1));
        for (int sector = 0; sector < 4; sector++)
        {
            int from = Math.Max(sector * RecordFrame.SectorBytes, SegmentHeader.Bytes);
            byte[] wrong = [.. right];
            wrong.AsSpan(from, ((sector + 1) * RecordFrame.SectorBytes) - from).Clear();
            File.WriteAllBytes(_box.Segment(1), wrong);
            Assert.Equal("damaged", _box.Refused().Code);
        }
    }

    [Fact]
    public void Zeros_that_a_payload_holds_do_not_excuse_damage_beside_them()
    {
        byte[] payload = new byte[3_000];
        payload[2_900] = 7;
        using (JournalFolder journal = _box.Locked(new Heard()))
        {
            journal.Append(1, payload);
            journal.Commit();
        }
        byte[] right = File.ReadAllBytes(_box.Segment(1));
        int at = SegmentHeader.Bytes + RecordFrame.HeaderBytes + 2_900;
        byte[] wrong = [.. right];
        wrong[at] ^= 1;
        File.WriteAllBytes(_box.Segment(1), wrong);
        Assert.Equal("damaged", _box.Refused().Code);
        wrong.AsSpan(at / RecordFrame.SectorBytes * RecordFrame.SectorBytes, RecordFrame.SectorBytes).Clear();
        File.WriteAllBytes(_box.Segment(1), wrong);
        Assert.Empty(_box.ReadAll().Records);
    }

    [Fact]
    public void Segments_missing_doubled_swapped_or_of_another_journal_are_refused()
    {
        Write();
        (byte[] one, byte[] two) = (File.ReadAllBytes(_box.Segment(1)), File.ReadAllBytes(_box.Segment(2)));
        using JournalBox other = new();
        using (JournalFolder journal = other.Locked(new Heard(), Small))
            foreach (string[] batch in Batches) JournalBox.Append(journal, batch);
        void Refuses(string why, params (int Segment, byte[]? Bytes)[] changes)
        {
            foreach (string path in Directory.GetFiles(_box.Folder, "*.segment")) File.Delete(path);
            File.WriteAllBytes(_box.Segment(1), one);
            File.WriteAllBytes(_box.Segment(2), two);
            foreach ((int segment, byte[]? bytes) in changes)
            {
                if (bytes is null) File.Delete(_box.Segment(segment));
                else File.WriteAllBytes(_box.Segment(segment), bytes);
            }
            JournalException error = _box.Refused(Small);
            Assert.Equal("damaged", error.Code);
            Assert.Contains(why, error.Message, StringComparison.Ordinal);
            foreach ((int segment, byte[]? bytes) in changes) Assert.Equal(bytes is not null, File.Exists(_box.Segment(segment)));
        }
        Refuses("missing", (1, null));
        Refuses("missing", (2, null));
        Refuses("holds segment 2", (1, two), (2, one));
        Refuses("holds segment 1", (2, one));
        Refuses("another journal", (2, File.ReadAllBytes(other.Segment(2))));
        Refuses("holds segment 2", (3, two));
        Refuses("holds segment 1", (7, one));
        File.Delete(_box.Segment(7));
        byte[] manifest = File.ReadAllBytes(_box.Manifest);
        File.Delete(_box.Manifest);
        Assert.Contains("manifest is missing", _box.Refused(Small).Message, StringComparison.Ordinal);
        using JournalFolder reading = JournalFolder.Open(_box.Folder, Small);
        Assert.Contains("manifest is missing", Assert.Throws<JournalException>(() => reading.CatchUp(new Heard())).Message, StringComparison.Ordinal);
        File.WriteAllBytes(_box.Manifest, manifest[..63]);
        Assert.Equal("damaged", _box.Refused(Small).Code);
    }

    /// <summary>Found by <c>mesh verify journal --seeds 1 --start 88</c>: the one segment with the records was taken for a leftover and deleted before the refusal.</summary>
    [Fact]
    public void A_manifest_of_before_a_compaction_is_refused_and_nothing_is_deleted()
    {
        byte[] old;
        using (JournalFolder journal = _box.Locked(new Heard()))
        {
            JournalBox.Append(journal, "one");
            old = File.ReadAllBytes(_box.Manifest);
            journal.Compact(JournalBox.Snapshot("all"));
            JournalBox.Append(journal, "two");
        }
        byte[] right = File.ReadAllBytes(_box.Manifest);
        File.WriteAllBytes(_box.Manifest, old);
        JournalException refused = _box.Refused();
        Assert.Equal("damaged", refused.Code);
        Assert.Contains("older copy", refused.Message, StringComparison.Ordinal);
        File.WriteAllBytes(_box.Manifest, right);
        Assert.Equal(["all", "two"], _box.ReadAll().Records);
    }

    [Fact]
    public void Records_swapped_doubled_or_of_another_journal_are_refused()
    {
        using (JournalFolder journal = _box.Locked(new Heard()))
            foreach (string text in (string[])["aaaa", "bbbb", "cccc", "dddd"]) JournalBox.Append(journal, text);
        using JournalBox other = new();
        using (JournalFolder journal = other.Locked(new Heard()))
            foreach (string text in (string[])["aaaa", "bbbb", "cccc", "dddd"]) JournalBox.Append(journal, text);
        byte[] right = File.ReadAllBytes(_box.Segment(1)), foreign = File.ReadAllBytes(other.Segment(1));
        const int size = RecordFrame.OverheadBytes + 4;
        byte[] Record(byte[] of, int index) => of.AsSpan(SegmentHeader.Bytes + (index * size), size).ToArray();
        foreach (byte[][] records in (byte[][][])
        [
            [Record(right, 1), Record(right, 0), Record(right, 2), Record(right, 3)],
            [Record(right, 0), Record(right, 0), Record(right, 2), Record(right, 3)],
            [Record(right, 0), Record(right, 1), Record(right, 2), Record(right, 2)],
            [Record(right, 0), Record(right, 2), Record(right, 3)],
            [Record(right, 0), Record(right, 1), Record(foreign, 2), Record(right, 3)],
            [Record(right, 0), Record(right, 1), Record(right, 2), Record(foreign, 3)],
        ])
        {
            File.WriteAllBytes(_box.Segment(1), [.. right.AsSpan(0, SegmentHeader.Bytes), .. records.SelectMany(r => r)]);
            Assert.Equal("damaged", _box.Refused().Code);
        }
    }

    [Fact]
    public void Garbage_after_the_last_record_is_refused_and_zeros_are_cut()
    {
        Write();
        byte[] right = File.ReadAllBytes(_box.Segment(2));
        foreach (int length in (int[])[1, 3, 36, 37, 600, 5_000])
        {
            byte[] garbage = [.. Enumerable.Range(0, length).Select(i => (byte)((i * 37) + 1))];
            File.WriteAllBytes(_box.Segment(2), [.. right, .. garbage]);
            Assert.Equal("damaged", _box.Refused(Small).Code);
            File.WriteAllBytes(_box.Segment(2), [.. right, .. new byte[length]]);
            Assert.Equal(All, _box.ReadAll(Small).Records);
            Assert.Equal(right.Length, new FileInfo(_box.Segment(2)).Length);
        }
    }

    [Fact]
    public void A_snapshot_is_refused_when_it_is_short()
    {
        using (JournalFolder journal = _box.Locked(new Heard()))
        {
            JournalBox.Append(journal, "x");
            journal.Compact(JournalBox.Snapshot("one", "two"));
        }
        byte[] right = File.ReadAllBytes(_box.Segment(2));
        for (int cut = 0; cut < right.Length; cut++)
        {
            File.WriteAllBytes(_box.Segment(2), right[..cut]);
            Assert.Equal("damaged", _box.Refused().Code);
        }
    }

    private void Write()
    {
        using (JournalFolder journal = _box.Locked(new Heard(), Small))
            foreach (string[] batch in Batches) JournalBox.Append(journal, batch);
        Assert.Equal(2, Directory.GetFiles(_box.Folder, "*.segment").Length);
    }

    /// <summary>Where records end in a segment, the header's end first.</summary>
    private static int[] RecordEnds(byte[] segment)
    {
        Assert.Null(SegmentHeader.Read(segment, out SegmentHeader header));
        SegmentScanner scanner = new(header, new SegmentRole(0, 1 << 20));
        List<int> ends = [SegmentHeader.Bytes];
        while (scanner.Next(segment.AsMemory((int)scanner.Offset), isAll: true).Verdict == ScanVerdict.Record) ends.Add((int)scanner.Offset);
        return [.. ends];
    }
}
