using System.Diagnostics;
using System.Globalization;
using Mesh30K.Node.Channels;
using Mesh30K.Node.Storage;

namespace Mesh30K.Cli.Verify;

/// <summary>What a run is to do.</summary>
/// <param name="Kills">How many processes are killed.</param>
/// <param name="Processes">How many work at once.</param>
/// <param name="Seed">Of the moments, the victims and the work; the machine's timing adds its own chance.</param>
internal sealed record CrashRunOptions(int Kills, int Processes, int Seed);

/// <summary>What came of it.</summary>
/// <param name="Resumed">Claims that came with a checkpoint.</param>
internal sealed record CrashReport(
    int Kills, int Processes, int Seed, long Entries, int Acknowledged, int Resumed, int Lost, int DoneTwice, int OutOfOrder, int StaleCheckpoints, int Compactions, double WallS,
    IReadOnlyList<string> Findings);

/// <summary>Real processes on one channel, killed with SIGKILL at random points; then the rest finish, and what they were told is checked.</summary>
internal sealed class CrashRun(CrashSite site, CrashRunOptions options) : IDisposable
{
    private const int PauseMsLeast = 10;
    private const int PauseMsMost = 80;
    private const int AtWorkTriesMost = 1_000; // on a slow machine a kill waits until one is, about 10 s

    private static readonly TimeSpan DrainWithin = TimeSpan.FromMinutes(2);

    private readonly List<(Process Process, string Log)> _running = [];
    private readonly Random _random = new(options.Seed);
    private int _started;

    /// <summary>Those that were told something since they started.</summary>
    private int[] AtWork => [.. Enumerable.Range(0, _running.Count).Where(i => new FileInfo(_running[i].Log) is { Exists: true, Length: > 0 })];

    public async Task<CrashReport> RunAsync(Action<string, double> progress, CancellationToken stop)
    {
        long from = Stopwatch.GetTimestamp();
        Directory.CreateDirectory(site.Logs);
        ChannelFolder folder = ChannelFolder.FindOrCreate(site.Root, CrashSite.Channel, null);
        using JournalFolder journal = JournalFolder.Open(folder.JournalLocation);
        JournalWitness witness = new();
        List<string> broken = [];
        try
        {
            StartAll();
            for (int kill = 0; kill < options.Kills; kill++)
            {
                await Task.Delay(_random.Next(PauseMsLeast, PauseMsMost), stop).ConfigureAwait(false);
                progress("killing", (double)kill / options.Kills);
                journal.CatchUp(witness);
                for (int tries = 0; AtWork.Length == 0 && tries < AtWorkTriesMost; tries++) await Task.Delay(PauseMsLeast, stop).ConfigureAwait(false);
                await KillOneAsync(broken).ConfigureAwait(false);
                Start();
            }
            await File.WriteAllTextAsync(site.Drain, "", stop).ConfigureAwait(false);
            progress("finishing", 1);
            await DrainAsync(broken, stop).ConfigureAwait(false);
            journal.CatchUp(witness);
        }
        catch (Exception damaged) when (damaged is JournalException or Consistency.Causal.ChannelRecordException)
        {
            broken.Add($"the journal: {damaged.Message}");
        }
        List<CrashLine> acknowledged = CrashLog.ReadAll(site.Logs);
        CrashFindings findings = CrashChecker.Check(acknowledged, witness);
        Consistency.Causal.ChannelCounts counts = witness.Channel.Counts;
        return new CrashReport(
            options.Kills, options.Processes, options.Seed, counts.Done + counts.Waiting + counts.Ready + counts.Claimed + counts.Failed, acknowledged.Count, acknowledged.Count(l => l is { Act: CrashAct.Claim, Mark.Number: > 0 }),
            findings.Lost + broken.Count, findings.DoneTwice, findings.OutOfOrder, findings.StaleCheckpoints, witness.Compactions, Math.Round(Stopwatch.GetElapsedTime(from).TotalSeconds, 2), [.. broken, .. findings.Findings]);
    }

    /// <summary>Starts the processes; they work until they are told to drain, or this is disposed.</summary>
    public void StartAll()
    {
        while (_running.Count < options.Processes) Start();
    }

    public void Dispose()
    {
        foreach ((Process process, _) in _running)
        {
            if (!process.HasExited) process.Kill();
            process.Dispose();
        }
    }

    /// <summary>Mostly one that is at work: starting takes a process longer than many a pause, and a death then tells little.</summary>
    private async Task KillOneAsync(List<string> broken)
    {
        int[] atWork = AtWork;
        int victim = atWork.Length > 0 && _random.Next(10) > 0 ? atWork[_random.Next(atWork.Length)] : _random.Next(_running.Count);
        Process process = _running[victim].Process;
        _running.RemoveAt(victim);
        if (process.HasExited) broken.Add(Ended(process));
        process.Kill();
        await process.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false);
        process.Dispose();
    }

    private async Task DrainAsync(List<string> broken, CancellationToken stop)
    {
        using CancellationTokenSource within = CancellationTokenSource.CreateLinkedTokenSource(stop);
        within.CancelAfter(DrainWithin);
        foreach ((Process process, _) in _running)
        {
            try
            {
                await process.WaitForExitAsync(within.Token).ConfigureAwait(false);
                if (process.ExitCode != 0) broken.Add(Ended(process));
            }
            catch (OperationCanceledException) when (!stop.IsCancellationRequested)
            {
                broken.Add($"a worker did not finish within {DrainWithin.TotalSeconds} s");
            }
        }
    }

    private static string Ended(Process process) => $"a worker ended by itself with exit code {process.ExitCode}: {process.StandardError.ReadToEnd().Trim()}";

    private void Start()
    {
        int number = ++_started;
        string name = $"w{number:00000}";
        Process process = MeshProcess.Start(
            "verify", Commands.VerifyChannelWorkerCommand.Verb, "--site", site.Root, "--name", name, "--seed", (options.Seed + (7_919 * number)).ToString(CultureInfo.InvariantCulture));
        _running.Add((process, Path.Combine(site.Logs, name)));
    }
}
