using System.Diagnostics;
using System.Text;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Node.Ledger;
using Mesh30K.Simulation.Strong;

namespace Mesh30K.Cli.Verify.Cluster;

/// <summary>What a run is to do.</summary>
/// <param name="Seconds">For how long faults come.</param>
/// <param name="Seed">Of the faults and of what clients do.</param>
/// <param name="HistoryName">The history's file, as it is reported.</param>
internal sealed record ClusterRunOptions(int Seconds, int Seed, string HistoryName, int Clients = 8)
{
    /// <summary>How long after the last fault every client has to be served again. Default 20 s.</summary>
    public TimeSpan QuietWithin { get; init; } = TimeSpan.FromSeconds(20);
}

/// <summary>Clients work on a group while a nemesis works against it; then it is quiet, everything is read, and the history is checked. One owner.</summary>
internal sealed class ClusterRun(ICluster cluster, ClusterRunOptions options, Action<string>? tell = null)
{
    /// <summary>A run's operations at most, about 100 MB in memory: clients go slower in a longer run.</summary>
    private const int OperationsMax = 500_000;

    private const int WellInARow = 20;
    private const int FindingsMax = 20;

    private static readonly TimeSpan FirstWriteWithin = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan PaceLeast = TimeSpan.FromMilliseconds(5);

    private readonly List<string> _findings = [];

    public async Task<ClusterReport> RunAsync(Stream file, Action<string, double> progress, CancellationToken stop)
    {
        long from = Stopwatch.GetTimestamp();
        using HistoryRecorder history = new(file);
        TimeSpan pace = TimeSpan.FromSeconds((double)options.Seconds * options.Clients / OperationsMax);
        ClusterClients shared = new(new ClusterKeys(), history, new FailoverMeter(), pace > PaceLeast ? pace : PaceLeast);
        List<ILedger> ledgers = [];
        try
        {
            for (int i = 0; i <= options.Clients; i++) ledgers.Add(cluster.OpenLedger());
            await FirstWriteAsync(ledgers[0], stop).ConfigureAwait(false);
            ClusterClient[] clients = [.. Enumerable.Range(1, options.Clients).Select(i => new ClusterClient(i, options.Seed + (7_919 * i), ledgers[i], shared))];
            Nemesis nemesis = new(cluster, shared, tell ?? (_ => { }));
            double? quietMs = await WorkAsync(clients, nemesis, progress, stop).ConfigureAwait(false);
            int before = history.Operations.Count;
            progress("reading all", 1);
            await ReadAllAsync(ledgers[0], shared, stop).ConfigureAwait(false);
            progress("checking", 1);
            return Report(shared, clients, nemesis, quietMs, before, Stopwatch.GetElapsedTime(from), stop);
        }
        finally
        {
            foreach (ILedger ledger in ledgers) await ledger.DisposeAsync().ConfigureAwait(false);
        }
    }

    private static async Task FirstWriteAsync(ILedger ledger, CancellationToken stop)
    {
        LedgerAnswer first = await ledger.AskAsync(new LedgerCommand.Tick(), FirstWriteWithin, stop).ConfigureAwait(false);
        if (first.Certainty != LedgerCertainty.Answered) throw new CliException(new CliError(ExitCode.NotAchieved, "no_leader", $"the group did not take a first command within {FirstWriteWithin.TotalSeconds} s: {first.Why}"));
    }

    /// <summary>Runs clients and nemesis together; back when the clients have stopped. Returns how long it took until all worked again, or null.</summary>
    private async Task<double?> WorkAsync(ClusterClient[] clients, Nemesis nemesis, Action<string, double> progress, CancellationToken stop)
    {
        using CancellationTokenSource ended = new(), aborted = CancellationTokenSource.CreateLinkedTokenSource(stop);
        Task[] working = [.. clients.Select(c => Task.Run(() => c.RunAsync(ended.Token, aborted.Token), CancellationToken.None))];
        Task any = Task.WhenAny(working);
        try
        {
            long from = Stopwatch.GetTimestamp();
            IReadOnlyList<PlannedFault> plan = NemesisPlan.Make(options.Seed, TimeSpan.FromSeconds(options.Seconds));
            Task faults = nemesis.RunAsync(plan, (at, name) => progress($"faults: {name}", at.TotalSeconds / options.Seconds), aborted.Token);
            if (await Task.WhenAny(faults, any).ConfigureAwait(false) == any) await Task.WhenAll(working).ConfigureAwait(false); // a client never ends by itself but by an error
            await faults.ConfigureAwait(false);
            TimeSpan rest = TimeSpan.FromSeconds(options.Seconds) - Stopwatch.GetElapsedTime(from);
            if (rest > TimeSpan.Zero) await Task.Delay(rest, stop).ConfigureAwait(false);
            progress("quiet", 1);
            double? quiet = await QuietAsync(clients, stop).ConfigureAwait(false);
            await ended.CancelAsync().ConfigureAwait(false);
            await Task.WhenAll(working).ConfigureAwait(false);
            return quiet;
        }
        finally
        {
            await aborted.CancelAsync().ConfigureAwait(false);
        }
    }

    private async Task<double?> QuietAsync(ClusterClient[] clients, CancellationToken stop)
    {
        long from = Stopwatch.GetTimestamp();
        int[] past = [.. clients.Select(c => c.WellInARow)];
        while (Stopwatch.GetElapsedTime(from) is var passed && passed < options.QuietWithin)
        {
            // What was answered before the quiet began does not count, unless an operation failed since and the count began anew.
            bool all = true;
            for (int i = 0; i < clients.Length; i++)
            {
                int now = clients[i].WellInARow;
                if (now < past[i]) past[i] = 0;
                all &= now - past[i] >= WellInARow;
            }
            if (all) return Math.Round(passed.TotalMilliseconds, 1);
            await Task.Delay(20, stop).ConfigureAwait(false);
        }
        _findings.Add($"{options.QuietWithin.TotalSeconds} s after the last fault {clients.Count(c => c.WellInARow < WellInARow)} clients of {clients.Length} were not served");
        return null;
    }

    /// <summary>Reads every value there is, and records it as a read of every key there ever was.</summary>
    private async Task ReadAllAsync(ILedger ledger, ClusterClients shared, CancellationToken stop)
    {
        Dictionary<string, (string Value, long CallNs, long ReturnNs)> found = new(StringComparer.Ordinal);
        long beganNs = shared.History.NowNs;
        try
        {
            LedgerKey? after = null;
            do
            {
                long call = shared.History.NowNs;
                LedgerPage<LedgerEntry> page = await ledger.ReadAsync(new LedgerQuery.List(LedgerEntryKind.Value, After: after), TimeSpan.FromSeconds(10), stop).ConfigureAwait(false);
                long returned = shared.History.NowNs;
                foreach (LedgerValue value in page.Items.Cast<LedgerValue>()) found[value.Id.Name] = (Encoding.UTF8.GetString(value.Value.Span), call, returned);
                after = page.Next;
            }
            while (after is not null);
        }
        catch (LedgerUnavailableException gone)
        {
            _findings.Add($"the values could not be read at the end: {gone.Message}");
            return;
        }
        long endedNs = shared.History.NowNs;
        foreach (string key in shared.Keys.All)
        {
            bool isThere = found.TryGetValue(key, out (string Value, long CallNs, long ReturnNs) read);
            (long callNs, long returnNs) = isThere ? (read.CallNs, read.ReturnNs) : (beganNs, endedNs);
            shared.History.Add(new HistoryOperation(0, 0, HistoryOp.Get, key, null, null, callNs, returnNs, HistoryOutcome.Ok, isThere ? read.Value : null));
        }
    }

    private ClusterReport Report(ClusterClients shared, ClusterClient[] clients, Nemesis nemesis, double? quietMs, int before, TimeSpan wall, CancellationToken stop)
    {
        IReadOnlyList<HistoryOperation> all = shared.History.Operations;
        HistoryReport report = LinearizabilityChecker.Check(all, stop: stop);
        HashSet<string> wrong = [.. report.Keys.Where(k => k.Verdict == HistoryVerdict.Violation).Select(k => k.Key)];
        HistoryReport without = LinearizabilityChecker.Check(all.Take(before).Where(o => wrong.Contains(o.Key)), stop: stop);
        HashSet<string> wrongBefore = [.. without.Keys.Where(k => k.Verdict == HistoryVerdict.Violation).Select(k => k.Key)];
        IReadOnlyList<double> failovers = shared.Meter.Ms;
        return new ClusterReport
        {
            Nodes = cluster.Servers,
            Seconds = options.Seconds,
            Seed = options.Seed,
            Clients = options.Clients,
            History = options.HistoryName,
            Verdict = report.Verdict.ToString().ToLowerInvariant(),
            Operations = all.Count,
            Keys = report.Keys.Count,
            Get = OperationCounts.Of(all, HistoryOp.Get),
            Put = OperationCounts.Of(all, HistoryOp.Put),
            Cas = OperationCounts.Of(all, HistoryOp.Cas),
            CasNotTaken = clients.Sum(c => c.NotTaken),
            FaultsPlanned = nemesis.LateMs.Count,
            FaultsInjected = nemesis.Counts.Values.Sum(),
            Faults = nemesis.Counts,
            FaultsMissed = nemesis.Missed,
            LateMsMedian = FailoverMeter.Median(nemesis.LateMs) is { } late ? Math.Round(late, 1) : null,
            LateMsMax = nemesis.LateMs.Count > 0 ? Math.Round(nemesis.LateMs.Max(), 1) : null,
            Failovers = failovers.Count,
            FailoverMsMedian = FailoverMeter.Median(failovers) is { } median ? Math.Round(median, 1) : null,
            FailoverMsMax = failovers.Count > 0 ? Math.Round(failovers.Max(), 1) : null,
            QuietAfterMs = quietMs,
            Lost = wrong.Count - wrongBefore.Count,
            Violations = [.. report.Keys.Where(k => k.Witness is not null).Take(FindingsMax).Select(k => Told(k, !wrongBefore.Contains(k.Key)))],
            Undecided = [.. report.Keys.Where(k => k.Verdict == HistoryVerdict.Undecided).Take(FindingsMax).Select(k => k.Key)],
            Findings = [.. _findings, .. cluster.Findings],
            WallS = Math.Round(wall.TotalSeconds, 2),
        };
    }

    private static ClusterViolation Told(KeyReport key, bool isLoss) => new(key.Key, key.Witness!.Blocked.Line, key.Witness.Blocked.ToString(), key.Witness.Possible, isLoss);
}
