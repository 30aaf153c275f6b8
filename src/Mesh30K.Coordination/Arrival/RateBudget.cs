using Mesh30K.Protocol;
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
    /// <summary>What is wrong with this budget, or null.</summary>
    public string? Validate() => SendsPerSecond is > 0 and < double.PositiveInfinity ? null : $"sends per second must be above 0, was {SendsPerSecond}";

    /// <summary>
    /// The part of one cluster: its members' share of the rate. <paramref name="rank"/> and <paramref name="clusters"/> (the cluster's
    /// number among those with members, and their count) stagger the clusters so that their sends interleave.
    /// In any time w the group sends at most SendsPerSecond·w + clusters.
    /// </summary>
    public RateBudgetShare ShareOf(int members, int totalMembers, int rank, int clusters)
    {
        Invariant.Check(Validate() is null);
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
/// cost the same and each place is the earliest left, so this keeps as many as can be kept); backward, each kept member moves as late as
/// its own latest time and the next one's place allow. Places of earlier operations stay taken; those between them are used.
/// A planner that sends at once has no latest time of its own: its members keep the places of the forward pass.
/// </summary>
public sealed class RateBudgetPlanner(RateBudgetShare share, int[] memberSlots)
{
    /// <summary>Passes over several budgets in which a member may still move; after them the one that would have to move is skipped.</summary>
    private const int MovingPassesMax = 8;

    private readonly int[] _order = new int[memberSlots.Length];
    private readonly long[] _due = new long[memberSlots.Length];
    private readonly long[] _place = new long[memberSlots.Length];
    private readonly long _spacing = (long)Math.Min(1L << 60, Math.Ceiling(share.SpacingMs * Instant.TicksPerMs));

    /// <summary>Places of operations planned before that still bind, in order. Bound: the members times the operations that a lead keeps open.</summary>
    private readonly List<long> _taken = [];

    public RateBudgetShare Share { get; } = share;

    /// <summary>Spreads under this budget alone; see <see cref="SpreadAll"/>.</summary>
    public void Spread(SlipLine[] lines, Instant now, long latestTicks = 0) => SpreadAll([this], lines, now, latestTicks);

    /// <summary>
    /// Moves the planned times of the budgets' scheduled members; members without a place become skips with
    /// <see cref="SkipReason.RateBudget"/>, their line's lead then says how long before T they would have had to be planned. A member of
    /// several budgets may be moved by one so that another no longer holds: members move in one direction only, so repeating settles.
    /// </summary>
    /// <param name="lines">The cluster's lines, planned without the budgets: the planned time is the latest time.</param>
    /// <param name="latestTicks">For planners that send at once: how far a send may move back; else 0.</param>
    public static void SpreadAll(ReadOnlySpan<RateBudgetPlanner> budgets, SlipLine[] lines, Instant now, long latestTicks)
    {
        foreach (RateBudgetPlanner budget in budgets) budget.Forget(now);
        bool changed = true;
        for (int pass = 1; changed; pass++)
        {
            changed = false;
            foreach (RateBudgetPlanner budget in budgets) changed |= budget.Pass(lines, now, latestTicks, pass <= MovingPassesMax);
            if (budgets.Length == 1) break;
        }
        foreach (RateBudgetPlanner budget in budgets) budget.Keep(lines);
    }

    private bool Pass(SlipLine[] lines, Instant now, long latestTicks, bool mayMove)
    {
        int n = 0;
        foreach (int slot in memberSlots)
        {
            if (lines[slot].Outcome != AgentOutcome.InTransit) continue;
            _order[n] = slot;
            _due[n++] = lines[slot].PlannedAtTicks;
        }
        Array.Sort(_due, _order, 0, n);
        bool atOnce = latestTicks > 0;
        bool changed = false;
        long at = now.PlusMs(Share.PhaseMs).Ticks;
        int kept = 0;
        int next = 0;
        for (int i = 0; i < n; i++)
        {
            at = FirstFree(atOnce ? Math.Max(at, _due[i]) : at, ref next);
            if (at > (atOnce ? latestTicks : _due[i]))
            {
                lines[_order[i]].LeadMs += (float)((at - now.Ticks) / (double)Instant.TicksPerMs);
                ArrivalPlan.Skip(ref lines[_order[i]], SkipReason.RateBudget);
                changed = true;
                continue;
            }
            _place[kept] = at;
            _due[kept] = _due[i];
            _order[kept++] = _order[i];
            at += _spacing;
        }
        if (!atOnce) MoveBack(kept);
        for (int i = 0; i < kept; i++)
        {
            ref SlipLine line = ref lines[_order[i]];
            if (line.PlannedAtTicks == _place[i]) continue;
            changed = true;
            if (mayMove) line.PlannedAtTicks = _place[i];
            else ArrivalPlan.Skip(ref line, SkipReason.RateBudget);
        }
        return changed;
    }

    /// <summary>Each place is free already, so none moves before where the forward pass put it.</summary>
    private void MoveBack(int kept)
    {
        int before = _taken.Count - 1;
        long limit = long.MaxValue;
        for (int i = kept - 1; i >= 0; i--)
        {
            _place[i] = LastFree(Math.Min(_due[i], limit), ref before);
            limit = _place[i] - _spacing;
        }
    }

    private long FirstFree(long at, ref int next)
    {
        while (true)
        {
            while (next < _taken.Count && _taken[next] <= at - _spacing) next++;
            if (next == _taken.Count || _taken[next] >= at + _spacing) return at;
            at = _taken[next] + _spacing;
        }
    }

    private long LastFree(long at, ref int before)
    {
        while (true)
        {
            while (before >= 0 && _taken[before] >= at + _spacing) before--;
            if (before < 0 || _taken[before] <= at - _spacing) return at;
            at = _taken[before] - _spacing;
        }
    }

    private void Forget(Instant now)
    {
        int past = 0;
        while (past < _taken.Count && _taken[past] <= now.Ticks - _spacing) past++;
        _taken.RemoveRange(0, past);
    }

    private void Keep(SlipLine[] lines)
    {
        foreach (int slot in memberSlots)
            if (lines[slot].Outcome == AgentOutcome.InTransit) _taken.Add(lines[slot].PlannedAtTicks);
        _taken.Sort();
    }
}
