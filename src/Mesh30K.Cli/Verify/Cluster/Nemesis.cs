using System.Globalization;

namespace Mesh30K.Cli.Verify.Cluster;

/// <summary>Carries a plan out on a group, and counts what it did. One owner.</summary>
/// <param name="tell">Takes a line for each beginning and end, with the history's time.</param>
internal sealed class Nemesis(ICluster cluster, ClusterClients clients, Action<string> tell)
{
    private readonly List<Running> _running = [];
    private readonly HashSet<int> _busy = [];
    private readonly SortedDictionary<string, int> _counts = new(StringComparer.Ordinal);

    /// <summary>Faults that took place, by their names.</summary>
    public IReadOnlyDictionary<string, int> Counts => _counts;

    /// <summary>Faults that found no server to hit, or no leader though they were to hit one and hit another one.</summary>
    public int Missed { get; private set; }

    /// <summary>Back when every fault has been taken back. When cancelled, faults may be left: the group is to be given up.</summary>
    public async Task RunAsync(IReadOnlyList<PlannedFault> plan, Action<TimeSpan, string> progress, CancellationToken stop)
    {
        long fromNs = clients.History.NowNs;
        int next = 0;
        while (next < plan.Count || _running.Count > 0)
        {
            Running? first = _running.MinBy(r => r.Fault.Until);
            bool ends = first is not null && (next == plan.Count || first.Fault.Until <= plan[next].At);
            TimeSpan at = ends ? first!.Fault.Until : plan[next].At;
            TimeSpan wait = at - Elapsed(fromNs);
            if (wait > TimeSpan.Zero) await Task.Delay(wait, stop).ConfigureAwait(false);
            if (ends)
            {
                await EndAsync(first!, stop).ConfigureAwait(false);
                Tell($"ended {first!.Fault.Name} of {string.Join(", ", first.Servers)}");
                continue;
            }
            progress(at, plan[next].Name);
            await BeginAsync(plan[next++], stop).ConfigureAwait(false);
        }
    }

    private TimeSpan Elapsed(long fromNs) => TimeSpan.FromMicroseconds((clients.History.NowNs - fromNs) / 1e3);

    private async Task BeginAsync(PlannedFault fault, CancellationToken stop)
    {
        int? leader = fault.HitsLeader ? await cluster.LeaderAsync(stop).ConfigureAwait(false) : null;
        bool needsProcess = fault.Kind is FaultKind.Kill or FaultKind.KillAll or FaultKind.PowerAll or FaultKind.Stop or FaultKind.DiskFails or FaultKind.DiskFull;
        int[] free = [.. Enumerable.Range(1, cluster.Servers).Where(s => !needsProcess || !_busy.Contains(s))];
        bool isDisk = fault.Kind is FaultKind.DiskFails or FaultKind.DiskFull or FaultKind.PowerAll;
        if (free.Length == 0 || (isDisk && !cluster.CanBreakDisk(fault.Kind)))
        {
            Missed++;
            return;
        }
        bool isLeader = leader is { } known && free.Contains(known);
        int server = isLeader ? leader!.Value : free[fault.Pick % free.Length];
        Running running = new(fault, fault.Kind is FaultKind.KillAll or FaultKind.PowerAll ? free : [server], NemesisPlan.WiresOf(fault, server, cluster.Servers));
        _ = clients.Meter.Spoil();
        bool alone = _running.Count == 0;
        await CauseAsync(running).ConfigureAwait(false);
        if (isLeader && alone && fault.Kind == FaultKind.Kill) clients.Meter.Died(running.CausedNs);
        if (needsProcess) _busy.UnionWith(running.Servers);
        _running.Add(running);
        string name = fault.HitsLeader && !isLeader ? (fault with { HitsLeader = false }).Name : fault.Name;
        if (fault.HitsLeader && !isLeader) Missed++;
        _counts[name] = _counts.GetValueOrDefault(name) + 1;
        Tell($"{name} of {string.Join(", ", running.Servers)}");
    }

    private void Tell(string what) => tell(string.Create(CultureInfo.InvariantCulture, $"t={clients.History.NowNs / 1e9:F3}s {what}"));

    private async Task CauseAsync(Running running)
    {
        int server = running.Servers[0];
        running.CausedNs = clients.History.NowNs;
        switch (running.Fault.Kind)
        {
            case FaultKind.Kill or FaultKind.KillAll:
                await Task.WhenAll(running.Servers.Select(cluster.KillAsync)).ConfigureAwait(false);
                break;
            case FaultKind.PowerAll:
                await Task.WhenAll(running.Servers.Select(cluster.LosePowerAsync)).ConfigureAwait(false);
                break;
            case FaultKind.Stop:
                cluster.Pause(server);
                break;
            case FaultKind.DiskFails or FaultKind.DiskFull:
                await cluster.BreakDiskAsync(server, running.Fault.Kind).ConfigureAwait(false);
                break;
            case FaultKind.Reset:
                cluster.Reset(running.Wires);
                break;
            default:
                cluster.Cut(running.Wires);
                break;
        }
    }

    private async Task EndAsync(Running running, CancellationToken stop)
    {
        _running.Remove(running);
        int server = running.Servers[0];
        switch (running.Fault.Kind)
        {
            case FaultKind.Kill or FaultKind.KillAll or FaultKind.PowerAll:
                await Task.WhenAll(running.Servers.Select(s => cluster.StartAsync(s, stop))).ConfigureAwait(false);
                break;
            case FaultKind.Stop:
                cluster.Continue(server);
                break;
            case FaultKind.DiskFails or FaultKind.DiskFull:
                await cluster.MendDiskAsync(server, stop).ConfigureAwait(false);
                await cluster.StartAsync(server, stop).ConfigureAwait(false);
                break;
            case FaultKind.Reset:
                break;
            default:
                cluster.Heal(running.Wires, running.Fault.Loses);
                break;
        }
        _busy.ExceptWith(running.Servers);
    }

    private sealed class Running(PlannedFault fault, IReadOnlyList<int> servers, IReadOnlyList<WireName> wires)
    {
        public PlannedFault Fault => fault;

        public IReadOnlyList<int> Servers => servers;

        public IReadOnlyList<WireName> Wires => wires;

        public long CausedNs { get; set; }
    }
}
