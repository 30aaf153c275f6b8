using Mesh30K.Simulation.Frames;

namespace Mesh30K.Simulation.Tests.Frames;

public sealed class FrameFuzzTests
{
    [Fact]
    public void The_same_seed_gives_the_same_cases_whole_or_in_parts()
    {
        FrameFuzzReport whole = Run(0, 640);
        FrameFuzzReport[] parts = [Run(0, 100), Run(100, 1), Run(101, 539)];
        Assert.Equal(640, parts.Sum(p => p.Cases));
        foreach ((string word, long frames) in whole.Refused) Assert.Equal(frames, parts.Sum(p => p.Refused[word]));
        Assert.Equal((640, 640), (whole.Cases, whole.AcceptedValid));
        Assert.NotEqual(whole.Refused, FrameFuzz.Run(0, 640, 42, 2, null, TestContext.Current.CancellationToken).Refused);
    }

    [Fact]
    public void Every_word_of_refusal_is_met()
    {
        FrameFuzzReport report = Run(0, 2_000);
        Assert.Equal(["bad_signature", "expired", "malformed", "replayed", "unknown_key", "wrong_address", "wrong_epoch"], report.Refused.Keys.Order(StringComparer.Ordinal));
        Assert.All(report.Refused, pair => Assert.True(pair.Value > 20, pair.Key));
    }

    [Fact]
    public void A_violation_names_the_command_that_shows_it_again() =>
        Assert.Equal("mesh verify frames --seed 7 --case 8841", new FrameViolation(7, 8841, "cut", "was accepted").Replay);

    private static FrameFuzzReport Run(long first, long cases)
    {
        FrameFuzzReport report = FrameFuzz.Run(first, cases, 7, 2, null, TestContext.Current.CancellationToken);
        Assert.Empty(report.Violations);
        return report;
    }
}
