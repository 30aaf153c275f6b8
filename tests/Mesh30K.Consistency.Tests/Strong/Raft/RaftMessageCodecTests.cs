using System.Buffers;
using Mesh30K.Consistency.Strong.Raft;

namespace Mesh30K.Consistency.Tests.Strong.Raft;

public sealed class RaftMessageCodecTests
{
    private readonly RaftMessageCodec _codec = new();

    [Fact]
    public void What_was_sent_arrives()
    {
        for (int seed = 0; seed < 2_000; seed++)
        {
            RaftMessage message = Message(new Random(seed));
            RaftMessage read = RaftMessageCodec.Decode(Bytes(message));
            Assert.True(message.GetType() == read.GetType() && Bytes(read).AsSpan().SequenceEqual(Bytes(message)), $"seed {seed}: {message} came as {read}");
            if (message is AppendRequest sent && read is AppendRequest came)
            {
                Assert.Equal(sent.Entries.Select(e => (e.Place, e.Kind, Convert.ToHexString(e.Payload.Span))), came.Entries.Select(e => (e.Place, e.Kind, Convert.ToHexString(e.Payload.Span))));
                Assert.Equal((sent.From, sent.To, sent.Term, sent.Previous, sent.Commit, sent.Round), (came.From, came.To, came.Term, came.Previous, came.Commit, came.Round));
            }
            else if (message is SnapshotChunk part && read is SnapshotChunk got)
            {
                Assert.Equal((part.Meta.At, part.Meta.Bytes, $"{part.Meta.Membership}", part.Offset, Convert.ToHexString(part.Data.Span)), (got.Meta.At, got.Meta.Bytes, $"{got.Meta.Membership}", got.Offset, Convert.ToHexString(got.Data.Span)));
            }
            else Assert.Equal(message, read);
        }
    }

    [Fact]
    public void Random_and_changed_bytes_are_read_or_refused_and_never_more()
    {
        int refused = 0;
        for (int seed = 0; seed < 20_000; seed++)
        {
            Random random = new(seed);
            byte[] bytes = new byte[random.Next(40)];
            random.NextBytes(bytes);
            if (random.Next(2) == 0)
            {
                bytes = Bytes(Message(random));
                if (random.Next(2) == 0) bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
                else bytes = bytes[..random.Next(bytes.Length)];
            }
            try
            {
                RaftMessage read = RaftMessageCodec.Decode(bytes);
                Assert.True(Bytes(read).AsSpan().SequenceEqual(bytes), $"seed {seed}: one message has two forms");
            }
            catch (RaftRecordException)
            {
                refused++;
            }
        }
        Assert.InRange(refused, 5_000, 19_999);
    }

    [Fact]
    public void Entries_that_do_not_follow_each_other_are_refused()
    {
        RaftEntry first = new(7, 2, RaftEntryKind.Command, new byte[] { 1 }), gap = first with { Index = 9 }, older = first with { Index = 8, Term = 1 };
        foreach (RaftEntry second in (RaftEntry[])[gap, older])
            Assert.Throws<RaftRecordException>(() => RaftMessageCodec.Decode(Bytes(new AppendRequest(new ServerId(1), new ServerId(2), 3, new LogPlace(6, 2), [first, second], 0, 0))));
        Assert.Throws<RaftRecordException>(() => RaftMessageCodec.Decode(Bytes(new AppendRequest(new ServerId(1), new ServerId(2), 1, new LogPlace(6, 1), [first], 0, 0))));
        Assert.Throws<RaftRecordException>(() => RaftMessageCodec.Decode(Bytes(new TimeoutNow(new ServerId(1), new ServerId(1), 1))));
    }

    private byte[] Bytes(RaftMessage message)
    {
        ArrayBufferWriter<byte> to = new();
        _codec.Encode(message, to);
        return to.WrittenSpan.ToArray();
    }

    private static RaftMessage Message(Random random)
    {
        ServerId from = new(random.Next(1, 5)), to = new(random.Next(5, 9));
        long term = random.Next(3, 1_000_000), round = random.NextInt64(1L << 40);
        LogPlace place = new(random.NextInt64(1L << random.Next(1, 62)), random.Next(3));
        bool flag = random.Next(2) == 0;
        switch (random.Next(7))
        {
            case 0: return new VoteRequest(from, to, term, place, flag, random.Next(2) == 0);
            case 1: return new VoteReply(from, to, term, flag, random.Next(2) == 0);
            case 2: return new AppendReply(from, to, term, flag, random.NextInt64(1L << 50), place, round);
            case 3: return new SnapshotReply(from, to, term, place.Index, round, random.Next(5));
            case 4: return new TimeoutNow(from, to, term);
            case 5:
                byte[] data = Payload(random);
                long offset = random.Next(1_000_000);
                SnapshotMeta meta = new(place, RaftMembership.Of(from, to), offset + data.Length + random.Next(100));
                return new SnapshotChunk(from, to, term, meta, offset, data, round);
            default:
                RaftEntry[] entries = new RaftEntry[random.Next(5)];
                for (int i = 0; i < entries.Length; i++)
                {
                    RaftEntryKind kind = (RaftEntryKind)random.Next(3);
                    entries[i] = new RaftEntry(place.Index + i + 1, 3, kind, kind == RaftEntryKind.Membership ? RaftMembership.Of(from, to).ToBytes() : Payload(random));
                }
                return new AppendRequest(from, to, term, place, entries, random.Next(1_000), round);
        }
    }

    private static byte[] Payload(Random random)
    {
        byte[] payload = new byte[random.Next(random.Next(300) + 1)];
        random.NextBytes(payload);
        return payload;
    }
}
