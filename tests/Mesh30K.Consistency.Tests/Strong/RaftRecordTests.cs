using Mesh30K.Consistency.Strong.Raft;

namespace Mesh30K.Consistency.Tests.Strong;

public sealed class RaftRecordTests
{
    private static readonly RaftMembership Three = RaftMembership.Of(new ServerId(3), new ServerId(1), new ServerId(2));

    [Fact]
    public void A_journal_reads_back_as_it_was_written()
    {
        RaftMembership four = Three.After(MemberStep.AddLearner, new ServerId(4))!;
        RaftRecovery recovery = new();
        Read(recovery, RaftRecords.OfNewServer(Three));
        Read(recovery,
        [
            RaftRecords.Of(new RaftChange.Hard(new HardState(2, new ServerId(1)))),
            RaftRecords.Of(new RaftChange.Append([Entry(1, 1, "a"), Entry(2, 1, "b"), Entry(3, 2, "")])),
            RaftRecords.Of(new RaftChange.Truncate(2)),
            RaftRecords.Of(new RaftChange.Append([new RaftEntry(2, 2, RaftEntryKind.Membership, four.ToBytes())])),
        ]);
        RaftDurable durable = recovery.Finish()!;
        Assert.Equal(new HardState(2, new ServerId(1)), durable.State);
        Assert.Equal([new LogPlace(1, 1), new LogPlace(2, 2)], durable.Entries.Select(e => e.Place));
        Assert.Equal("voters s1 s2 s3, learners s4", RaftMembership.Read(durable.Entries[1].Payload.Span).ToString());
        Assert.Equal("voters s1 s2 s3", durable.Snapshot.Membership.ToString());
    }

    [Fact]
    public void A_compaction_is_the_whole_journal()
    {
        byte[] image = new byte[RaftRecords.PartBytes + 5];
        image[^1] = 7;
        SnapshotMeta meta = new(new LogPlace(9, 3), Three, image.Length);
        RaftRecovery recovery = new();
        Read(recovery, RaftRecords.OfSnapshot(new RaftChange.Compact(meta, new HardState(4, ServerId.None), new LogPlace(8, 3), [Entry(9, 3, "x"), Entry(10, 4, "y")]), image));
        RaftDurable durable = recovery.Finish()!;
        Assert.Equal(image, durable.Image.ToArray());
        Assert.Equal(meta.At, durable.Snapshot.At);
        Assert.Equal((8, 2), (durable.Base.Index, durable.Entries.Count));
    }

    /// <summary>Entries that were appended one by one come together in a compaction: too large a record would be refused by the journal, and end the server.</summary>
    [Theory]
    [InlineData("1,024 large ones", 1_024, 64 << 10, 64 << 10)]
    [InlineData("very many small ones", 5_000, 0, 3)]
    [InlineData("of all sizes", 400, 0, 256 << 10)]
    [InlineData("each larger than a record", 3, 2 << 20, 3 << 20)]
    public void A_compaction_cuts_its_entries_into_records_of_a_bounded_size(string which, int count, int bytesMin, int bytesMax)
    {
        const int most = 1 << 20;
        Random random = new(1);
        RaftEntry[] entries = [.. Enumerable.Range(1, count).Select(i => new RaftEntry(i, 1, RaftEntryKind.Command, Filled(random.Next(bytesMin, bytesMax + 1), (byte)i)))];
        (RaftRecordKind Kind, byte[] Payload)[] records = [.. RaftRecords.OfSnapshot(new RaftChange.Compact(new SnapshotMeta(default, Three, 0), new HardState(1, default), default, entries), default)];

        RaftRecovery recovery = new();
        List<RaftEntry[]> parts = [];
        foreach ((RaftRecordKind kind, byte[] payload) in records)
        {
            int before = parts.Sum(p => p.Length);
            recovery.Apply((byte)kind, payload);
            if (kind != RaftRecordKind.Entries) continue;
            RaftEntry[] part = [.. recovery.Finish()!.Entries.Skip(before)];
            parts.Add(part);
            long bytes = BytesOf(part);
            Assert.True(part.Length == 1 || (part.Length <= 1_024 && bytes <= most), $"{which}: record {parts.Count} has {part.Length} entries of {bytes} bytes");
            Assert.InRange(payload.Length, bytes, bytes + (32 * part.Length) + 8);
        }
        Assert.Equal(entries.Select(e => e.Place), recovery.Finish()!.Entries.Select(e => e.Place));
        Assert.All(entries.Zip(recovery.Finish()!.Entries), pair => Assert.True(pair.First.Payload.Span.SequenceEqual(pair.Second.Payload.Span)));
        // No more records than are needed: the next one's first entry had no room in this one.
        foreach ((RaftEntry[] part, RaftEntry[] next) in parts.Zip(parts.Skip(1)))
            Assert.True(part.Length == 1_024 || BytesOf(part) + next[0].Payload.Length > most, $"{which}: a record of {part.Length} entries is cut short");
    }

    private static long BytesOf(RaftEntry[] part) => part.Sum(e => (long)e.Payload.Length);

    private static byte[] Filled(int bytes, byte with)
    {
        byte[] filled = new byte[bytes];
        Array.Fill(filled, with);
        return filled;
    }

    [Fact]
    public void An_empty_journal_is_no_server() => Assert.Null(new RaftRecovery().Finish());

    [Theory]
    [InlineData("entry before the snapshot")]
    [InlineData("gap")]
    [InlineData("term goes back")]
    [InlineData("truncation of nothing")]
    [InlineData("unknown kind")]
    [InlineData("cut record")]
    [InlineData("longer record")]
    public void A_record_that_does_not_fit_is_refused(string wrong)
    {
        RaftRecovery recovery = new();
        if (wrong != "entry before the snapshot") Read(recovery, RaftRecords.OfNewServer(Three));
        byte[] hard = RaftRecords.Of(new RaftChange.Hard(new HardState(300, new ServerId(1)))).Payload;
        (RaftRecordKind Kind, byte[] Payload)[] records = wrong switch
        {
            "gap" => [RaftRecords.Of(new RaftChange.Append([Entry(2, 1, "a")]))],
            "term goes back" => [(RaftRecordKind.Hard, hard), RaftRecords.Of(new RaftChange.Hard(new HardState(299, default)))],
            "truncation of nothing" => [RaftRecords.Of(new RaftChange.Truncate(1))],
            "unknown kind" => [((RaftRecordKind)99, [])],
            "cut record" => [(RaftRecordKind.Hard, hard[..^1])],
            "longer record" => [(RaftRecordKind.Hard, [.. hard, 0])],
            _ => [RaftRecords.Of(new RaftChange.Append([Entry(1, 1, "a")]))],
        };
        Assert.Throws<RaftRecordException>(() => Read(recovery, records));
    }

    private static void Read(RaftRecovery recovery, IEnumerable<(RaftRecordKind Kind, byte[] Payload)> records)
    {
        foreach ((RaftRecordKind kind, byte[] payload) in records) recovery.Apply((byte)kind, payload);
    }

    private static RaftEntry Entry(long index, long term, string text) => new(index, term, RaftEntryKind.Command, System.Text.Encoding.UTF8.GetBytes(text));
}
