using Mesh30K.Consistency.Time;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Consistency.Tests.Time;

public sealed class HlcClockTests
{
    private static readonly ReplicaId Ana = ReplicaId.Parse("ana");
    private static readonly ReplicaId Bob = ReplicaId.Parse("bob");

    [Fact]
    public void A_tick_follows_the_wall_clock_and_counts_within_a_millisecond()
    {
        HlcClock clock = new(Ana);
        Assert.Equal(new Hlc(100, 0, Ana), clock.Tick(At(100)));
        Assert.Equal(new Hlc(100, 1, Ana), clock.Tick(At(100)));
        Assert.Equal(new Hlc(101, 0, Ana), clock.Tick(At(101)));
    }

    [Fact]
    public void A_wall_clock_that_jumps_back_does_not_take_the_clock_with_it()
    {
        HlcClock clock = new(Ana);
        clock.Tick(At(100_000));
        Assert.Equal(new Hlc(100_000, 1, Ana), clock.Tick(At(40_000)));
        Assert.Equal(new Hlc(100_000, 2, Ana), clock.Tick(new Instant(-5)));
    }

    [Fact]
    public void A_tick_is_after_all_that_was_received()
    {
        HlcClock clock = new(Ana);
        Assert.Equal(HlcVerdict.Accepted, clock.Observe(new Hlc(150, 7, Bob), At(100)));
        Assert.Equal(new Hlc(150, 9, Ana), clock.Tick(At(101)));
    }

    [Fact]
    public void A_timestamp_too_far_ahead_is_refused_and_moves_nothing()
    {
        HlcClock clock = new(Ana, new HlcClockOptions { AheadMax = TimeSpan.FromSeconds(1) });
        clock.Tick(At(100));
        Assert.Equal(HlcVerdict.TooFarAhead, clock.Observe(new Hlc(1_101, 0, Bob), At(100)));
        Assert.Equal(new Hlc(100, 0, Ana), clock.Last);
        Assert.Equal(HlcVerdict.Accepted, clock.Observe(new Hlc(1_100, 0, Bob), At(100)));
    }

    [Fact]
    public void By_default_five_minutes_ahead_is_the_most()
    {
        HlcClock clock = new(Ana);
        Assert.Equal(HlcVerdict.TooFarAhead, clock.Observe(new Hlc(300_101, 0, Bob), At(100)));
        Assert.Equal(HlcVerdict.Accepted, clock.Observe(new Hlc(300_100, 0, Bob), At(100)));
    }

    [Fact]
    public void A_full_counter_moves_the_millisecond_on()
    {
        HlcClock clock = new(Ana, null, new Hlc(100, Hlc.CounterMax, Ana));
        Assert.Equal(new Hlc(101, 0, Ana), clock.Tick(At(100)));
        Assert.Equal(HlcVerdict.Accepted, clock.Observe(new Hlc(102, Hlc.CounterMax, Bob), At(100)));
        Assert.Equal(new Hlc(103, 0, Ana), clock.Last);
    }

    [Fact]
    public void A_clock_goes_on_after_a_restart_where_it_was() =>
        Assert.Equal(new Hlc(100, 6, Ana), new HlcClock(Ana, null, new Hlc(100, 5, Ana)).Tick(At(90)));

    private static Instant At(long ms) => new(ms * Instant.TicksPerMs);
}
