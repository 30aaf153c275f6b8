using Mesh30K.Node.Api.Operations;
using Mesh30K.Protocol.Json;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Node.Tests.Api.Operations;

/// <summary>An agent's reason is whatever it sent: shown, bounded, and never a reason to fail.</summary>
public sealed class ConflictWordsTests
{
    [Theory]
    [InlineData("\"the budget is spent\"", "the budget is spent")]
    [InlineData("\"line\\nline\"", "line\nline")]
    [InlineData("{\"left\":3}", "{\"left\":3}")]
    [InlineData("[1,2]", "[1,2]")]
    [InlineData("\"half \\ud83d\"", "\"half \\ud83d\"")]
    [InlineData("\"\"", "")]
    [InlineData("null", null)]
    [InlineData(null, null)]
    public void What_the_agent_gave_is_its_reason(string? data, string? words) =>
        Assert.Equal(words, ConflictWords.Of(new ConflictDetail { Type = ConflictType.Other, ConflictingData = data is null ? null : RawJson.Parse(data) }));

    [Fact]
    public void A_long_one_is_cut_and_none_is_none()
    {
        Assert.Equal(new string('a', ConflictWords.CharsMax), ConflictWords.Of(new ConflictDetail { Type = ConflictType.Other, ConflictingData = RawJson.Text(new string('a', 50_000)) }));
        Assert.Null(ConflictWords.Of(null));
    }
}
