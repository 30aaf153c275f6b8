using System.Diagnostics;
using System.Globalization;

namespace Mesh30K.Cli.Verify.Power;

/// <summary>What came of a run. Lost, changed, refused and not stopped must be 0.</summary>
/// <param name="Acknowledged">Entries that were acknowledged before a cut and so had to be there after it.</param>
/// <param name="Amid">Entries acknowledged while the cut was being made, which says nothing (docs/adr/0015-how-real-groups-are-tested.md).</param>
/// <param name="Early">Cuts before a worker's first acknowledgement: while it opened its log, or made it.</param>
/// <param name="Lost">Acknowledged entries that were not there afterwards.</param>
/// <param name="Changed">Cycles after which an entry was not, byte for byte, what was written.</param>
/// <param name="Refused">Cycles after which the log could not be opened.</param>
/// <param name="NotStopped">Workers that did not notice that their disk was gone.</param>
/// <param name="UnderWay">Entries that were there afterwards though nobody had acknowledged them: allowed, and a sign that cuts came in the middle.</param>
internal sealed record PowerReport(
    int Cycles, int Seed, long Acknowledged, long Amid, long UnderWay, int Early, long Lost, int Changed, int Refused, int NotStopped, IReadOnlyDictionary<string, int> Logs, double WallS, IReadOnlyList<string> Findings)
{
    public bool Holds => Lost + Changed + Refused + NotStopped == 0 && Findings.Count == 0;
}

/// <summary>Cuts the power of a disk again and again while a worker writes a log on it, and reads the log back each time. One owner.</summary>
/// <param name="disk">Not mounted.</param>
/// <param name="kinds">Which logs are written, in turns: each file system holds one.</param>
/// <param name="logs">How logs are opened to read them back.</param>
/// <param name="start">Starts a worker.</param>
internal sealed class PowerRun(LoopDisk disk, IReadOnlyList<PowerLogKind> kinds, PowerLogs logs, Func<IPowerWorker> start)
{
    /// <summary>Cycles on one file system; then a new one with another kind of log.</summary>
    private const int CyclesOfDisk = 8;

    private const int FindingsMax = 20;

    private static readonly TimeSpan FirstWithin = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan NoticeWithin = TimeSpan.FromSeconds(10);

    private readonly SortedDictionary<string, int> _kinds = new(StringComparer.Ordinal);
    private readonly List<string> _findings = [];
    private long _acknowledged;
    private long _amid;
    private long _underWay;
    private long _lost;
    private int _early;
    private int _changed;
    private int _refused;
    private int _notStopped;

    public async Task<PowerReport> RunAsync(int cycles, int seed, Action<string, double> progress, CancellationToken stop)
    {
        long from = Stopwatch.GetTimestamp();
        Random random = new(seed);
        IPowerWorker next = start();
        try
        {
            long known = 0; // entries that the log on this file system has, as the last reading showed
            for (int cycle = 0; cycle < cycles; cycle++)
            {
                progress("cutting power", (double)cycle / cycles);
                int round = cycle / CyclesOfDisk;
                PowerLogKind kind = kinds[round % kinds.Count];
                if (cycle % CyclesOfDisk == 0)
                {
                    disk.Format();
                    known = 0;
                }
                using IPowerWorker worker = next;
                next = start();
                bool usable = await CycleAsync(worker, cycle, kind, seed + round, known, random, stop).ConfigureAwait(false) is { } now && (known = now) >= 0;
                if (!usable) cycle = ((round + 1) * CyclesOfDisk) - 1; // the log is broken: go on with a new file system
                _kinds[kind.ToString().ToLowerInvariant()] = _kinds.GetValueOrDefault(kind.ToString().ToLowerInvariant()) + 1;
            }
        }
        finally
        {
            next.Dispose();
        }
        return new PowerReport(_kinds.Values.Sum(), seed, _acknowledged, _amid, _underWay, _early, _lost, _changed, _refused, _notStopped, _kinds, Math.Round(Stopwatch.GetElapsedTime(from).TotalSeconds, 2), _findings);
    }

    /// <summary>One life. Returns how many entries the log has then; null when it is no longer what it should be.</summary>
    private async Task<long?> CycleAsync(IPowerWorker worker, int cycle, PowerLogKind kind, int seed, long known, Random random, CancellationToken stop)
    {
        disk.Mount();
        worker.Go(kind, disk.MountPoint, seed);
        bool isEarly = random.Next(5) == 0;
        if (!isEarly) await FirstAsync(worker, stop).ConfigureAwait(false);
        await Task.Delay(TimeSpan.FromMilliseconds(random.Next(isEarly ? 40 : 120)), stop).ConfigureAwait(false);
        if (worker.Ended.IsCompleted) Find(cycle, $"the worker ended before the cut: {await worker.Ended.ConfigureAwait(false)}");
        // A sync that is under way when ext4 is shut down can return well though the file lost what it wrote: only what was acknowledged before counts.
        long before = worker.Acknowledged;
        disk.CutPower();
        await NoticeAsync(worker, cycle).ConfigureAwait(false);
        disk.Unmount();
        long acknowledged = Math.Max(before, known);
        if (before == 0) _early++;
        _acknowledged += acknowledged - known;
        _amid += Math.Max(worker.Acknowledged, known) - acknowledged;
        disk.Mount();
        try
        {
            return await ReadBackAsync(cycle, kind, seed, acknowledged).ConfigureAwait(false);
        }
        finally
        {
            disk.Unmount();
        }
    }

    private static async Task FirstAsync(IPowerWorker worker, CancellationToken stop)
    {
        long from = Stopwatch.GetTimestamp();
        while (worker.Acknowledged == 0 && !worker.Ended.IsCompleted && Stopwatch.GetElapsedTime(from) < FirstWithin) await Task.Delay(1, stop).ConfigureAwait(false);
    }

    /// <summary>A worker whose disk is gone has to end by itself; in any case it is dead afterwards.</summary>
    private async Task NoticeAsync(IPowerWorker worker, int cycle)
    {
        try
        {
            await worker.Ended.WaitAsync(NoticeWithin).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            _notStopped++;
            Find(cycle, $"the worker did not end within {NoticeWithin.TotalSeconds} s though its disk was gone");
        }
        await worker.KillAsync().ConfigureAwait(false);
    }

    private async Task<long?> ReadBackAsync(int cycle, PowerLogKind kind, int seed, long acknowledged)
    {
        try
        {
            IPowerLog log = await logs.OpenAsync(kind, disk.MountPoint, seed).ConfigureAwait(false);
            await log.DisposeAsync().ConfigureAwait(false);
            if (log.Count >= acknowledged)
            {
                _underWay += log.Count - acknowledged;
                return log.Count;
            }
            _lost += acknowledged - log.Count;
            Find(cycle, $"{kind}: {acknowledged} entries were acknowledged, {log.Count} are there");
        }
        catch (PowerLossException changed)
        {
            _changed++;
            Find(cycle, $"{kind}: {changed.Message}; {acknowledged} entries were acknowledged");
        }
        catch (Exception refused) when (refused is IOException or Consistency.Strong.Raft.RaftRecordException)
        {
            _refused++;
            Find(cycle, $"{kind}: the log cannot be opened: {refused.Message}; {acknowledged} entries were acknowledged");
        }
        return null;
    }

    private void Find(int cycle, string what)
    {
        if (_findings.Count < FindingsMax) _findings.Add(string.Create(CultureInfo.InvariantCulture, $"cycle {cycle}: {what}"));
    }
}
