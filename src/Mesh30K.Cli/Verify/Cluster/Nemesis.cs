using System.Globalization;

namespace Mesh30K.Cli.Verify.Cluster;

/// <summary>
/// Carries a plan out on a group, and counts what it did. A fault lasts as long as planned from when it really began, and what takes time at its end (a process that starts, a disk that is mounted)
/// holds up only what must not meet it: on a machine with much else to do faults come late (<see cref="LateMs"/>), and are neither fewer nor shorter. One owner.
/// </summary>
/// <param name="tell">Takes a line for each beginning and end, with the history's time.</param>
internal sealed class Nemesis(ICluster cluster, ClusterClients clients, Action<string> tell)
{
    /// <summary>How long is waited at most for somebody to lead: before a fault that is to hit who leads, and before a leader that is to come back last is started.</summary>
    private static readonly TimeSpan LeaderWithin = TimeSpan.FromSeconds(5);

    private readonly List<Running> _running = [];
    private readonly HashSet<int> _busy = [];
    private readonly SortedDictionary<string, int> _counts = new(StringComparer.Ordinal);
    private readonly List<double> _lateMs = [];

    /// <summary>Faults that took place, by their names.</summary>
    public IReadOnlyDictionary<string, int> Counts => _counts;

    /// <summary>Faults that found no server to hit, or no leader though they were to hit one and hit another one.</summary>
    public int Missed { get; private set; }

    /// <summary>How long after its planned moment each fault began, in milliseconds.</summary>
    public IReadOnlyList<double> LateMs => _lateMs;

    /// <summary>Back when every fault has been taken back. When cancelled, faults may be left: the group is to be given up.</summary>
    public async Task RunAsync(IReadOnlyList<PlannedFault> plan, Action<TimeSpan, string> progress, CancellationToken stop)
    {
        long fromNs = clients.History.NowNs;
        try
        {
            for (int next = 0; ;)
            {
                await ReapAsync().ConfigureAwait(false);
                if (next == plan.Count && _running.Count == 0) return;
                TimeSpan now = Elapsed(fromNs);
                Running? due = _running.Where(r => r.Ending is null).MinBy(r => r.EndsAt);
                bool mayBegin = next < plan.Count && MayBegin(plan[next]);
                if (due?.EndsAt <= now) due.Ending = EndAsync(due, stop);
                else if (mayBegin && plan[next].At <= now)
                {
                    _lateMs.Add((now - plan[next].At).TotalMilliseconds);
                    progress(plan[next].At, plan[next].Name);
                    await BeginAsync(plan[next++], fromNs, stop).ConfigureAwait(false);
                }
                else await WaitAsync(due?.EndsAt - now, mayBegin ? plan[next].At - now : null, stop).ConfigureAwait(false);
            }
        }
        finally
        {
            // Nobody may still be starting servers when the group is given up. What went wrong here was thrown above, or is the cancellation.
            await Task.WhenAll(_running.Select(r => r.Ending ?? Task.CompletedTask)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>One fault at a time, unless it is planned to meet another; some begin only when all servers run, and none before there is a server to hit.</summary>
    private bool MayBegin(PlannedFault fault)
    {
        if (NemesisPlan.IsAlone(fault.Kind)) return _running.Count == 0;
        if (NemesisPlan.NeedsProcess(fault.Kind) && _busy.Count == cluster.Servers) return false;
        return fault.Meets || _running.TrueForAll(r => r.Ending is not null);
    }

    private async Task WaitAsync(TimeSpan? untilEnd, TimeSpan? untilBegin, CancellationToken stop)
    {
        List<Task> any = [.. _running.Select(r => r.Ending).OfType<Task>()];
        TimeSpan? wait = untilEnd < untilBegin || untilBegin is null ? untilEnd : untilBegin;
        using CancellationTokenSource enough = CancellationTokenSource.CreateLinkedTokenSource(stop);
        if (wait is { } time) any.Add(Task.Delay(time, enough.Token));
        await Task.WhenAny(any).ConfigureAwait(false);
        await enough.CancelAsync().ConfigureAwait(false);
        stop.ThrowIfCancellationRequested();
    }

    /// <summary>Takes those out whose end is done.</summary>
    private async Task ReapAsync()
    {
        foreach (Running ended in _running.Where(r => r.Ending is { IsCompleted: true }).ToArray())
        {
            await ended.Ending!.ConfigureAwait(false);
            _running.Remove(ended);
            if (ended.NeedsProcess) _busy.ExceptWith(ended.Servers);
            Tell(clients.History.NowNs, $"ended {ended.Fault.Name} of {string.Join(", ", ended.Servers)}");
        }
    }

    private TimeSpan Elapsed(long fromNs) => Between(fromNs, clients.History.NowNs);

    private static TimeSpan Between(long fromNs, long untilNs) => TimeSpan.FromMicroseconds((untilNs - fromNs) / 1e3);

    private async Task BeginAsync(PlannedFault fault, long fromNs, CancellationToken stop)
    {
        // One that meets another fault takes the group as it is.
        int? leader = fault.HitsLeader ? await LeaderAsync(fault.Meets ? TimeSpan.Zero : LeaderWithin, stop).ConfigureAwait(false) : null;
        bool ofAll = fault.Kind == FaultKind.KillAll || NemesisPlan.IsPowerOfAll(fault.Kind);
        bool needsProcess = NemesisPlan.NeedsProcess(fault.Kind);
        int[] free = [.. Enumerable.Range(1, cluster.Servers).Where(s => !needsProcess || !_busy.Contains(s))];
        if (free.Length == 0 || (NemesisPlan.IsOfDisk(fault.Kind) && !cluster.CanBreakDisk(fault.Kind)))
        {
            Missed++;
            return;
        }
        bool isLeader = leader is { } known && free.Contains(known);
        int server = isLeader ? leader!.Value : free[fault.Pick % free.Length];
        int[] servers = ofAll ? [server, .. free.Where(s => s != server)] : [server];
        Running running = new(fault, servers, NemesisPlan.WiresOf(fault, server, cluster.Servers), needsProcess);
        _ = clients.Meter.Spoil();
        bool alone = _running.Count == 0;
        await CauseAsync(running, stop).ConfigureAwait(false);
        if (isLeader && alone && fault.Kind == FaultKind.Kill) clients.Meter.Died(running.CausedNs);
        long beganNs = clients.History.NowNs;
        running.EndsAt = Between(fromNs, beganNs) + (fault.Until - fault.At);
        if (needsProcess) _busy.UnionWith(servers);
        _running.Add(running);
        string name = fault.HitsLeader && !isLeader ? (fault with { HitsLeader = false }).Name : fault.Name;
        if (fault.HitsLeader && !isLeader) Missed++;
        _counts[name] = _counts.GetValueOrDefault(name) + 1;
        Tell(beganNs, $"{name} of {string.Join(", ", servers)}");
    }

    private void Tell(long atNs, string what) => tell(string.Create(CultureInfo.InvariantCulture, $"t={atNs / 1e9:F3}s {what}"));

    private async Task CauseAsync(Running running, CancellationToken stop)
    {
        int server = running.Servers[0];
        running.CausedNs = clients.History.NowNs;
        switch (running.Fault.Kind)
        {
            case FaultKind.Kill or FaultKind.KillAll:
                await Task.WhenAll(running.Servers.Select(cluster.KillAsync)).ConfigureAwait(false);
                break;
            case FaultKind.Power or FaultKind.PowerAll or FaultKind.PowerAllStalled or FaultKind.PowerAllBehind or FaultKind.PowerAllInSnapshot:
                await LosePowerAsync(running, stop).ConfigureAwait(false);
                break;
            case FaultKind.Stop:
                cluster.Pause(server);
                break;
            case FaultKind.DiskStalls:
                await cluster.StallDisksAsync(running.Servers).ConfigureAwait(false);
                break;
            case FaultKind.DiskFails or FaultKind.DiskFull:
                await cluster.BreakDiskAsync(server, running.Fault.Kind).ConfigureAwait(false);
                break;
            case FaultKind.Second:
                await cluster.StartSecondAsync(server, stop).ConfigureAwait(false);
                break;
            case FaultKind.Reset:
                cluster.Reset(running.Wires);
                break;
            default:
                cluster.Cut(running.Wires);
                break;
        }
    }

    private async Task LosePowerAsync(Running running, CancellationToken stop)
    {
        FaultKind kind = running.Fault.Kind;
        Task ahead = kind switch
        {
            FaultKind.PowerAllStalled => cluster.StallDisksAsync(running.Servers),
            FaultKind.PowerAllBehind => cluster.StallDisksAsync([.. running.Servers.Skip(1)]),
            _ => Task.CompletedTask,
        };
        await ahead.ConfigureAwait(false);
        Task snapshots = kind == FaultKind.PowerAllInSnapshot ? Task.WhenAll(running.Servers.Select(s => cluster.SnapshotAsync(s, stop))) : Task.CompletedTask;
        if (running.Fault.Ahead > TimeSpan.Zero) await Task.Delay(running.Fault.Ahead, stop).ConfigureAwait(false);
        await cluster.LosePowerAsync(running.Servers).ConfigureAwait(false);
        await snapshots.ConfigureAwait(false);
    }

    private async Task<int?> LeaderAsync(TimeSpan atMost, CancellationToken stop)
    {
        long fromNs = clients.History.NowNs;
        while (true)
        {
            int? leader = await cluster.LeaderAsync(stop).ConfigureAwait(false);
            if (leader is not null || Elapsed(fromNs) >= atMost) return leader;
            await Task.Delay(20, stop).ConfigureAwait(false);
        }
    }

    private async Task EndAsync(Running running, CancellationToken stop)
    {
        int server = running.Servers[0];
        switch (running.Fault.Kind)
        {
            case FaultKind.PowerAllBehind:
                await Task.WhenAll(running.Servers.Skip(1).Select(s => cluster.StartAsync(s, stop))).ConfigureAwait(false);
                _ = await LeaderAsync(LeaderWithin, stop).ConfigureAwait(false);
                await cluster.StartAsync(server, stop).ConfigureAwait(false);
                break;
            case FaultKind.Kill or FaultKind.KillAll or FaultKind.Power or FaultKind.PowerAll or FaultKind.PowerAllStalled or FaultKind.PowerAllInSnapshot:
                await Task.WhenAll(running.Servers.Select(s => cluster.StartAsync(s, stop))).ConfigureAwait(false);
                break;
            case FaultKind.Stop:
                cluster.Continue(server);
                break;
            case FaultKind.DiskStalls:
                cluster.LetDiskGoOn(server);
                break;
            case FaultKind.DiskFails or FaultKind.DiskFull:
                await cluster.MendDiskAsync(server, stop).ConfigureAwait(false);
                await cluster.StartAsync(server, stop).ConfigureAwait(false);
                break;
            case FaultKind.Reset or FaultKind.Second:
                break;
            default:
                cluster.Heal(running.Wires, running.Fault.Loses);
                break;
        }
    }

    /// <param name="needsProcess">Whether its servers are not to be hit otherwise while it lasts.</param>
    private sealed class Running(PlannedFault fault, IReadOnlyList<int> servers, IReadOnlyList<WireName> wires, bool needsProcess)
    {
        public PlannedFault Fault => fault;

        /// <summary>The leader first, or the one that it hits.</summary>
        public IReadOnlyList<int> Servers => servers;

        public IReadOnlyList<WireName> Wires => wires;

        public bool NeedsProcess => needsProcess;

        public long CausedNs { get; set; }

        public TimeSpan EndsAt { get; set; }

        /// <summary>Its taking back; null before that has begun.</summary>
        public Task? Ending { get; set; }
    }
}
