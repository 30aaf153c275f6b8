using Mesh30K.Consistency.Strong.Raft;

namespace Mesh30K.Simulation.Strong.Raft;

/// <summary>What a disk holds of a log once its writes are synced; the checker's own account of it, kept apart from the machine's.</summary>
internal sealed class DurableLog
{
    private readonly Dictionary<long, long> _terms = [];
    private LogPlace _snapshot;
    private long _last;

    public HardState Hard { get; private set; }

    public void Take(RaftChange change)
    {
        switch (change)
        {
            case RaftChange.Append append: Take(append.Entries); break;
            case RaftChange.Hard hard: Hard = hard.State; break;
            case RaftChange.Truncate truncate: _last = truncate.From - 1; break;
            case RaftChange.Compact compact:
                _terms.Clear();
                Hard = compact.State;
                (_snapshot, _last) = (compact.Snapshot.At, compact.Base.Index);
                Take(compact.Entries);
                break;
        }
    }

    /// <summary>Whether that entry is there, or a snapshot that stands for it.</summary>
    public bool Holds(LogPlace place) =>
        place.Index <= _snapshot.Index || (place.Index <= _last && _terms.TryGetValue(place.Index, out long term) && term == place.Term);

    private void Take(IReadOnlyList<RaftEntry> entries)
    {
        foreach (RaftEntry entry in entries) (_terms[entry.Index], _last) = (entry.Term, entry.Index);
    }
}
