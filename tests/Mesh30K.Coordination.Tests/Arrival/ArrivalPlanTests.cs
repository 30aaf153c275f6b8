using FsCheck;
using FsCheck.Fluent;
using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Tests.Cascades;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Coordination.Tests.Arrival;

public sealed class ArrivalPlanTests
{
    private static SlipLine Plan(double leadMs, double nowMs, double targetMs, double expiresMs, double bucketMs, PlannerKind kind = PlannerKind.Learned, double? leastMs = null)
    {
        SlipLine line = new() { ReleasedAtTicks = 5 };
        ArrivalPlan.PlanLine(
            ref line, new LeadEstimate((float)leadMs / 2, (float)leadMs, (float)(leastMs ?? leadMs)), kind, Fleet.At(targetMs), Fleet.At(nowMs), Fleet.At(expiresMs), (long)(bucketMs * Instant.TicksPerMs));
        return line;
    }

    [Fact]
    public void A_send_lies_between_now_and_T_minus_lead_and_is_skipped_only_when_that_is_impossible()
    {
        Gen<(double Lead, double Now, double Target, double Expires, double Bucket)> cases =
            from lead in Gen.Choose(0, 40_000)
            from now in Gen.Choose(-2_000, 2_000)
            from target in Gen.Choose(-1_000, 30_000)
            from expires in Gen.Choose(-1_000, 30_000)
            from bucket in Gen.Elements(0.0001, 1, 7.3, 10, 1_000)
            select (lead / 10.0, now / 7.0, target / 7.0, expires / 7.0, bucket);
        Prop.ForAll(cases.ToArbitrary(), c =>
        {
            SlipLine line = Plan(c.Lead, c.Now, c.Target, c.Expires, c.Bucket);
            long now = Fleet.At(c.Now).Ticks;
            long latest = Fleet.At(c.Target).Ticks - (long)Math.Ceiling((double)(float)c.Lead * Instant.TicksPerMs);
            bool late = latest < now;
            bool sent = line.Outcome == AgentOutcome.InTransit;
            bool reason = late ? line.Reason == SkipReason.InsufficientLeadTime : sent ? line.Reason == SkipReason.None : line.Reason == SkipReason.TtlExpired;
            bool inside = !sent || line.PlannedAtTicks >= now && line.PlannedAtTicks <= latest && line.PlannedAtTicks <= Fleet.At(c.Expires).Ticks
                && (line.PlannedAtTicks == now || latest - line.PlannedAtTicks < (long)(c.Bucket * Instant.TicksPerMs));
            bool expired = late || sent || Math.Max(now, latest - (long)(c.Bucket * Instant.TicksPerMs)) >= Fleet.At(c.Expires).Ticks - (long)(c.Bucket * Instant.TicksPerMs);
            return reason && inside && expired && !(sent && late) && line.ReleasedAtTicks == 0 && line.LeadMs == (float)c.Lead;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(2_000));
    }

    [Fact]
    public void Just_in_time_is_in_time()
    {
        Assert.Equal(AgentOutcome.InTransit, Plan(100, 0, 100, 1_000, 1).Outcome);
        SlipLine late = Plan(100.25, 0, 100, 1_000, 1);
        Assert.Equal((AgentOutcome.Skipped, SkipReason.InsufficientLeadTime, 100.25f), (late.Outcome, late.Reason, late.LeadMs));
    }

    [Fact]
    public void A_send_that_can_still_make_T_leaves_at_once_though_more_lead_was_wanted()
    {
        SlipLine tight = Plan(120, 3, 103, 1_000, 1, leastMs: 100);
        Assert.Equal((AgentOutcome.InTransit, Fleet.At(3).Ticks, 120f), (tight.Outcome, tight.PlannedAtTicks, tight.LeadMs));
        SlipLine late = Plan(120, 3.25, 103, 1_000, 1, leastMs: 100);
        Assert.Equal((AgentOutcome.Skipped, SkipReason.InsufficientLeadTime, 100f), (late.Outcome, late.Reason, late.LeadMs));
        Assert.Equal(Fleet.At(80).Ticks, Plan(120, 3, 200, 1_000, 1, leastMs: 100).PlannedAtTicks);
    }

    [Fact]
    public void Fire_now_sends_now_whatever_the_target_but_not_after_its_time_to_live()
    {
        foreach (double target in (double[])[-50, 0, 5_000])
            Assert.Equal(Fleet.At(3.3).Ticks, Plan(100, 3.3, target, 10, 7, PlannerKind.FireNow).PlannedAtTicks);
        Assert.Equal(SkipReason.TtlExpired, Plan(0, 11, 50, 10, 1, PlannerKind.FireNow).Reason);
    }

    [Theory]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.MaxValue)]
    public void An_endless_lead_is_a_skip(float lead) => Assert.Equal(SkipReason.InsufficientLeadTime, Plan(lead, 0, 100, 1_000, 1).Reason);
}
