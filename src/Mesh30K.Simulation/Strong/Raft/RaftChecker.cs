using Mesh30K.Consistency.Journal;
using Mesh30K.Consistency.Strong.Raft;
using static Mesh30K.Simulation.Strong.Raft.RuleBook;

namespace Mesh30K.Simulation.Strong.Raft;

/// <summary>
/// Watches all servers of a run from outside and throws when a rule of Raft is broken (paper, figure 3), or a promise to a client. It knows what was
/// committed anywhere at any time, which no server does.
/// </summary>
internal sealed class RaftChecker
{
    private readonly Dictionary<long, ServerId> _leaders = [];
    private readonly Dictionary<(ServerId Voter, long Term), ServerId> _votes = [];
    private readonly Dictionary<(long Index, long Term), (long TermBefore, uint Content)> _entries = [];
    private readonly List<(long Index, RaftMembership Members)> _memberships = [];
    private readonly List<(long Term, uint Content, ulong Chain, long KnownIn)> _committed = [(0, 0, 0, 0)];

    /// <summary>What a read that begins now must see at least: all writes acknowledged and all that a read has shown.</summary>
    public long SeenIndex { get; private set; }

    /// <summary>Memberships that lay in any server's log.</summary>
    public List<RaftMembership> Memberships { get; } = [];

    public long Committed => _committed.Count - 1;

    public long Acknowledged { get; private set; }

    public long ReadsAnswered { get; private set; }

    /// <summary>When the last read was answered, in ticks; −1 for none yet.</summary>
    public long ReadAt { get; private set; } = -1;

    /// <summary>The term of the committed entry there.</summary>
    public long TermAt(long index) => _committed[(int)index].Term;

    /// <summary>To whom that server said that it gives its vote in that term.</summary>
    public ServerId VoteOf(ServerId voter, long term) => _votes.GetValueOrDefault((voter, term));

    public static ulong Chain(ulong before, RaftEntry entry) => (before ^ Content(entry)) * 0x9E3779B97F4A7C15 + (ulong)entry.Term;

    /// <summary>Election safety: at most one leader in a term. Leader completeness: its log holds all that was committed in an earlier term.</summary>
    public void Leads(RaftMachine machine)
    {
        if (_leaders.TryGetValue(machine.Term, out ServerId other))
        {
            Require(other == machine.Self, "election safety", $"{machine.Self} and {other} both lead term {machine.Term}");
            return;
        }
        _leaders.Add(machine.Term, machine.Self);
        for (long i = machine.Snapshot.At.Index + 1; i <= Committed; i++)
            if (_committed[(int)i].KnownIn < machine.Term)
                Require(machine.EntryAt(i)?.Term == _committed[(int)i].Term, "leader completeness", $"{machine.Self} leads term {machine.Term} without the committed entry {i} of term {_committed[(int)i].Term}; its own is of {machine.EntryAt(i)?.Term.ToString() ?? "none"}");
    }

    /// <summary>
    /// A leader has moved its commit index: to an entry of its own term (paper 5.4.2), which a majority of the voters in its log has on disk (paper 5.3).
    /// </summary>
    public static void CommitsAsLeader(RaftMachine machine, Func<ServerId, LogPlace, bool> hasOnDisk)
    {
        if (machine.EntryAt(machine.CommitIndex) is not { } entry) return;
        Require(entry.Term == machine.Term, "a leader commits its own term", $"{machine.Self}, leading term {machine.Term}, commits {entry.Place} by counting");
        int holders = machine.Membership.Voters.Count(v => hasOnDisk(v, entry.Place));
        Require(holders > machine.Membership.Voters.Count / 2, "committed is durable", $"{machine.Self} commits {entry.Place}, and only {holders} of {machine.Membership} have it on disk");
    }

    /// <summary>A snapshot names the members as of its last entry, not later ones.</summary>
    public void Compacts(ServerId server, SnapshotMeta meta)
    {
        if (_memberships.FindLast(m => m.Index <= meta.At.Index).Members is { } right)
            Require(meta.Membership.ToString() == right.ToString(), "members of a snapshot", $"{server} has a snapshot at {meta.At.Index} with {meta.Membership}, not {right}");
    }

    /// <summary>A server gives one vote in a term, also across restarts (paper 5.2).</summary>
    public void Votes(ServerId voter, long term, ServerId candidate)
    {
        if (_votes.TryGetValue((voter, term), out ServerId other)) Require(other == candidate, "one vote a term", $"{voter} voted for {other} and {candidate} in term {term}");
        else _votes.Add((voter, term), candidate);
    }

    /// <summary>Log matching: entries with the same index and term are the same, and so is what is before them.</summary>
    public void Appends(RaftMachine machine, IReadOnlyList<RaftEntry> entries)
    {
        long? before = machine.EntryAt(entries[0].Index - 1)?.Term;
        foreach (RaftEntry entry in entries)
        {
            if (before is { } term)
            {
                if (_entries.TryGetValue((entry.Index, entry.Term), out (long TermBefore, uint Content) known))
                    Require(known == (term, Content(entry)), "log matching", $"{machine.Self} has another entry {entry.Index} of term {entry.Term}");
                else _entries.Add((entry.Index, entry.Term), (term, Content(entry)));
            }
            before = entry.Term;
            if (entry.Kind != RaftEntryKind.Membership) continue;
            Memberships.Add(RaftMembership.Read(entry.Payload.Span));
            if (machine.Role == RaftRole.Leader) ChangesAsLeader(machine, entry);
        }
    }

    /// <summary>One change at a time (thesis 4.1), and none before the leader has committed an entry of its term.</summary>
    private static void ChangesAsLeader(RaftMachine machine, RaftEntry change)
    {
        for (long i = machine.CommitIndex + 1; i < change.Index; i++)
            Require(machine.EntryAt(i)!.Kind != RaftEntryKind.Membership, "one change at a time", $"{machine.Self} changes its members at {change.Index} and {i}");
        bool own = machine.EntryAt(machine.CommitIndex) is not { } committed || committed.Term == machine.Term;
        Require(own, "a change after an own commit", $"{machine.Self} changes its members at {change.Index}, and has committed nothing of term {machine.Term}");
    }

    /// <summary>A server of that term holds that entry for committed. A leader does first.</summary>
    public void Commits(ServerId server, long serverTerm, RaftEntry entry, bool asLeader)
    {
        Require(entry.Index < _committed.Count + (asLeader ? 1 : 0), "state machine safety", $"{server} commits {entry.Index}, and no leader {_committed.Count}");
        if (entry.Index == _committed.Count) _committed.Add((entry.Term, Content(entry), Chain(_committed[^1].Chain, entry), serverTerm));
        if (entry.Kind == RaftEntryKind.Membership && (_memberships.Count == 0 || _memberships[^1].Index < entry.Index)) _memberships.Add((entry.Index, RaftMembership.Read(entry.Payload.Span)));
        (long term, uint content, _, _) = _committed[(int)entry.Index];
        Require((term, content) == (entry.Term, Content(entry)), "state machine safety", $"{server} commits {entry.Index} of term {entry.Term}, others one of term {term}");
    }

    /// <summary>State machine safety: every server applies the same, in the same order, without gaps.</summary>
    public void Applies(ServerId server, long index, ulong chain) =>
        Require(index <= Committed && _committed[(int)index].Chain == chain, "state machine safety", $"{server} came to another state at {index}");

    /// <summary>A client is told that its write is done.</summary>
    public void Acknowledges(ServerId server, LogPlace place)
    {
        Require(place.Index <= Committed && _committed[(int)place.Index].Term == place.Term, "no acknowledged write lost", $"{server} acknowledged {place}, which is not committed");
        Acknowledged++;
        SeenIndex = Math.Max(SeenIndex, place.Index);
    }

    /// <summary>A read is answered from a state that is not older than when it began (thesis 6.4).</summary>
    public void Reads(ServerId server, long began, long sees, long at)
    {
        ReadsAnswered++;
        ReadAt = at;
        Require(sees >= began, "reads are not stale", $"{server} read at {sees} what had been at {began} before the read began");
        SeenIndex = Math.Max(SeenIndex, sees);
    }

    private static uint Content(RaftEntry entry) => Crc32C.Of(entry.Payload.Span, (uint)entry.Kind);
}
