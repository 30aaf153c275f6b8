using Mesh30K.Coordination.Gathering;

namespace Mesh30K.Coordination.Tests.Gathering;

/// <summary>The decision table of M 5.2, with the cases that it leaves open decided by design section 12.</summary>
public sealed class TrinaryQuorumTests
{
    private static readonly QuorumThresholds Half = new() { RequiredReadyRate = 0.5, MaxConflictRate = 0.25, MaxTransitRate = 0.25 };

    // The three conditions of M 5.2 in every combination: enough ready, conflicts acceptable, transit acceptable.
    [Theory]
    [InlineData(8, 0, 0, QuorumDecision.Proceed)] // yes yes yes
    [InlineData(4, 0, 4, QuorumDecision.Proceed)] // yes yes no: transit is a warning only
    [InlineData(4, 4, 0, QuorumDecision.ResolveConflicts)] // yes no yes
    [InlineData(2, 1, 1, QuorumDecision.Proceed)] // every boundary at once: 0.5, 0.25, 0.25
    [InlineData(1, 2, 5, QuorumDecision.Wait)] // no no? transit decides before conflicts
    [InlineData(0, 3, 5, QuorumDecision.Wait)] // no no no
    [InlineData(3, 5, 0, QuorumDecision.ResolveConflicts)] // no no yes
    [InlineData(0, 0, 8, QuorumDecision.Wait)] // no yes no
    [InlineData(0, 0, 0, QuorumDecision.NoTargets)]
    public void Decides_in_the_order_of_the_document(int ready, int conflict, int transit, QuorumDecision expected) =>
        Assert.Equal(expected, TrinaryQuorum.Decide(ready, conflict, transit, Half).Decision);

    [Fact]
    public void Too_few_ready_for_neither_reason_is_a_retry() => // no yes yes
        Assert.Equal(QuorumDecision.Retry, TrinaryQuorum.Decide(90, 3, 7, new QuorumThresholds()).Decision);

    [Fact]
    public void Enough_ready_with_too_many_of_both_others_resolves_conflicts() => // yes no no
        Assert.Equal(QuorumDecision.ResolveConflicts, TrinaryQuorum.Decide(4, 3, 3, Half with { RequiredReadyRate = 0.4 }).Decision);

    [Fact]
    public void Every_small_gathering_agrees_with_the_text()
    {
        double[] rates = [0, 0.05, 0.1, 0.25, 0.5, 0.9, 0.95, 1];
        foreach (double a in rates)
            foreach (double b in rates)
                foreach (double c in rates)
                    for (int ready = 0; ready <= 20; ready += 1)
                        for (int conflict = 0; conflict <= 20 - ready; conflict++)
                            Agrees(ready, conflict, 20 - ready - conflict, new() { RequiredReadyRate = a, MaxConflictRate = b, MaxTransitRate = c });
    }

    private static void Agrees(int ready, int conflict, int transit, QuorumThresholds t)
    {
        // The text, in whole numbers: a rate of k in 20 against a threshold is k·100 against threshold·2000.
        bool enough = ready * 100 >= Math.Round(t.RequiredReadyRate * 2000);
        bool conflicts = conflict * 100 <= Math.Round(t.MaxConflictRate * 2000);
        bool transits = transit * 100 <= Math.Round(t.MaxTransitRate * 2000);
        QuorumDecision text = enough && conflicts ? QuorumDecision.Proceed
            : !enough && !transits ? QuorumDecision.Wait
            : !conflicts ? QuorumDecision.ResolveConflicts
            : QuorumDecision.Retry;
        QuorumResult result = TrinaryQuorum.Decide(ready, conflict, transit, t);
        if (result.Decision != text) Assert.Fail($"{ready}/{conflict}/{transit} under {t}: {result.Decision}, the text says {text}");
        Assert.Equal((ready, conflict, transit, text == QuorumDecision.Proceed), (result.Ready, result.Conflict, result.Transit, result.Achieved));
        Assert.Equal(text == QuorumDecision.Proceed ? (ready - conflict * 0.5) / 20 : 0, result.Confidence, 1e-12);
        Assert.Equal(text == QuorumDecision.Proceed && !transits, result.Warning is not null);
        Assert.Equal(text == QuorumDecision.Proceed, result.Recommendation is null);
    }

    [Theory]
    [InlineData(-0.1)]
    [InlineData(1.1)]
    [InlineData(double.NaN)]
    public void Thresholds_are_rates(double rate)
    {
        Assert.NotNull(new QuorumThresholds { RequiredReadyRate = rate }.Validate());
        Assert.NotNull(new QuorumThresholds { MaxConflictRate = rate }.Validate());
        Assert.NotNull(new QuorumThresholds { MaxTransitRate = rate }.Validate());
        Assert.Null(new QuorumThresholds().Validate());
    }

    [Fact]
    public void Shares_are_written_as_everywhere_else() =>
        Assert.Equal("99.5% ready of 200 sent", TrinaryQuorum.Decide(199, 0, 1, new QuorumThresholds()).Reason);
}
