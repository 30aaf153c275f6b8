using Mesh30K.Simulation.Strong.Effects;

namespace Mesh30K.Simulation.Tests.Strong.Effects;

public sealed class EffectLifeTests
{
    private static readonly string[] FaultKinds =
    [
        "answer_lost", "clock_lags", "connection_refused", "executor_crash_after_finish", "executor_crash_after_renew", "executor_crash_after_start", "executor_crash_applied",
        "executor_crash_before_finish", "executor_crash_before_renew", "executor_crash_before_send", "executor_crash_before_start", "executor_crash_looking", "executor_crash_pausing",
        "executor_crash_sent", "executor_paused", "ledger_crash_before_append", "ledger_crash_before_apply", "ledger_crash_before_reply", "ledger_crash_before_sync", "ledger_reply_lost",
        "ledger_unreachable", "read_lost", "request_late", "request_lost",
    ];

    [Fact]
    public void Effects_run_once_or_are_reported_in_doubt_first_whatever_crashes()
    {
        Dictionary<string, long> faults = [];
        int appliedAgain = 0;
        for (ulong seed = 1; seed <= 300; seed++)
        {
            EffectLifeReport report = EffectLife.Run(seed);
            Assert.True(report is { Violations.Count: 0, HasEnded: true }, $"replay: mesh verify ledger --seeds 1 --start {seed}\n{string.Join('\n', report.Violations)}");
            foreach ((string kind, long count) in report.Faults) faults[kind] = faults.GetValueOrDefault(kind) + count;
            appliedAgain += report.AppliedAgain;
        }
        Assert.Equal(FaultKinds, faults.Keys.Order(StringComparer.Ordinal));
        Assert.All(faults, f => Assert.True(f.Value >= 15, $"{f.Key}: {f.Value}"));
        Assert.True(appliedAgain > 0, "no person was ever wrong: nothing shows that the report in doubt matters");
    }

    [Fact]
    public void The_same_seed_is_the_same_run() =>
        Assert.Equal([EffectLife.Run(7).TraceHash, EffectLife.Run(8).TraceHash], [EffectLife.Run(7).TraceHash, EffectLife.Run(8).TraceHash]);

    /// <summary>A check that finds nothing would hold nothing.</summary>
    [Fact]
    public void A_receiver_that_lies_about_its_keys_is_found() =>
        Assert.Contains(Enumerable.Range(1, 50), seed => EffectLife.Run((ulong)seed, sinkLies: true).Violations.Count > 0);
}
