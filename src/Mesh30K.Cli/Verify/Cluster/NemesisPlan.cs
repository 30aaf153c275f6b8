namespace Mesh30K.Cli.Verify.Cluster;

/// <summary>What a fault does to a group.</summary>
internal enum FaultKind
{
    /// <summary>One server is killed with SIGKILL, and started again at the end.</summary>
    Kill,

    /// <summary>All are killed at once.</summary>
    KillAll,

    /// <summary>All are killed at once, and their disks lose power: what was not synced is gone.</summary>
    PowerAll,

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
internal sealed record PlannedFault(TimeSpan At, TimeSpan Until, FaultKind Kind, bool HitsLeader, int Pick, bool CutsClients, bool Loses)
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

    /// <summary>Kinds with how often each comes, in turns of 100.</summary>
    private static readonly (FaultKind Kind, int Weight)[] Weights =
    [
        (FaultKind.Kill, 29), (FaultKind.KillAll, 2), (FaultKind.PowerAll, 3), (FaultKind.Stop, 14), (FaultKind.CutOff, 14), (FaultKind.CutOut, 7), (FaultKind.CutIn, 7), (FaultKind.CutPair, 5),
        (FaultKind.CutOneWay, 5), (FaultKind.Split, 5), (FaultKind.Reset, 3), (FaultKind.DiskFails, 3), (FaultKind.DiskFull, 3),
    ];

    /// <summary>The faults in the order of their beginnings; all are taken back before <paramref name="length"/>.</summary>
    public static IReadOnlyList<PlannedFault> Make(int seed, TimeSpan length)
    {
        Random random = new(seed);
        List<PlannedFault> plan = [];
        double endMs = length.TotalMilliseconds;
        double ms = FirstMs;
        double lastEndMs = 0;
        bool meets = false;
        while (true)
        {
            FaultKind kind = KindOf(random.Next(Weights.Sum(w => w.Weight)));
            bool hitsLeader = random.Next(100) < 65;
            if (meets && IsAlone(kind)) kind = FaultKind.Stop;
            double lastsMs = kind == FaultKind.Reset ? 0 : random.Next(400, kind == FaultKind.Stop ? 3_000 : 4_000);
            bool isDeath = kind == FaultKind.Kill && hitsLeader;
            if (isDeath) lastsMs = Math.Max(lastsMs, AfterDeath.TotalMilliseconds);
            bool cutsClients = kind is FaultKind.CutOff or FaultKind.CutOut or FaultKind.CutIn && random.Next(100) < 35;
            PlannedFault fault = new(
                TimeSpan.FromMilliseconds(ms), TimeSpan.FromMilliseconds(ms + lastsMs), kind, hitsLeader && kind is not (FaultKind.KillAll or FaultKind.PowerAll or FaultKind.Split), random.Next(1 << 20), cutsClients, random.Next(2) == 0);
            if (ms + lastsMs >= endMs) return plan;
            plan.Add(fault);
            // One in five is met by the next while it lasts. Not so where time is measured, or a server has to notice that its disk fails.
            meets = !IsAlone(kind) && random.Next(5) == 0;
            lastEndMs = Math.Max(lastEndMs, ms + lastsMs);
            ms = meets ? ms + (lastsMs / 2) : lastEndMs + random.Next(700, 2_500);
        }
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

    private static bool IsAlone(FaultKind kind) => kind is FaultKind.Kill or FaultKind.DiskFails or FaultKind.DiskFull;

    private static FaultKind KindOf(int at)
    {
        foreach ((FaultKind kind, int weight) in Weights)
        {
            if (at < weight) return kind;
            at -= weight;
        }
        throw new InvalidOperationException("a weight is missing");
    }
}
