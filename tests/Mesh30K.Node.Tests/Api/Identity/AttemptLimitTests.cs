using Mesh30K.Node.Api.Identity;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Tests.Api.Identity;

public sealed class AttemptLimitTests
{
    private static readonly Instant Start = Instant.FromUnixMs(1_000_000);

    private static int Taken(AttemptLimit limit, double atMs, int tries) => Enumerable.Range(0, tries).Count(_ => limit.TryTake(Start.PlusMs(atMs)));

    [Fact]
    public void A_second_has_so_many_and_they_come_back_evenly_and_never_more_than_a_seconds_worth()
    {
        AttemptLimit limit = new(100);
        Assert.Equal(100, Taken(limit, 0, 150));
        Assert.Equal(0, Taken(limit, 9, 1));
        Assert.Equal(1, Taken(limit, 15, 5));
        Assert.Equal(50, Taken(limit, 515, 80));
        Assert.Equal(100, Taken(limit, 60_000, 150));
    }

    [Fact]
    public void A_clock_that_steps_back_gives_nothing_and_takes_nothing()
    {
        AttemptLimit limit = new(10);
        Assert.Equal(10, Taken(limit, 1_000, 11));
        Assert.Equal(0, Taken(limit, 0, 1));
        Assert.Equal(0, Taken(limit, 1_000, 1));
        Assert.Equal(5, Taken(limit, 1_500, 6));
    }
}
