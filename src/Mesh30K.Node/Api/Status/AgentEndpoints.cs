using System.Globalization;
using Mesh30K.Coordination.Impedance;
using Mesh30K.Node.Api.Operations;
using Mesh30K.Node.Hosting;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Mesh30K.Node.Api.Status;

/// <summary>
/// The endpoints of agents: a filtered, sorted, paged list, and one agent. Reads the registry's snapshots; thread-safe. A page is cut from
/// the fleet as it is at that moment: with the sort by impedance an agent whose score changes between two pages can be missed or seen twice.
/// </summary>
internal sealed class AgentEndpoints(MeshHost mesh)
{
    private const int LimitDefault = 100;
    private const int LimitMax = 1_000;

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/agents", (RequestDelegate)ListAsync);
        routes.MapGet("/v1/agents/{id}", (RequestDelegate)ReadAsync);
    }

    private Task ListAsync(HttpContext context)
    {
        QueryFields query = new(context.Request, "sector", "cluster", "class", "capability", "state", "limit", "after", "sort");
        var shape = mesh.Options.Settings.Shape;
        int? sector = query.Integer("sector", 0, shape.Sectors - 1);
        int? cluster = query.Integer("cluster", 0, shape.ClustersPerSector - 1);
        if (cluster is not null && query.Text("sector") is null) query.Add("cluster", null, "needs the sector beside it: clusters are numbered within their sector");
        ImpedanceClass? onlyClass = OperationRules.ClassOf(query.Text("class"), "class", query.Errors);
        OperationalState? state = OperationRules.Named("state", query.Text("state"), WireNames.OperationalStates, query.Errors);
        string? capability = query.Text("capability");
        int limit = query.Integer("limit", 1, LimitMax) ?? LimitDefault;
        bool byImpedance = query.OneOf("sort", "id", "impedance") == "impedance";
        (double Score, string Id)? after = After(query, byImpedance);
        if (query.Problem is { } wrong) return wrong.ExecuteAsync(context);

        AgentImpedance[] matching =
        [
            .. mesh.Registry.All.Where(a =>
                (sector is null || a.SectorId.Index == sector) && (cluster is null || a.ClusterId.Index == cluster)
                && (onlyClass is null || a.AgentClass == onlyClass) && (state is null || a.OperationalState == state)
                && (capability is null || a.Capabilities.Contains(capability, StringComparer.Ordinal))),
        ];
        Array.Sort(matching, byImpedance ? ByImpedance : ById);
        AgentImpedance[] rest = after is { } from ? [.. matching.Where(a => IsAfter(a, from, byImpedance)).Take(limit + 1)] : [.. matching.Take(limit + 1)];
        AgentView[] page = [.. rest.Take(limit).Select(a => Of(a, null))];
        string? next = rest.Length > limit ? Cursor(rest[limit - 1], byImpedance) : null;
        return context.Response.WriteAsJsonAsync(new AgentPage(matching.Length, page, next), ApiViews.Default.AgentPage, cancellationToken: context.RequestAborted);
    }

    private Task ReadAsync(HttpContext context)
    {
        if (new QueryFields(context.Request).Problem is { } wrong) return wrong.ExecuteAsync(context);
        string text = context.Request.RouteValues["id"] as string ?? "";
        if (!AgentId.IsValid(text) || mesh.Registry.FindCell(new AgentId(text)) is not { } cell)
            return Problem.NotFound($"There is no agent {(text.Length > 64 ? text[..64] + "…" : text)} in the mesh.", "GET /v1/agents lists them.").ExecuteAsync(context);
        return context.Response.WriteAsJsonAsync(Of(cell.Current, cell.History), ApiViews.Default.AgentView, cancellationToken: context.RequestAborted);
    }

    private static AgentView Of(AgentImpedance a, ScoreHistory? history)
    {
        ScoreView[]? points = null;
        if (history is not null)
        {
            Span<ScorePoint> scores = new ScorePoint[ScoreHistory.Capacity];
            int count = history.CopyTo(scores);
            points = new ScoreView[count];
            for (int i = 0; i < count; i++) points[i] = new ScoreView(scores[i].At, Math.Round(scores[i].Score, 3));
        }
        return new AgentView(
            a.AgentId.Value, a.AgentClass.WireName(), a.SectorId.ToString(), a.ClusterId.ToString(), WireNames.OperationalStates.NameOf(a.OperationalState),
            Math.Round(a.ImpedanceScore, 3), Math.Round(a.CurrentLatencyMs, 3), Math.Round(a.CurrentProcessingMs, 3), a.CurrentQueueDepth,
            Math.Round(a.ReliabilityScore, 4), Math.Round(a.DriftCoefficient, 4), a.LastHeartbeat, a.CurrentContextHash, a.Capabilities, history?.Trend(), points);
    }

    private static int ById(AgentImpedance a, AgentImpedance b) => string.CompareOrdinal(a.AgentId.Value, b.AgentId.Value);

    private static int ByImpedance(AgentImpedance a, AgentImpedance b)
    {
        int byScore = b.ImpedanceScore.CompareTo(a.ImpedanceScore);
        return byScore != 0 ? byScore : ById(a, b);
    }

    private static bool IsAfter(AgentImpedance a, (double Score, string Id) from, bool byImpedance)
    {
        int byId = string.CompareOrdinal(a.AgentId.Value, from.Id);
        if (!byImpedance) return byId > 0;
        return a.ImpedanceScore < from.Score || (a.ImpedanceScore.Equals(from.Score) && byId > 0);
    }

    private static string Cursor(AgentImpedance last, bool byImpedance) =>
        byImpedance ? string.Create(CultureInfo.InvariantCulture, $"{last.ImpedanceScore:R}~{last.AgentId.Value}") : last.AgentId.Value;

    private static (double Score, string Id)? After(QueryFields query, bool byImpedance)
    {
        if (query.Text("after") is not { } text) return null;
        if (!byImpedance) return (0, text);
        int split = text.IndexOf('~', StringComparison.Ordinal);
        if (split > 0 && double.TryParse(text.AsSpan(0, split), NumberStyles.Float, CultureInfo.InvariantCulture, out double score)) return (score, text[(split + 1)..]);
        query.Add("after", text, "must be the next_after of the page before, with the same sort");
        return null;
    }
}
