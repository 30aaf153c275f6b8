using Mesh30K.Consistency.Strong.Raft;

namespace Mesh30K.Simulation.Strong.Raft;

/// <summary>What a disk holds of a log once its writes are synced; the checker's own account of it, kept apart from the machine's.</summary>
internal sealed class DurableLog
{
    private readonly List<long> _terms = [];
    private LogPlace _base;
    private LogPlace _snapshot;

    public HardState Hard { get; private set; }

    public long Last => _base.Index + _terms.Count;

    public DurableLog Copy()
    {
        DurableLog copy = new() { _base = _base, _snapshot = _snapshot, Hard = Hard };
        copy._terms.AddRange(_terms);
        return copy;
    }

    public void Take(RaftChange change)
    {
        switch (change)
        {
            case RaftChange.Append append: Take(append.Entries); break;
            case RaftChange.Hard hard: Take(hard.State); break;
            case RaftChange.Truncate truncate: _terms.RemoveRange((int)(truncate.From - _base.Index - 1), (int)(Last - truncate.From + 1)); break;
            case RaftChange.Compact compact:
                Take(compact.State);
                _terms.Clear();
                (_snapshot, _base) = (compact.Snapshot.At, compact.Base);
                Take(compact.Entries);
                break;
        }
    }

    /// <summary>Whether that entry is there, or a snapshot that stands for it.</summary>
    public bool Holds(LogPlace place) => place.Index <= _snapshot.Index || TermAt(place.Index) == place.Term;

    /// <summary>The term of the entry there, when it is held as an entry.</summary>
    public long? TermAt(long index) => index > _base.Index && index <= Last ? _terms[(int)(index - _base.Index - 1)] : null;

    public bool IsSameAs(RaftDurable durable) =>
        Hard == durable.State && _snapshot == durable.Snapshot.At && _base == durable.Base && durable.Entries.Select(e => e.Term).SequenceEqual(_terms);

    public override string ToString() => $"{Hard}, snapshot at {_snapshot}, {_terms.Count} entries to {Last}";

    private void Take(IReadOnlyList<RaftEntry> entries)
    {
        foreach (RaftEntry entry in entries)
        {
            if (entry.Index != Last + 1) throw new BrokenRuleException("a log has no gaps", $"entry {entry.Index} is written after {Last}");
            _terms.Add(entry.Term);
        }
    }

    /// <summary>A term never goes back, and a vote is never taken back (paper, figure 2).</summary>
    private void Take(HardState state)
    {
        bool forgets = state.Term < Hard.Term || (state.Term == Hard.Term && Hard.VotedFor != ServerId.None && state.VotedFor != Hard.VotedFor);
        if (forgets) throw new BrokenRuleException("no term or vote is forgotten", $"{state} is written over {Hard}");
        Hard = state;
    }
}
