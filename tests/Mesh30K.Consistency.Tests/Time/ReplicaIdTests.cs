using Mesh30K.Consistency.Time;

namespace Mesh30K.Consistency.Tests.Time;

public sealed class ReplicaIdTests
{
    [Theory]
    [InlineData("a")]
    [InlineData("code-intel_2.X")]
    public void A_name_is_kept_as_it_is(string name)
    {
        Assert.True(ReplicaId.TryParse(name, out ReplicaId id));
        Assert.Equal(name, id.ToString());
        Assert.Equal(ReplicaId.Parse(name), id);
        Assert.False(id.IsNone);
    }

    [Fact]
    public void The_longest_name_has_64_characters()
    {
        Assert.True(ReplicaId.TryParse(new string('x', ReplicaId.CharsMax), out _));
        Assert.False(ReplicaId.TryParse(new string('x', ReplicaId.CharsMax + 1), out _));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("a b")]
    [InlineData("a@b")]
    [InlineData("é")]
    public void Refuses_what_is_no_name(string? name)
    {
        Assert.False(ReplicaId.TryParse(name, out ReplicaId id));
        Assert.True(id.IsNone);
        Assert.Throws<FormatException>(() => ReplicaId.Parse(name!));
    }

    [Fact]
    public void The_order_is_ordinal_and_the_nameless_writer_comes_first()
    {
        ReplicaId[] ascending = [ReplicaId.None, ReplicaId.Parse("A"), ReplicaId.Parse("B"), ReplicaId.Parse("a"), ReplicaId.Parse("aa")];
        Assert.Equal(ascending, ascending.Reverse().Order());
        Assert.True(ascending[1] < ascending[2] && ascending[3] >= ascending[2] && ascending[0] != ascending[1]);
    }
}
