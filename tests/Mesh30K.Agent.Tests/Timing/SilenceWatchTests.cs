using Mesh30K.Agent.Timing;

namespace Mesh30K.Agent.Tests.Timing;

public sealed class SilenceWatchTests
{
    private static readonly long Second = TimeSpan.FromSeconds(1).Ticks;

    [Fact]
    public void Three_heartbeats_in_a_row_without_a_word_are_silence()
    {
        SilenceWatch watch = new();
        Assert.False(watch.IsSilentAfter(sentTicks: 10 * Second, heardTicks: 9 * Second));
        Assert.False(watch.IsSilentAfter(20 * Second, 9 * Second));
        Assert.True(watch.IsSilentAfter(30 * Second, 9 * Second));
    }

    [Fact]
    public void A_word_in_between_begins_the_count_anew()
    {
        SilenceWatch watch = new();
        Assert.False(watch.IsSilentAfter(10 * Second, 9 * Second));
        Assert.False(watch.IsSilentAfter(20 * Second, 9 * Second));
        Assert.False(watch.IsSilentAfter(30 * Second, 31 * Second));
        Assert.False(watch.IsSilentAfter(40 * Second, 31 * Second));
        Assert.False(watch.IsSilentAfter(50 * Second, 31 * Second));
        Assert.True(watch.IsSilentAfter(60 * Second, 31 * Second));
    }

    /// <summary>The process stood still for an hour within one pause: what the mesh said meanwhile is not read yet, and no proof of silence.</summary>
    [Fact]
    public void A_pause_that_took_long_is_one_heartbeat()
    {
        SilenceWatch watch = new();
        Assert.False(watch.IsSilentAfter(10 * Second, 11 * Second));
        Assert.False(watch.IsSilentAfter(20 * Second, 11 * Second));
        Assert.False(watch.IsSilentAfter(3_620 * Second, 3_621 * Second));
    }
}
