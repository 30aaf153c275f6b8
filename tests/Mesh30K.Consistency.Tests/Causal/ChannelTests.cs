using Mesh30K.Consistency.Causal;
using Mesh30K.Consistency.Time;
using static Mesh30K.Consistency.Tests.Causal.ChannelRun;

namespace Mesh30K.Consistency.Tests.Causal;

public sealed class ChannelTests
{
    [Fact]
    public void A_chain_is_worked_through_in_its_order()
    {
        ChannelRun run = new();
        Assert.Equal("Ok 1:Ready", run.Push("build"));
        Assert.Equal("Ok 2:Waiting", run.Push("stage", "1"));
        Assert.Equal("Ok 3:Waiting", run.Push("deploy", "1", "2", "2"));
        Assert.Equal(Ds("1", "2"), run.Find("3").DependsOn);
        Assert.Equal("Ok 1:Claimed", run.Claim("ana"));
        Assert.Equal("Empty", run.Claim("bob"));
        Assert.Equal("Ok 1:Done 2:Claimed", run.Do(new ChannelCommand.CompleteAndClaim(D("1"), 1, "ok", "ana", Minute)));
        Assert.Equal("Ok 2:Done", run.Complete("2", 2));
        Assert.Equal("Ok 3:Claimed", run.Claim("bob"));
        Assert.Equal("Ok 3:Done", run.Do(new ChannelCommand.CompleteAndClaim(D("3"), 3, null, "bob", Minute)));
        Assert.Equal(new ChannelCounts(0, 0, 0, 3, 0, 0, 0), run.Channel.Counts);
    }

    [Fact]
    public void The_lowest_number_goes_first_among_those_for_the_agent_and_for_anyone()
    {
        ChannelRun run = new();
        run.Do(new ChannelCommand.Push("one", [], "bob"));
        run.Push("two");
        run.Do(new ChannelCommand.Push("three", [], "ana"));
        run.Import("2@x");
        Assert.Equal("Ok 2:Claimed 2@x:Claimed 3:Claimed", run.Claim("ana", 9));
        Assert.Equal("Empty", run.Claim("ana"));
        Assert.Equal("Ok 1:Claimed", run.Claim("bob"));
        Assert.Equal(4, run.Last.Entries[0].Token);
    }

    [Fact]
    public void A_dead_agents_entry_is_taken_up_from_its_checkpoint_and_the_old_holder_is_fenced()
    {
        ChannelRun run = new();
        run.Push("build");
        run.Claim("ana");
        Assert.Equal("Ok 1:Claimed", run.Do(new ChannelCommand.Checkpoint(D("1"), 1, "half", Minute)));
        run.Seconds = 60;
        Assert.Equal("Ok 1:Claimed", run.Claim("bob"));
        Assert.Equal(("half", 2L, 2), (run.Last.Entries[0].Checkpoint, run.Last.Entries[0].Token, run.Last.Entries[0].Attempts));
        Assert.Equal("NotHeld", run.Complete("1", 1));
        Assert.Contains("bob holds it under the token 2 until 1970-01-01T00:18:40", run.Last.Message, StringComparison.Ordinal);
        Assert.Equal("NotHeld", run.Do(new ChannelCommand.Checkpoint(D("1"), 1, "mine", Minute)));
        Assert.Equal("NotHeld", run.Do(new ChannelCommand.Renew(D("1"), 1, Minute)));
        Assert.Equal("NotHeld", run.Do(new ChannelCommand.Release(D("1"), 1)));
        Assert.Equal("NotHeld", run.Fail("1", 1));
        Assert.Equal("Ok 1:Done", run.Complete("1", 2));
    }

    [Fact]
    public void A_late_holder_may_complete_while_nobody_has_claimed_since_and_a_repeated_completion_is_ok()
    {
        ChannelRun run = new();
        run.Push("build");
        run.Claim("ana");
        run.Seconds = 90;
        Assert.Equal("NotHeld", run.Do(new ChannelCommand.Renew(D("1"), 1, Minute)));
        Assert.Equal("Ok 1:Done", run.Complete("1", 1));
        int records = run.Journal.Count;
        Assert.Equal("Ok 1:Done", run.Do(new ChannelCommand.Complete(D("1"), 1, "another result")));
        Assert.Equal("ok", run.Find("1").Result);
        Assert.Equal(records, run.Journal.Count);
        Assert.Equal("Empty", run.Claim("bob"));
    }

    [Fact]
    public void A_released_entry_is_not_its_holders_any_more_and_the_attempt_does_not_count()
    {
        ChannelRun run = new();
        run.Push("build");
        run.Claim("ana");
        Assert.Equal("Ok 1:Ready", run.Do(new ChannelCommand.Release(D("1"), 1)));
        Assert.Equal(0, run.Find("1").Attempts);
        Assert.Equal("NotHeld", run.Complete("1", 1));
    }

    [Fact]
    public void Attempts_are_used_up_by_failures_and_by_expired_leases()
    {
        ChannelRun run = new();
        run.Push("build");
        run.Claim("ana");
        Assert.Equal("Ok 1:Waiting", run.Fail("1", 1, 10));
        Assert.Equal(run.Find("1").RetryAt, run.Channel.NextDue);
        Assert.Equal("Empty", run.Claim("ana"));
        run.Seconds = 10;
        Assert.Equal("Ok 1:Claimed", run.Claim("ana"));
        run.Seconds = 70;
        Assert.Equal("Ok 1:Claimed", run.Claim("bob"));
        run.Do(new ChannelCommand.Checkpoint(D("1"), 3, "far", Minute));
        run.Seconds = 130;
        Assert.Equal("Empty", run.Claim("bob"));
        ChannelEntry failed = run.Find("1");
        Assert.Equal((EntryStatus.Failed, "lease expired, attempt 3 of 3", "far"), (failed.Status, failed.Result, failed.Checkpoint));
        Assert.Equal("NotHeld", run.Complete("1", 3));
        Assert.Equal("Ok 1:Ready", run.Reopen("1"));
        Assert.Equal("Ok 1:Claimed", run.Claim("bob"));
        Assert.Equal((1, "far", 4L), (run.Last.Entries[0].Attempts, run.Last.Entries[0].Checkpoint, run.Last.Entries[0].Token));
    }

    [Fact]
    public void What_failed_blocks_all_below_it_until_it_is_reopened()
    {
        ChannelRun run = new();
        run.Push("a");
        run.Push("b", "1");
        run.Push("c", "2");
        run.Push("d");
        run.Push("e", "3", "4");
        run.Claim("ana");
        Assert.Equal("Ok 1:Failed", run.Fail("1", 1));
        Assert.Equal("Ok 4:Cancelled", run.Cancel("4"));
        Assert.Equal(Ds("1", "4"), run.Find("5").BlockedBy);
        Assert.Equal(Ds("1"), run.Find("3").BlockedBy);
        Assert.Equal(Ds("1", "4"), run.Channel.Entries.Last().BlockedBy);
        Assert.Equal("Empty", run.Claim("ana"));
        Assert.Equal("NotHeld", run.Reopen("2"));
        Assert.Equal("Ok 1:Ready", run.Reopen("1"));
        Assert.Equal(Ds("4"), run.Find("5").BlockedBy);
    }

    [Fact]
    public void A_cancelled_claim_is_fenced_and_dependents_go_with_it_when_asked()
    {
        ChannelRun run = new();
        run.Push("a");
        run.Push("b", "1");
        run.Push("c", "2");
        run.Claim("ana");
        Assert.Equal("Ok 1:Cancelled 2:Cancelled 3:Cancelled", run.Cancel("1", dependents: true));
        Assert.Equal("NotHeld", run.Complete("1", 1));
        Assert.Equal("Ok 3:Waiting", run.Reopen("3"));
        Assert.Equal("Ok 1:Cancelled", run.Cancel("1", dependents: true));
        Assert.Equal("Ok 1:Ready", run.Reopen("1"));
        run.Claim("bob");
        run.Complete("1", 2);
        Assert.Equal("NotHeld", run.Cancel("1"));
        Assert.Equal("Ok 2:Ready", run.Reopen("2"));
    }

    [Fact]
    public void A_repeated_push_finds_its_entry_and_another_one_is_refused()
    {
        ChannelRun run = new();
        Assert.Equal("Ok 1:Ready", run.Do(new ChannelCommand.Push("a", [], Key: "k")));
        Assert.Equal("Ok 1:Ready", run.Do(new ChannelCommand.Push("a", [], Key: "k")));
        Assert.Equal("Taken", run.Do(new ChannelCommand.Push("b", [], Key: "k")));
        Assert.Equal("Ok 7@x:Ready", run.Import("7@x"));
        Assert.Equal("Ok 7@x:Ready", run.Import("7@x"));
        Assert.Equal("Taken", run.Import("7@x", "1"));
        Assert.Equal("Taken", run.Do(new ChannelCommand.Push("a", [], Key: "k", Id: D("8@x"))));
        Assert.Equal(2, run.Journal.Count);
    }

    [Fact]
    public void A_batch_is_added_whole_or_not_at_all()
    {
        ChannelRun run = new();
        ChannelCommand.Push Entry(string text, params Dot[] on) => new(text, on);
        Assert.Equal("Ok 2:Waiting 1:Ready 3:Waiting", run.Do(new ChannelCommand.PushAll([Entry("b", ChannelCommand.PushAll.Entry(1)), Entry("a"), Entry("c", ChannelCommand.PushAll.Entry(0))])));
        Assert.Equal("Cycle", run.Do(new ChannelCommand.PushAll([Entry("a"), Entry("b", ChannelCommand.PushAll.Entry(2)), Entry("c", ChannelCommand.PushAll.Entry(1))])));
        Assert.Equal("the dependencies form a circle: entry 2 of the batch depends on entry 3 of the batch depends on entry 2 of the batch", run.Last.Message);
        Assert.Equal("UnknownDependency", run.Do(new ChannelCommand.PushAll([Entry("a"), Entry("b", D("99"))])));
        Assert.Equal("entry 2 of the batch: it depends on 99, which the channel does not have", run.Last.Message);
        Assert.Equal("Invalid", run.Do(new ChannelCommand.PushAll([Entry("a", ChannelCommand.PushAll.Entry(1))])));
        Assert.Single(run.Journal);
        Assert.Equal("Cycle", run.Import("4", "4"));
        Assert.Equal("the dependencies form a circle: 4 depends on 4", run.Last.Message);
    }

    [Fact]
    public void An_import_may_name_later_entries_and_bring_ended_ones()
    {
        ChannelRun run = new();
        ChannelCommand.PushAll file = new(
        [
            new("late", Ds("142@ana"), Id: D("143@ana")), new("old", Ds("9@ana"), Id: D("141@ana"), Ended: EntryStatus.Done), new("now", Ds("141@ana"), Id: D("142@ana")),
        ]);
        Assert.Equal("Ok 143@ana:Waiting 141@ana:Done 142@ana:Ready", run.Do(file));
        Assert.Equal("Ok 143@ana:Waiting 141@ana:Done 142@ana:Ready", run.Do(file));
        Assert.Single(run.Journal);
    }

    [Fact]
    public void What_ended_is_retired_oldest_first_but_not_what_something_open_depends_on()
    {
        ChannelRun run = new(new ChannelOptions { EndedMax = 1 });
        run.Push("a");
        run.Push("b", "1");
        run.Push("c");
        run.Push("d");
        run.Claim("ana");
        run.Complete("1", 1);
        run.Cancel("3");
        Assert.Equal((EntryStatus.Cancelled, null), (run.Channel.StatusOf(D("3")), run.Channel.Find(D("3"))));
        Assert.Equal("NotFound", run.Reopen("3"));
        Assert.Equal("3 was cancelled, and more is no longer known of it", run.Last.Message);
        Assert.Equal("Ok 5:Ready", run.Push("on what was done", "1"));
        Assert.Equal("UnknownDependency", run.Push("on what was cancelled", "3"));
        Assert.Equal("Taken", run.Import("3"));
        Assert.Equal(1, run.Channel.Counts.Retired);
    }

    [Theory]
    [InlineData("two\nlines")]
    [InlineData("bell\a")]
    [InlineData("separator\u2028")]
    [InlineData(" ")]
    [InlineData("eleven char")]
    public void Text_that_does_not_fit_is_refused(string text)
    {
        ChannelRun run = new(new ChannelOptions { TextCharsMax = 10 });
        Assert.Equal("Invalid", run.Push(text));
        Assert.Equal("Invalid", run.Push("half " + '\ud83d'));
        Assert.Equal("Ok 1:Ready", run.Push("tab\t\ud83d\ude00 é"));
    }

    [Fact]
    public void Bounds_hold_and_say_so()
    {
        ChannelRun run = new(new ChannelOptions { OpenMax = 2, DependenciesMax = 1, ClaimMax = 2, BatchMax = 2, WritersMax = 2, DelayMax = Minute });
        run.Push("a");
        Assert.Equal("Invalid", run.Push("b", "1", "1"));
        Assert.Equal("Full", run.Do(new ChannelCommand.Push("b", [], Id: D("1@x"), Clock: VectorClock.Empty.With(D("1@y")))));
        run.Push("b");
        Assert.Equal("Full", run.Push("c"));
        Assert.Equal("Invalid", run.Claim("ana", 3));
        Assert.Equal("Invalid", run.Claim(""));
        Assert.Equal("Invalid", run.Do(new ChannelCommand.Claim("ana", TimeSpan.Zero)));
        Assert.Equal("Invalid", run.Do(new ChannelCommand.Claim("ana", Minute * 2)));
        Assert.Equal("Invalid", run.Do(new ChannelCommand.PushAll([])));
        Assert.Equal("Invalid", run.Do(new ChannelCommand.Push("c", [], Id: new Dot(0, default))));
        run.Cancel("1");
        run.Push("c");
        Assert.Equal("Full", run.Reopen("1"));
    }

    [Fact]
    public void Clocks_tell_ordered_from_concurrent()
    {
        ChannelRun run = new(new ChannelOptions { Writer = ReplicaId.Parse("me") });
        run.Import("1@ana");
        run.Import("1@bob");
        run.Import("2@bob", "1@ana");
        run.Push("mine", "1@bob");
        CausalOrder? Order(string a, string b) => run.Channel.Order(D(a), D(b));
        Assert.Equal(CausalOrder.Concurrent, Order("1@ana", "1@bob"));
        Assert.Equal((CausalOrder.Before, CausalOrder.After), (Order("1@ana", "2@bob"), Order("2@bob", "1@ana")));
        Assert.Equal((CausalOrder.Before, CausalOrder.Equal), (Order("1@bob", "2@bob"), Order("1@bob", "1@bob")));
        Assert.Equal((CausalOrder.Before, (CausalOrder?)null), (Order("2@bob", "1@me"), Order("9@bob", "1@me")));
        Assert.Equal("1@ana,2@bob", run.Find("1@me").Clock.ToString());
        Assert.Equal("1@ana,2@bob,1@me", run.Channel.Clock.ToString());
    }

    [Fact]
    public void Many_short_lived_dependents_of_one_entry_do_not_slow_it_down_or_get_mixed_up()
    {
        ChannelRun run = new(new ChannelOptions { EndedMax = 4 });
        run.Push("root");
        for (int i = 2; i < 2_000; i++)
        {
            run.Push("short", "1");
            if (i > 2) run.Cancel(i.ToString(System.Globalization.CultureInfo.InvariantCulture));
        }
        Assert.Equal("Ok 1999:Waiting", run.Reopen("1999"));
        Assert.Equal("Ok 1:Claimed", run.Claim("ana"));
        run.Complete("1", 1);
        Assert.Equal("Ok 2:Claimed 1999:Claimed", run.Claim("ana", 9));
    }
}
