using Mesh30K.Consistency.Time;

namespace Mesh30K.Consistency.Tests.Time;

/// <summary>The laws in random cases: CrdtLawsTests, type vector-clock.</summary>
public sealed class VectorClockTests
{
    [Theory]
    [InlineData("3@ana,1@bob", "3@ana,1@bob", CausalOrder.Equal)]
    [InlineData("3@ana", "3@ana,1@bob", CausalOrder.Before)]
    [InlineData("4@ana,1@bob", "3@ana", CausalOrder.After)]
    [InlineData("4@ana", "1@bob", CausalOrder.Concurrent)]
    [InlineData("", "1", CausalOrder.Before)]
    [InlineData("", "", CausalOrder.Equal)]
    public void Two_clocks_stand_to_each_other(string a, string b, CausalOrder order) => Assert.Equal(order, Read(a).CompareTo(Read(b)));

    [Theory]
    [InlineData("3@ana,1@bob", "2@ana,5@cy", "3@ana,1@bob,5@cy")]
    [InlineData("", "1,2@b", "1,2@b")]
    public void The_join_has_seen_both(string a, string b, string joined)
    {
        Assert.Equal(joined, Read(a).Join(Read(b)).ToString());
        Assert.Equal(Read(joined), Read(b).Join(Read(a)));
        Assert.Equal(Read(joined).GetHashCode(), Read(b).Join(Read(a)).GetHashCode());
    }

    [Fact]
    public void What_is_seen_is_everything_up_to_the_number()
    {
        VectorClock clock = VectorClock.Empty.With(new Dot(3, ReplicaId.Parse("ana")));
        Assert.Equal([true, true, true, false], Enumerable.Range(1, 4).Select(n => clock.Contains(new Dot(n, ReplicaId.Parse("ana")))));
        Assert.False(clock.Contains(new Dot(1, ReplicaId.Parse("bob"))));
        Assert.Same(clock, clock.With(new Dot(2, ReplicaId.Parse("ana"))));
    }

    [Theory]
    [InlineData("1@bob,1@ana")]
    [InlineData("1@ana,2@ana")]
    [InlineData("0@ana")]
    [InlineData("1@ana,")]
    [InlineData(",")]
    [InlineData("1@ana, 2@bob")]
    public void Refuses_what_is_no_clock(string text) => Assert.False(VectorClock.TryParse(text, out _));

    private static VectorClock Read(string text) => VectorClock.TryParse(text, out VectorClock clock) ? clock : throw new FormatException(text);
}
