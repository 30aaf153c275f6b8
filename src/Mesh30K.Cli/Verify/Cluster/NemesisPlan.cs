namespace Mesh30K.Cli.Verify.Cluster;

/// <summary>What a fault does to a group.</summary>
internal enum FaultKind
{
    /// <summary>One server is killed with SIGKILL, and started again at the end.</summary>
    Kill,

    /// <summary>All are killed at once.</summary>
    KillAll,

    /// <summary>One server is killed, and its disk loses power: what was not synced is gone.</summary>
    Power,

    /// <summary>All lose power at once.</summary>
    PowerAll,

    /// <summary>All disks stall, and then all lose power: whoever says that something is durable before its sync has returned is found out.</summary>
    PowerAllStalled,

    /// <summary>
    /// The disks of all but the leader stall, then all lose power, and the leader is started when the others have another one: what they said to it before their syncs had returned is missed.
    /// </summary>
    PowerAllBehind,

    /// <summary>All are asked for a snapshot, and lose power while they make and write it.</summary>
    PowerAllInSnapshot,

    /// <summary>One server's disk stands still: nothing written comes to an end until it goes on.</summary>
    DiskStalls,

    /// <summary>A second process of a running server is started on the same data: it has to say so and end.</summary>
    Second,

    /// <summary>One server stands still (SIGSTOP) and goes on where it was (SIGCONT).</summary>
    Stop,

    /// <summary>One server and the others do not hear each other.</summary>
    CutOff,

    /// <summary>One server hears the others, and they do not hear it.</summary>
    CutOut,

    /// <summary>The others hear one server, and it does not hear them.</summary>
    CutIn,

    /// <summary>Two servers do not hear each other; both hear the rest.</summary>
    CutPair,

    /// <summary>One server does not hear another one.</summary>
    CutOneWay,

    /// <summary>The servers are two parts; the clients reach both.</summary>
    Split,

    /// <summary>The connections between one server and all others are reset.</summary>
    Reset,

    /// <summary>One server's disk fails: every write and sync ends with EIO. It has to end itself; at the end its disk works again and it is started.</summary>
    DiskFails,

    /// <summary>One server's disk is full. As above.</summary>
    DiskFull,
}

/// <summary>One fault. Whom it hits is decided when it begins, since only then a leader is known.</summary>
/// <param name="At">When it begins, from the start of the run.</param>
/// <param name="Until">When it is taken back.</param>
/// <param name="Kind">What it does.</param>
/// <param name="HitsLeader">Whether it hits who leads then; else, and when nobody does, a server by <paramref name="Pick"/>.</param>
/// <param name="Pick">Chooses servers; 0 and more.</param>
/// <param name="CutsClients">Of cuts of one server: whether the clients are cut from it too. If not, they go on to ask a server that may have lost its lead.</param>
/// <param name="Loses">Of cuts: whether the connections are reset at the end, so that what was sent is lost; else it arrives late.</param>
/// <param name="Ahead">Of a power loss: how long before it disks stall or snapshots are asked for.</param>
/// <param name="Meets">Whether it begins while the one before it lasts; else it waits for that one's end, however late it is.</param>
internal sealed record PlannedFault(TimeSpan At, TimeSpan Until, FaultKind Kind, bool HitsLeader, int Pick, bool CutsClients, bool Loses, TimeSpan Ahead = default, bool Meets = false)
{
    /// <summary>The name under which it is counted.</summary>
    public string Name => $"{string.Concat(Kind.ToString().Select((c, i) => char.IsUpper(c) ? (i > 0 ? "_" : "") + char.ToLowerInvariant(c) : c.ToString()))}{(HitsLeader ? "_leader" : "")}{(CutsClients ? "_with_clients" : "")}";
}

/// <summary>Which faults a run has, and when: a function of the seed. Pure.</summary>
internal static class NemesisPlan
{
    /// <summary>How long a killed leader stays dead at least, with no other fault: the time to a new one is then that of one fault.</summary>
    public static readonly TimeSpan AfterDeath = TimeSpan.FromSeconds(3);

    private const int FirstMs = 1_000;

    /// <summary>
    /// How often each kind comes in one turn of the deck, which is about three minutes: kinds are dealt and not drawn, so that a run of two minutes has the power losses that find the most.
    /// </summary>
    private static readonly (FaultKind Kind, int Times)[] Deck =
    [
        (FaultKind.Kill, 10), (FaultKind.KillAll, 1), (FaultKind.Power, 3), (FaultKind.PowerAll, 1), (FaultKind.PowerAllStalled, 3), (FaultKind.PowerAllBehind, 4), (FaultKind.PowerAllInSnapshot, 2),
        (FaultKind.Stop, 5), (FaultKind.DiskStalls, 2), (FaultKind.CutOff, 5), (FaultKind.CutOut, 2), (FaultKind.CutIn, 2), (FaultKind.CutPair, 2), (FaultKind.CutOneWay, 2), (FaultKind.Split, 2),
        (FaultKind.Reset, 1), (FaultKind.DiskFails, 1), (FaultKind.DiskFull, 1), (FaultKind.Second, 1),
    ];

    /// <summary>The faults in the order of their beginnings; all are taken back before <paramref name="length"/>.</summary>
    public static IReadOnlyList<PlannedFault> Make(int seed, TimeSpan length)
    {
        Random random = new(seed);
        List<PlannedFault> plan = [];
        Queue<FaultKind> deck = [];
        double endMs = length.TotalMilliseconds;
        double lastEndMs = 0;
        while (true)
        {
            if (deck.Count == 0) deck = Deal(random);
            FaultKind kind = deck.Dequeue();
            // One in five begins while the last one lasts. Not so where time is measured, or a server has to notice something.
            bool meets = plan.Count > 0 && !IsAlone(kind) && !IsAlone(plan[^1].Kind) && random.Next(5) == 0;
            double ms = plan.Count == 0 ? FirstMs : meets ? (plan[^1].At + plan[^1].Until).TotalMilliseconds / 2 : lastEndMs + random.Next(700, 2_500);
            PlannedFault fault = Draw(random, kind, ms, meets);
            lastEndMs = Math.Max(lastEndMs, fault.Until.TotalMilliseconds);
            if (lastEndMs >= endMs) return plan;
            plan.Add(fault);
        }
    }

    /// <summary>Whether nothing else may go wrong while it lasts, nor while a server still starts.</summary>
    public static bool IsAlone(FaultKind kind) =>
        kind is FaultKind.Kill or FaultKind.DiskFails or FaultKind.DiskFull or FaultKind.PowerAllStalled or FaultKind.PowerAllBehind or FaultKind.PowerAllInSnapshot or FaultKind.Second;

    /// <summary>Whether it takes the power of all.</summary>
    public static bool IsPowerOfAll(FaultKind kind) => kind is FaultKind.PowerAll or FaultKind.PowerAllStalled or FaultKind.PowerAllBehind or FaultKind.PowerAllInSnapshot;

    /// <summary>Whether it hits disks.</summary>
    public static bool IsOfDisk(FaultKind kind) => IsPowerOfAll(kind) || kind is FaultKind.Power or FaultKind.DiskFails or FaultKind.DiskFull or FaultKind.DiskStalls;

    /// <summary>Whether it hits running processes, and not wires.</summary>
    public static bool NeedsProcess(FaultKind kind) => IsOfDisk(kind) || kind is FaultKind.Kill or FaultKind.KillAll or FaultKind.Stop or FaultKind.Second;

    /// <summary>The deck in an order in which each kind's turns are spread over it: a kind with four comes once in each quarter.</summary>
    private static Queue<FaultKind> Deal(Random random) =>
        new(Deck.SelectMany(d => Enumerable.Range(0, d.Times).Select(turn => (d.Kind, At: (turn + random.NextDouble()) / d.Times))).OrderBy(c => c.At).Select(c => c.Kind));

    private static PlannedFault Draw(Random random, FaultKind kind, double ms, bool meets)
    {
        bool hitsLeader = random.Next(100) < 65;
        double lastsMs = random.Next(400, kind == FaultKind.Stop ? 3_000 : 4_000);
        double aheadMs = random.Next(200, 1_200); // a write takes that long where there is much else to do
        int pick = random.Next(1 << 20);
        bool cutsClients = random.Next(100) < 35, loses = random.Next(2) == 0;
        if (kind is FaultKind.Reset or FaultKind.Second) lastsMs = 0;
        if (IsPowerOfAll(kind)) lastsMs /= 4; // they start for long enough, and nothing can be asked meanwhile
        if (kind == FaultKind.Kill && hitsLeader) lastsMs = Math.Max(lastsMs, AfterDeath.TotalMilliseconds);
        hitsLeader = kind == FaultKind.PowerAllBehind || (hitsLeader && kind is not (FaultKind.KillAll or FaultKind.Split) && !IsPowerOfAll(kind));
        cutsClients &= kind is FaultKind.CutOff or FaultKind.CutOut or FaultKind.CutIn;
        if (!IsPowerOfAll(kind) || kind == FaultKind.PowerAll) aheadMs = 0;
        if (kind == FaultKind.PowerAllInSnapshot) aheadMs /= 10;
        TimeSpan at = TimeSpan.FromMilliseconds(ms);
        return new PlannedFault(at, at + TimeSpan.FromMilliseconds(lastsMs), kind, hitsLeader, pick, cutsClients, loses, TimeSpan.FromMilliseconds(aheadMs), meets);
    }

    /// <summary>The wires that a fault cuts, or over which it resets connections; none for other kinds.</summary>
    /// <param name="fault">The fault.</param>
    /// <param name="server">Whom it hits.</param>
    /// <param name="servers">How many there are.</param>
    public static IReadOnlyList<WireName> WiresOf(PlannedFault fault, int server, int servers)
    {
        int[] others = [.. Enumerable.Range(fault.CutsClients ? 0 : 1, servers + (fault.CutsClients ? 1 : 0)).Where(s => s != server)];
        int[] peers = [.. others.Where(s => s > 0)];
        int peer = peers[fault.Pick / servers % peers.Length];
        IEnumerable<WireName> wires = fault.Kind switch
        {
            FaultKind.CutOff or FaultKind.Reset => others.SelectMany(o => Both(server, o)),
            FaultKind.CutOut => others.Select(o => new WireName(server, o)),
            FaultKind.CutIn => others.Select(o => new WireName(o, server)),
            FaultKind.CutPair => Both(server, peer),
            FaultKind.CutOneWay => [new WireName(server, peer)],
            FaultKind.Split => Parts(fault.Pick, servers),
            _ => [],
        };
        return [.. wires];
    }

    private static IEnumerable<WireName> Parts(int pick, int servers)
    {
        int first = pick % servers;
        int[] order = [.. Enumerable.Range(0, servers).Select(i => ((first + i) % servers) + 1)];
        int[] minority = order[..(servers / 2)];
        return minority.SelectMany(a => order[(servers / 2)..].SelectMany(b => Both(a, b)));
    }

    private static IEnumerable<WireName> Both(int a, int b) => [new WireName(a, b), new WireName(b, a)];
}
