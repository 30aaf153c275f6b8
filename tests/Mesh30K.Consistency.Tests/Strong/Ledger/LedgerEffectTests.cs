using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Protocol.Identity;
using static Mesh30K.Consistency.Strong.Ledger.LedgerCommand;
using static Mesh30K.Consistency.Tests.Strong.Ledger.LedgerRun;

namespace Mesh30K.Consistency.Tests.Strong.Ledger;

public sealed class LedgerEffectTests
{
    [Fact]
    public void An_effect_runs_once_and_its_result_is_replayed()
    {
        LedgerRun run = new();
        Assert.Equal("Ok Intended 0", run.Intend("k"));
        Assert.Equal("Recorded Intended 0", run.Intend("k"));
        Assert.Equal("Ok Executing 1", run.Start("k", "bob"));
        Assert.Equal("Ok Executing 1", run.Start("k", "bob")); // its reply was lost
        Assert.Equal("Held Executing 1", run.Start("k", "cyd"));
        Assert.Contains("bob executes it under the epoch 1 until 1970-01-01T00:01:00", run.Last.Message, StringComparison.Ordinal);
        Assert.Equal("Ok Done 1 paid", run.Finish("k", 1, output: "paid"));
        Assert.Equal("Ok Done 1 paid", run.Finish("k", 1, output: "paid"));
        Assert.Equal("Recorded Done 1 paid", run.Start("k", "cyd"));
        Assert.Equal("Recorded Done 1 paid", run.Intend("k"));
        Assert.Equal("WrongState Done 1 paid", run.Finish("k", 1, output: "other"));
        Assert.Equal("WrongState Done 1 paid", run.Finish("k", 1, EffectReport.NotRun));
    }

    [Fact]
    public void The_same_key_with_another_request_is_an_error_that_says_so_and_another_principal_has_another_key()
    {
        LedgerRun run = new();
        run.Start("k", "bob", "pay 10");
        Assert.Equal("OtherRequest", run.Start("k", "bob", "pay 20"));
        Assert.Contains("the key k of ana belongs to another request", run.Last.Message, StringComparison.Ordinal);
        run.Finish("k", 1, output: "paid");
        Assert.Equal("OtherRequest", run.Intend("k", "pay 20"));
        Assert.Equal("OtherRequest", run.Intend("k", "pay 10", honours: true));
        Assert.Equal("Ok Executing 2", run.Do(new Start("eve", "k", Hash("pay 20"), false, Hour, "bob", Minute)));
        Assert.Equal("Done 1 paid", run.Effect("k"));
    }

    [Fact]
    public void A_crash_leaves_in_doubt_what_does_not_honour_its_key_until_a_person_decides()
    {
        LedgerRun run = new();
        run.Start("k", "bob");
        run.Seconds = 59;
        Assert.Equal("Held Executing 1", run.Start("k", "cyd"));
        run.Seconds = 60;
        Assert.Equal("Recorded InDoubt 1", run.Start("k", "cyd"));
        Assert.Equal("WrongState InDoubt 1", run.Do(new Renew("ana", "k", 1, Minute)));
        Assert.Equal(["k"], run.Machine.ListEffects(EffectStatus.InDoubt).Items.Select(e => e.Id.Name));
        Assert.Equal("Fenced InDoubt 1", run.Resolve("k", 2, EffectVerdict.NotDone));
        Assert.Equal("Ok Intended 1", run.Resolve("k", 1, EffectVerdict.NotDone));
        Assert.Equal("Ok Executing 2", run.Start("k", "cyd"));
        Assert.Equal("Fenced Executing 2", run.Resolve("k", 1, EffectVerdict.NotDone)); // a repetition decides no later doubt
        Assert.Equal("WrongState Executing 2", run.Resolve("k", 2, EffectVerdict.Done));
        Assert.Equal("Fenced Executing 2", run.Finish("k", 1, output: "late"));
        run.Seconds = 120;
        Assert.Equal("Ok Done 2 it is in the books", run.Resolve("k", 2, EffectVerdict.Done, "it is in the books"));
        Assert.Equal(("zoe", "looked it up"), (run.Machine.FindEffect("ana", "k")!.ResolvedBy, run.Machine.FindEffect("ana", "k")!.Note));
        Assert.Equal("Recorded Done 2 it is in the books", run.Start("k", "dan"));
    }

    [Fact]
    public void A_crash_of_one_that_honours_its_key_is_followed_by_a_new_epoch()
    {
        LedgerRun run = new();
        run.Start("k", "bob", honours: true);
        run.Seconds = 90;
        Assert.Equal("Ok Executing 2", run.Start("k", "cyd", honours: true));
        Assert.Equal("Fenced Executing 2", run.Finish("k", 1, output: "paid"));
        Assert.Equal("Ok Done 2 paid", run.Finish("k", 2, output: "paid"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_late_report_under_the_last_epoch_takes_the_doubt_away(bool honours)
    {
        LedgerRun run = new();
        run.Start("k", "bob", honours: honours);
        run.Seconds = 90;
        run.Do(new Tick());
        Assert.Equal(honours ? "Intended 1" : "InDoubt 1", run.Effect("k"));
        Assert.Equal(Instant.FromUnixMs(60_000), run.Machine.FindEffect("ana", "k")!.Since);
        Assert.Equal("Ok Done 1 paid", run.Finish("k", 1, output: "paid"));
    }

    [Fact]
    public void A_report_that_it_took_place_corrects_the_person_who_thought_that_it_did_not()
    {
        LedgerRun run = new();
        run.Start("k", "bob");
        run.Seconds = 60;
        run.Resolve("k", 1, EffectVerdict.NotDone);
        Assert.Equal("Ok Done 1 paid", run.Finish("k", 1, output: "paid"));
        Assert.Equal("Recorded Done 1 paid", run.Start("k", "cyd"));
    }

    [Fact]
    public void What_was_not_run_may_run_again_and_what_failed_or_was_abandoned_may_not()
    {
        LedgerRun run = new();
        run.Start("k", "bob");
        Assert.Equal("Ok Intended 1", run.Finish("k", 1, EffectReport.NotRun));
        Assert.Equal("Ok Intended 1", run.Finish("k", 1, EffectReport.NotRun));
        Assert.Equal("Ok Executing 2", run.Start("k", "bob"));
        Assert.Equal("Ok Failed 2 no such account", run.Finish("k", 2, EffectReport.Failed, "no such account"));
        Assert.Equal("Recorded Failed 2 no such account", run.Start("k", "cyd"));
        run.Intend("never");
        Assert.Equal("Ok Abandoned 0", run.Resolve("never", 0, EffectVerdict.Abandon));
        Assert.Equal("Ok Abandoned 0", run.Resolve("never", 0, EffectVerdict.Abandon));
        Assert.Equal("Recorded Abandoned 0", run.Start("never", "cyd"));
    }

    [Fact]
    public void Records_are_kept_for_their_retention_by_log_time_and_epochs_go_on()
    {
        LedgerRun run = new();
        run.Start("k", "bob");
        run.Seconds = 10;
        run.Finish("k", 1, output: "paid");
        run.Seconds = 3_609;
        Assert.Equal("Recorded Done 1 paid", run.Start("k", "cyd"));
        run.Seconds = 3_610;
        Assert.Equal("NotFound", run.Finish("k", 1, output: "paid"));
        Assert.Equal("Ok Executing 2", run.Start("k", "cyd"));
        run.Seconds = 0; // a proposer whose clock lags
        Assert.Equal("Ok Executing 3", run.Start("other", "cyd"));
        Assert.Equal(Instant.FromUnixMs(3_610_000), run.Machine.Now);
    }

    [Fact]
    public void A_renewed_executor_goes_on()
    {
        LedgerRun run = new();
        run.Start("k", "bob");
        run.Seconds = 50;
        Assert.Equal("Ok Executing 1", run.Do(new Renew("ana", "k", 1, Minute)));
        run.Seconds = 100;
        Assert.Equal("Held Executing 1", run.Start("k", "cyd"));
        Assert.Equal("Fenced Executing 1", run.Do(new Renew("ana", "k", 7, Minute)));
    }

    [Fact]
    public void Bounds_refuse_what_is_new_and_never_a_report()
    {
        LedgerRun run = new();
        run.Do(new Configure(new LedgerOptions { EffectsMax = 2, BytesMax = 70_000, RetentionMax = Hour, LeaseMax = Minute }));
        Assert.Equal("Ok Executing 1", run.Start("k", "bob"));
        Assert.Equal("Ok Intended 0", run.Intend("l"));
        Assert.Equal("Full", run.Intend("m"));
        Assert.Equal("Full", run.Start("l", "bob")); // no room for its output to come
        Assert.Contains("above its bound of 70000", run.Last.Message, StringComparison.Ordinal);
        Assert.StartsWith("Ok Done 1", run.Finish("k", 1, output: new string('x', LedgerLimits.OutputBytesMax)), StringComparison.Ordinal);
        run.Seconds = 3_600;
        Assert.Equal("Ok Executing 2", run.Start("l", "bob"));
        Assert.Equal("Invalid", run.Do(new Intend("ana", "m", Hash("pay"), false, 2 * Hour)));
        Assert.Equal("Invalid", run.Do(new Renew("ana", "l", 2, 2 * Minute)));
    }

    [Fact]
    public void A_list_comes_in_parts()
    {
        LedgerRun run = new();
        for (int i = 0; i < 25; i++) run.Intend($"k{i:00}");
        run.Start("k03", "bob");
        LedgerPage<LedgerEffect> first = run.Machine.ListEffects(limit: 10);
        LedgerPage<LedgerEffect> rest = run.Machine.ListEffects(after: first.Next, limit: 100);
        Assert.Equal(("k00", "k09", "k10", 15), (first.Items[0].Id.Name, first.Next!.Value.Name, rest.Items[0].Id.Name, rest.Items.Count));
        Assert.Null(rest.Next);
        Assert.Equal("k03", Assert.Single(run.Machine.ListEffects(EffectStatus.Executing).Items).Id.Name);
        Assert.Empty(run.Machine.ListEffects(after: new LedgerKey("zoe", "")).Items);
    }
}
