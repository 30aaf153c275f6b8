using Mesh30K.Consistency.Time;

namespace Mesh30K.Consistency.Tests.Time;

public sealed class DotTests
{
    [Theory]
    [InlineData("142")]
    [InlineData("1@code-intel")]
    [InlineData("999999999999999999@a")]
    public void Reads_what_it_writes(string text)
    {
        Assert.True(Dot.TryParse(text, out Dot dot));
        Assert.Equal(text, dot.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("01")]
    [InlineData("1@")]
    [InlineData("1@a b")]
    [InlineData("1234567890123456789")]
    public void Refuses_what_is_no_dot(string text) => Assert.False(Dot.TryParse(text, out _));
}
