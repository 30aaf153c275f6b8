using Mesh30K.Cli.Verify.Cluster;

namespace Mesh30K.Cli.Tests.Verify.Cluster;

public sealed class FailoverMeterTests
{
    private const long Ms = 1_000_000;

    [Fact]
    public void A_failover_ends_with_the_first_write_that_was_called_after_the_death()
    {
        FailoverMeter meter = new();
        meter.Wrote(0, 5 * Ms);
        meter.Died(10 * Ms);
        meter.Wrote(9 * Ms, 12 * Ms); // called before: the dead leader may have taken it
        Assert.Empty(meter.Ms);
        meter.Wrote(20 * Ms, 310 * Ms);
        meter.Wrote(21 * Ms, 311 * Ms);
        Assert.Equal([300.0], meter.Ms);
    }

    [Fact]
    public void A_death_that_another_fault_follows_is_not_measured()
    {
        FailoverMeter meter = new();
        meter.Died(10 * Ms);
        meter.Spoil();
        meter.Wrote(20 * Ms, 310 * Ms);
        Assert.Empty(meter.Ms);
    }

    [Theory]
    [InlineData(null)]
    [InlineData(3.0, 3.0)]
    [InlineData(2.0, 9.0, 2.0)]
    [InlineData(2.0, 9.0, 2.0, 1.0)]
    public void The_median_is_the_middle(double? median, params double[] values) => Assert.Equal(median, FailoverMeter.Median(values));
}
