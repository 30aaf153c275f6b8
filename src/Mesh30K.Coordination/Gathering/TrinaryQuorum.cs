namespace Mesh30K.Coordination.Gathering;

/// <summary>What the quorum says of a gathering (M 5.2; design section 12).</summary>
public enum QuorumDecision : byte
{
    /// <summary>Enough agents are READY and conflicts are few: go on.</summary>
    Proceed,

    /// <summary>Too many agents are still in transit: a longer window may do.</summary>
    Wait,

    /// <summary>Too many conflicts: resolve them first.</summary>
    ResolveConflicts,

    /// <summary>Too few READY, for neither reason: try again with new leads.</summary>
    Retry,

    /// <summary>Nothing was sent: no agent was selected, or every one was skipped.</summary>
    NoTargets,
}

/// <summary>Thresholds of the trinary quorum (M 5.2), each a rate of what was sent, in [0, 1]. Immutable.</summary>
public sealed record QuorumThresholds
{
    /// <summary>Least share READY, default 0.95.</summary>
    public double RequiredReadyRate { get; init; } = 0.95;

    /// <summary>Largest share CONFLICT, default 0.05.</summary>
    public double MaxConflictRate { get; init; } = 0.05;

    /// <summary>Largest share still in TRANSIT before the advice is to wait, default 0.10.</summary>
    public double MaxTransitRate { get; init; } = 0.10;

    public string? Validate() =>
        Bad("required_ready_rate", RequiredReadyRate) ?? Bad("max_conflict_rate", MaxConflictRate) ?? Bad("max_transit_rate", MaxTransitRate);

    private static string? Bad(string name, double rate) => rate is >= 0 and <= 1 ? null : $"{name} must be between 0 and 1, was {rate}";
}

/// <summary>A decision with its reason and what to do about it.</summary>
/// <param name="Confidence">ready rate − half the conflict rate, when the decision is PROCEED (M 5.2); else 0.</param>
/// <param name="Warning">Something worth knowing beside a PROCEED, such as many agents still in transit.</param>
public sealed record QuorumResult(
    QuorumDecision Decision, int Ready, int Conflict, int Transit, double Confidence, string Reason, string? Recommendation, string? Warning)
{
    public int Sent => Ready + Conflict + Transit;

    public bool Achieved => Decision == QuorumDecision.Proceed;
}

/// <summary>
/// Quorum that tolerates conflicts: enough +1, few −1, few 0. Decided in the order PROCEED, WAIT, RESOLVE_CONFLICTS, RETRY; rates are of what
/// was sent, agents that were skipped count nowhere. Pure.
/// </summary>
public static class TrinaryQuorum
{
    public static QuorumResult Decide(int ready, int conflict, int transit, QuorumThresholds thresholds)
    {
        int sent = ready + conflict + transit;
        if (sent == 0)
            return new(QuorumDecision.NoTargets, 0, 0, 0, 0, "nothing was sent", "check the selector, or choose a later arrival target", null);

        double readyRate = (double)ready / sent;
        double conflictRate = (double)conflict / sent;
        double transitRate = (double)transit / sent;
        bool enoughReady = readyRate >= thresholds.RequiredReadyRate;
        bool fewConflicts = conflictRate <= thresholds.MaxConflictRate;
        bool fewInTransit = transitRate <= thresholds.MaxTransitRate;
        static string Percent(double rate) => FormattableString.Invariant($"{rate * 100:0.0}%"); // the format P puts a space before the sign
        QuorumResult Result(QuorumDecision decision, double confidence, string reason, string? advice, string? warning = null) =>
            new(decision, ready, conflict, transit, confidence, reason, advice, warning);

        if (enoughReady && fewConflicts)
            return Result(
                QuorumDecision.Proceed, readyRate - conflictRate * 0.5, $"{Percent(readyRate)} ready of {sent} sent", null,
                fewInTransit ? null : $"{Percent(transitRate)} still in transit");
        if (!enoughReady && !fewInTransit)
            return Result(QuorumDecision.Wait, 0, $"{Percent(transitRate)} of the agents are still in transit", "extend the arrival window");
        if (!fewConflicts)
            return Result(
                QuorumDecision.ResolveConflicts, 0, $"conflict rate {Percent(conflictRate)} exceeds {Percent(thresholds.MaxConflictRate)}",
                "resolve the conflicts before proceeding");
        return Result(
            QuorumDecision.Retry, 0, $"{Percent(readyRate)} ready, {Percent(thresholds.RequiredReadyRate)} required", "retry with the leads learned since");
    }
}
