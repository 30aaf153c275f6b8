using Mesh30K.Protocol.Identity;

namespace Mesh30K.Coordination.Arrival;

/// <summary>
/// A provider's limit that binds a group of agents across the mesh, for example 500 requests a second.
/// Each cluster plans alone, so the budget is divided among the clusters in proportion to their members.
/// </summary>
/// <param name="Name">For reports.</param>
/// <param name="SendsPerSecond">The limit of the whole group, above 0.</param>
public sealed record RateBudget(string Name, double SendsPerSecond)
{
    /// <summary>
    /// The part of one cluster: its members' share of the rate. <paramref name="rank"/> and <paramref name="clusters"/> (the cluster's
    /// number among those with members, and their count) stagger the clusters so that their sends interleave.
    /// In any time w the group sends at most SendsPerSecond·w + clusters.
    /// </summary>
    public RateBudgetShare ShareOf(int members, int totalMembers, int rank, int clusters)
    {
        double perSecond = SendsPerSecond * members / totalMembers;
        double spacingMs = 1000 / perSecond;
        return new RateBudgetShare(Name, spacingMs, spacingMs * rank / clusters);
    }
}

/// <summary>One cluster's part of a budget. Owner: the cluster lead.</summary>
/// <param name="SpacingMs">Least time between two sends of the cluster's members.</param>
/// <param name="PhaseMs">Offset of the cluster's first send.</param>
public sealed record RateBudgetShare(string Name, double SpacingMs, double PhaseMs);

/// <summary>
/// Spreads the sends of a cluster's bound members under their budget, as late as possible, none after its latest time.
/// Two passes over the members in order of latest time: forward, earliest deadline first, drops the members that find no place (all sends
/// cost the same, so this keeps as many as can be kept); backward, each kept member moves as late as its own latest time and
/// the next one's place allow.
/// </summary>
public sealed class RateBudgetPlanner(RateBudgetShare share, int[] memberSlots)
{
    private readonly int[] order = new int[memberSlots.Length];
    private readonly long[] latest = new long[memberSlots.Length];
    private readonly int[] kept = new int[memberSlots.Length];
    private long freeAtTicks = long.MinValue;

    public RateBudgetShare Share { get; } = share;

    /// <summary>Moves the planned times of this budget's scheduled members; members without a place become skips with <see cref="SkipReason.RateBudget"/>.</summary>
    /// <param name="lines">The cluster's lines, planned without the budget: the planned time is the latest time.</param>
    /// <param name="latestTicks">For planners that send at once: how far a send may move back, at least its planned time.</param>
    public void Spread(SlipLine[] lines, Instant now, long latestTicks = 0)
    {
        int n = 0;
        foreach (int slot in memberSlots)
        {
            if (lines[slot].Outcome != AgentOutcome.InTransit) continue;
            order[n] = slot;
            latest[n++] = Math.Max(lines[slot].PlannedAtTicks, latestTicks);
        }
        Array.Sort(latest, order, 0, n);

        long spacing = (long)Math.Ceiling(Share.SpacingMs * Instant.TicksPerMs);
        long at = Math.Max(now.PlusMs(Share.PhaseMs).Ticks, freeAtTicks);
        int k = 0;
        for (int i = 0; i < n; i++)
        {
            if (at > latest[i])
            {
                lines[order[i]].LeadMs += (float)((at - latest[i]) / (double)Instant.TicksPerMs);
                ArrivalPlan.Skip(ref lines[order[i]], SkipReason.RateBudget);
                continue;
            }
            kept[k++] = i;
            at += spacing;
        }
        long next = long.MaxValue;
        for (int i = k - 1; i >= 0; i--)
        {
            long place = Math.Min(latest[kept[i]], next == long.MaxValue ? next : next - spacing);
            lines[order[kept[i]]].PlannedAtTicks = place;
            next = place;
        }
        if (k > 0) freeAtTicks = Math.Max(freeAtTicks, lines[order[kept[k - 1]]].PlannedAtTicks + spacing);
    }
}
