using System.Runtime.InteropServices;
using Mesh30K.Consistency.Time;

namespace Mesh30K.Consistency.Eventual;

/// <summary>
/// A map whose keys are last-writer-wins registers. A removal leaves a tombstone until <see cref="DropStable"/> finds that every replica
/// knows it (causal stability: Baquero, Almeida, Shoker, "Making operation-based CRDTs operation-based", 2014).
/// </summary>
/// <remarks>
/// The state is (floor, cells). At or below its floor a state holds exactly what was alive there; above it every write, tombstones too. A join
/// takes the higher floor with its owner's cells, and of the others only what is above: an old write that arrives late, in a delta or from
/// a replica that was away, brings nothing back. This is a lexicographic product of a chain (floors) and lattices, so the laws hold for
/// any floors; that nothing alive is lost needs the caller's duty of <see cref="DropStable"/>.
/// </remarks>
public sealed class LwwMap : ICrdt<LwwMap>
{
    private const byte FormatTag = (byte)'M';

    private readonly Dictionary<string, LwwCell> _cells = new(StringComparer.Ordinal);

    /// <summary>Everything up to here is settled: a write at or below it is ignored. Default (the year 1970): none yet.</summary>
    public Hlc Floor { get; private set; }

    public bool IsBottom => _cells.Count == 0 && Floor == default;

    /// <summary>Keys with a value.</summary>
    public int Count => _cells.Count - Tombstones;

    /// <summary>Removed keys that are still remembered.</summary>
    public int Tombstones { get; private set; }

    /// <summary>The keys with a value and their writes in ordinal order, sorted at each call.</summary>
    public IEnumerable<KeyValuePair<string, LwwCell>> Entries => Sorted().Where(c => c.Value.Value is not null);

    /// <summary>The value; null when there is none.</summary>
    public string? this[string key] => _cells.GetValueOrDefault(key).Value;

    /// <summary>The last write of a key, which may be a removal; null when none is known.</summary>
    public LwwCell? Find(string key) => _cells.TryGetValue(key, out LwwCell cell) ? cell : null;

    /// <summary>Writes a key; changes nothing when a later write is known, and is ignored (⊥) at or below <see cref="Floor"/>.</summary>
    public LwwMap Set(string key, string value, Hlc at)
    {
        Crdt.RequireText(value);
        return Put(key, new LwwCell(at, value));
    }

    /// <summary>Removes a key, also one that is not known yet: a write that is older and arrives later is then removed too. Ignored as <see cref="Set"/> is.</summary>
    public LwwMap Remove(string key, Hlc at) => Put(key, new LwwCell(at, null));

    /// <summary>
    /// Forgets the tombstones up to a stable frontier. THE CALLER'S DUTY: every replica has acknowledged every write up to
    /// <paramref name="frontier"/>, and will write only after it (its clock has observed the frontier). A write that breaks this is lost, on all
    /// replicas alike. The delta is the whole state: whoever takes over the floor also has to have the later writes that replaced what was
    /// below it. It need not be sent where each replica calls this by itself.
    /// </summary>
    public LwwMap DropStable(Hlc frontier)
    {
        if (frontier <= Floor) return new LwwMap();
        Floor = frontier;
        foreach ((string key, LwwCell cell) in _cells)
        {
            if (cell.Value is null && cell.At <= frontier) Forget(key, cell);
        }
        return Clone();
    }

    public bool Merge(LwwMap other)
    {
        ArgumentNullException.ThrowIfNull(other);
        bool changed = other.Floor > Floor;
        if (changed) RaiseFloor(other.Floor);
        bool belowIsSettled = other.Floor < Floor;
        _cells.EnsureCapacity(other._cells.Count);
        foreach ((string key, LwwCell theirs) in other._cells)
        {
            if (belowIsSettled && theirs.At <= Floor) continue;
            changed |= Take(key, theirs);
        }
        return changed;
    }

    public LwwMap Clone()
    {
        LwwMap copy = new() { Floor = Floor, Tombstones = Tombstones };
        copy._cells.EnsureCapacity(_cells.Count);
        foreach ((string key, LwwCell cell) in _cells) copy._cells.Add(key, cell);
        return copy;
    }

    public bool SameAs(LwwMap other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (_cells.Count != other._cells.Count || Floor != other.Floor) return false;
        foreach ((string key, LwwCell cell) in _cells)
            if (!other._cells.TryGetValue(key, out LwwCell theirs) || cell != theirs) return false;
        return true;
    }

    public void Write(CrdtWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Tag(FormatTag);
        writer.Stamp(Floor);
        writer.Number(_cells.Count);
        foreach ((string key, LwwCell cell) in Sorted())
        {
            writer.Text(key);
            writer.Stamp(cell.At);
            writer.Number(cell.Value is null ? 0 : 1);
            if (cell.Value is not null) writer.Text(cell.Value);
        }
    }

    public static LwwMap? Read(ref CrdtReader reader)
    {
        reader.Tag(FormatTag);
        LwwMap read = new() { Floor = reader.Stamp() };
        string? key = null;
        for (int left = reader.Count(5); left > 0 && !reader.Failed; left--)
        {
            key = reader.TextAfter(key);
            Hlc at = reader.Stamp();
            string? value = reader.Number(1) == 1 ? reader.Text() : null;
            if (reader.Require((value is not null && read.Floor != default) || at > read.Floor)) read.Take(key, new LwwCell(at, value));
        }
        return reader.Failed ? null : read;
    }

    private LwwMap Put(string key, LwwCell cell)
    {
        Crdt.RequireText(key);
        LwwMap delta = new();
        if (cell.At <= Floor) return delta;
        Take(key, cell);
        delta.Take(key, cell);
        return delta;
    }

    private bool Take(string key, LwwCell cell)
    {
        ref LwwCell mine = ref CollectionsMarshal.GetValueRefOrAddDefault(_cells, key, out bool known);
        if (known && !cell.Beats(mine)) return false;
        Tombstones += (cell.Value is null ? 1 : 0) - (known && mine.Value is null ? 1 : 0);
        mine = cell;
        return true;
    }

    /// <summary>Below a higher floor only what its owner holds counts, and that is about to be taken.</summary>
    private void RaiseFloor(Hlc floor)
    {
        Floor = floor;
        foreach ((string key, LwwCell cell) in _cells)
            if (cell.At <= floor) Forget(key, cell);
    }

    private void Forget(string key, LwwCell cell)
    {
        _cells.Remove(key);
        if (cell.Value is null) Tombstones--;
    }

    private IEnumerable<KeyValuePair<string, LwwCell>> Sorted() => _cells.OrderBy(c => c.Key, StringComparer.Ordinal);
}
