using System.Text;
using Mesh30K.Consistency.Journal;

namespace Mesh30K.Consistency.Tests.Journal;

/// <summary>The bytes alone: the page's example, and every bit of a segment.</summary>
public sealed class SegmentScannerTests
{
    private static readonly SegmentHeader Header = new(new Guid([.. Enumerable.Range(0, 16).Select(i => (byte)i)]), Generation: 1, Segment: 1, FirstSequence: 1);

    [Fact]
    public void The_page_shows_the_bytes_that_are_written()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Mesh30K.slnx"))) folder = Path.GetDirectoryName(folder);
        string page = File.ReadAllText(Path.Combine(folder!, "docs", "protocol", "journal.md"));
        string hex = page.Split("```hex\n")[1].Split("```")[0];
        Assert.Equal(Lines(Segment(7, ("hi", 0))), hex);
    }

    [Fact]
    public void Every_bit_of_every_record_is_guarded()
    {
        byte[] right = Segment(("first", 0), ("second", 1), (new string('x', 700), 1), ("", 3));
        Assert.Equal((4, ScanVerdict.End), Scan(right));
        for (int bit = SegmentHeader.Bytes * 8; bit < right.Length * 8; bit++)
        {
            byte[] wrong = [.. right];
            wrong[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.Equal(ScanVerdict.Damaged, Scan(wrong).Verdict);
        }
    }

    [Fact]
    public void A_window_may_end_anywhere()
    {
        byte[] bytes = Segment(("first", 0), (new string('x', 700), 1), ("third", 2));
        SegmentScanner scanner = new(Header, new SegmentRole(0, 1_000));
        int records = 0;
        for (int window = 0; ;)
        {
            int length = Math.Min(window, bytes.Length - (int)scanner.Offset);
            ScanStep step = scanner.Next(bytes.AsMemory((int)scanner.Offset, length), isAll: scanner.Offset + length == bytes.Length);
            if (step.Verdict == ScanVerdict.End) break;
            if (step.Verdict == ScanVerdict.NeedMore) Assert.True(step.Bytes > window);
            else Assert.Equal(ScanVerdict.Record, step.Verdict);
            (window, records) = step.Verdict == ScanVerdict.Record ? (0, records + 1) : (step.Bytes, records);
        }
        Assert.Equal(3, records);
    }

    [Fact]
    public void Later_records_prove_an_unwritten_place_synced_wherever_they_lie()
    {
        byte[] bytes = Segment((new string('x', 1_500), 0), ("later", 1));
        bytes.AsSpan(512, 512).Clear();
        SegmentScanner scanner = new(Header, new SegmentRole(0, 2_000));
        Assert.Equal(ScanVerdict.Unwritten, scanner.Next(bytes.AsMemory(SegmentHeader.Bytes), isAll: true).Verdict);
        Assert.True(scanner.ProvesSynced(bytes.AsSpan(700)));
        Assert.False(scanner.ProvesSynced(bytes.AsSpan(0, 1_500)));
    }

    [Fact]
    public void Zeros_are_the_end_only_when_nothing_else_follows_them()
    {
        byte[] bytes = [.. Segment(("first", 0)), .. new byte[2_000]];
        Assert.Equal((1, ScanVerdict.End), Scan(bytes));
        SegmentScanner scanner = new(Header, new SegmentRole(0, 1_000));
        Assert.Equal(ScanVerdict.Record, scanner.Next(bytes.AsMemory((int)scanner.Offset), isAll: false).Verdict);
        ReadOnlyMemory<byte> zeros = bytes.AsMemory((int)scanner.Offset);
        Assert.Equal(ScanVerdict.Zeros, scanner.Next(zeros, isAll: false).Verdict);
        Assert.Equal(ScanVerdict.Unwritten, scanner.Next(zeros, isAll: false, isFollowed: true).Verdict);
        Assert.Equal(ScanVerdict.End, scanner.Next(zeros, isAll: true).Verdict);
        scanner.IsClosed = true;
        Assert.Equal(ScanVerdict.Damaged, scanner.Next(zeros, isAll: false, isFollowed: true).Verdict);
        Assert.Equal(ScanVerdict.End, scanner.Next(zeros, isAll: true).Verdict);
        SegmentScanner ofSnapshot = new(Header, new SegmentRole(1, 1_000));
        Assert.Equal(ScanVerdict.Damaged, ofSnapshot.Next(new byte[2_000], isAll: true).Verdict);
    }

    private static (int Records, ScanVerdict Verdict) Scan(byte[] bytes)
    {
        SegmentScanner scanner = new(Header, new SegmentRole(0, 1_000));
        for (int records = 0; ; records++)
        {
            ScanStep step = scanner.Next(bytes.AsMemory((int)scanner.Offset), isAll: true);
            if (step.Verdict != ScanVerdict.Record) return (records, step.Verdict);
        }
    }

    private static byte[] Segment(params (string Payload, long Durable)[] records) => Segment(1, records);

    private static byte[] Segment(byte kind, params (string Payload, long Durable)[] records)
    {
        byte[] bytes = new byte[SegmentHeader.Bytes + records.Sum(r => r.Payload.Length + RecordFrame.OverheadBytes)];
        Header.Write(bytes);
        int at = SegmentHeader.Bytes, sequence = 0;
        foreach ((string payload, long durable) in records)
        {
            RecordFrame.Write(bytes.AsSpan(at), new RecordFrame(0, ++sequence, durable, 1, kind, 0), Encoding.ASCII.GetBytes(payload), at, Header.Checksum);
            at += RecordFrame.OverheadBytes + payload.Length;
        }
        return bytes;
    }

    private static string Lines(byte[] bytes) => string.Concat(bytes.Chunk(32).Select(c => Convert.ToHexStringLower(c) + "\n"));
}
