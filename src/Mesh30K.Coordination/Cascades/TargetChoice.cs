using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Coordination.Cascades;

/// <summary>
/// Chooses T from the sectors' summaries (design section 4.2): the quantile of the lead times at which the wanted share can make it.
/// Agents whose lead is beyond the operation's timeout can make no T at all; they are left out of the choice, and their leads will
/// skip them by name. Without that rule 7% of people in the fleet would move every T to minutes away.
/// Owner: the orchestrator.
/// </summary>
public sealed class TargetChoice(int sectors, ArrivalOptions options)
{
    private readonly SectorSummary?[] _summaries = new SectorSummary?[sectors];
    private readonly Sketch _leads = new();
    private readonly Sketch _medians = new();

    public SectorSummary? SummaryOf(int sector) => _summaries[sector];

    public void Take(SectorSummary summary) => _summaries[summary.Sector] = summary;

    /// <summary>How many agents of a sector match a selector, as far as the summaries tell.</summary>
    public int Matching(int sector, Selector selector)
    {
        if (!selector.CoversSector(sector)) return 0;
        if (selector.Scope == SelectorScope.Agents) return selector.Places.Where(p => p.Cluster.Sector == sector).Distinct().Count();
        if (_summaries[sector] is not { } summary) return 0;
        int[]? perClass = selector.Capability is null ? summary.Eligible : summary.Capabilities.GetValueOrDefault(selector.Capability);
        if (perClass is null) return 0;
        return selector.Class is { } c ? perClass[(int)c] : perClass.Sum();
    }

    /// <summary>Milliseconds from now to T.</summary>
    /// <param name="horizonMs">The latest T that the operation's timeout allows.</param>
    public double TargetInMs(OperationSpec spec, Selector selector, double horizonMs)
    {
        _leads.Clear();
        _medians.Clear();
        for (int s = 0; s < _summaries.Length; s++)
        {
            if (_summaries[s] is not { } summary || !selector.CoversSector(s)) continue;
            for (int c = 0; c < ImpedanceClasses.Count; c++)
            {
                if (selector.Class is { } only && (int)only != c) continue;
                _leads.Merge(summary.Leads[c]);
                _medians.Merge(summary.Medians[c]);
            }
        }
        // Sketch values are true to 1%; heavier payloads take longer in proportion to M 3.1's weight factor at the most.
        double scale = 1.01 * Math.Max(1, (1 + 0.5 * spec.PayloadWeight) / 1.5);
        double limit = (horizonMs - options.DispatchMarginMs) / scale;
        double? chosen = spec.Planner == PlannerKind.FireNow
            ? _medians.QuantileUpTo(0.5, horizonMs)
            : _leads.QuantileUpTo(options.TargetShare, limit) * scale + options.DispatchMarginMs;
        return Math.Clamp(chosen ?? horizonMs, 0, horizonMs);
    }

    /// <summary>
    /// Miss probability per ms of tail scale for which the mean over the selected agents is 1 − level. Classes that no T of this operation can
    /// reach are left out; 0 when nothing is known yet.
    /// </summary>
    public float MissPerMs(OperationSpec spec, Selector selector)
    {
        double scales = 0;
        long agents = 0;
        for (int c = 0; c < ImpedanceClasses.Count; c++)
        {
            if (selector.Class is { } only && (int)only != c) continue;
            _leads.Clear();
            double sum = 0;
            int count = 0;
            for (int s = 0; s < _summaries.Length; s++)
            {
                if (_summaries[s] is not { } summary || !selector.CoversSector(s)) continue;
                _leads.Merge(summary.Leads[c]);
                sum += summary.TailScaleSumMs[c];
                count += summary.Eligible[c];
            }
            if (count == 0 || _leads.Quantile(0.5) > spec.TimeoutMs) continue;
            scales += sum;
            agents += count;
        }
        return scales > 0 ? (float)((1 - spec.LeadLevel) * agents / scales) : 0;
    }
}
