using System.Buffers;

namespace Mesh30K.Consistency.Strong.Raft;

/// <summary>
/// Messages between servers as bytes: kind, sender, receiver, term, then the fields in the order of their record, numbers and lists as in <see cref="RaftRecordKind"/>.
/// The layout of a kind never changes: another layout is another kind. Not thread-safe: each sender has one of its own.
/// </summary>
public sealed class RaftMessageCodec
{
    private readonly RaftRecordWriter _writer = new();

    private enum Kind : byte
    {
        VoteRequest = 1,
        VoteReply = 2,
        AppendRequest = 3,
        AppendReply = 4,
        SnapshotChunk = 5,
        SnapshotReply = 6,
        TimeoutNow = 7,
    }

    /// <summary>Writes a message.</summary>
    public void Encode(RaftMessage message, IBufferWriter<byte> to)
    {
        ArgumentNullException.ThrowIfNull(message);
        ArgumentNullException.ThrowIfNull(to);
        _writer.Clear();
        _writer.Number((long)KindOf(message)).Number(message.From.Number).Number(message.To.Number).Number(message.Term);
        switch (message)
        {
            case VoteRequest m:
                Place(m.Last).Number(m.PreVote ? 1 : 0).Number(m.Transfer ? 1 : 0);
                break;
            case VoteReply m:
                _writer.Number(m.PreVote ? 1 : 0).Number(m.Granted ? 1 : 0);
                break;
            case AppendRequest m:
                Place(m.Previous).Number(m.Commit).Number(m.Round).Entries(m.Entries);
                break;
            case AppendReply m:
                _writer.Number(m.Success ? 1 : 0).Number(m.Match);
                Place(m.Hint).Number(m.Round);
                break;
            case SnapshotChunk m:
                Place(m.Meta.At).Number(m.Meta.Bytes).Membership(m.Meta.Membership).Number(m.Offset).Number(m.Round).Bytes(m.Data.Span);
                break;
            case SnapshotReply m:
                _writer.Number(m.Index).Number(m.NextOffset).Number(m.Round);
                break;
        }
        to.Write(_writer.Written);
    }

    /// <summary>
    /// Reads a message whose bytes the reader does not keep. Throws <see cref="RaftRecordException"/> for what <see cref="Encode"/> would not have written, and for entries that
    /// do not follow each other. Takes memory in proportion to its input only, a snapshot's length apart, which the machine bounds.
    /// </summary>
    public static RaftMessage Decode(ReadOnlySpan<byte> bytes)
    {
        RaftRecordReader reader = new(bytes);
        Kind kind = (Kind)reader.Number((long)Kind.TimeoutNow);
        ServerId from = reader.Server(), to = reader.Server();
        RaftRecordException.Require(from.Number > 0 && to.Number > 0 && from != to, "a message names no sender and receiver");
        long term = reader.Number();
        RaftMessage message = kind switch
        {
            Kind.VoteRequest => new VoteRequest(from, to, term, ReadPlace(ref reader), Flag(ref reader), Flag(ref reader)),
            Kind.VoteReply => new VoteReply(from, to, term, Flag(ref reader), Flag(ref reader)),
            Kind.AppendRequest => ReadAppend(from, to, term, ref reader),
            Kind.AppendReply => new AppendReply(from, to, term, Flag(ref reader), reader.Number(), ReadPlace(ref reader), reader.Number()),
            Kind.SnapshotChunk => ReadChunk(from, to, term, ref reader),
            Kind.SnapshotReply => new SnapshotReply(from, to, term, reader.Number(), reader.Number(), reader.Number()),
            Kind.TimeoutNow => new TimeoutNow(from, to, term),
            _ => throw new RaftRecordException("a message is of an unknown kind"),
        };
        reader.End();
        return message;
    }

    private static Kind KindOf(RaftMessage message) => message switch
    {
        VoteRequest => Kind.VoteRequest,
        VoteReply => Kind.VoteReply,
        AppendRequest => Kind.AppendRequest,
        AppendReply => Kind.AppendReply,
        SnapshotChunk => Kind.SnapshotChunk,
        SnapshotReply => Kind.SnapshotReply,
        TimeoutNow => Kind.TimeoutNow,
        _ => throw new ArgumentException($"a message that this codec does not know: {message.GetType().Name}", nameof(message)),
    };

    private RaftRecordWriter Place(LogPlace place) => _writer.Number(place.Index).Number(place.Term);

    private static LogPlace ReadPlace(ref RaftRecordReader reader) => new(reader.Number(), reader.Number());

    private static bool Flag(ref RaftRecordReader reader) => reader.Number(1) == 1;

    private static AppendRequest ReadAppend(ServerId from, ServerId to, long term, ref RaftRecordReader reader)
    {
        LogPlace previous = ReadPlace(ref reader);
        long commit = reader.Number(), round = reader.Number();
        RaftEntry[] entries = new RaftEntry[reader.Count()];
        LogPlace last = previous;
        for (int i = 0; i < entries.Length; i++)
        {
            RaftEntry entry = entries[i] = reader.Entry();
            RaftRecordException.Require(entry.Index == last.Index + 1 && entry.Term >= last.Term && entry.Term <= term, "a message has an entry out of its place");
            if (entry.Kind == RaftEntryKind.Membership) _ = RaftMembership.Read(entry.Payload.Span);
            last = entry.Place;
        }
        return new AppendRequest(from, to, term, previous, entries, commit, round);
    }

    private static SnapshotChunk ReadChunk(ServerId from, ServerId to, long term, ref RaftRecordReader reader)
    {
        LogPlace at = ReadPlace(ref reader);
        long bytes = reader.Number();
        SnapshotMeta meta = new(at, reader.Membership(), bytes);
        long offset = reader.Number(bytes), round = reader.Number();
        byte[] data = reader.Bytes().ToArray();
        RaftRecordException.Require(data.Length <= bytes - offset, "a part of a snapshot goes beyond its end");
        return new SnapshotChunk(from, to, term, meta, offset, data, round);
    }
}
