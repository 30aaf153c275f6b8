using System.Numerics;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Coordination.Impedance;

/// <summary>
/// The hash table of the registry: open addressing with linear probing, at most half of the slots used. One writer, any number of readers
/// without a lock.
/// </summary>
/// <remarks>
/// A slot goes from empty to a cell to another cell of the same agent or to <see cref="RegistryCell.Removed"/>, each by one reference write,
/// and never back to empty: a reader that probes meanwhile finds what was there before or what is there after. A full table is copied into
/// another one without what was removed; readers of the old table go on with it. The order of the cells is that of registration and does not
/// depend on hash codes.
/// </remarks>
internal sealed class RegistryTable
{
    private const int SlotsMin = 16;

    private readonly Slot[] _slots;
    private readonly RegistryCell?[] _order;

    // Slots that are not empty, which is also how many places of the order are taken.
    private int _used;
    private int _count;

    internal RegistryTable(int expectedAgents)
    {
        long slots = Math.Max(SlotsMin, 2L * Math.Max(0, expectedAgents));
        _slots = new Slot[(int)BitOperations.RoundUpToPowerOf2((ulong)slots)];
        _order = new RegistryCell?[_slots.Length / 2];
    }

    internal int Count => Volatile.Read(ref _count);

    /// <summary>Randomised for each process, so that nobody can choose ids that collide. Nothing that can be seen depends on it.</summary>
    internal static int HashOf(AgentId id) => string.GetHashCode(id.Value, StringComparison.Ordinal);

    /// <summary>The cell of an agent; null when there is none. Any thread.</summary>
    internal RegistryCell? Find(AgentId id)
    {
        if (id.Value is null) return null;
        int hash = HashOf(id), mask = _slots.Length - 1;
        for (int slot = hash & mask; ; slot = (slot + 1) & mask)
        {
            RegistryCell? cell = Volatile.Read(ref _slots[slot].Cell);
            if (cell is null) return null;
            if (_slots[slot].Hash == hash && !ReferenceEquals(cell, RegistryCell.Removed)
                && string.Equals(_slots[slot].Id, id.Value, StringComparison.Ordinal)) return cell;
        }
    }

    /// <summary>Puts a cell in, for a new agent or in place of its old cell, and returns the table that holds it. Writer only.</summary>
    internal RegistryTable With(RegistryCell cell)
    {
        int slot = SlotFor(cell.AgentId, cell.Hash);
        if (_slots[slot].Cell is { } old)
        {
            cell.OrderIndex = old.OrderIndex;
            Volatile.Write(ref _order[cell.OrderIndex], cell);
            Volatile.Write(ref _slots[slot].Cell, cell);
            return this;
        }
        if (_used == _order.Length) return Copied().With(cell);

        cell.OrderIndex = _used;
        Volatile.Write(ref _order[_used], cell);
        _slots[slot].Hash = cell.Hash;
        _slots[slot].Id = cell.AgentId.Value;
        Volatile.Write(ref _slots[slot].Cell, cell);
        Volatile.Write(ref _used, _used + 1);
        Volatile.Write(ref _count, _count + 1);
        return this;
    }

    /// <summary>Takes an agent out. Writer only.</summary>
    internal bool Remove(AgentId id)
    {
        if (id.Value is null) return false;
        int slot = SlotFor(id, HashOf(id));
        if (_slots[slot].Cell is not { } cell) return false;
        Volatile.Write(ref _slots[slot].Cell, RegistryCell.Removed);
        Volatile.Write(ref _order[cell.OrderIndex], null);
        Volatile.Write(ref _count, _count - 1);
        return true;
    }

    /// <summary>The cells in the order of registration. Any thread.</summary>
    internal IEnumerable<RegistryCell> Cells()
    {
        int used = Volatile.Read(ref _used);
        for (int i = 0; i < used; i++)
            if (Volatile.Read(ref _order[i]) is { } cell) yield return cell;
    }

    /// <summary>The slot of an agent, or the empty one where it belongs.</summary>
    private int SlotFor(AgentId id, int hash)
    {
        int mask = _slots.Length - 1;
        int slot = hash & mask;
        while (_slots[slot].Cell is { } cell)
        {
            if (_slots[slot].Hash == hash && string.Equals(cell.AgentId.Value, id.Value, StringComparison.Ordinal)) break;
            slot = (slot + 1) & mask;
        }
        return slot;
    }

    private RegistryTable Copied()
    {
        // Made for twice what is really there: much removed and little added keeps the size.
        RegistryTable copy = new(Math.Max(SlotsMin, _count * 2));
        foreach (RegistryCell cell in Cells())
        {
            // Readers of the old table do not use the index; the writer leaves that table.
            copy = copy.With(cell);
        }
        return copy;
    }

    /// <summary>
    /// Hash and id lie beside the reference, so that a reader passes other agents' slots without touching their cells and loads the id and the
    /// cell at the same time. They are written once, before the slot's first cell, and never change: whoever sees the cell sees them.
    /// </summary>
    private struct Slot
    {
        public RegistryCell? Cell;
        public string? Id;
        public int Hash;
    }
}
