using Mesh30K.Consistency.Strong.Raft;
using Mesh30K.Node.Ledger.Group;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Tests.Ledger.Group;

public sealed class ClockWatchTests
{
    private static readonly Instant Wall = Instant.FromUnixMs(1_800_000_000_000);
    private readonly ClockWatch _clocks = new(TimeSpan.FromSeconds(5));
    private Instant _now = new(0);
    private TimeSpan _jump;

    [Fact]
    public void Who_knows_no_other_clock_trusts_its_own()
    {
        Assert.True(_clocks.MayPropose(_now, Own));
        Assert.Null(_clocks.Ahead(_now, Own));
    }

    [Fact]
    public void One_wrong_peer_of_two_stops_nobody_but_itself()
    {
        Hear(2, 0);
        Hear(3, 3_600);
        Assert.True(_clocks.MayPropose(_now, Own));
        Hear(2, 3_600);
        Assert.False(_clocks.MayPropose(_now, Own));
        Assert.Equal(-3_600, _clocks.Ahead(_now, Own)!.Value.TotalSeconds, 3);
    }

    [Fact]
    public void Of_two_that_differ_neither_proposes()
    {
        Hear(2, -60);
        Assert.False(_clocks.MayPropose(_now, Own));
    }

    [Fact]
    public void The_way_of_a_message_makes_no_clock_look_late()
    {
        Hear(2, -30); // half a minute on its way
        Hear(2, 0.1);
        Hear(2, -20);
        Assert.True(_clocks.MayPropose(_now, Own));
    }

    [Fact]
    public void A_clock_that_was_set_right_counts_again_after_a_while()
    {
        Hear(2, 3_600);
        Assert.False(_clocks.MayPropose(_now, Own));
        for (int second = 0; second < 12; second++)
        {
            _now += TimeSpan.FromSeconds(1);
            Hear(2, 0);
        }
        Assert.True(_clocks.MayPropose(_now, Own));
    }

    [Fact]
    public void Who_has_not_been_heard_of_for_long_does_not_count()
    {
        Hear(2, 3_600);
        _now += ClockWatch.Window + TimeSpan.FromTicks(1);
        Assert.True(_clocks.MayPropose(_now, Own));
    }

    [Fact]
    public void A_jump_of_the_own_clock_shows_at_once()
    {
        Hear(2, 0);
        Hear(3, 0);
        _jump = TimeSpan.FromHours(1);
        Assert.False(_clocks.MayPropose(_now, Own));
        Assert.Equal(3_600, _clocks.Ahead(_now, Own)!.Value.TotalSeconds, 3);
    }

    private Instant Own => Wall + (_now - new Instant(0)) + _jump;

    private void Hear(int peer, double aheadS) => _clocks.Hear(new ServerId(peer), Own + TimeSpan.FromSeconds(aheadS), _now);
}
