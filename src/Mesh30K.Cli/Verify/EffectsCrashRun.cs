using System.Diagnostics;
using System.Globalization;
using System.Text;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Node.Ledger;

namespace Mesh30K.Cli.Verify;

/// <summary>What <c>mesh verify effects</c> found.</summary>
/// <param name="Kills">How many processes were killed with SIGKILL.</param>
/// <param name="InDoubt">How often an effect was found in doubt and decided on.</param>
/// <param name="AppliedAgain">Effects whose receiver does not honour keys that were applied more than once, after they had been reported in doubt.</param>
/// <param name="Violations">What does not hold.</param>
internal sealed record EffectsReport(int Effects, int Kills, int Processes, int Seed, int InDoubt, int AppliedAgain, IReadOnlyList<string> Violations, double WallS);

/// <summary>Real processes that have effects run once over one folder, killed with SIGKILL at random moments; then what the receivers did is checked.</summary>
internal sealed class EffectsCrashRun(string folder, int effects, int kills, int processes, int seed) : IAsyncDisposable
{
    private const int PauseMsMost = 60;
    private static readonly TimeSpan EndWithin = TimeSpan.FromMinutes(3);
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);

    private readonly Random _random = new(seed);
    private readonly EffectSinkServer _sink = new(seed);
    private readonly FolderLedger _ledger = FolderLedger.Open(Path.Combine(folder, "ledger"));
    private readonly List<(Process Process, string Name)> _running = [];
    private readonly HashSet<string> _reported = [];
    private readonly List<string> _violations = [];
    private int _started;
    private int _decided;

    public async Task<EffectsReport> RunAsync(Action<string, double> progress, CancellationToken stop)
    {
        long from = Stopwatch.GetTimestamp();
        using CancellationTokenSource within = CancellationTokenSource.CreateLinkedTokenSource(stop);
        within.CancelAfter(EndWithin + (TimeSpan.FromSeconds(1) * kills));
        while (_running.Count < processes) Start();
        int killed = 0;
        try
        {
            while (_running.Count > 0)
            {
                await DecideAsync(within.Token).ConfigureAwait(false);
                await Task.Delay(_random.Next(PauseMsMost), within.Token).ConfigureAwait(false);
                Collect();
                if (killed == kills || Victim() is not { } victim) continue;
                await KillAsync(victim).ConfigureAwait(false);
                progress("killing", (double)++killed / kills);
                Start();
            }
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            _violations.Add("the effects came to no end");
        }
        await CheckAsync(stop).ConfigureAwait(false);
        int again = Enumerable.Range(0, effects).Select(EffectsWorker.KeyOf).Count(k => _sink.Applied(k).Count > 1);
        return new EffectsReport(effects, killed, processes, seed, _decided, again, _violations, Math.Round(Stopwatch.GetElapsedTime(from).TotalSeconds, 2));
    }

    public async ValueTask DisposeAsync()
    {
        foreach ((Process process, _) in _running)
        {
            if (!process.HasExited) process.Kill();
            process.Dispose();
        }
        await _ledger.DisposeAsync().ConfigureAwait(false);
        await _sink.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>One that was heard of: starting takes a process long, and a death then tells little.</summary>
    private int? Victim()
    {
        int[] atWork = [.. Enumerable.Range(0, _running.Count).Where(i => _sink.HasHeard(_running[i].Name))];
        return atWork.Length == 0 ? null : atWork[_random.Next(atWork.Length)];
    }

    private async Task KillAsync(int victim)
    {
        Process process = _running[victim].Process;
        _running.RemoveAt(victim);
        process.Kill();
        await process.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false);
        process.Dispose();
    }

    /// <summary>Takes leave of those that have ended by themselves.</summary>
    private void Collect()
    {
        foreach ((Process process, string name) in _running.Where(r => r.Process.HasExited))
        {
            if (process.ExitCode != 0) _violations.Add($"worker {name} ended with exit code {process.ExitCode}: {process.StandardError.ReadToEnd().Trim()}");
        }
        _running.RemoveAll(r => r.Process.HasExited);
    }

    /// <summary>A person looks at what is in doubt, and decides by what the receiver has done.</summary>
    private async Task DecideAsync(CancellationToken stop)
    {
        LedgerPage<LedgerEntry> doubtful = await _ledger.ReadAsync(new LedgerQuery.List(LedgerEntryKind.Effect, EffectStatus.InDoubt), Soon, stop).ConfigureAwait(false);
        foreach (LedgerEffect effect in doubtful.Items.Cast<LedgerEffect>())
        {
            string key = effect.Id.Name;
            _reported.Add(key);
            string? answer = _sink.Applied(key) is [.., var last] ? last : null;
            EffectVerdict verdict = answer is null ? EffectVerdict.NotDone : EffectVerdict.Done;
            LedgerAnswer decided = await _ledger.AskAsync(new LedgerCommand.Resolve("verify", key, effect.Epoch, verdict, "verify", "", Encoding.UTF8.GetBytes(answer ?? "")), Soon, stop).ConfigureAwait(false);
            if (decided.Reply?.Outcome == LedgerOutcome.Ok) _decided++;
        }
    }

    private async Task CheckAsync(CancellationToken stop)
    {
        foreach (string key in Enumerable.Range(0, effects).Select(EffectsWorker.KeyOf))
        {
            IReadOnlyList<string> applied = _sink.Applied(key);
            if (applied.Count == 0) _violations.Add($"{key} was never applied");
            if (applied.Count > 1 && EffectSinkServer.Honours(key)) _violations.Add($"{key} was applied {applied.Count} times");
            if (applied.Count > 1 && !_reported.Contains(key)) _violations.Add($"{key} was applied {applied.Count} times and was never reported in doubt");
            LedgerPage<LedgerEntry> found = await _ledger.ReadAsync(new LedgerQuery.Find(LedgerEntryKind.Effect, new LedgerKey("verify", key)), Soon, stop).ConfigureAwait(false);
            bool isReplayed = found.Items is [LedgerEffect { Status: EffectStatus.Done } effect] && applied.Contains(Encoding.UTF8.GetString(effect.Output.Span));
            if (!isReplayed) _violations.Add($"{key} is not recorded as done with an answer that its receiver gave");
        }
    }

    private void Start()
    {
        int number = ++_started;
        string name = string.Create(CultureInfo.InvariantCulture, $"w{number}");
        Process process = MeshProcess.Start(
            "verify", Commands.VerifyEffectsWorkerCommand.Verb, "--ledger", Path.Combine(folder, "ledger"), "--port", _sink.Port.ToString(CultureInfo.InvariantCulture), "--name", name,
            "--effects", effects.ToString(CultureInfo.InvariantCulture), "--seed", (seed + (7_919 * number)).ToString(CultureInfo.InvariantCulture));
        _running.Add((process, name));
    }
}
