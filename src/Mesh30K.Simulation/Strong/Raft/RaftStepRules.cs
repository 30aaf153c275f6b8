using Mesh30K.Consistency.Strong.Raft;
using static Mesh30K.Simulation.Strong.Raft.RuleBook;

namespace Mesh30K.Simulation.Strong.Raft;

/// <summary>How a machine was before a step.</summary>
internal readonly record struct BeforeStep(long Term, RaftRole Role, long Last, long Commit)
{
    public static BeforeStep Of(RaftMachine machine) => new(machine.Term, machine.Role, machine.Last.Index, machine.CommitIndex);
}

/// <summary>
/// Checks what a server does at each step against what is on its own disk, and on the others': a bug shows where it is made, not only where it at last does harm.
/// It counts majorities and compares logs by itself, so that it does not share the machine's mistakes.
/// </summary>
internal sealed class RaftStepRules(RaftGroup group, RaftChecker checker)
{
    private readonly Dictionary<(ServerId Candidate, long Term), LogPlace> _stands = [];
    private readonly Dictionary<long, byte[]> _images = [];

    /// <summary>After a step, before its effects are carried out.</summary>
    public void Stepped(SimServer server, RaftMachine machine, BeforeStep before, RaftInput input)
    {
        Require(machine.Term >= before.Term && machine.CommitIndex >= before.Commit, "nothing goes back", $"{machine.Self} went from {before} to term {machine.Term}, commit {machine.CommitIndex}");
        Require(machine.AppliedIndex <= machine.CommitIndex && machine.CommitIndex <= machine.Last.Index, "applied is committed", $"{machine.Self} has applied {machine.AppliedIndex}, committed {machine.CommitIndex} of {machine.Last.Index}");
        if (input is RaftInput.Receive receive) Received(machine, before, receive.Message);
        if (machine.EntryAt(machine.DurableIndex) is { } durable && machine.DurableIndex > machine.Snapshot.At.Index)
            Require(server.OnDisk.Holds(durable.Place), "durable is on disk", $"{machine.Self} takes {durable.Place} for durable, and its disk has {server.OnDisk}");
        bool wasElected = machine.Role == RaftRole.Leader && (before.Role != RaftRole.Leader || before.Term != machine.Term);
        if (!wasElected) return;
        Elected(server, machine);
        checker.Leads(machine);
        group.Elected(server);
    }

    /// <summary>An effect of a step, before it is carried out.</summary>
    public void Asks(SimServer server, RaftMachine machine, RaftEffect effect)
    {
        switch (effect)
        {
            case RaftEffect.Persist { Change: RaftChange.Truncate truncate }:
                if (truncate.From <= checker.Committed)
                    Require(server.OnDisk.TermAt(truncate.From) != checker.TermAt(truncate.From), "committed is not truncated", $"{machine.Self} takes {truncate.From} back, which is committed");
                KnowsItsMembers(machine);
                break;
            case RaftEffect.Persist { Change: RaftChange.Compact compact }: Compacts(server, machine, compact); break;
            case RaftEffect.Send { Message: VoteReply { PreVote: false, Granted: true } vote }: Grants(machine, vote); break;
            case RaftEffect.Send { Message: AppendReply { Success: true } ack }: Acknowledges(machine, ack); break;
            case RaftEffect.Send { Message: TimeoutNow tell }:
                Require(group.Find(tell.To) is not { IsDead: false } to || to.OnDisk.Holds(machine.Last), "the next leader has the log", $"{machine.Self} hands over to {tell.To}, which has not {machine.Last}");
                break;
            case RaftEffect.Apply apply:
                RaftEntry last = apply.Entries[^1];
                Require(last.Index <= machine.CommitIndex && last.Index <= checker.Committed, "applied is committed", $"{machine.Self} applies {last.Place}, which is not committed");
                Require(server.OnDisk.Holds(last.Place), "applied is durable", $"{machine.Self} applies {last.Place}, which is not on its disk");
                break;
        }
    }

    /// <summary>A message leaves: what it says of term, vote and log is on disk (paper, figure 2: "updated on stable storage before responding").</summary>
    public void Leaves(SimServer server, RaftMachine machine, RaftMessage message)
    {
        HardState hard = server.OnDisk.Hard;
        bool asks = message is VoteRequest { PreVote: true } or VoteReply { PreVote: true };
        bool forgets = !asks && hard.Term < message.Term;
        if (message is VoteReply { PreVote: false, Granted: true } && hard.Term == message.Term) forgets |= hard.VotedFor != message.To;
        Require(!forgets, "said is durable", $"{server.Id} sends {message}, and its disk holds {hard}");
        if (message is VoteReply { PreVote: false, Granted: true } vote) checker.Votes(server.Id, vote.Term, vote.To);
        if (message is VoteRequest { PreVote: false } stands)
        {
            checker.Votes(server.Id, stands.Term, server.Id);
            _stands[(server.Id, stands.Term)] = stands.Last;
        }
        if (message is not AppendReply { Success: true } ack || ack.Term != machine.Term) return;
        LogPlace? place = ack.Match == machine.Snapshot.At.Index ? machine.Snapshot.At : machine.EntryAt(ack.Match)?.Place;
        if (place is { } acked) Require(server.OnDisk.Holds(acked), "said is durable", $"{server.Id} acknowledges {acked} before it is on disk");
    }

    /// <summary>A server starts: what was synced is there, and of what was written after it a beginning.</summary>
    public static void Starts(ServerId id, DurableLog synced, IReadOnlyList<RaftChange> unsynced, RaftDurable durable)
    {
        DurableLog possible = synced.Copy();
        foreach (RaftChange change in unsynced)
        {
            if (possible.IsSameAs(durable)) return;
            possible.Take(change);
        }
        Require(possible.IsSameAs(durable), "a restart forgets nothing", $"{id} comes back with {durable.State}, snapshot at {durable.Snapshot.At}, {durable.Entries.Count} entries; its disk had {synced}");
    }

    /// <summary>All images as of one entry are alike, however they came about.</summary>
    public void HasImage(ServerId id, byte[] image)
    {
        long index = SimStateMachine.IndexOf(image);
        if (_images.TryAdd(index, image)) return;
        Require(_images[index].AsSpan().SequenceEqual(image), "images are alike", $"{id} has another image as of {index}");
    }

    /// <summary>A server uses the latest members in its log, and goes back to those before when they are taken back (thesis 4.1).</summary>
    private static void KnowsItsMembers(RaftMachine machine)
    {
        RaftMembership right = machine.Snapshot.Membership;
        for (long i = machine.Last.Index; i > machine.Snapshot.At.Index; i--)
        {
            if (machine.EntryAt(i) is not { Kind: RaftEntryKind.Membership } entry) continue;
            right = RaftMembership.Read(entry.Payload.Span);
            break;
        }
        Require(machine.Membership.ToString() == right.ToString(), "members of the log", $"{machine.Self} uses {machine.Membership}, and its log says {right}");
    }

    /// <summary>A pre-vote changes nothing (thesis 9.6), and neither does a leader of an old term (paper 5.1).</summary>
    private static void Received(RaftMachine machine, BeforeStep before, RaftMessage message)
    {
        if (message is VoteRequest { PreVote: true }) Require(machine.Term == before.Term, "a pre-vote changes nothing", $"{machine.Self} went to term {machine.Term} by {message}");
        if (message.Term >= before.Term) return;
        bool isSame = machine.Term == before.Term && machine.Last.Index == before.Last && machine.CommitIndex == before.Commit;
        Require(isSame, "an old term changes nothing", $"{machine.Self} went from {before} to term {machine.Term}, last {machine.Last}, commit {machine.CommitIndex} by {message}");
    }

    /// <summary>A leader has the durable votes of a majority of the voters, its own included if it is one (paper 5.2).</summary>
    private void Elected(SimServer server, RaftMachine machine)
    {
        IReadOnlyList<ServerId> voters = machine.Membership.Voters;
        int votes = voters.Count(v => v == machine.Self ? server.OnDisk.Hard == new HardState(machine.Term, v) : checker.VoteOf(v, machine.Term) == machine.Self);
        Require(votes > voters.Count / 2, "a leader has a majority", $"{machine.Self} leads term {machine.Term} with {votes} votes of {machine.Membership}");
    }

    /// <summary>A voter votes for no log that is less up to date than its own (paper 5.4.1).</summary>
    private void Grants(RaftMachine machine, VoteReply vote)
    {
        if (!_stands.TryGetValue((vote.To, vote.Term), out LogPlace other)) return;
        LogPlace own = machine.Last;
        bool isBehind = other.Term < own.Term || (other.Term == own.Term && other.Index < own.Index);
        Require(!isBehind, "votes go to logs as good", $"{machine.Self}, whose log ends at {own}, votes for {vote.To}, whose log ends at {other}");
    }

    /// <summary>Who says that its log matches the leader's has the same entry there.</summary>
    private void Acknowledges(RaftMachine machine, AppendReply ack)
    {
        if (group.Find(ack.To)?.Machine is not { Role: RaftRole.Leader } leader || leader.Term != ack.Term) return;
        if (leader.EntryAt(ack.Match) is { } theirs && machine.EntryAt(ack.Match) is { } own)
            Require(theirs.Term == own.Term, "acknowledged is the same", $"{machine.Self} acknowledges {own.Place}, and {ack.To} has {theirs.Place}");
    }

    /// <summary>A compaction keeps all that the log holds behind the snapshot, and the last term and vote.</summary>
    private void Compacts(SimServer server, RaftMachine machine, RaftChange.Compact compact)
    {
        checker.Compacts(machine.Self, compact.Snapshot);
        LogPlace at = compact.Snapshot.At;
        Require(compact.State == server.Asked.Hard, "a compaction keeps the vote", $"{machine.Self} compacts with {compact.State}, and had asked for {server.Asked.Hard}");
        long last = compact.Entries.Count > 0 ? compact.Entries[^1].Index : compact.Base.Index;
        Require(last == machine.Last.Index, "a compaction keeps the log", $"{machine.Self} compacts to {last}, and its log ends at {machine.Last.Index}");
        if (server.Asked.TermAt(at.Index) == at.Term)
            Require(last == server.Asked.Last, "a compaction keeps the log", $"{machine.Self} compacts at {at} to {last}, and had asked for a log to {server.Asked.Last}");
        KnowsItsMembers(machine);
    }
}
