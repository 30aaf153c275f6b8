using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Impedance;
using Mesh30K.Node.Api.Operations;
using Mesh30K.Node.Hosting;
using Mesh30K.Node.Runtime;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Mesh30K.Node.Api.Status;

/// <summary>The endpoints that show the mesh: status and sectors. Reads snapshots only; thread-safe.</summary>
/// <param name="mesh">The mesh.</param>
/// <param name="store">Its operations.</param>
/// <param name="feed">The events made of them.</param>
/// <param name="events">Who reads them.</param>
/// <param name="refusal">Why no new operation is taken now, or null.</param>
internal sealed class StatusEndpoints(MeshHost mesh, OperationStore store, OperationFeed feed, EventStream events, Func<string?> refusal)
{
    private readonly Instant _startedAt = mesh.Clock.Now;

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/status", (RequestDelegate)StatusAsync);
        routes.MapGet("/v1/sectors", (RequestDelegate)SectorsAsync);
        routes.MapGet("/v1/sectors/{id}", (RequestDelegate)SectorAsync);
    }

    /// <summary>The name of the mode for a share of active agents (M 6.3).</summary>
    internal static string ModeOf(double activeRate) => activeRate switch
    {
        >= 0.95 => "FULL",
        >= 0.80 => "DEGRADED_LIGHT",
        >= 0.60 => "DEGRADED_MODERATE",
        >= 0.30 => "DEGRADED_SEVERE",
        _ => "EMERGENCY",
    };

    private Task StatusAsync(HttpContext context)
    {
        if (new QueryFields(context.Request).Problem is { } wrong) return wrong.ExecuteAsync(context);
        Instant now = mesh.Clock.Now;
        GlobalImpedanceStats stats = mesh.BuildMap().Stats;
        StatusView view = new(
            stats.TotalAgents == 0 ? ModeOf(1) : ModeOf(stats.ActiveRate), stats.ActiveAgents, stats.TotalAgents, stats.ActiveRate, stats.SectorsHealthy, stats.SectorsHealthy + stats.SectorsDegraded,
            Ms(stats.GlobalMeanImpedance), Ms(stats.GlobalP95Impedance), store.ConflictsOfLastHour(now), store.Unfinished, LastCascade(now),
            mesh.Options.Oracle is not null, refusal() is null, mesh.NotReadyBecause, now, _startedAt, Host(now));
        return context.Response.WriteAsJsonAsync(view, ApiViews.Default.StatusView, cancellationToken: context.RequestAborted);
    }

    private LastCascadeView? LastCascade(Instant now)
    {
        if (store.LastCascade is not { Result: { } result } stored) return null;
        OperationView view = OperationViews.Of(stored, answers: false);
        return new LastCascadeView(
            view.OperationId, view.Cascade!, view.Status!, view.Decision!.Decision, view.AgentsReached ?? 0, view.Counts!.Targets, result.EndedAt, Ms(now.MsSince(result.EndedAt)));
    }

    private HostView Host(Instant now)
    {
        double upMs = Math.Max(1, now.MsSince(_startedAt));
        LoopView[] loops =
        [
            .. mesh.LoopSnapshots().Select(l => new LoopView(
                Math.Round(Math.Min(1, l.Busy.TotalMilliseconds / upMs), 4), Ms(l.Busy.TotalMilliseconds), Ms(l.LongestTurn.TotalMilliseconds), l.Batches, l.Depth, l.Rejected)),
        ];
        ReleaseSnapshot release = mesh.ReleaseSnapshot();
        ReleaseView sends = new(
            release.Released, release.Pending, Ms(release.Lateness.P50.TotalMilliseconds), Ms(release.Lateness.P99.TotalMilliseconds), Ms(release.Lateness.Max.TotalMilliseconds));
        LeadCounters stray = mesh.CountStrayAcks();
        return new HostView(
            loops, sends, mesh.LostBatches, mesh.ExpiredSends, stray.LateAcks, stray.DuplicateAcks, stray.UnknownAcks, feed.Dropped, events.Subscribers);
    }

    private Task SectorsAsync(HttpContext context)
    {
        if (new QueryFields(context.Request).Problem is { } wrong) return wrong.ExecuteAsync(context);
        SectorView[] sectors = [.. mesh.BuildMap().Sectors.Select(Of)];
        SectorList list = new(sectors.Length, sectors.Count(s => s.Healthy), sectors);
        return context.Response.WriteAsJsonAsync(list, ApiViews.Default.SectorList, cancellationToken: context.RequestAborted);
    }

    private Task SectorAsync(HttpContext context)
    {
        if (new QueryFields(context.Request).Problem is { } wrong) return wrong.ExecuteAsync(context);
        string text = context.Request.RouteValues["id"] as string ?? "";
        GlobalImpedanceMap map = mesh.BuildMap();
        int sectors = mesh.Options.Settings.Shape.Sectors;
        if (!int.TryParse(text, System.Globalization.NumberStyles.None, null, out int index) || index >= sectors || map.Sector(new SectorId(index)) is not { } sector)
            return Problem.NotFound($"There is no sector {(text.Length > 64 ? text[..64] + "…" : text)}.", $"Sectors are 0 to {sectors - 1}.").ExecuteAsync(context);
        List<ClusterView> clusters = [];
        for (int c = 0; c < mesh.Options.Settings.Shape.ClustersPerSector; c++)
            if (map.Cluster(new ClusterId(index, c)) is { } cluster) clusters.Add(Of(cluster));
        return context.Response.WriteAsJsonAsync(new SectorDetail(Of(sector), clusters), ApiViews.Default.SectorDetail, cancellationToken: context.RequestAborted);
    }

    private static SectorView Of(SectorImpedanceSummary s) => new(
        s.SectorId.ToString(), s.SectorId.Index, GlobalImpedanceMap.IsHealthy(s), s.ClusterCount, s.ActiveAgents, s.TotalAgents, Ms(s.MeanImpedance),
        s.HealthiestCluster?.ToString(), s.SickestCluster?.ToString());

    private static ClusterView Of(ClusterImpedanceSummary c) => new(
        c.ClusterId.ToString(), c.ClusterId.Index, c.ActiveCount, c.AgentCount, Ms(c.MeanImpedance), Ms(c.P95Impedance), c.SlowestAgent?.Value, c.FastestAgent?.Value,
        [.. c.DegradedAgents.Select(a => a.Value)], [.. c.UnstableAgents.Select(a => a.Value)], c.LastUpdated);

    private static double Ms(double ms) => Math.Round(ms, 3);
}
