using System.Globalization;
using Mesh30K.Consistency.Causal;
using Mesh30K.Consistency.Time;
using static Mesh30K.Consistency.Tests.Causal.ChannelRun;

namespace Mesh30K.Consistency.Tests.Causal;

/// <summary>Bounds and imports that the random commands do not reach.</summary>
public sealed class ChannelEdgeTests
{
    [Fact]
    public void Beyond_100_000_retired_ranges_the_lowest_are_forgotten_and_a_snapshot_still_says_the_same()
    {
        ChannelRun run = new(new ChannelOptions { EndedMax = 0 });
        run.Import("1");
        ChannelCommand.Push[] ended = [.. Enumerable.Range(2, 100_000).Select(i => new ChannelCommand.Push("old", [], Id: new Dot(i, default), Ended: i % 2 == 0 ? EntryStatus.Done : EntryStatus.Failed))];
        run.Do(new ChannelCommand.PushAll(ended));
        Assert.Equal((EntryStatus.Done, EntryStatus.Failed), (run.Channel.StatusOf(D("2")), run.Channel.StatusOf(D("100001"))));
        run.Push("on what is forgotten later", "2");
        run.Do(new ChannelCommand.Push("old", [], Id: D("100003"), Ended: EntryStatus.Done));
        Assert.Equal(((EntryStatus?)null, (EntryStatus?)null, EntryStatus.Failed), (run.Channel.StatusOf(D("2")), run.Channel.StatusOf(D("1001")), run.Channel.StatusOf(D("1003"))));
        Assert.Equal("Taken", run.Import("2"));
        Assert.Equal("2 has ended long ago and its content is no more known; leave it out", run.Last.Message);
        Assert.Equal("UnknownDependency", run.Push("new", "2"));
        Assert.Equal("Ok 1:Cancelled", run.Cancel("1"));
        Assert.Null(run.Channel.StatusOf(D("1")));
        Assert.Equal(Bytes(run.Channel), Bytes(From([.. run.Channel.Snapshot().Select(r => (r.Kind, r.Payload.ToArray()))])));
    }

    [Fact]
    public void Clocks_that_contradict_each_other_make_their_entries_concurrent()
    {
        ChannelRun run = new();
        run.Do(new ChannelCommand.Push("a", [], Id: D("1@ana"), Clock: VectorClock.Empty.With(D("1@bob"))));
        run.Do(new ChannelCommand.Push("b", [], Id: D("1@bob"), Clock: VectorClock.Empty.With(D("1@ana"))));
        Assert.Equal(CausalOrder.Concurrent, run.Channel.Order(D("1@ana"), D("1@bob")));
        Assert.Equal(CausalOrder.Concurrent, run.Channel.Order(D("1@bob"), D("1@ana")));
    }

    [Fact]
    public void An_import_has_seen_what_its_writers_earlier_entry_had_seen()
    {
        ChannelRun run = new();
        run.Import("5@bob");
        run.Import("1@ana", "5@bob");
        run.Import("2@ana", "1@ana");
        Assert.Equal("1@ana,5@bob", run.Find("2@ana").Clock.ToString());
        Assert.Equal(CausalOrder.Before, run.Channel.Order(D("5@bob"), D("2@ana")));
    }

    [Fact]
    public void A_batch_beyond_8_MiB_is_refused_and_one_below_is_taken()
    {
        ChannelRun run = new();
        string text = new('x', 65_536);
        ChannelCommand.PushAll Batch(int count) => new([.. Enumerable.Repeat(new ChannelCommand.Push(text, []), count)]);
        Assert.Equal("Full", run.Do(Batch(128)));
        Assert.Equal("the entries make more than 8388608 bytes: push them in parts", run.Last.Message);
        Assert.Empty(run.Journal);
        Assert.StartsWith("Ok 1:Ready", run.Do(Batch(127)), StringComparison.Ordinal);
        Assert.InRange(run.Journal.Single().Record.Length, 127 * 65_536, 8 << 20);
    }

    [Fact]
    public void Dependents_are_cancelled_in_records_of_10_000_and_all_of_them_replay()
    {
        ChannelRun run = new(new ChannelOptions { EndedMax = 100_000 });
        run.Push("root");
        run.Do(new ChannelCommand.PushAll([.. Enumerable.Range(0, 25_000).Select(i => new ChannelCommand.Push("below", i == 0 ? Ds("1") : [ChannelCommand.PushAll.Entry(i - 1)]))]));
        run.Cancel("1", dependents: true);
        Assert.Equal(Enumerable.Range(1, 25_001).Select(i => new Dot(i, default)), run.Last.Entries.Select(e => e.Id));
        Assert.Equal(2 + 3, run.Journal.Count);
        Assert.Equal(25_001, run.Channel.Counts.Cancelled);
        Assert.Equal(Bytes(run.Channel), Bytes(From(run.Journal)));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1_000_000_000_000_000_000)]
    public void A_dependency_that_no_record_can_hold_is_refused_also_for_an_ended_import(long number)
    {
        ChannelRun run = new();
        Assert.Equal("Invalid", run.Do(new ChannelCommand.Push("a", [new Dot(number, default)], Id: D("1@x"), Ended: EntryStatus.Done)));
        Assert.Empty(run.Journal);
    }

    [Fact]
    public void An_import_cannot_be_reopened_into_a_circle()
    {
        ChannelRun run = new();
        run.Do(new ChannelCommand.Push("old", Ds("3@x"), Id: D("1@x"), Ended: EntryStatus.Failed));
        run.Import("2@x", "1@x");
        run.Import("3@x", "2@x");
        Assert.Equal("Cycle", run.Reopen("1@x"));
        run.Cancel("3@x");
        Assert.Equal("Ok 1@x:Waiting", run.Reopen("1@x"));
        Assert.Equal("Cycle", run.Reopen("3@x"));
    }

    [Fact]
    public void An_entry_that_opens_again_waits_for_each_of_what_it_depends_on_once()
    {
        ChannelRun run = new();
        run.Push("a");
        run.Push("b");
        run.Push("c", "1", "2");
        run.Cancel("3");
        Assert.Equal("Ok 3:Waiting", run.Reopen("3"));
        run.Claim("ana", 2);
        run.Complete("1", 1);
        Assert.Equal(EntryStatus.Waiting, run.Find("3").Status);
        run.Complete("2", 2);
        Assert.Equal(EntryStatus.Ready, run.Find("3").Status);
    }

    [Fact]
    public void A_snapshot_whose_entries_wait_for_each_other_is_refused()
    {
        // Two snapshots of 3 → 1, 2 → 1 and 3 → 2, 2 → 1; with 2 → 3 of a third one they form a circle.
        List<(byte Kind, byte[] Record)> Of(string of2, string of3)
        {
            ChannelRun run = new();
            run.Import("1@x");
            run.Do(new ChannelCommand.PushAll([new("t", Ds(of2), Id: D("2@x"), Clock: Seen), new("t", Ds(of3), Id: D("3@x"), Clock: Seen)]));
            return [.. run.Channel.Snapshot().Select(r => (r.Kind, r.Payload.ToArray()))];
        }
        List<(byte Kind, byte[] Record)> one = Of("1@x", "2@x");
        List<(byte Kind, byte[] Record)> other = Of("3@x", "1@x");
        Assert.Equal([32, 34, 34, 34, 35], one.Select(r => (int)r.Kind));
        From([one[0], one[1], one[2], one[3], one[4]]);
        From([one[0], one[1], other[2], other[3], one[4]]);
        ChannelRecordException e = Assert.Throws<ChannelRecordException>(() => From([one[0], one[1], other[2], one[3], one[4]]));
        Assert.Contains("wait for each other", e.Message, StringComparison.Ordinal);
    }

    private static VectorClock Seen => VectorClock.Empty.With(D("3@x"));

    [Fact]
    public void A_batch_is_a_circle_exactly_when_a_naive_search_finds_one()
    {
        int circles = 0;
        for (int seed = 1; seed <= 2_000; seed++)
        {
            Random random = new(seed);
            int count = 2 + random.Next(12);
            List<int>[] on = [.. Enumerable.Range(0, count).Select(_ => Enumerable.Range(0, random.Next(3)).Select(_ => random.Next(count)).ToList())];
            bool[,] reach = new bool[count, count];
            for (int i = 0; i < count; i++) foreach (int d in on[i]) reach[i, d] = true;
            for (int k = 0; k < count; k++) for (int i = 0; i < count; i++) for (int j = 0; j < count; j++) reach[i, j] |= reach[i, k] && reach[k, j]; // Warshall 1962
            bool isCircle = Enumerable.Range(0, count).Any(i => reach[i, i]);
            bool byNumber = random.Next(2) == 0;
            Dot Name(int i) => byNumber ? new Dot(i + 1, ReplicaId.Parse("x")) : ChannelCommand.PushAll.Entry(i);
            ChannelRun run = new();
            run.Do(new ChannelCommand.PushAll([.. on.Select((d, i) => new ChannelCommand.Push("t", [.. d.Select(Name)], Id: byNumber ? Name(i) : null))]));
            Assert.True(isCircle == (run.Last.Outcome == ChannelOutcome.Cycle), string.Create(CultureInfo.InvariantCulture, $"seed {seed}: {run.Last}"));
            Assert.True(isCircle || run.Last.Outcome == ChannelOutcome.Ok, string.Create(CultureInfo.InvariantCulture, $"seed {seed}: {run.Last}"));
            if (isCircle) circles++;
            else Assert.Equal(count, run.Last.Entries.Count);
        }
        Assert.InRange(circles, 400, 1_900);
    }
}
