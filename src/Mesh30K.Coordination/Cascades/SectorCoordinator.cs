using Mesh30K.Coordination.Gathering;
using Mesh30K.Coordination.Topology;
using Mesh30K.Protocol;

namespace Mesh30K.Coordination.Cascades;

/// <summary>
/// The coordinator of one sector: passes orders down to its leads, merges their reports, and sends one report up.
/// A lead that does not report in time leaves its agents in TRANSIT and is missing from the number of clusters reached. Owner: the event loop of the sector. Pure.
/// </summary>
public sealed class SectorCoordinator
{
    /// <summary>How long after the end of a gathering a sector waits for its leads, in ms.</summary>
    public const double GraceMs = 100;

    private readonly MeshShape _shape;
    private readonly Func<ClusterAddress, OperationOrder, int> _matching;
    private readonly Dictionary<long, Open> _open = [];
    private readonly Dictionary<long, Preparing> _preparing = [];
    private readonly SectorScratch _scratch;

    /// <param name="scratch">Shared by the sectors of one event loop.</param>
    /// <param name="matching">How many agents of a cluster an order's selector matches: what the sector knows from its leads' summaries.</param>
    public SectorCoordinator(int sector, MeshShape shape, SectorScratch scratch, Func<ClusterAddress, OperationOrder, int> matching)
    {
        Sector = sector;
        _shape = shape;
        _scratch = scratch;
        _matching = matching;
    }

    public int Sector { get; }

    public int OpenOperations => _open.Count;

    private RoleAddress Self => RoleAddress.OfSector(Sector);

    /// <summary>Passes an order on to the clusters that it covers.</summary>
    public void Step(OperationOrder order, Effects effects)
    {
        // A bus may deliver twice.
        if (_open.ContainsKey(order.Handle)) return;
        int first = Sector * _shape.ClustersPerSector;
        int[]? quota = null;
        if (order.Quota is { } q)
        {
            int[] counts = new int[_shape.ClustersPerSector];
            for (int c = 0; c < counts.Length; c++) counts[c] = _matching(ClusterAddress.Of(_shape, first + c), order);
            quota = AgentSelection.Divide(q, counts, order.Handle);
        }
        int expected = 0;
        for (int c = 0; c < _shape.ClustersPerSector; c++)
        {
            if (!order.Selector.CoversCluster(ClusterAddress.Of(_shape, first + c)) || quota is not null && quota[c] == 0) continue;
            expected++;
            effects.Signals.Add(new Signal(RoleAddress.OfLead(Sector, c), quota is null ? order : order with { Quota = quota[c] }));
        }
        Open gather = new(order, expected, _shape.ClustersPerSector, quota);
        if (expected == 0)
        {
            Report(gather, effects);
            return;
        }
        _open.Add(order.Handle, gather);
        effects.Timers.Add(new TimerRequest(order.GatherUntil.PlusMs(GraceMs), Self, order.Handle, 0));
    }

    /// <summary>Takes a lead's report; the last one completes the sector's.</summary>
    public void Step(ClusterReport report, Effects effects)
    {
        if (!_open.TryGetValue(report.Handle, out Open? gather) || gather.Reported[report.Cluster.Cluster]) return;
        gather.Reported[report.Cluster.Cluster] = true;
        gather.Reports.Add(report);
        if (gather.Reports.Count == gather.Expected) Report(gather, effects);
    }

    /// <summary>Answers for itself, or asks its leads first.</summary>
    public void Step(Preparation preparation, Effects effects)
    {
        if (!preparation.WithClusters)
        {
            effects.Signals.Add(new Signal(RoleAddress.Orchestrator, new Confirmation(preparation.Handle, Sector, -1, 0)));
            return;
        }
        _preparing[preparation.Handle] = new Preparing();
        for (int c = 0; c < _shape.ClustersPerSector; c++)
            effects.Signals.Add(new Signal(RoleAddress.OfLead(Sector, c), preparation));
        effects.Timers.Add(new TimerRequest(preparation.AnswerUntil.PlusMs(-GraceMs), Self, preparation.Handle, 0));
    }

    /// <summary>Takes a lead's confirmation.</summary>
    public void Step(Confirmation confirmation, Effects effects)
    {
        if (!_preparing.TryGetValue(confirmation.Handle, out Preparing? state)) return;
        if (state.Confirmed.Add(confirmation.Cluster) && state.Confirmed.Count == _shape.ClustersPerSector) Confirm(confirmation.Handle, state, effects);
    }

    /// <summary>Time is up for a gathering or a preparation: what came by now goes up.</summary>
    public void Step(in TimerRequest fired, Effects effects)
    {
        if (_open.TryGetValue(fired.Operation, out Open? gather)) Report(gather, effects);
        if (_preparing.TryGetValue(fired.Operation, out Preparing? state)) Confirm(fired.Operation, state, effects);
    }

    private void Confirm(long handle, Preparing state, Effects effects)
    {
        _preparing.Remove(handle);
        effects.Signals.Add(new Signal(RoleAddress.Orchestrator, new Confirmation(handle, Sector, -1, state.Confirmed.Count)));
    }

    private void Report(Open gather, Effects effects)
    {
        _open.Remove(gather.Order.Handle);
        _scratch.Arrivals.Clear();
        _scratch.Errors.Clear();
        List<RosterEntry> roster = [];
        List<AgentAnswer> answers = [];
        GatherCounts counts = default;
        double confidence = 0;
        // In the order of clusters, so that the same reports give the same bytes whichever came first.
        gather.Reports.Sort(static (a, b) => a.Cluster.Index.CompareTo(b.Cluster.Index));
        foreach (ClusterReport report in gather.Reports)
        {
            counts.Add(report.Counts);
            foreach (float offset in report.OffsetsMs) _scratch.Arrivals.Add(offset);
            foreach (float error in report.ErrorsMs) _scratch.Errors.Add(error);
            roster.AddRange(report.Roster);
            answers.AddRange(report.Answers);
            confidence += report.ConfidenceSum;
        }
        if (gather.Order.SkipAllAs == Arrival.SkipReason.None) counts.Transit += Unreported(gather);
        else counts.Skipped += Unreported(gather);
        Invariant.Check(_scratch.Arrivals.Count == counts.Ready + counts.Conflict);
        GatherReport merged = new()
        {
            Counts = counts,
            Arrivals = _scratch.Arrivals.ToSparse(),
            PredictionErrors = _scratch.Errors.ToSparse(),
            Roster = roster,
            Answers = answers,
            ConfidenceSum = confidence,
        };
        effects.Signals.Add(new Signal(RoleAddress.Orchestrator, new SectorReport(gather.Order.Handle, Sector, gather.Reports.Count, merged)));
    }

    /// <summary>The agents of clusters whose lead did not report: in transit, as far as anyone knows.</summary>
    private int Unreported(Open gather)
    {
        if (gather.Reports.Count == gather.Expected) return 0;
        int agents = 0;
        for (int c = 0; c < _shape.ClustersPerSector; c++)
        {
            if (gather.Reported[c]) continue;
            int selected = _matching(ClusterAddress.Of(_shape, Sector * _shape.ClustersPerSector + c), gather.Order);
            agents += gather.Quota is { } quota ? Math.Min(quota[c], selected) : selected;
        }
        return agents;
    }

    private sealed class Open(OperationOrder order, int expected, int clusters, int[]? quota)
    {
        /// <summary>Per cluster, whether its report came.</summary>
        public bool[] Reported { get; } = new bool[clusters];

        /// <summary>Per cluster, how many agents it was to pick; null when the operation does not sample.</summary>
        public int[]? Quota { get; } = quota;

        public OperationOrder Order { get; } = order;

        public int Expected { get; } = expected;

        public List<ClusterReport> Reports { get; } = new(expected);
    }

    private sealed class Preparing
    {
        public HashSet<int> Confirmed { get; } = [];
    }
}
