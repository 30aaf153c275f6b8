using Mesh30K.Consistency.Time;

namespace Mesh30K.Consistency.Tests.Time;

public sealed class HlcTests
{
    [Theory]
    [InlineData("2026-11-21T07:00:00.123Z")]
    [InlineData("2026-11-21T07:00:00.123Z/2@code-intel")]
    [InlineData("1970-01-01T00:00:00.000Z/65535@a")]
    [InlineData("9999-12-31T23:59:59.999Z")]
    public void Reads_what_it_writes(string text)
    {
        Assert.True(Hlc.TryParse(text, out Hlc stamp));
        Assert.Equal(text, stamp.ToString());
    }

    [Fact]
    public void The_fraction_may_be_missing_and_the_largest_moment_is_the_stated_one()
    {
        Assert.True(Hlc.TryParse("2026-11-21T07:00:00Z@ana", out Hlc stamp));
        Assert.Equal("2026-11-21T07:00:00.000Z@ana", stamp.ToString());
        Assert.True(Hlc.TryParse("9999-12-31T23:59:59.999Z", out Hlc last));
        Assert.Equal(Hlc.MsMax, last.Ms);
    }

    [Theory]
    [InlineData("")]
    [InlineData("2026-11-21")]
    [InlineData("2026-11-21T07:00:00.1Z")]
    [InlineData("2026-11-21T07:00:00.123")]
    [InlineData("2026-13-21T07:00:00.123Z")]
    [InlineData("2026-11-21T07:00:00.123Z/65536")]
    [InlineData("2026-11-21T07:00:00.123Z/-1")]
    [InlineData("2026-11-21T07:00:00.123Z/")]
    [InlineData("2026-11-21T07:00:00.123Z@")]
    [InlineData("2026-11-21T07:00:00.123Z@a b")]
    [InlineData("1969-12-31T23:59:59.999Z")]
    public void Refuses_what_is_no_timestamp(string text) => Assert.False(Hlc.TryParse(text, out _));

    [Fact]
    public void The_order_is_millisecond_then_counter_then_replica()
    {
        Hlc[] ascending =
        [
            new(1, 0, ReplicaId.None), new(1, 0, ReplicaId.Parse("B")), new(1, 0, ReplicaId.Parse("a")), new(1, 1, ReplicaId.None), new(2, 0, ReplicaId.None),
        ];
        for (int i = 0; i < ascending.Length; i++)
        {
            for (int j = 0; j < ascending.Length; j++)
            {
                Assert.Equal(i.CompareTo(j), Math.Sign(ascending[i].CompareTo(ascending[j])));
                Assert.Equal(i == j, ascending[i] == ascending[j]);
                Assert.Equal(i <= j, ascending[i] <= ascending[j]);
                Assert.Equal(i > j, ascending[i] > ascending[j]);
            }
        }
    }
}
