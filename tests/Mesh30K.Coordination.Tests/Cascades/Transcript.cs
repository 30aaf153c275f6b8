using System.Globalization;
using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Coordination.Tests.Cascades;

/// <summary>
/// Drives a machine with a script and writes down what it wants done, a line an effect, so that a test reads as what happened.
/// Times are ms since <see cref="Fleet.Start"/>. Deliveries are released when the script says so.
/// </summary>
internal sealed class Transcript
{
    private readonly List<string> _lines = [];
    private readonly List<Delivery> _planned = [];

    public Effects Effects { get; } = new();

    public List<OperationResult> Completed { get; } = [];

    public IReadOnlyList<Delivery> Planned => _planned;

    public override string ToString() => string.Join('\n', _lines);

    /// <summary>One input: what it is called, and the step that takes it.</summary>
    public void Input(double atMs, string name, Action<Instant, Effects> step)
    {
        _lines.Add($"t={atMs.ToString("0.###", CultureInfo.InvariantCulture)}ms {name}");
        step(Fleet.At(atMs), Effects);
        foreach (ref readonly Delivery d in Effects.Deliveries.Items)
        {
            _planned.Add(d);
            _lines.Add($"  send a{d.AgentIndex} at {Fleet.Ms(d.At)}");
        }
        foreach (ref readonly TimerRequest t in Effects.Timers.Items) _lines.Add($"  timer {t.Owner} #{t.Operation} at {Fleet.Ms(t.At)}");
        foreach (ref readonly Signal s in Effects.Signals.Items) _lines.Add($"  → {s.To}: {Text(s.Body)}");
        foreach (ref readonly AgentDeparted d in Effects.Departed.Items) _lines.Add($"  a{d.AgentIndex} has left {d.Place.Cluster} slot {d.Place.Slot}");
        foreach (ref readonly OperationResult r in Effects.Completed.Items)
        {
            Completed.Add(r);
            _lines.Add($"  done {r.Number}: {r.Status} {r.Quorum.Decision} {Text(r.Report.Counts)} sectors={r.SectorsReached} clusters={r.ClustersReached}");
        }
        Effects.Clear();
    }

    /// <summary>The host releases every send planned so far, at its planned time.</summary>
    public void Release()
    {
        foreach (Delivery d in _planned)
            if (d.Slip.Lines[d.Slot].ReleasedAtTicks == 0) d.Slip.Lines[d.Slot].ReleasedAtTicks = d.At.Ticks;
    }

    public void Release(int slot)
    {
        foreach (Delivery d in _planned)
            if (d.Slot == slot && d.Slip.Lines[slot].ReleasedAtTicks == 0) d.Slip.Lines[slot].ReleasedAtTicks = d.At.Ticks;
    }

    public static string Text(in GatherCounts c) => $"ready={c.Ready} conflict={c.Conflict} transit={c.Transit} skipped={c.Skipped}";

    private static string Text(object body) => body switch
    {
        OperationOrder o => $"order #{o.Handle} T={Fleet.Ms(o.Target)} until={Fleet.Ms(o.GatherUntil)}"
            + (o.Selector.Class is { } c ? $" {c.WireName()}" : "") + (o.Quota is { } q ? $" quota={q}" : "")
            + (o.SkipAllAs != SkipReason.None ? $" skip-all={o.SkipAllAs}" : "") + (o.Payload == "null" ? "" : $" payload={o.Payload}"),
        ClusterReport r => $"cluster {r.Cluster.Cluster} report #{r.Handle} {Text(r.Counts)} hits={r.Counts.WindowHits} by-T={r.Counts.ReadyByTarget}{Text(r.Roster)}",
        SectorReport r => $"sector {r.Sector} report #{r.Handle} clusters={r.Clusters} {Text(r.Report.Counts)}{Text(r.Report.Roster)}",
        Preparation p => $"prepare #{p.Handle}{(p.WithClusters ? " with clusters" : "")} until={Fleet.Ms(p.AnswerUntil)}",
        Confirmation c => $"confirm #{c.Handle} sector={c.Sector} cluster={c.Cluster} clusters={c.Clusters}",
        SectorSummary s => $"summary sector={s.Sector} eligible={s.Eligible.Sum()}",
        _ => body.ToString()!,
    };

    private static string Text(IReadOnlyList<RosterEntry> roster) => string.Concat(roster.Select(r =>
        $" | {r.Agent} {r.Outcome}" + (r.Reason == SkipReason.None ? "" : $" {r.Reason} need={r.NeedMs:0.#} has={r.AvailableMs:0.#}")));
}
