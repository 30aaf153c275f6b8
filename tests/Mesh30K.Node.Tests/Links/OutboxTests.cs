using Mesh30K.Node.Links;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Node.Tests.Links;

public sealed class OutboxTests
{
    private static readonly Instant T0 = Orders.Start;

    [Fact]
    public void The_highest_priority_goes_first_and_within_it_the_oldest()
    {
        Outbox box = new(10);
        foreach ((long handle, Priority priority) in new[] { (1L, Priority.Normal), (2L, Priority.Critical), (3L, Priority.Normal), (4L, Priority.Background), (5L, Priority.Critical) })
            Assert.True(box.Add(Orders.Item(handle, priority), T0));
        Assert.Equal([2, 5, 1, 3, 4], TakeAll(box, T0));
        Assert.Equal((0, 5), (box.Waiting, box.Unanswered));
    }

    [Fact]
    public void What_was_not_answered_goes_again_after_a_broken_connection_and_what_was_answered_does_not()
    {
        Outbox box = new(10);
        OutboxItem[] items = [.. Enumerable.Range(1, 4).Select(i => Orders.Item(i))];
        foreach (OutboxItem item in items[..3]) box.Add(item, T0);
        Assert.Equal([1, 2, 3], TakeAll(box, T0));
        Assert.Same(items[1], box.Answered(items[1].Message.Id, TrinaryState.Ready));
        Assert.Same(items[0], box.Answered(items[0].Message.Id, TrinaryState.Transit));
        box.Add(items[3], T0);
        Assert.Equal(2, box.Reconnected(T0));
        Assert.Equal([1, 3, 4], TakeAll(box, T0));
    }

    [Fact]
    public void An_answer_that_overtakes_the_second_sending_ends_it()
    {
        Outbox box = new(10);
        OutboxItem item = Orders.Item(1);
        box.Add(item, T0);
        TakeAll(box, T0);
        box.Reconnected(T0);
        Assert.NotNull(box.Answered(item.Message.Id, TrinaryState.Conflict));
        Assert.Empty(TakeAll(box, T0));
        Assert.Null(box.Answered(item.Message.Id, TrinaryState.Conflict));
    }

    [Fact]
    public void Nobody_answers_what_was_never_sent()
    {
        Outbox box = new(10);
        OutboxItem item = Orders.Item(1);
        box.Add(item, T0);
        Assert.Null(box.Answered(item.Message.Id, TrinaryState.Ready));
        Assert.Equal([1], TakeAll(box, T0));
    }

    [Fact]
    public void Time_ends_in_the_queue()
    {
        Outbox box = new(10);
        box.Add(Orders.Item(1, ttlMs: 100), T0);
        box.Add(Orders.Item(2, ttlMs: 200), T0);
        Assert.Equal([2], TakeAll(box, T0.PlusMs(150)));
        Assert.Equal(0, box.Reconnected(T0.PlusMs(201)));
        Assert.Equal((0, 0, 2L), (box.Waiting, box.Unanswered, box.Expired));
    }

    [Fact]
    public void A_full_one_lets_go_of_the_newest_of_the_lowest()
    {
        Outbox box = new(3);
        Assert.True(box.Add(Orders.Item(1, Priority.Normal), T0));
        Assert.True(box.Add(Orders.Item(2, Priority.Background), T0));
        Assert.True(box.Add(Orders.Item(3, Priority.Background), T0));
        Assert.False(box.Add(Orders.Item(4, Priority.High), T0)); // 3 goes
        Assert.False(box.Add(Orders.Item(5, Priority.Background), T0)); // 5 is the newest of the lowest itself
        Assert.Equal(2, box.Evicted);
        Assert.Equal([4, 1, 2], TakeAll(box, T0));
        Assert.False(box.Add(Orders.Item(6, Priority.Critical), T0)); // what was sent is kept
        Assert.Equal((0, 3, 3L), (box.Waiting, box.Unanswered, box.Evicted));
    }

    [Fact]
    public void What_does_not_fit_the_frame_waits_and_nothing_overtakes_it()
    {
        Outbox box = new(3);
        OutboxItem large = Orders.Item(1, payload: new string('1', 5_000));
        box.Add(large, T0);
        box.Add(Orders.Item(2), T0);
        Assert.Null(box.Take(T0, large.Message.BytesAbout - 1));
        Assert.Same(large, box.Take(T0, large.Message.BytesAbout));
    }

    [Fact]
    public void A_delivery_can_be_taken_back()
    {
        Outbox box = new(3);
        OutboxItem sent = Orders.Item(1), waiting = Orders.Item(2);
        box.Add(sent, T0);
        TakeAll(box, T0);
        box.Add(waiting, T0);
        Assert.False(box.Cancel(waiting.Message.Id));
        Assert.True(box.Cancel(sent.Message.Id));
        Assert.False(box.Cancel(sent.Message.Id));
        Assert.Equal(0, box.Reconnected(T0)); // not sent again …
        Assert.Empty(TakeAll(box, T0));
        Assert.NotNull(box.Answered(sent.Message.Id, TrinaryState.Ready)); // … but its answer counts
        Assert.Equal((0, 0), (box.Waiting, box.Unanswered));
    }

    /// <summary>2,000 random steps for each of 40 seeds, against a model that keeps plain lists and sorts them each time.</summary>
    [Fact]
    public void It_does_what_the_naive_model_does()
    {
        for (int seed = 0; seed < 40; seed++)
        {
            Random random = new(seed);
            int max = random.Next(1, 20);
            Outbox box = new(max);
            OutboxModel model = new(max);
            List<OutboxItem> made = [];
            Instant now = T0;
            for (int step = 0; step < 2_000; step++)
            {
                OutboxItem Any() => made[^random.Next(1, Math.Min(made.Count, 30) + 1)];
                string where = $"replay: seed {seed}, step {step}";
                switch (random.Next(made.Count == 0 ? 1 : 12))
                {
                    case <= 3:
                        made.Add(Orders.Item(step, (Priority)random.Next(4), random.Next(1, 400), now));
                        Assert.True(model.Add(made[^1], now) == box.Add(made[^1], now), where);
                        break;
                    case 4:
                        OutboxItem twice = Any();
                        Assert.True(model.Add(twice, now) == box.Add(twice, now), where);
                        break;
                    case <= 7:
                        Assert.True(ReferenceEquals(model.Take(now), box.Take(now)), where);
                        break;
                    case <= 9:
                        OutboxItem answered = Any();
                        TrinaryState state = (TrinaryState)random.Next(-1, 2);
                        Assert.True(ReferenceEquals(model.Answered(answered.Message.Id, state), box.Answered(answered.Message.Id, state)), where);
                        break;
                    case 10:
                        OutboxItem unwanted = Any();
                        bool same = random.Next(3) switch
                        {
                            0 => model.Reconnected(now) == box.Reconnected(now),
                            1 => model.DropExpired(now) == box.DropExpired(now),
                            _ => model.Cancel(unwanted.Message.Id) == box.Cancel(unwanted.Message.Id),
                        };
                        Assert.True(same, where);
                        break;
                    default:
                        now = now.PlusMs(random.Next(60));
                        break;
                }
                Assert.True((model.Waiting, model.Unanswered, model.Expired, model.Evicted) == (box.Waiting, box.Unanswered, box.Expired, box.Evicted), where);
                Assert.True(box.Waiting + box.Unanswered <= max, where);
            }
        }
    }

    private static List<long> TakeAll(Outbox box, Instant now)
    {
        List<long> taken = [];
        while (box.Take(now) is { } item) taken.Add(item.Operation);
        return taken;
    }
}
