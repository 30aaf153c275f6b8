using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Node.Hosting;
using Mesh30K.Protocol.Identity;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Mesh30K.Node.Api.Operations;

/// <summary>The endpoints of operations: submit, list, read, roster, answers. Thread-safe.</summary>
/// <param name="mesh">Where operations go.</param>
/// <param name="store">Where they are read.</param>
/// <param name="rules">What a request means.</param>
/// <param name="refusal">Why no new operation is taken now, or null.</param>
/// <param name="stopping">Ends the waiting of clients when the node stops.</param>
internal sealed class OperationEndpoints(MeshHost mesh, OperationStore store, OperationRules rules, Func<string?> refusal, CancellationToken stopping)
{
    private const int PageDefault = 50;
    private const int PageMax = 1_000;

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/v1/operations", (RequestDelegate)SubmitAsync);
        routes.MapGet("/v1/operations", (RequestDelegate)ListAsync);
        routes.MapGet("/v1/operations/{id}", (RequestDelegate)ReadAsync);
        routes.MapGet("/v1/operations/{id}/roster", (RequestDelegate)RosterAsync);
        routes.MapGet("/v1/operations/{id}/answers", (RequestDelegate)AnswersAsync);
    }

    private async Task SubmitAsync(HttpContext context)
    {
        QueryFields query = new(context.Request, "wait", "dry_run");
        bool wait = query.Flag("wait");
        bool dryRun = query.Flag("dry_run");
        JsonBody<JsonDocument> body = await JsonBody.ReadAsync(context, ApiViews.Default.JsonDocument).ConfigureAwait(false);
        if (!body.IsValid)
        {
            await body.Problem.ExecuteAsync(context).ConfigureAwait(false);
            return;
        }
        OperationSpec spec;
        using (body.Value) spec = rules.Apply(OperationRequestReader.Read(body.Value.RootElement, query.Errors), query.Errors);
        if (query.Problem is { } wrong) await wrong.ExecuteAsync(context).ConfigureAwait(false);
        else if (dryRun) await WriteAsync(context, DryRun.Count(mesh, spec), ApiViews.Default.DryRunView).ConfigureAwait(false);
        else if (refusal() is { } why) await Problem.Unavailable(why, "Try again when the node is up again.").ExecuteAsync(context).ConfigureAwait(false);
        else if (CapabilityCheck.Refuse(mesh, spec) is { } mismatch) await mismatch.ExecuteAsync(context).ConfigureAwait(false);
        else await SubmitAsync(context, spec, wait).ConfigureAwait(false);
    }

    private async Task SubmitAsync(HttpContext context, OperationSpec spec, bool wait)
    {
        Instant submittedAt = mesh.Clock.Now;
        OperationTicket ticket;
        try
        {
            ticket = await mesh.SubmitAsync(spec).WaitAsync(TimeSpan.FromSeconds(5), context.RequestAborted).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            await Problem.Unavailable("The mesh did not take the operation within 5 s.", "It may still run: look at GET /v1/operations.").ExecuteAsync(context).ConfigureAwait(false);
            return;
        }
        if (ticket.Error is { } error)
        {
            await Refused(error).ExecuteAsync(context).ConfigureAwait(false);
            return;
        }
        store.Submitted(ticket.Number, ticket.Id, spec, submittedAt);
        context.Response.Headers.Location = $"/v1/operations/{ticket.Id}";
        if (wait) await WaitAsync(ticket, spec, context.RequestAborted).ConfigureAwait(false);
        if (store.Find(ticket.Id) is not { } stored)
        {
            await Gone(ticket.Id.ToString()).ExecuteAsync(context).ConfigureAwait(false);
            return;
        }
        context.Response.StatusCode = wait && stored.State == StoredState.Ended ? StatusCodes.Status200OK : StatusCodes.Status202Accepted;
        await WriteAsync(context, OperationViews.Of(stored, answers: true), ApiViews.Default.OperationView).ConfigureAwait(false);
    }

    /// <summary>Waits for the end, at most as long as the operation can last: in the queue until its time to live ends, then a timeout for each phase.</summary>
    private async Task WaitAsync(OperationTicket ticket, OperationSpec spec, CancellationToken aborted)
    {
        int phases = CascadePhases.Of(spec).Length;
        double mostMs = spec.TtlMs + CascadePhases.WaveSectorMs + CascadePhases.WaveClusterMs + (phases * (spec.TimeoutMs + Orchestrator.GraceMs)) + 1_000;
        using CancellationTokenSource ending = CancellationTokenSource.CreateLinkedTokenSource(aborted, stopping);
        try
        {
            await ticket.Completion.WaitAsync(TimeSpan.FromMilliseconds(Math.Min(mostMs, int.MaxValue - 1)), ending.Token).ConfigureAwait(false);
        }
        catch (Exception early) when (early is TimeoutException or OperationCanceledException)
        {
            aborted.ThrowIfCancellationRequested(); // else the answer tells how far it is
        }
    }

    private Task ListAsync(HttpContext context)
    {
        QueryFields query = new(context.Request, "limit", "after", "state");
        int limit = query.Integer("limit", 1, PageMax) ?? PageDefault;
        int? after = query.Integer("after", 0, int.MaxValue);
        StoredState? state = query.OneOf("state", "queued", "running", "ended") switch
        {
            "queued" => StoredState.Queued,
            "running" => StoredState.Running,
            "ended" => StoredState.Ended,
            _ => null,
        };
        if (query.Problem is { } wrong) return wrong.ExecuteAsync(context);
        IReadOnlyList<StoredOperation> found = store.Newest(limit + 1, after ?? long.MaxValue, state);
        OperationView[] page = [.. found.Take(limit).Select(o => OperationViews.Of(o, answers: false))];
        string? next = found.Count > limit ? page[^1].Number.ToString(CultureInfo.InvariantCulture) : null;
        return WriteAsync(context, new OperationPage(page, next), ApiViews.Default.OperationPage);
    }

    private Task ReadAsync(HttpContext context)
    {
        QueryFields query = new(context.Request);
        if (query.Problem is { } wrong) return wrong.ExecuteAsync(context);
        return Find(context, out Problem? missing) is { } stored
            ? WriteAsync(context, OperationViews.Of(stored, answers: true), ApiViews.Default.OperationView)
            : missing!.ExecuteAsync(context);
    }

    private Task RosterAsync(HttpContext context)
    {
        QueryFields query = new(context.Request, "outcome", "reason", "limit", "after");
        string? outcome = query.OneOf("outcome", "transit", "skipped", "conflict");
        string? reason = query.OneOf("reason", [.. Enum.GetValues<SkipReason>().Where(r => r != SkipReason.None).Select(OperationViews.NameOf)]);
        (int limit, int after) = Page(query);
        if (query.Problem is { } wrong) return wrong.ExecuteAsync(context);
        if (Details(context, out Problem? missing) is not { } result) return missing!.ExecuteAsync(context);
        RosterEntry[] matching =
        [
            .. result.Report.Roster.Where(r =>
                (outcome is null || OperationViews.NameOf(r.Outcome) == outcome) && (reason is null || OperationViews.NameOf(r.Reason) == reason)),
        ];
        RosterView[] page = [.. matching.Skip(after).Take(limit).Select(OperationViews.Of)];
        RosterPage view = new(result.OperationId.ToString(), matching.Length, page, Next(after, page.Length, matching.Length));
        return WriteAsync(context, view, ApiViews.Default.RosterPage);
    }

    private Task AnswersAsync(HttpContext context)
    {
        QueryFields query = new(context.Request, "limit", "after");
        (int limit, int after) = Page(query);
        if (query.Problem is { } wrong) return wrong.ExecuteAsync(context);
        if (Details(context, out Problem? missing) is not { } result) return missing!.ExecuteAsync(context);
        IReadOnlyList<AgentAnswer> all = result.Report.Answers;
        AnswerView[] page = [.. all.Skip(after).Take(limit).Select(a => new AnswerView(a.Agent.Value, a.Result))];
        AnswerPage view = new(result.OperationId.ToString(), all.Count, page, Next(after, page.Length, all.Count));
        return WriteAsync(context, view, ApiViews.Default.AnswerPage);
    }

    private static (int Limit, int After) Page(QueryFields query) =>
        (query.Integer("limit", 1, PageMax) ?? PageDefault, query.Integer("after", 0, int.MaxValue) ?? 0);

    private static string? Next(int after, int given, int total) =>
        after + given < total && given > 0 ? (after + given).ToString(CultureInfo.InvariantCulture) : null;

    private OperationResult? Details(HttpContext context, out Problem? missing)
    {
        if (Find(context, out missing) is not { } stored) return null;
        if (stored.Result is { } result && stored.DetailsKept) return result;
        missing = stored.Result is null
            ? new Problem(409, "The operation has not ended", $"The operation {stored.Id} is {OperationViews.NameOf(stored.State)}; its lists come with its end.", "Wait for the event operation.ended, or ask again.")
            : new Problem(410, "No longer kept", $"The roster and the answers of {stored.Id} were dropped to bound the node's memory.", "Its counts are still there; read rosters soon after the end.");
        return null;
    }

    private StoredOperation? Find(HttpContext context, out Problem? missing)
    {
        string text = context.Request.RouteValues["id"] as string ?? "";
        StoredOperation? stored = MessageId.TryParse(text, out MessageId id) ? store.Find(id) : null;
        missing = stored is null ? Gone(text) : null;
        return stored;
    }

    private static Problem Gone(string id) => Problem.NotFound(
        $"There is no operation {(id.Length > 64 ? id[..64] + "…" : id)}.", "GET /v1/operations lists those that this run of the node keeps: the last 1,000.");

    private static Problem Refused(string error) =>
        error.Contains("try again later", StringComparison.Ordinal) ? Problem.Unavailable(error, "Fewer operations at once, or wait.")
        : error.Contains("is stopping", StringComparison.Ordinal) ? Problem.Unavailable(error)
        : Problem.BadFields([OperationRules.AsField(error)]);

    private static Task WriteAsync<T>(HttpContext context, T value, JsonTypeInfo<T> type) =>
        context.Response.WriteAsJsonAsync(value, type, cancellationToken: context.RequestAborted);
}
