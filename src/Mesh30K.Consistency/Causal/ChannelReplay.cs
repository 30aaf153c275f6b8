using Mesh30K.Consistency.Time;
using Mesh30K.Protocol.Identity;
using static Mesh30K.Consistency.Causal.ChannelRecordException;

namespace Mesh30K.Consistency.Causal;

/// <summary>Applies the records of steps. Each is taken apart and checked whole before it changes anything.</summary>
internal static class ChannelReplay
{
    public static void Apply(ChannelState state, RecordKind kind, ReadOnlySpan<byte> record)
    {
        RecordReader reader = new(record, state.Writers);
        if (kind >= RecordKind.SnapshotHead)
        {
            ChannelSnapshot.Apply(state, kind, ref reader);
            return;
        }
        Require(state.Loading is null, "a channel's snapshot is not complete");
        switch (kind)
        {
            case RecordKind.Pushed:
                List<ChannelNode> pushed = ReadEntries(state, ref reader, reader.At(), withResults: false);
                reader.End();
                Require(pushed.Count > 0, "a channel's record pushes nothing");
                foreach (ChannelNode node in pushed) state.Add(node);
                break;
            case RecordKind.Imported:
                ApplyImported(state, ref reader);
                break;
            case RecordKind.Claimed:
                ApplyClaimed(state, ref reader);
                break;
            case RecordKind.Cancelled:
                ApplyCancelled(state, ref reader);
                break;
            case RecordKind.Retired:
                long count = reader.Number();
                reader.End();
                Require(count > 0 && count <= state.Retirable, "a channel's record retires what it does not have");
                state.Retire((int)count);
                break;
            default:
                ApplyToOne(state, kind, ref reader);
                break;
        }
    }

    private static void ApplyToOne(ChannelState state, RecordKind kind, ref RecordReader reader)
    {
        Require(kind is >= RecordKind.Renewed and <= RecordKind.RetryDue, $"a channel's record of the unknown kind {(byte)kind}");
        ChannelNode? node = state.Find(reader.Dot());
        Require(node is not null, "a channel's record is about an entry that it does not have");
        bool hasMoment = kind is not (RecordKind.Released or RecordKind.Reopened or RecordKind.RetryDue);
        Instant at = hasMoment ? reader.At() : default;
        string? text = kind switch
        {
            RecordKind.Completed => reader.Optional(),
            RecordKind.Checkpointed or RecordKind.Failed or RecordKind.Postponed => reader.Text(),
            _ => null,
        };
        reader.End();
        bool allowed = kind switch
        {
            RecordKind.Completed => node.Phase == Phase.Claimed || (node.Phase == Phase.Ready && node.Lapsed),
            RecordKind.Reopened => node.Phase is Phase.Failed or Phase.Cancelled && IsReopenable(state, node),
            RecordKind.RetryDue => node.Phase == Phase.Delayed,
            _ => node.Phase == Phase.Claimed,
        };
        Require(allowed, $"a channel's record of the kind {kind} is about an entry that is {node.Phase}");
        Change(state, kind, node, at, text);
    }

    private static void Change(ChannelState state, RecordKind kind, ChannelNode node, Instant at, string? text)
    {
        switch (kind)
        {
            case RecordKind.Renewed:
                state.Renew(node, at);
                break;
            case RecordKind.Checkpointed:
                node.Checkpoint = text;
                state.Renew(node, at);
                break;
            case RecordKind.Completed:
                state.End(node, Phase.Done, at, text);
                break;
            case RecordKind.Failed:
                state.End(node, Phase.Failed, at, text);
                break;
            case RecordKind.Postponed:
                state.Postpone(node, at, text!);
                break;
            case RecordKind.Released:
                state.Release(node);
                break;
            case RecordKind.Reopened:
                state.Reopen(node);
                break;
            case RecordKind.LeaseExpired:
                state.ExpireLease(node, at);
                break;
            default:
                state.RetryDue(node);
                break;
        }
    }

    /// <summary>Whether everything that it depends on is known or was done.</summary>
    public static bool IsReopenable(ChannelState state, ChannelNode node) =>
        Array.TrueForAll(node.DependsOn, id => state.Find(id) is not null || state.StatusOf(id) == EntryStatus.Done);

    private static void ApplyClaimed(ChannelState state, ref RecordReader reader)
    {
        string agent = reader.Text();
        Instant until = reader.At();
        long token = reader.Number();
        Dot[] ids = reader.Dots();
        reader.End();
        Require(token == state.TokenLast + 1 && ids.Length > 0, "a channel's record of a claim has tokens out of order");
        foreach (Dot id in ids)
        {
            ChannelNode? node = state.Find(id);
            Require(node is { Phase: Phase.Ready } && (node.Agent is null || node.Agent == agent), "a channel's record claims an entry that is not ready for that agent");
        }
        foreach (Dot id in ids) state.Claim(state.Find(id)!, agent, until);
    }

    private static void ApplyCancelled(ChannelState state, ref RecordReader reader)
    {
        Instant at = reader.At();
        string reason = reader.Text();
        Dot[] ids = reader.Dots();
        reader.End();
        Require(ids.Length > 0 && Array.TrueForAll(ids, id => state.Find(id) is { Phase: not (Phase.Done or Phase.Cancelled) }), "a channel's record cancels what cannot be cancelled");
        foreach (Dot id in ids) state.End(state.Find(id)!, Phase.Cancelled, at, reason);
    }

    private static void ApplyImported(ChannelState state, ref RecordReader reader)
    {
        Instant at = reader.At();
        List<ChannelNode> nodes = ReadEntries(state, ref reader, at, withResults: true);
        Dictionary<Dot, ChannelNode> fresh = nodes.ToDictionary(n => n.Id);
        int count = reader.Count();
        EntryEnd[] ends = new EntryEnd[count];
        for (int i = 0; i < count; i++)
        {
            Dot id = reader.Dot();
            EntryStatus how = (EntryStatus)reader.Number((long)EntryStatus.Cancelled);
            ChannelNode? node = fresh.GetValueOrDefault(id) ?? state.Find(id);
            Require(node is not null && (i == 0 || ends[i - 1].Node.Id < id), "a channel's record ends entries that it does not have, or out of order");
            Require(how >= EntryStatus.Done && Channel.IsLaterEnd(node.Status, how), $"a channel's record ends an entry that is {node.Phase} as {how}");
            ends[i] = new EntryEnd(node, how, reader.Optional());
        }
        reader.End();
        foreach (ChannelNode node in nodes) state.Add(node);
        foreach (EntryEnd end in ends) state.EndAs(end, at);
    }

    private static List<ChannelNode> ReadEntries(ChannelState state, ref RecordReader reader, Instant at, bool withResults)
    {
        int count = reader.Count();
        List<ChannelNode> nodes = new(count);
        HashSet<Dot> ids = [];
        HashSet<string> keys = new(StringComparer.Ordinal);
        for (int i = 0; i < count; i++)
        {
            ChannelNode node = ReadNode(nodes.Count > 0 ? nodes[^1].Seen : state.Writers.RecentOthers, at, ref reader);
            Require(IsNew(state, node.Id) && ids.Add(node.Id), "a channel's record pushes a number that is taken");
            Require(node.Key is null || (state.FindKey(node.Key) is null && keys.Add(node.Key)), "a channel's record pushes a key that is taken");
            foreach (Dot on in node.DependsOn)
                Require(on != node.Id && (ids.Contains(on) || IsDependable(state, on, node.IsOpen)), "a channel's record pushes an entry before what it depends on");
            if (withResults) node.Result = reader.Optional();
            Require(node.Result is null || !node.IsOpen, "a channel's record has a result of an open entry");
            nodes.Add(node);
        }
        return nodes;
    }

    public static bool IsNew(ChannelState state, Dot id) => state.StatusOf(id) is null && !(state.Writers.Find(id.Writer)?.Retired.Forgotten >= id.Number);

    /// <summary>An open entry can wait for what is known, or was done; one that has ended waits for nothing.</summary>
    public static bool IsDependable(ChannelState state, Dot on, bool isOpen) => !isOpen || state.Find(on) is not null || state.StatusOf(on) == EntryStatus.Done;

    public static void WriteNode(RecordWriter writer, ChannelNode node)
    {
        writer.Dot(node.Id).Text(node.Text).Optional(node.Agent).Optional(node.Key).Number(node.AttemptsMax).Dots(node.DependsOn).Dots(node.Seen.Dots);
        writer.Number(node.IsOpen ? 0 : (long)node.Phase);
    }

    /// <summary>The part of an entry that never changes, and whether it has ended. It shares its clock with <paramref name="like"/> if that is the same.</summary>
    public static ChannelNode ReadNode(VectorClock like, Instant at, ref RecordReader reader)
    {
        Dot id = reader.Dot();
        string text = reader.Text();
        string? agent = reader.Optional();
        string? key = reader.Optional();
        int attemptsMax = (int)reader.Number(int.MaxValue);
        Dot[] dependsOn = reader.Dots();
        VectorClock seen = reader.Clock();
        Phase phase = (Phase)reader.Number((long)Phase.Cancelled);
        Require(attemptsMax > 0 && (phase == Phase.Waiting || phase >= Phase.Done), "a channel's record has an entry that cannot be");
        return new ChannelNode(id, text, dependsOn, like.Equals(seen) ? like : seen) { Agent = agent, Key = key, AttemptsMax = attemptsMax, PushedAt = at, Phase = phase, EndedAt = phase == Phase.Waiting ? default : at };
    }
}
