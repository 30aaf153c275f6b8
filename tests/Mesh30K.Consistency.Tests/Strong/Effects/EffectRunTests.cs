using Mesh30K.Consistency.Strong.Effects;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Json;

namespace Mesh30K.Consistency.Tests.Strong.Effects;

/// <summary>One run against a real ledger machine, as a transcript: what it asks for, and what it makes of the answers.</summary>
public sealed class EffectRunTests
{
    private readonly LedgerMachine _ledger = new();
    private Instant _now = new(1_000_000_000);

    [Fact]
    public void It_starts_executes_reports_and_only_then_says_that_it_is_done()
    {
        EffectRun run = New("me");
        EffectStep step = Taken(run, run.Begin(_now));
        Assert.Equal(new EffectStep.Execute(1, 1), step);
        EffectStep.Ask report = Assert.IsType<EffectStep.Ask>(run.Executed(new EffectOutcome(EffectReport.Done, "ok"u8.ToArray()), _now));
        Assert.Equal(EffectStatus.Executing, Effect.Status);
        Assert.Equal((EffectEnding.Done, false), Ended(Taken(run, report)));
        EffectRun again = New("you");
        Assert.Equal((EffectEnding.Done, true), Ended(Taken(again, again.Begin(_now))));
    }

    [Fact]
    public void A_start_whose_answer_was_lost_is_asked_again_and_has_the_same_epoch()
    {
        EffectRun run = New("me");
        EffectStep.Ask ask = Assert.IsType<EffectStep.Ask>(run.Begin(_now));
        _ledger.Apply(ask.Command, _now);
        Assert.IsType<EffectStep.Pause>(run.Answered(Lost, _now));
        Assert.Equal(new EffectStep.Execute(1, 1), Taken(run, run.Resumed(_now)));
        Assert.Equal(1, Effect.Attempts);
    }

    [Fact]
    public void A_start_that_is_never_answered_ends_and_nothing_ran()
    {
        EffectRun run = New("me");
        run.Begin(_now);
        Assert.IsType<EffectStep.Pause>(run.Answered(Lost, _now));
        _now += TimeSpan.FromSeconds(30);
        Assert.Equal((EffectEnding.Unavailable, false), Ended(run.Answered(Lost, _now)));
    }

    [Fact]
    public void An_answer_that_comes_when_the_lease_is_half_over_is_followed_by_a_renewal()
    {
        EffectRun run = New("me");
        EffectStep.Ask ask = Assert.IsType<EffectStep.Ask>(run.Begin(_now));
        LedgerReply reply = _ledger.Apply(ask.Command, _now);
        _now += TimeSpan.FromSeconds(6);
        EffectStep.Ask renewal = Assert.IsType<EffectStep.Ask>(run.Answered(new LedgerAnswer(LedgerCertainty.Answered, reply), _now));
        Assert.IsType<LedgerCommand.Renew>(renewal.Command);
        Assert.Equal(new EffectStep.Execute(1, 1), Taken(run, renewal));
        Assert.Equal(_now + TimeSpan.FromSeconds(10), Effect.LeaseUntil);
    }

    [Fact]
    public void An_answer_that_comes_after_the_lease_gives_the_effect_back_without_a_doubt()
    {
        EffectRun run = New("me");
        EffectStep.Ask ask = Assert.IsType<EffectStep.Ask>(run.Begin(_now));
        LedgerReply reply = _ledger.Apply(ask.Command, _now);
        _now += TimeSpan.FromSeconds(11);
        EffectStep step = Taken(run, run.Answered(new LedgerAnswer(LedgerCertainty.Answered, reply), _now));
        Assert.Equal(EffectStatus.InDoubt, Effect.Status);
        Assert.Equal((EffectEnding.NotRun, false), Ended(Taken(run, step)));
        Assert.Equal(EffectStatus.Intended, Effect.Status);
    }

    /// <summary>The start was heard too late for its lease, and the ledger is away again: nothing was executed, so nobody may be told that it was.</summary>
    [Fact]
    public void What_never_began_and_cannot_be_given_back_is_not_told_as_executed()
    {
        EffectRun run = New("me");
        LedgerReply reply = _ledger.Apply(Assert.IsType<EffectStep.Ask>(run.Begin(_now)).Command, _now);
        _now += TimeSpan.FromSeconds(6);
        Assert.IsType<LedgerCommand.Renew>(Assert.IsType<EffectStep.Ask>(run.Answered(new LedgerAnswer(LedgerCertainty.Answered, reply), _now)).Command);
        Assert.IsType<LedgerCommand.Finish>(Assert.IsType<EffectStep.Ask>(run.Answered(Lost, _now)).Command);
        Assert.IsType<EffectStep.Pause>(run.Answered(Lost, _now));
        _now += TimeSpan.FromSeconds(30);
        EffectStep.End end = Assert.IsType<EffectStep.End>(run.Answered(Lost, _now));
        Assert.Equal(EffectEnding.Unavailable, end.Result.Ending);
        Assert.Contains("find the executor silent", end.Result.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_not_known_is_tried_again_when_the_key_is_honoured_and_in_doubt_at_once_when_not()
    {
        EffectRun honoured = New("me", honoursKey: true);
        Assert.IsType<EffectStep.Execute>(Taken(honoured, honoured.Begin(_now)));
        for (int execution = 2; execution <= 3; execution++)
        {
            Assert.IsType<EffectStep.Pause>(honoured.Executed(NoAnswer, _now));
            Assert.Equal(new EffectStep.Execute(1, execution), honoured.Resumed(_now));
        }
        Assert.Equal((EffectEnding.RunAgain, false), Ended(Taken(honoured, honoured.Executed(NoAnswer, _now))));

        EffectRun plain = New("me", key: "plain");
        Assert.IsType<EffectStep.Execute>(Taken(plain, plain.Begin(_now)));
        Assert.Equal((EffectEnding.InDoubt, false), Ended(Taken(plain, plain.Executed(NoAnswer, _now))));
        _now += TimeSpan.FromMilliseconds(1);
        _ledger.Apply(new LedgerCommand.Tick(), _now);
        Assert.Equal(EffectStatus.InDoubt, _ledger.FindEffect("ana", "plain")!.Status);
    }

    [Fact]
    public void A_second_one_waits_as_long_as_it_may_and_takes_what_the_first_recorded()
    {
        EffectRun first = New("first");
        EffectStep execute = Taken(first, first.Begin(_now));
        EffectRun second = New("second", wait: TimeSpan.FromSeconds(5));
        Assert.IsType<EffectStep.Pause>(Taken(second, second.Begin(_now)));
        Assert.IsType<EffectStep.Look>(second.Resumed(_now));
        Assert.IsType<EffectStep.Pause>(second.Seen(isAnswered: true, Effect, _now));
        Assert.IsType<EffectStep.Execute>(execute);
        Assert.Equal((EffectEnding.Done, false), Ended(Taken(first, first.Executed(new EffectOutcome(EffectReport.Done), _now))));
        second.Resumed(_now);
        Assert.Equal((EffectEnding.Done, true), Ended(Taken(second, second.Seen(isAnswered: true, Effect, _now))));

        EffectRun third = New("third", key: "k3"), fourth = New("fourth", key: "k3");
        Taken(third, third.Begin(_now));
        Assert.Equal((EffectEnding.Held, false), Ended(Taken(fourth, fourth.Begin(_now))));
    }

    [Fact]
    public void A_report_that_comes_after_anothers_start_is_told_as_what_it_is()
    {
        EffectRun slow = New("slow", honoursKey: true);
        Taken(slow, slow.Begin(_now));
        _now += TimeSpan.FromSeconds(11);
        EffectRun next = New("next", honoursKey: true);
        Assert.Equal(new EffectStep.Execute(2, 1), Taken(next, next.Begin(_now)));
        slow.Renewed(new LedgerAnswer(LedgerCertainty.Answered, _ledger.Apply(slow.Renewal(_now).Command, _now)), _now);
        Assert.True(slow.IsTakenOver);
        Assert.Equal((EffectEnding.Unrecorded, false), Ended(Taken(slow, slow.Executed(new EffectOutcome(EffectReport.Done, "a"u8.ToArray()), _now))));
        Assert.Equal((EffectEnding.Done, false), Ended(Taken(next, next.Executed(new EffectOutcome(EffectReport.Done, "a"u8.ToArray()), _now))));
    }

    /// <summary>What a run that lost its lease hears when it asks again: only another's start and a person's decision make it another's matter.</summary>
    [Theory]
    [InlineData("nothing happened", false)]
    [InlineData("a person said not done", true)]
    [InlineData("a person said done", true)]
    [InlineData("a person gave it up", true)]
    [InlineData("another one started it", true)]
    [InlineData("its receiver honours the key, and nobody started it", false)]
    [InlineData("its receiver honours the key, and another one started it", true)]
    public void A_lost_lease_is_not_yet_anothers_matter_and_it_asks_until_it_is(string what, bool isTakenOver)
    {
        bool honours = what.StartsWith("its receiver", StringComparison.Ordinal);
        EffectRun run = New("me", honoursKey: honours);
        Taken(run, run.Begin(_now));
        _now += TimeSpan.FromSeconds(9);
        run.Renewed(Lost, _now);
        Assert.Equal((false, _now - TimeSpan.FromSeconds(9) + (TimeSpan.FromSeconds(10) / 3)), (run.IsTakenOver, run.RenewAt)); // overdue, and still its own
        _now += TimeSpan.FromSeconds(2);
        run.Renewed(new LedgerAnswer(LedgerCertainty.Answered, _ledger.Apply(run.Renewal(_now).Command, _now)), _now);
        Assert.Equal((false, _now + (TimeSpan.FromSeconds(10) / 3)), (run.IsTakenOver, run.RenewAt));

        _now += TimeSpan.FromSeconds(5);
        if (what.StartsWith("a person", StringComparison.Ordinal))
        {
            EffectVerdict verdict = what switch { "a person said done" => EffectVerdict.Done, "a person gave it up" => EffectVerdict.Abandon, _ => EffectVerdict.NotDone };
            Assert.Equal(LedgerOutcome.Ok, _ledger.Apply(new LedgerCommand.Resolve("ana", "k", 1, verdict, "bob", "", default), _now).Outcome);
        }
        else if (what == "another one started it")
        {
            Assert.Equal(LedgerOutcome.Ok, _ledger.Apply(new LedgerCommand.Resolve("ana", "k", 1, EffectVerdict.NotDone, "bob", "", default), _now).Outcome);
            EffectRun other = New("other");
            Assert.Equal(new EffectStep.Execute(2, 1), Taken(other, other.Begin(_now)));
        }
        else if (what.EndsWith("another one started it", StringComparison.Ordinal))
        {
            EffectRun other = New("other", honoursKey: true);
            Assert.Equal(new EffectStep.Execute(2, 1), Taken(other, other.Begin(_now)));
        }
        run.Renewed(new LedgerAnswer(LedgerCertainty.Answered, _ledger.Apply(run.Renewal(_now).Command, _now)), _now);
        Assert.Equal((isTakenOver, isTakenOver), (run.IsTakenOver, run.RenewAt is null));
    }

    /// <summary>A run whose command was ended, because a person had said that the effect is done, tells what the person said.</summary>
    [Fact]
    public void What_a_person_decided_meanwhile_is_what_a_run_without_a_report_tells()
    {
        EffectRun run = New("me");
        Taken(run, run.Begin(_now));
        _now += TimeSpan.FromSeconds(11);
        _ledger.Apply(new LedgerCommand.Tick(), _now);
        _ledger.Apply(new LedgerCommand.Resolve("ana", "k", 1, EffectVerdict.Done, "bob", "", "live"u8.ToArray()), _now);
        EffectStep.End end = Assert.IsType<EffectStep.End>(Taken(run, run.Executed(new EffectOutcome(null, default, "told to end"), _now)));
        Assert.Equal((EffectEnding.Done, true), (end.Result.Ending, end.Result.IsReplay));
        Assert.Contains("told to end", end.Result.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Another_request_under_the_key_is_refused()
    {
        EffectRun run = New("me");
        Taken(run, run.Begin(_now));
        EffectRun other = new(new EffectRequest("ana", "k", PayloadHash.Of("other"u8), false), "other");
        Assert.Equal((EffectEnding.Refused, false), Ended(Taken(other, other.Begin(_now))));
    }

    private static LedgerAnswer Lost => new(LedgerCertainty.Unknown, null, "lost");

    private static EffectOutcome NoAnswer => new(null, default, "no answer");

    private LedgerEffect Effect => _ledger.FindEffect("ana", "k")!;

    private static EffectRun New(string executor, bool honoursKey = false, string key = "k", TimeSpan wait = default) => new(
        new EffectRequest("ana", key, PayloadHash.Of("r"u8), honoursKey) { Lease = TimeSpan.FromSeconds(10) }, executor, new EffectRunOptions { WaitForOther = wait });

    /// <summary>The ledger takes what is asked for and answers.</summary>
    private EffectStep Taken(EffectRun run, EffectStep step) =>
        run.Answered(new LedgerAnswer(LedgerCertainty.Answered, _ledger.Apply(Assert.IsType<EffectStep.Ask>(step).Command, _now)), _now);

    private static (EffectEnding Ending, bool IsReplay) Ended(EffectStep step)
    {
        EffectResult result = Assert.IsType<EffectStep.End>(step).Result;
        return (result.Ending, result.IsReplay);
    }
}
