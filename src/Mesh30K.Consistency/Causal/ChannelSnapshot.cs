using Mesh30K.Consistency.Time;
using static Mesh30K.Consistency.Causal.ChannelRecordException;

namespace Mesh30K.Consistency.Causal;

/// <summary>A snapshot that is being read: its entries are linked at its end, since one may depend on a later one.</summary>
internal sealed class SnapshotLoad
{
    public List<ChannelNode> Entries { get; } = [];

    public HashSet<long> Ends { get; } = [];
}

/// <summary>The whole state as records: head, retired ranges by writer, entries ascending, end. The same state gives the same bytes.</summary>
internal static class ChannelSnapshot
{
    private const int RangesOfRecordMax = 1_000;

    public static IEnumerable<(byte Kind, ReadOnlyMemory<byte> Payload)> Of(ChannelState state)
    {
        RecordWriter writer = new();
        writer.Number(state.TokenLast).Number(state.Endings).Number(state.Retired).Number(state.Writers.Ascending.Count);
        foreach (ChannelWriter known in state.Writers.Ascending) writer.Text(known.Writer.ToString()).Number(known.Seen).Number(known.Retired.Forgotten);
        yield return Record(RecordKind.SnapshotHead, writer);
        foreach (ChannelWriter known in state.Writers.Ascending)
        {
            for (int from = 0; from < known.Retired.Ranges.Length; from += RangesOfRecordMax)
            {
                WriteRanges(writer.Clear(), known, from);
                yield return Record(RecordKind.SnapshotRanges, writer);
            }
        }
        ChannelNode[] nodes = state.All();
        foreach (ChannelNode node in nodes)
        {
            WriteEntry(writer.Clear(), node);
            yield return Record(RecordKind.SnapshotEntry, writer);
        }
        yield return Record(RecordKind.SnapshotEnd, writer.Clear().Number(nodes.Length));
    }

    public static void Apply(ChannelState state, RecordKind kind, ref RecordReader reader)
    {
        if (kind == RecordKind.SnapshotHead)
        {
            Require(state.IsEmpty, "a channel's snapshot begins in a channel that is not empty");
            ReadHead(state, ref reader);
            return;
        }
        Require(kind is >= RecordKind.SnapshotRanges and <= RecordKind.SnapshotEnd, $"a channel's record of the unknown kind {(byte)kind}");
        Require(state.Loading is not null, "a channel's snapshot goes on that did not begin");
        if (kind == RecordKind.SnapshotRanges) ReadRanges(state, ref reader);
        else if (kind == RecordKind.SnapshotEntry) ReadEntry(state, state.Loading, ref reader);
        else
        {
            Require(reader.Number() == state.Loading.Entries.Count, "a channel's snapshot lacks entries");
            reader.End();
            Link(state, state.Loading.Entries);
        }
    }

    private static (byte Kind, ReadOnlyMemory<byte> Payload) Record(RecordKind kind, RecordWriter writer) => ((byte)kind, writer.Written.ToArray());

    private static void WriteRanges(RecordWriter writer, ChannelWriter known, int from)
    {
        ReadOnlySpan<RetiredRange> ranges = known.Retired.Ranges[from..Math.Min(from + RangesOfRecordMax, known.Retired.Ranges.Length)];
        writer.Text(known.Writer.ToString()).Number(ranges.Length);
        foreach (RetiredRange range in ranges) writer.Number(range.First).Number(range.Last - range.First).Number((long)range.Status);
    }

    private static void WriteEntry(RecordWriter writer, ChannelNode node)
    {
        writer.At(node.PushedAt);
        ChannelReplay.WriteNode(writer, node);
        writer.Number((long)node.Phase).Number(node.Lapsed ? 1 : 0).Number(node.Attempts).Number(node.Token);
        writer.At(node.Phase is Phase.Claimed or Phase.Delayed ? node.Due : default).At(node.EndedAt).Number(node.EndedOrder);
        writer.Optional(node.ClaimedBy).Optional(node.Checkpoint).Optional(node.Result);
    }

    private static void ReadHead(ChannelState state, ref RecordReader reader)
    {
        long tokenLast = reader.Number();
        long endings = reader.Number();
        long retired = reader.Number();
        int count = reader.Count();
        (ReplicaId Writer, long Seen, long Forgotten)[] writers = new (ReplicaId, long, long)[count];
        for (int i = 0; i < count; i++)
        {
            writers[i] = (reader.Writer(), reader.Number(ChannelFields.NumberMax), reader.Number(ChannelFields.NumberMax));
            Require(i == 0 || writers[i - 1].Writer < writers[i].Writer, "a channel's snapshot has writers out of order");
        }
        reader.End();
        state.TokenLast = tokenLast;
        state.Endings = endings;
        state.Retired = retired;
        state.Loading = new SnapshotLoad();
        foreach ((ReplicaId writer, long seen, long forgotten) in writers)
        {
            state.Writers.GetOrAdd(writer).Retired.Forgotten = forgotten;
            state.Writers.See(new Dot(seen, writer));
        }
    }

    private static void ReadRanges(ChannelState state, ref RecordReader reader)
    {
        ChannelWriter? known = state.Writers.Find(reader.Writer());
        int count = reader.Count();
        Require(known is not null && count > 0, "a channel's snapshot has numbers of a writer that it does not name");
        for (int i = 0; i < count; i++)
        {
            long first = reader.Number(ChannelFields.NumberMax);
            long last = first + reader.Number(ChannelFields.NumberMax);
            EntryStatus status = (EntryStatus)reader.Number((long)EntryStatus.Cancelled);
            Require(status >= EntryStatus.Done && last <= known.Seen && known.Retired.TryAppend(new RetiredRange(first, last, status)), "a channel's snapshot has retired numbers out of order");
        }
        reader.End();
    }

    private static void ReadEntry(ChannelState state, SnapshotLoad load, ref RecordReader reader)
    {
        ChannelNode node = ChannelReplay.ReadNode(load.Entries.Count > 0 ? load.Entries[^1].Seen : VectorClock.Empty, reader.At(), ref reader);
        Phase pushed = node.Phase; // waiting, or how it has ended
        bool hasEnded = !node.IsOpen;
        node.Phase = (Phase)reader.Number((long)Phase.Cancelled);
        node.Lapsed = reader.Number(1) == 1;
        node.Attempts = (int)reader.Number(node.AttemptsMax);
        node.Token = reader.Number(state.TokenLast);
        node.Due = reader.At();
        node.EndedAt = reader.At();
        node.EndedOrder = reader.Number(state.Endings);
        node.ClaimedBy = reader.Optional();
        node.Checkpoint = reader.Optional();
        node.Result = reader.Optional();
        reader.End();
        Require(load.Entries.Count == 0 || load.Entries[^1].Id < node.Id, "a channel's snapshot has entries out of order");
        Require(state.Writers.Find(node.Id.Writer) is { } writer && writer.Seen >= node.Id.Number && writer.Retired.Find(node.Id.Number) is null, "a channel's snapshot has an entry that its head does not know");
        Require(node.Key is null || state.FindKey(node.Key) is null, "a channel's snapshot has a key twice");
        Require((hasEnded ? node.Phase == pushed : node.IsOpen) && hasEnded == (node.EndedOrder > 0) && (node.EndedOrder == 0 || load.Ends.Add(node.EndedOrder)), "a channel's snapshot has an entry that cannot have ended so");
        Require((node.Phase == Phase.Claimed) == (node.ClaimedBy is not null) && (node.Phase != Phase.Claimed || (node.Token > 0 && node.Attempts > 0)), "a channel's snapshot has an entry that cannot be claimed so");
        Require(node.Due.Ticks == 0 || node.Phase is Phase.Claimed or Phase.Delayed, "a channel's snapshot has an entry that is due and waits for no moment");
        Require(!node.Lapsed || node.Phase == Phase.Ready, "a channel's snapshot has a lapsed claim that cannot be");
        state.Register(node);
        load.Entries.Add(node);
    }

    private static void Link(ChannelState state, List<ChannelNode> nodes)
    {
        foreach (ChannelNode node in nodes)
        {
            // what it depended on when it was pushed may have been done, retired and forgotten since
            bool isKnown = Array.TrueForAll(node.DependsOn, on => on != node.Id && (ChannelReplay.IsDependable(state, on, node.IsOpen) || on.Number <= state.Writers.Find(on.Writer)?.Retired.Forgotten));
            Require(isKnown, "a channel's snapshot has an entry without what it depends on");
        }
        foreach (ChannelNode node in nodes.Where(n => n.IsOpen)) state.Depend(node);
        Require(nodes.TrueForAll(n => !n.IsOpen || (n.Phase == Phase.Waiting) == (n.Unmet > 0)), "a channel's snapshot has an entry that waits for nothing, or does not wait");
        Require(!Blocking.HasCircle(state, nodes), "a channel's snapshot has entries that wait for each other");
        foreach (ChannelNode node in nodes) state.Place(node);
        state.Loading = null;
    }
}
