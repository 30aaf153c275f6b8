using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Node.Links.People;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Node.Tests.Links.People;

public sealed class PeopleLinkTests
{
    [Fact]
    public async Task An_answer_goes_to_the_lead_with_the_time_it_took()
    {
        await using PeopleFixture mesh = new();
        await mesh.AddAsync("ana");
        mesh.Link.Start();
        OperationOrder order = mesh.Deliver("ana", deadlineS: 100);
        InboxItem item = mesh.Only("ana");
        Assert.Equal((5, InboxState.Open, order.OperationId, mesh.Now + TimeSpan.FromSeconds(100)), (item.Id.Length, item.State, item.OperationId, item.Deadline));
        mesh.Clock.Advance(TimeSpan.FromSeconds(20));
        Assert.Equal(InboxAnswer.Taken, mesh.Link.Answer(item.Id, ready: true, "approved").Outcome);
        AgentAck ack = Assert.Single(mesh.Acks);
        Assert.Equal((TrinaryState.Ready, 20_000f, order.Handle, 0, "approved"), (ack.State, ack.ProcessingMs, ack.Operation, ack.QueueDepth, ack.Detail!.Result));
        Assert.Equal((2, mesh.IndexOf("ana"), mesh.Now), (ack.ClusterIndex, ack.Slot, ack.ReceivedAt));
        Assert.Equal((InboxAnswer.Ended, InboxState.Answered), (mesh.Link.Answer(item.Id, ready: false, "no").Outcome, mesh.Link.Answer(item.Id, ready: false, "no").Item!.State));
        Assert.Equal(InboxAnswer.Unknown, mesh.Link.Answer("zzzzz", ready: true, null).Outcome);
        Assert.Single(mesh.Acks);
        Assert.Equal(["0s added ana", "20s answered ana"], mesh.Log);
        Assert.Empty(mesh.Link.List(null, ended: false));
        Assert.Equal("approved", Assert.Single(mesh.Link.List(null, ended: true)).Text);
    }

    [Fact]
    public async Task A_conflict_says_why()
    {
        await using PeopleFixture mesh = new();
        await mesh.AddAsync("ana");
        mesh.Link.Start();
        mesh.Deliver("ana", 100);
        mesh.Link.Answer(mesh.Only("ana").Id, ready: false, "the \"budget\" is spent");
        ConflictDetail why = Assert.Single(mesh.Acks).Detail!.Conflict!;
        Assert.Equal(ConflictType.Other, why.Type);
        Assert.Equal("the \"budget\" is spent", System.Text.Json.JsonSerializer.Deserialize<string>(why.ConflictingData!.Value.Utf8));
    }

    [Fact]
    public async Task Reminders_come_at_half_and_at_nine_tenths_and_then_the_end()
    {
        await using PeopleFixture mesh = new();
        await mesh.AddAsync("ana");
        mesh.Link.Start();
        mesh.Deliver("ana", deadlineS: 100);
        InboxItem item = mesh.Only("ana");
        for (int second = 0; second < 110; second++)
        {
            mesh.Clock.Advance(TimeSpan.FromSeconds(1));
            if (second == 60) Assert.Equal(1, mesh.Only("ana").Reminders);
        }
        Assert.Equal(["0s added ana", "51s reminder ana", "91s reminder ana", "101s expired ana"], mesh.Log); // a timer fires up to a millisecond after its time, so at this clock's next step
        (InboxAnswer outcome, InboxItem? late) = mesh.Link.Answer(item.Id, ready: true, null);
        Assert.Equal((InboxAnswer.Ended, InboxState.Expired, item.Deadline), (outcome, late!.State, late.EndedAt!.Value));
        Assert.Empty(mesh.Acks);
    }

    [Fact]
    public async Task An_answer_in_the_moment_after_the_deadline_is_late_even_before_the_timer_fires()
    {
        await using PeopleFixture mesh = new();
        await mesh.AddAsync("ana");
        mesh.Link.Start();
        mesh.Deliver("ana", deadlineS: 10, ttlS: 4);
        InboxItem item = mesh.Only("ana");
        Assert.Equal(mesh.Now + TimeSpan.FromSeconds(4), item.Deadline); // the earlier of the two
        foreach (double ms in (double[])[2_001, 1_600, 399]) mesh.Clock.Advance(TimeSpan.FromMilliseconds(ms)); // both reminders fire; the timer of the end is a millisecond away
        Assert.Equal(["0s added ana", "2s reminder ana", "4s reminder ana"], mesh.Log);
        Assert.Equal(InboxAnswer.Ended, mesh.Link.Answer(item.Id, ready: true, null).Outcome);
        Assert.Empty(mesh.Acks);
    }

    [Fact]
    public async Task One_that_looks_late_reminds_once()
    {
        await using PeopleFixture mesh = new();
        await mesh.AddAsync("ana");
        mesh.Link.Start();
        mesh.Deliver("ana", 100);
        mesh.Clock.Advance(TimeSpan.FromSeconds(95));
        Assert.Equal(2, mesh.Only("ana").Reminders);
        Assert.Equal(["0s added ana", "95s reminder ana"], mesh.Log);
    }

    [Fact]
    public async Task A_full_inbox_refuses_at_once_and_the_ended_ones_are_forgotten_in_their_order()
    {
        await using PeopleFixture mesh = new(new InboxOptions { OpenMax = 2, EndedMax = 3 });
        await mesh.AddAsync("ana");
        await mesh.AddAsync("ben");
        mesh.Link.Start();
        for (int i = 0; i < 3; i++) mesh.Deliver("ana", 100 + i);
        Assert.Equal((1L, TrinaryState.Conflict), (mesh.Link.Refused, Assert.Single(mesh.Acks).State));
        mesh.Deliver("ben", 100);
        Assert.Equal(3, mesh.Link.List(null, ended: false).Count);
        List<string> ended = [];
        for (int i = 0; i < 5; i++)
        {
            InboxItem item = mesh.Link.List(new AgentId("ana"), ended: false)[0];
            ended.Add(item.Id);
            Assert.Equal(InboxAnswer.Taken, mesh.Link.Answer(item.Id, ready: true, null).Outcome);
            mesh.Deliver("ana", 200 + i);
        }
        Assert.Equal(ended.TakeLast(3).Order(), mesh.Link.List(new AgentId("ana"), ended: true).Where(i => i.State == InboxState.Answered).Select(i => i.Id).Order());
        Assert.Equal(InboxAnswer.Unknown, mesh.Link.Answer(ended[0], ready: true, null).Outcome);
    }

    [Fact]
    public async Task The_same_message_twice_is_one_item_and_one_taken_back_is_withdrawn()
    {
        await using PeopleFixture mesh = new();
        await mesh.AddAsync("ana");
        mesh.Link.Start();
        OperationOrder order = mesh.Deliver("ana", 100);
        mesh.Clock.Advance(TimeSpan.FromSeconds(1));
        mesh.DeliverAgain(order, mesh.IndexOf("ana"));
        InboxItem item = mesh.Only("ana");
        mesh.Link.Cancel(mesh.IndexOf("ana"), new MessageId(1, 1), "another");
        Assert.Equal(InboxState.Open, mesh.Only("ana").State);
        mesh.Link.Cancel(mesh.IndexOf("ana"), order.MessageId, "ben was faster");
        Assert.Equal((InboxAnswer.Ended, "ben was faster"), (mesh.Link.Answer(item.Id, ready: true, null).Outcome, mesh.Link.Answer(item.Id, ready: true, null).Item!.Text));
        Assert.Equal(["0s added ana", "1s withdrawn ana"], mesh.Log);
        Assert.Empty(mesh.Acks);
    }

    [Fact]
    public async Task A_mesh_that_is_busy_leaves_the_item_open()
    {
        await using PeopleFixture mesh = new();
        await mesh.AddAsync("ana");
        mesh.Link.Start();
        mesh.Deliver("ana", 100);
        InboxItem item = mesh.Only("ana");
        mesh.IsBusy = true;
        Assert.Equal(InboxAnswer.Busy, mesh.Link.Answer(item.Id, ready: true, null).Outcome);
        mesh.IsBusy = false;
        Assert.Equal(InboxAnswer.Taken, mesh.Link.Answer(item.Id, ready: true, null).Outcome);
    }

    [Fact]
    public async Task People_beat_while_they_are_in_join_when_enrolled_and_leave_when_revoked()
    {
        await using PeopleFixture mesh = new() { IsFull = true };
        await mesh.AddAsync("ana");
        mesh.Link.Start();
        mesh.Clock.Advance(PeopleLink.HeartbeatEvery);
        Assert.Empty(mesh.Heartbeats);
        mesh.IsFull = false;
        mesh.Clock.Advance(PeopleLink.HeartbeatEvery); // tried again
        await mesh.AddAsync("ben");
        mesh.Deliver("ben", 100);
        mesh.Clock.Advance(PeopleLink.HeartbeatEvery);
        Assert.Equal([(0, 0), (1, 1)], mesh.Heartbeats.Select(b => (b.Slot, b.QueueDepth)).Order());
        InboxItem item = mesh.Only("ben");
        Assert.True(await mesh.Directory.RevokeAsync(new AgentId("ben"), null, mesh.Now));
        Assert.Equal([new AgentId("ben")], mesh.Left);
        Assert.Equal(InboxState.Withdrawn, mesh.Link.Answer(item.Id, ready: true, null).Item!.State);
        mesh.Heartbeats.Clear();
        mesh.Clock.Advance(PeopleLink.HeartbeatEvery);
        Assert.Equal(mesh.IndexOf("ana"), Assert.Single(mesh.Heartbeats).Slot);
    }

    [Fact]
    public void Of_any_history_every_item_ends_once_and_the_schedule_is_exact()
    {
        for (int seed = 0; seed < 100; seed++)
        {
            Random random = new(seed);
            InboxOptions options = new() { OpenMax = 4, EndedMax = 1_000 };
            Inbox inbox = new(options, random.Next);
            Dictionary<string, InboxItem> open = [];
            HashSet<string> ended = [];
            Instant now = new(0);
            for (int step = 0; step < 200; step++)
            {
                now += TimeSpan.FromSeconds(random.Next(5));
                foreach (InboxChange change in inbox.Advance(now).ToArray())
                {
                    Assert.True(open.ContainsKey(change.Item.Id), $"seed {seed}");
                    if (change.Word == "expired") Assert.True(open.Remove(change.Item.Id) && ended.Add(change.Item.Id), $"seed {seed}");
                    else open[change.Item.Id] = change.Item;
                }
                AgentId person = new($"p{random.Next(3)}");
                if (random.Next(2) == 0)
                {
                    int before = open.Values.Count(i => i.Person == person);
                    InboxItem? added = inbox.Add(Draft(person, now, random.Next(1, 40), step));
                    Assert.True((added is null) == (before == options.OpenMax), $"seed {seed}");
                    if (added is not null) open.Add(added.Id, added);
                }
                else if (open.Count > 0)
                {
                    InboxItem item = open.Values.ElementAt(random.Next(open.Count));
                    inbox.End(inbox.Find(item.Id)!, InboxState.Answered, now, TrinaryState.Ready);
                    Assert.True(open.Remove(item.Id) && ended.Add(item.Id), $"seed {seed}");
                }
                Assert.All(open.Values, i => Assert.True(i.Deadline > now && i.NextDue > now, $"seed {seed}"));
                Assert.True(inbox.NextDue == (open.Count == 0 ? null : open.Values.Min(i => i.NextDue)), $"seed {seed}");
                Assert.Equal(open.Keys.Order(), inbox.Of(null).Where(i => i.State == InboxState.Open).Select(i => i.Id).Order());
            }
        }
    }

    private static InboxItem Draft(AgentId person, Instant now, int seconds, int n) => new()
    {
        Id = "",
        Person = person,
        OperationId = new MessageId(0, (ulong)n),
        Verb = Verb.Act,
        Payload = "1",
        AskedAt = now,
        Deadline = now + TimeSpan.FromSeconds(seconds),
        Address = new InboxAddress(0, 0, 0, n, new MessageId(0, (ulong)n)),
    };
}
