using Mesh30K.Protocol;

namespace Mesh30K.Consistency.Strong.Raft;

/// <summary>The entries that a server has in memory, and the memberships that lie in them. Owned by its machine.</summary>
internal sealed class RaftLog
{
    private readonly List<RaftEntry> _entries = [];
    private readonly List<(long Index, RaftMembership Membership)> _memberships = [];

    /// <param name="snapshot">Its membership holds from there on, until an entry says otherwise.</param>
    /// <param name="before">The entry before the first.</param>
    /// <param name="entries">May begin before the snapshot's end.</param>
    public RaftLog(SnapshotMeta snapshot, LogPlace before, IEnumerable<RaftEntry> entries)
    {
        Base = before;
        _memberships.Add((snapshot.At.Index, snapshot.Membership));
        foreach (RaftEntry entry in entries) Append(entry);
        Invariant.Check(TermAt(snapshot.At.Index) == snapshot.At.Term);
    }

    /// <summary>The entry before the first that is held.</summary>
    public LogPlace Base { get; private set; }

    public LogPlace Last => _entries.Count > 0 ? _entries[^1].Place : Base;

    /// <summary>The latest membership in the log: a server uses it as soon as it has it, committed or not (thesis 4.1).</summary>
    public RaftMembership Membership => _memberships[^1].Membership;

    public long MembershipIndex => _memberships[^1].Index;

    /// <summary>The term of the entry at that index; null when it is not held.</summary>
    public long? TermAt(long index) => index == Base.Index ? Base.Term : At(index)?.Term;

    public RaftEntry? At(long index) => index > Base.Index && index <= Last.Index ? _entries[(int)(index - Base.Index - 1)] : null;

    public RaftMembership MembershipAt(long index) => _memberships.FindLast(m => m.Index <= index).Membership;

    public void Append(RaftEntry entry)
    {
        Invariant.Check(entry.Index == Last.Index + 1 && entry.Term >= Last.Term);
        _entries.Add(entry);
        if (entry.Kind == RaftEntryKind.Membership && entry.Index > _memberships[0].Index) _memberships.Add((entry.Index, RaftMembership.Read(entry.Payload.Span)));
    }

    /// <summary>Forgets the entries from there on, and goes back to the membership before them (thesis 4.1).</summary>
    public void Truncate(long from)
    {
        Invariant.Check(from > _memberships[0].Index);
        _entries.RemoveRange((int)(from - Base.Index - 1), (int)(Last.Index - from + 1));
        while (_memberships[^1].Index >= from) _memberships.RemoveAt(_memberships.Count - 1);
    }

    /// <summary>Forgets the entries up to there.</summary>
    public void ForgetUpTo(SnapshotMeta snapshot, LogPlace before)
    {
        Invariant.Check(TermAt(before.Index) == before.Term && before.Index <= snapshot.At.Index);
        _entries.RemoveRange(0, (int)(before.Index - Base.Index));
        Base = before;
        while (_memberships.Count > 1 && _memberships[1].Index <= snapshot.At.Index) _memberships.RemoveAt(0);
        _memberships[0] = (snapshot.At.Index, snapshot.Membership);
    }

    /// <summary>Entries from there on: at least one if there is one, and no more than the bounds allow.</summary>
    public RaftEntry[] Slice(long from, long upTo, int entriesMax, int bytesMax)
    {
        int first = (int)(from - Base.Index - 1);
        Invariant.Check(first >= 0);
        int most = (int)Math.Min(entriesMax, Math.Min(upTo, Last.Index) - from + 1);
        long bytes = 0;
        int count = 0;
        while (count < most && (count == 0 || bytes + _entries[first + count].Payload.Length <= bytesMax)) bytes += _entries[first + count++].Payload.Length;
        return count <= 0 ? [] : [.. _entries.GetRange(first, count)];
    }

    /// <summary>The last place at or before that one whose term is not above its term: where logs that differ may agree again (paper 5.3).</summary>
    public LogPlace LastNotAbove(LogPlace place)
    {
        long index = Math.Min(place.Index, Last.Index);
        while (index > Base.Index && At(index)!.Term > place.Term) index--;
        return index <= Base.Index ? Base : At(index)!.Place;
    }
}
