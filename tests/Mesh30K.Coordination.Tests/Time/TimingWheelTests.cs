using FsCheck;
using FsCheck.Fluent;
using Mesh30K.Coordination.Time;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Coordination.Tests.Time;

public sealed class TimingWheelTests
{
    private static readonly Instant Start = Instant.FromUnixMs(1_000_000);
    private static readonly TimeSpan Ms = TimeSpan.FromMilliseconds(1);

    private static List<T> Advance<T>(TimingWheel<T> wheel, Instant now)
    {
        var fired = new List<T>();
        Assert.Equal(wheel.Advance(now, fired), fired.Count);
        return fired;
    }

    [Fact]
    public void Fires_at_the_due_time_rounded_up_to_a_tick_and_never_before()
    {
        var wheel = new TimingWheel<string>(Start, Ms);
        wheel.Add(Start.PlusMs(4.2), "a");
        Assert.Empty(Advance(wheel, Start.PlusMs(4.9)));
        Assert.Equal(["a"], Advance(wheel, Start.PlusMs(5)));
        Assert.Equal(0, wheel.Count);
        Assert.Null(wheel.NextDue);
    }

    [Fact]
    public void Within_a_tick_items_keep_the_order_of_insertion_even_when_some_came_through_a_coarser_ring()
    {
        var wheel = new TimingWheel<int>(Start, Ms);
        wheel.Add(Start.PlusMs(70_000), 1);
        Advance(wheel, Start.PlusMs(65_000));
        wheel.Add(Start.PlusMs(70_000), 2);
        Advance(wheel, Start.PlusMs(69_999));
        wheel.Add(Start.PlusMs(70_000), 3);
        Assert.Equal([1, 2, 3], Advance(wheel, Start.PlusMs(70_000)));
    }

    [Fact]
    public void An_overdue_item_fires_at_the_next_advance_even_at_the_same_instant()
    {
        var wheel = new TimingWheel<int>(Start, Ms);
        Advance(wheel, Start.PlusMs(10));
        wheel.Add(Start.PlusMs(3), 1);
        Assert.True(wheel.NextDue <= Start.PlusMs(10));
        Assert.Equal([1], Advance(wheel, Start.PlusMs(10)));
    }

    [Fact]
    public void Beyond_the_coarsest_ring_items_wait_and_fire_in_order()
    {
        var wheel = new TimingWheel<int>(Start, TimeSpan.FromTicks(1));
        Instant far = Start + TimeSpan.FromTicks((1L << 33) + 5);
        wheel.Add(Instant.MaxValue, 9);
        wheel.Add(far, 1);
        wheel.Add(far + TimeSpan.FromTicks(1L << 34), 2);
        Assert.Empty(Advance(wheel, far - TimeSpan.FromTicks(1)));
        Assert.Equal([1], Advance(wheel, far));
        Assert.Equal([2, 9], Advance(wheel, Instant.MaxValue));
    }

    [Fact]
    public void The_pool_is_used_again()
    {
        var wheel = new TimingWheel<int>(Start, Ms);
        var fired = new List<int>(64);
        for (int warm = 0; warm < 300; warm++) Turn(warm);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int round = 300; round < 3_000; round++) Turn(round);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Turn(int round)
        {
            for (int i = 0; i < 30; i++) wheel.Add(Start.PlusMs(round + 1 + i), i);
            fired.Clear();
            wheel.Advance(Start.PlusMs(round), fired);
        }
    }

    /// <summary>One step of a script: add items at offsets from the model's now, or jump. Scales reach every ring and the far list.</summary>
    private sealed record Step(bool IsJump, int Scale, int Amount, int Copies);

    private static Gen<Step> Steps() =>
        from isJump in Gen.Elements(true, false, false)
        from scale in Gen.Choose(0, 38)
        from amount in Gen.Choose(0, 1000)
        from copies in Gen.Choose(1, 4)
        select new Step(isJump, scale, amount, copies);

    [Fact]
    public void Agrees_with_a_sorted_list_under_random_jumps() =>
        Check.One(
            Config.QuickThrowOnFailure.WithMaxTest(2_000).WithEndSize(120),
            Prop.ForAll(Steps().ArrayOf().ToArbitrary(), steps => Agrees(steps)));

    private static bool Agrees(Step[] steps)
    {
        const long Tick = 10;
        var wheel = new TimingWheel<int>(Start, TimeSpan.FromTicks(Tick));
        var model = new List<(long Tick, int Id)>();
        long now = 0, reached = 0;
        int id = 0;
        foreach (Step step in steps)
        {
            long offset = (long)(step.Amount / 500.0 * (1L << step.Scale));
            if (!step.IsJump)
            {
                for (int copy = 0; copy < step.Copies; copy++)
                {
                    long due = now + offset - 20;
                    wheel.Add(new Instant(Start.Ticks + due), id);
                    model.Add((Math.Max(reached, due <= 0 ? 0 : (due + Tick - 1) / Tick), id++));
                }
            }
            else
            {
                now += offset;
                reached = now / Tick;
                var due = model.Where(item => item.Tick <= reached).OrderBy(item => item.Tick).ThenBy(item => item.Id).Select(item => item.Id);
                if (!due.SequenceEqual(Advance(wheel, new Instant(Start.Ticks + now)))) return false;
                model.RemoveAll(item => item.Tick <= reached);
            }

            if (wheel.Count != model.Count || wheel.NextDue is null != (model.Count == 0)) return false;
            if (model.Count > 0 && wheel.NextDue!.Value.Ticks > Start.Ticks + (model.Min(item => item.Tick) * Tick)) return false;
        }

        return true;
    }
}
