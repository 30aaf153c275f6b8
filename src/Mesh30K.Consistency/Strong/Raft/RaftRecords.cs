using System.Diagnostics.CodeAnalysis;

namespace Mesh30K.Consistency.Strong.Raft;

/// <summary>
/// What a record of a server's journal says. A kind's layout never changes: another layout is another kind. Numbers are varints (7 bits a byte, low first),
/// bytes come after their length, lists after their count.
/// </summary>
public enum RaftRecordKind : byte
{
    None = 0,

    /// <summary>term, server voted for or 0.</summary>
    Hard = 1,

    /// <summary>entries, each index, term, kind, payload; they follow the last.</summary>
    Entries = 2,

    /// <summary>index: all entries from there on are void.</summary>
    Truncated = 3,

    /// <summary>Begins a snapshot: its index and term, index and term of the entry before the first that follows it, bytes of the image, voters, learners.</summary>
    SnapshotHead = 32,

    /// <summary>offset, bytes of the image.</summary>
    SnapshotPart = 33,

    /// <summary>Ends a snapshot: bytes of the image.</summary>
    SnapshotEnd = 34,
}

/// <summary>A record that is none of this version, or not in its place: a bug, or a newer writer. The journal's checksum rules out damage.</summary>
public sealed class RaftRecordException(string message) : Exception(message + "; written by a newer mesh?")
{
    internal static void Require([DoesNotReturnIf(false)] bool condition, string message)
    {
        if (!condition) throw new RaftRecordException(message);
    }
}

/// <summary>Makes records of durable changes; <see cref="RaftRecovery"/> reads them.</summary>
public static class RaftRecords
{
    /// <summary>Bytes of the image in one record.</summary>
    public const int PartBytes = 256 << 10;

    /// <summary>Bytes of payload of the entries in one record of a compaction; a single larger entry goes alone.</summary>
    private const int EntriesBytesMax = 1 << 20;

    /// <summary>The record of a change. <see cref="RaftChange.Compact"/> has several: <see cref="OfSnapshot"/>.</summary>
    public static (RaftRecordKind Kind, byte[] Payload) Of(RaftChange change)
    {
        RaftRecordWriter writer = new();
        switch (change)
        {
            case RaftChange.Hard hard:
                return (RaftRecordKind.Hard, writer.Number(hard.State.Term).Number(hard.State.VotedFor.Number).Written.ToArray());
            case RaftChange.Append append:
                writer.Entries(append.Entries);
                return (RaftRecordKind.Entries, writer.Written.ToArray());
            case RaftChange.Truncate truncate:
                return (RaftRecordKind.Truncated, writer.Number(truncate.From).Written.ToArray());
            default:
                throw new ArgumentException($"{change?.GetType().Name} is not one record", nameof(change));
        }
    }

    /// <summary>The records that are the whole journal after a compaction: the journal's snapshot.</summary>
    /// <param name="image">The state machine as of the snapshot; its length is the snapshot's <see cref="SnapshotMeta.Bytes"/>.</param>
    public static IEnumerable<(RaftRecordKind Kind, byte[] Payload)> OfSnapshot(RaftChange.Compact compact, ReadOnlyMemory<byte> image)
    {
        ArgumentNullException.ThrowIfNull(compact);
        if (image.Length != compact.Snapshot.Bytes) throw new ArgumentException($"the image has {image.Length} bytes, not {compact.Snapshot.Bytes}", nameof(image));
        return Records();

        IEnumerable<(RaftRecordKind Kind, byte[] Payload)> Records()
        {
            SnapshotMeta meta = compact.Snapshot;
            RaftRecordWriter head = new();
            head.Number(meta.At.Index).Number(meta.At.Term).Number(compact.Base.Index).Number(compact.Base.Term).Number(meta.Bytes).Membership(meta.Membership);
            yield return (RaftRecordKind.SnapshotHead, head.Written.ToArray());
            for (int at = 0; at < image.Length; at += PartBytes)
                yield return (RaftRecordKind.SnapshotPart, new RaftRecordWriter().Number(at).Bytes(image.Span.Slice(at, Math.Min(PartBytes, image.Length - at))).Written.ToArray());
            yield return (RaftRecordKind.SnapshotEnd, new RaftRecordWriter().Number(image.Length).Written.ToArray());
            yield return Of(new RaftChange.Hard(compact.State));
            foreach (IReadOnlyList<RaftEntry> part in Parts(compact.Entries)) yield return Of(new RaftChange.Append(part));
        }
    }

    /// <summary>Entries in records of a bounded size: what was appended one by one may be too much for one.</summary>
    private static IEnumerable<IReadOnlyList<RaftEntry>> Parts(IReadOnlyList<RaftEntry> entries)
    {
        List<RaftEntry> part = [];
        long bytes = 0;
        foreach (RaftEntry entry in entries)
        {
            if (part.Count > 0 && (part.Count == 1_024 || bytes + entry.Payload.Length > EntriesBytesMax))
            {
                yield return part;
                (part, bytes) = ([], 0);
            }
            part.Add(entry);
            bytes += entry.Payload.Length;
        }
        if (part.Count > 0) yield return part;
    }

    /// <summary>What begins a new group at each of its first servers, whose journals are empty: a snapshot before the first entry that names the voters.</summary>
    /// <param name="members">The same at every server; <see cref="RaftMembership.Empty"/> at a server that is added later.</param>
    public static IEnumerable<(RaftRecordKind Kind, byte[] Payload)> OfNewServer(RaftMembership members) =>
        OfSnapshot(new RaftChange.Compact(new SnapshotMeta(default, members, 0), default, default, []), default);
}

/// <summary>Builds the payload of a record.</summary>
internal sealed class RaftRecordWriter
{
    private byte[] _bytes = new byte[64];
    private int _length;

    public ReadOnlySpan<byte> Written => _bytes.AsSpan(0, _length);

    public void Clear() => _length = 0;

    public RaftRecordWriter Number(long value)
    {
        Reserve(10);
        ulong rest = (ulong)value;
        for (; rest >= 0x80; rest >>= 7) _bytes[_length++] = (byte)(rest | 0x80);
        _bytes[_length++] = (byte)rest;
        return this;
    }

    public RaftRecordWriter Bytes(ReadOnlySpan<byte> bytes)
    {
        Number(bytes.Length);
        Reserve(bytes.Length);
        bytes.CopyTo(_bytes.AsSpan(_length));
        _length += bytes.Length;
        return this;
    }

    public RaftRecordWriter Membership(RaftMembership membership)
    {
        foreach (IReadOnlyList<ServerId> servers in (IReadOnlyList<ServerId>[])[membership.Voters, membership.Learners])
        {
            Number(servers.Count);
            foreach (ServerId server in servers) Number(server.Number);
        }
        return this;
    }

    public void Entries(IReadOnlyList<RaftEntry> entries)
    {
        Number(entries.Count);
        foreach (RaftEntry entry in entries) Number(entry.Index).Number(entry.Term).Number((byte)entry.Kind).Bytes(entry.Payload.Span);
    }

    private void Reserve(int bytes)
    {
        if (_bytes.Length - _length < bytes) Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, _length + bytes));
    }
}

/// <summary>Takes a payload apart; throws <see cref="RaftRecordException"/> for what <see cref="RaftRecordWriter"/> would not have written.</summary>
internal ref struct RaftRecordReader(ReadOnlySpan<byte> payload)
{
    private ReadOnlySpan<byte> _rest = payload;

    public long Number(long most = long.MaxValue)
    {
        ulong value = 0;
        for (int shift = 0; ; shift += 7)
        {
            RaftRecordException.Require(!_rest.IsEmpty && shift < 63, "a record of the log ends inside a number");
            byte next = _rest[0];
            _rest = _rest[1..];
            value |= (ulong)(next & 0x7F) << shift;
            if (next >= 0x80) continue;
            RaftRecordException.Require((next != 0 || shift == 0) && value <= (ulong)most, "a record of the log has a number out of range");
            return (long)value;
        }
    }

    public ReadOnlySpan<byte> Bytes()
    {
        int length = (int)Number(_rest.Length);
        RaftRecordException.Require(length <= _rest.Length, "a record of the log ends inside bytes");
        ReadOnlySpan<byte> taken = _rest[..length];
        _rest = _rest[length..];
        return taken;
    }

    public ServerId Server() => new((int)Number(int.MaxValue));

    public RaftMembership Membership()
    {
        RaftMembership? membership = RaftMembership.TryCreate(Servers(), Servers());
        RaftRecordException.Require(membership is not null, "a record of the log has members out of order");
        return membership;
    }

    public RaftEntry Entry() =>
        new(Number(), Number(), (RaftEntryKind)Number((long)RaftEntryKind.Membership), Bytes().ToArray());

    /// <summary>How many things follow, each of at least one byte.</summary>
    public int Count() => (int)Number(_rest.Length);

    public readonly void End() => RaftRecordException.Require(_rest.IsEmpty, "a record of the log is longer than its kind");

    private ServerId[] Servers()
    {
        ServerId[] servers = new ServerId[Count()];
        for (int i = 0; i < servers.Length; i++) servers[i] = Server();
        return servers;
    }
}
