using Mesh30K.Protocol;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Consistency.Strong.Ledger;

/// <summary>The entries of one kind: by id, in the order of their ids, and by when they are due. O(log n) for each change.</summary>
internal sealed class LedgerTable<T>
    where T : LedgerEntry
{
    private readonly Dictionary<LedgerKey, T> _entries = [];
    private readonly SortedSet<LedgerKey> _order = [];
    private readonly SortedSet<(Instant At, LedgerKey Id)> _due = [];

    public int Count => _entries.Count;

    /// <summary>What all entries count together.</summary>
    public long Bytes { get; private set; }

    public Instant? NextDue => _due.Count > 0 ? _due.Min.At : null;

    /// <summary>All, in no order: a copy that stays as it is.</summary>
    public T[] Copy() => [.. _entries.Values];

    public T? Find(LedgerKey id) => _entries.GetValueOrDefault(id);

    /// <summary>The entry that is due first, when that is not after <paramref name="now"/>.</summary>
    public T? FirstDue(Instant now) => _due.Count > 0 && _due.Min.At <= now ? _entries[_due.Min.Id] : null;

    /// <summary>Adds the entry, or puts it in the place of the one that it follows.</summary>
    public void Put(T entry)
    {
        if (_entries.TryGetValue(entry.Id, out T? before)) Leave(before);
        else _order.Add(entry.Id);
        _entries[entry.Id] = entry;
        if (entry.Due is { } due) _due.Add((due, entry.Id));
        Bytes += entry.Bytes;
    }

    public void Remove(T entry)
    {
        Leave(entry);
        _order.Remove(entry.Id);
        Invariant.Check(_entries.Remove(entry.Id));
    }

    /// <summary>See <see cref="LedgerPage{T}"/>.</summary>
    public LedgerPage<T> Page(LedgerKey? after, int limit, Func<T, bool> fits)
    {
        List<T> items = [];
        if (_order.Count == 0 || (after is { } from && from.CompareTo(_order.Max) >= 0)) return new LedgerPage<T>(items, null);
        int looked = 0;
        foreach (LedgerKey id in after is { } first ? _order.GetViewBetween(first, _order.Max) : _order)
        {
            if (id == after) continue;
            looked++;
            if (fits(_entries[id])) items.Add(_entries[id]);
            if (items.Count == limit || looked == LedgerLimits.PageScanMax) return new LedgerPage<T>(items, id == _order.Max ? null : id);
        }
        return new LedgerPage<T>(items, null);
    }

    private void Leave(T entry)
    {
        if (entry.Due is { } due) Invariant.Check(_due.Remove((due, entry.Id)));
        Bytes -= entry.Bytes;
        Invariant.Check(Bytes >= 0);
    }
}
