using Mesh30K.Protocol.Identity;

namespace Mesh30K.Coordination.Arrival;

/// <summary>
/// Plans one agent's send (M 3.1): T − lead, put into the bucket that ends there so that a bucket never makes a send later than planned.
/// A lead that does not fit before T leaves at once while the least one fits; else it is a SKIP with its reason, and the lead kept on the line says what it would have needed.
/// </summary>
public static class ArrivalPlan
{
    /// <summary>
    /// Fills <paramref name="line"/>. Holds: a scheduled send satisfies now ≤ planned ≤ max(now, T − lead); skipped if and only if T − least lead &lt; now
    /// (or the TTL ends first).
    /// </summary>
    public static void PlanLine(
        ref SlipLine line, LeadEstimate estimate, PlannerKind kind, Instant target, Instant now, Instant expiresAt, long bucketTicks)
    {
        line.MedianMs = estimate.MedianMs;
        line.LeadMs = estimate.LeadMs;
        line.ReleasedAtTicks = 0;
        long at;
        if (kind == PlannerKind.FireNow)
        {
            at = now.Ticks;
        }
        else
        {
            if (LatestFor(estimate.LeastMs, target) < now.Ticks)
            {
                line.LeadMs = estimate.LeastMs;
                Skip(ref line, SkipReason.InsufficientLeadTime);
                return;
            }
            at = LatestFor(estimate.LeadMs, target);
            at = Math.Max(now.Ticks, at - at % bucketTicks);
        }
        if (at > expiresAt.Ticks)
        {
            Skip(ref line, SkipReason.TtlExpired);
            return;
        }
        line.PlannedAtTicks = at;
        line.Outcome = AgentOutcome.InTransit;
        line.Reason = SkipReason.None;
    }

    private static long LatestFor(float leadMs, Instant target) => target.Ticks - (long)Math.Ceiling((double)leadMs * Instant.TicksPerMs);

    public static void Skip(ref SlipLine line, SkipReason reason)
    {
        line.Outcome = AgentOutcome.Skipped;
        line.Reason = reason;
        line.PlannedAtTicks = 0;
    }
}
