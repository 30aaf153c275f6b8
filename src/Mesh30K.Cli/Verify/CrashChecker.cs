using Mesh30K.Consistency.Causal;
using Mesh30K.Consistency.Time;

namespace Mesh30K.Cli.Verify;

/// <summary>What a run has shown. Every count but those of the run itself must be 0.</summary>
/// <param name="Lost">Acknowledged pushes, checkpoints and completions that the journal has not.</param>
/// <param name="DoneTwice">Entries with more than one acknowledged completion, or completed twice in the journal.</param>
/// <param name="OutOfOrder">Claims of an entry before what it depends on was done.</param>
/// <param name="StaleCheckpoints">Claims that came without the last checkpoint that had been acknowledged.</param>
/// <param name="Findings">The first of them in words.</param>
internal sealed record CrashFindings(int Lost, int DoneTwice, int OutOfOrder, int StaleCheckpoints, IReadOnlyList<string> Findings)
{
    public bool None => Lost + DoneTwice + OutOfOrder + StaleCheckpoints == 0;
}

/// <summary>Holds what workers were told against each other and against the journal. Pure.</summary>
internal sealed class CrashChecker
{
    private const int FindingsMax = 20;

    private readonly List<string> _findings = [];

    public static CrashFindings Check(IReadOnlyList<CrashLine> acknowledged, JournalWitness journal)
    {
        CrashChecker checker = new();
        int lost = checker.Lost(acknowledged, journal.Channel);
        int twice = checker.DoneTwice(acknowledged, journal.DoneTwice);
        int early = checker.OutOfOrder(acknowledged, journal.Early);
        int stale = checker.Stale(acknowledged);
        return new CrashFindings(lost, twice, early, stale, checker._findings);
    }

    private int Lost(IReadOnlyList<CrashLine> acknowledged, Channel channel)
    {
        int lost = 0;
        foreach (CrashLine line in acknowledged)
        {
            ChannelEntry? entry = channel.Find(new Dot(line.Id, ReplicaId.None));
            bool isThere = line.Act switch
            {
                CrashAct.Push => entry?.Status == EntryStatus.Done,
                CrashAct.Checkpoint => entry is not null && CrashMark.Parse(entry.Checkpoint).CompareTo(line.Mark) >= 0,
                CrashAct.Complete => entry?.Status == EntryStatus.Done && entry.Token == line.Token,
                _ => true,
            };
            if (!isThere) lost += Find($"lost: {line}; the journal has {(entry is null ? "nothing" : $"{entry.Status}, token {entry.Token}, checkpoint {entry.Checkpoint ?? "none"}")}");
        }
        return lost;
    }

    private int DoneTwice(IReadOnlyList<CrashLine> acknowledged, IReadOnlySet<Dot> inJournal)
    {
        HashSet<long> twice = [.. acknowledged.Where(l => l.Act == CrashAct.Complete).GroupBy(l => l.Id).Where(g => g.Count() > 1).Select(g => g.Key)];
        twice.UnionWith(inJournal.Select(d => d.Number));
        foreach (long id in twice) Find($"done twice: {id}");
        return twice.Count;
    }

    /// <summary>
    /// By the journal; by the clock: a claim acknowledged before its predecessor's completion was even asked for; and by tokens, which grow with every
    /// claim: an entry's claim comes after the claim under which its predecessor was completed.
    /// </summary>
    private int OutOfOrder(IReadOnlyList<CrashLine> acknowledged, IReadOnlySet<Dot> inJournal)
    {
        Dictionary<long, long> predecessors = [];
        Dictionary<long, CrashLine> completions = [];
        foreach (CrashLine line in acknowledged)
        {
            if (line.Act == CrashAct.Push) predecessors[line.Id] = line.On;
            else if (line.Act == CrashAct.Complete) completions[line.Id] = line;
        }
        HashSet<long> early = [.. inJournal.Select(d => d.Number)];
        foreach (CrashLine claim in acknowledged.Where(l => l.Act == CrashAct.Claim))
        {
            bool isEarly = claim.On > 0 && completions.TryGetValue(claim.On, out CrashLine done) && (claim.To < done.From || claim.Token <= done.Token);
            bool isWrong = predecessors.TryGetValue(claim.Id, out long on) && on != claim.On;
            if (isEarly || isWrong) early.Add(claim.Id);
        }
        foreach (long id in early) Find($"out of order: {id} was claimed before what it depends on was done");
        return early.Count;
    }

    private int Stale(IReadOnlyList<CrashLine> acknowledged)
    {
        int stale = 0;
        foreach (IGrouping<long, CrashLine> entry in acknowledged.Where(l => l.Act is CrashAct.Claim or CrashAct.Checkpoint).GroupBy(l => l.Id))
        {
            CrashMark last = default;
            foreach (CrashLine line in entry.OrderBy(l => l.Token).ThenBy(l => l.To))
            {
                if (line.Act == CrashAct.Checkpoint) last = line.Mark;
                else if (line.Mark.CompareTo(last) < 0) stale += Find($"stale checkpoint: {line}; {last} was acknowledged");
            }
        }
        return stale;
    }

    private int Find(string what)
    {
        if (_findings.Count < FindingsMax) _findings.Add(what);
        return 1;
    }
}
