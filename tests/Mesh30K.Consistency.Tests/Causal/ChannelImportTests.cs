using Mesh30K.Consistency.Causal;
using static Mesh30K.Consistency.Tests.Causal.ChannelRun;

namespace Mesh30K.Consistency.Tests.Causal;

/// <summary>What becomes of an entry whose copy on another machine has ended.</summary>
public sealed class ChannelImportTests
{
    [Fact]
    public void An_entry_that_is_done_elsewhere_is_done_here_and_what_waits_for_it_goes_on()
    {
        ChannelRun run = new();
        run.Import("142@ana");
        run.Push("deploy", "142@ana");
        Assert.Equal("Ok 142@ana:Done", Told(run, "142@ana", EntryStatus.Done, "commit 1a2b3c"));
        Assert.Equal((EntryStatus.Done, "commit 1a2b3c"), (run.Find("142@ana").Status, run.Find("142@ana").Result));
        Assert.Equal("Ok 1:Claimed", run.Claim("bob"));
        Assert.Equal(Bytes(run.Channel), Bytes(From(run.Journal)));
    }

    [Theory]
    [InlineData(EntryStatus.Done)]
    [InlineData(EntryStatus.Failed)]
    [InlineData(EntryStatus.Cancelled)]
    public void Who_holds_it_here_is_fenced(EntryStatus how)
    {
        ChannelRun run = new();
        run.Import("1@ana");
        run.Claim("bob");
        Assert.Equal($"Ok 1@ana:{how}", Told(run, "1@ana", how));
        Assert.Equal("NotHeld", run.Complete("1@ana", 1));
        Assert.Equal("NotHeld", run.Do(new ChannelCommand.Renew(D("1@ana"), 1, Minute)));
        Assert.Equal((null, null, null), (run.Find("1@ana").ClaimedBy, run.Find("1@ana").Result, run.Channel.NextDue));
    }

    [Fact]
    public void What_has_ended_here_stays_so_but_failed_gives_way_to_cancelled_and_both_to_done()
    {
        ChannelRun run = new();
        run.Import("1@ana");
        run.Push("next", "1@ana");
        Assert.Equal("Ok 1@ana:Failed", Told(run, "1@ana", EntryStatus.Failed, "broke"));
        Assert.Equal(Ds("1@ana"), run.Find("1").BlockedBy);
        Assert.Equal("Ok 1@ana:Failed", run.Import("1@ana"));
        Assert.Equal("Ok 1@ana:Cancelled", Told(run, "1@ana", EntryStatus.Cancelled));
        Assert.Equal("Ok 1@ana:Cancelled", Told(run, "1@ana", EntryStatus.Failed));
        Assert.Equal("Ok 1@ana:Done", Told(run, "1@ana", EntryStatus.Done, "made it"));
        Assert.Equal(EntryStatus.Ready, run.Find("1").Status);
        int records = run.Journal.Count;
        Assert.Equal("Ok 1@ana:Done", Told(run, "1@ana", EntryStatus.Cancelled));
        Assert.Equal("Ok 1@ana:Done", Told(run, "1@ana", EntryStatus.Done, "otherwise"));
        Assert.Equal((records, "made it"), (run.Journal.Count, run.Find("1@ana").Result));
        Assert.Equal(Bytes(run.Channel), Bytes(From(run.Journal)));
    }

    [Fact]
    public void New_entries_and_ends_are_one_record_or_nothing()
    {
        ChannelRun run = new();
        run.Import("1@ana");
        run.Import("2@ana");
        int records = run.Journal.Count;
        ChannelCommand.Push end = new("import", [], Id: D("1@ana"), Ended: EntryStatus.Done);
        Assert.Equal("Taken", run.Do(new ChannelCommand.PushAll([end, new("other words", [], Id: D("2@ana"), Ended: EntryStatus.Done)])));
        Assert.Equal((EntryStatus.Ready, records), (run.Find("1@ana").Status, run.Journal.Count));
        Assert.Equal("Ok 3@ana:Ready 1@ana:Done 4@ana:Failed", run.Do(new ChannelCommand.PushAll(
            [new("new", Ds("1@ana"), Id: D("3@ana")), end, new("old", [], Id: D("4@ana"), Ended: EntryStatus.Failed, Result: "broke")])));
        Assert.Equal((records + 1, "broke"), (run.Journal.Count, run.Find("4@ana").Result));
        Assert.Equal(Bytes(run.Channel), Bytes(From(run.Journal)));
    }

    [Fact]
    public void A_batch_that_tells_the_same_entry_twice_takes_the_later_end()
    {
        ChannelRun run = new(new ChannelOptions { OpenMax = 1 });
        ChannelCommand.Push At(EntryStatus? how) => new("t", [], Id: D("1@ana"), Ended: how);
        Assert.Equal("Ok 1@ana:Done 1@ana:Done 1@ana:Done", run.Do(new ChannelCommand.PushAll([At(null), At(EntryStatus.Done), At(EntryStatus.Failed)])));
        Assert.Equal(Bytes(run.Channel), Bytes(From(run.Journal)));
    }

    [Fact]
    public void An_end_needs_the_words_of_its_entry_but_not_its_key_or_dependencies()
    {
        ChannelRun run = new();
        run.Push("first");
        run.Do(new ChannelCommand.Push("build", Ds("1"), "ana", "key"));
        Assert.Equal("Taken", run.Do(new ChannelCommand.Push("build", [], "bob", Id: D("2"), Ended: EntryStatus.Done)));
        Assert.Equal("Ok 2:Done", run.Do(new ChannelCommand.Push("build", [], "ana", Id: D("2"), Ended: EntryStatus.Done)));
        Assert.Equal("Invalid", run.Do(new ChannelCommand.Push("open", [], Result: "none yet")));
        Assert.Equal("Invalid", run.Do(new ChannelCommand.Push("build", [], "ana", Id: D("2"), Ended: EntryStatus.Done, Result: "two\nlines")));
    }

    private static string Told(ChannelRun run, string id, EntryStatus how, string? result = null) =>
        run.Do(new ChannelCommand.Push("import", [], Id: D(id), Ended: how, Result: result));
}
