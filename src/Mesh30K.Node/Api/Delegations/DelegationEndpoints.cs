using System.Text.Json;
using Mesh30K.Coordination.Delegation;
using Mesh30K.Node.Api.Operations;
using Mesh30K.Node.Delegation;
using Mesh30K.Node.Hosting;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Mesh30K.Node.Api.Delegations;

/// <summary>The endpoints of delegations: start one and wait for it, or look at it later. Thread-safe.</summary>
internal sealed class DelegationEndpoints(MeshHost mesh, Func<string?> refusal, CancellationToken stopping)
{
    private const double TimeoutMsDefault = 60_000;
    private const double TimeoutMsMax = 3_600_000;
    private const string Best = "best";

    private static readonly string[] Fields = ["task", "to", "capability", "timeout_ms", "hedge", "priority", "wait"];

    private readonly Node.Delegation.Delegations _delegations = new(mesh, stopping);

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/v1/delegations", (RequestDelegate)StartAsync);
        routes.MapGet("/v1/delegations/{id}", (RequestDelegate)ReadAsync);
    }

    private async Task StartAsync(HttpContext context)
    {
        QueryFields query = new(context.Request);
        JsonBody<JsonDocument> body = await JsonBody.ReadAsync(context, ApiViews.Default.JsonDocument).ConfigureAwait(false);
        if (!body.IsValid)
        {
            await body.Problem.ExecuteAsync(context).ConfigureAwait(false);
            return;
        }
        DelegationRequest request;
        using (body.Value) request = Read(body.Value.RootElement, query.Errors);
        Problem? wrong = query.Problem;
        DelegationCandidate[] candidates = wrong is null ? Candidates(request, query.Errors, out wrong) : [];
        wrong ??= query.Problem ?? (refusal() is { } why ? Problem.Unavailable(why, "Try again when the node is up again.") : null);
        if (wrong is not null)
        {
            await wrong.ExecuteAsync(context).ConfigureAwait(false);
            return;
        }
        DelegationTask task = new(
            request.Task?.GetRawText() ?? "null", request.TimeoutMs ?? TimeoutMsDefault, request.Hedge ?? false, (Priority)(request.Priority ?? (int)Priority.High));
        if (_delegations.Start(task, candidates) is not { } job)
        {
            await Problem.Unavailable($"{Node.Delegation.Delegations.RunningMax} delegations are in progress.", "Fewer at once, or wait.").ExecuteAsync(context).ConfigureAwait(false);
            return;
        }
        context.Response.Headers.Location = $"/v1/delegations/{job.Id}";
        if (request.Wait ?? true)
        {
            using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping);
            await Task.WhenAny(job.Ended, Task.Delay(Timeout.Infinite, either.Token)).ConfigureAwait(false);
            if (job.Ended.IsFaulted) await job.Ended.ConfigureAwait(false);
        }
        context.Response.StatusCode = job.Outcome is null ? StatusCodes.Status202Accepted : StatusCodes.Status200OK;
        await WriteAsync(context, job).ConfigureAwait(false);
    }

    private Task ReadAsync(HttpContext context)
    {
        if (new QueryFields(context.Request).Problem is { } wrong) return wrong.ExecuteAsync(context);
        string text = context.Request.RouteValues["id"] as string ?? "";
        return MessageId.TryParse(text, out MessageId id) && _delegations.Find(id) is { } job
            ? WriteAsync(context, job)
            : Problem.NotFound($"There is no delegation {(text.Length > 64 ? text[..64] + "…" : text)}.", "The last 1,000 of this run of the node are kept.").ExecuteAsync(context);
    }

    private static DelegationRequest Read(JsonElement body, List<FieldProblem> errors)
    {
        if (JsonFields.Of(body, "", errors, Fields) is not { } fields) return new DelegationRequest();
        DelegationRequest request = new()
        {
            Task = fields.Raw("task"),
            To = fields.Text("to"),
            Capability = fields.Text("capability"),
            TimeoutMs = fields.Number("timeout_ms"),
            Hedge = fields.Flag("hedge"),
            Priority = fields.Integer("priority"),
            Wait = fields.Flag("wait"),
        };
        if (request.Task is null) JsonFields.Add(errors, "task", null, "is missing: give the task, any JSON");
        if (request.Capability is "") JsonFields.Add(errors, "capability", null, "must not be empty; leave it out for any agent");
        if (request.TimeoutMs is { } t && !(t is > 0 and <= TimeoutMsMax)) JsonFields.Add(errors, "timeout_ms", $"{t}", $"must be above 0 and at most {TimeoutMsMax}");
        if (request.Priority is < 0 or > 3) JsonFields.Add(errors, "priority", $"{request.Priority}", "must be 0 (background), 1, 2 or 3 (critical)");
        return request;
    }

    /// <summary>Whom to ask. Nobody has the capability: refused with a conflict that names it. Nobody is active: none, and the delegation ends at once.</summary>
    private DelegationCandidate[] Candidates(DelegationRequest request, List<FieldProblem> errors, out Problem? refused)
    {
        refused = null;
        string to = request.To ?? Best;
        bool isClass = ImpedanceClasses.TryParse(to, out ImpedanceClass known);
        AgentImpedance? named = to == Best || isClass || !AgentId.IsValid(to) ? null : mesh.Registry.Find(new AgentId(to));
        if (to != Best && !isClass && named is null)
        {
            JsonFields.Add(errors, "to", to, "must be best, a class such as CLASS_D_GPU, or the id of an agent that is in the mesh");
            return [];
        }
        IEnumerable<AgentImpedance> selected = named is not null ? [named] : mesh.Registry.All.Where(a => !isClass || a.AgentClass == known);
        if (request.Capability is { } capability && selected.Any() && !selected.Any(a => a.Capabilities.Contains(capability, StringComparer.Ordinal)))
        {
            refused = CapabilityCheck.Mismatch(
                [capability], [.. selected.SelectMany(a => a.Capabilities).Distinct(StringComparer.Ordinal)],
                named is not null ? $"Not even {named.AgentId}" : isClass ? $"No agent of {known.WireName()}" : "No agent");
            return [];
        }
        return named is not null ? [DelegationCandidates.Of(named)] : DelegationCandidates.Pick(mesh.Registry, isClass ? known : null, request.Capability);
    }

    private static Task WriteAsync(HttpContext context, DelegationJob job)
    {
        IReadOnlyList<CandidateState> candidates = job.Candidates;
        CandidateState? winner = candidates.FirstOrDefault(c => c.Outcome == CandidateOutcome.Done);
        DelegationView view = new(
            job.Id.ToString(), job.Outcome is null ? "running" : "ended",
            job.Outcome is { } outcome ? JsonNamingPolicy.SnakeCaseUpper.ConvertName(outcome.ToString()) : null,
            winner?.Agent.Value, winner?.Result is { } result ? ResultOf(result) : null, job.StartedAt, Ms(job.DurationMs),
            [
                .. candidates.Select(c => new DelegationCandidateView(
                    c.Agent.Value, JsonNamingPolicy.SnakeCaseLower.ConvertName(c.Outcome.ToString()), c.Why, Ms(c.ExpectedMs)!.Value, Ms(c.AskedAfterMs), Ms(c.TookMs), c.OperationId)),
            ]);
        return context.Response.WriteAsJsonAsync(view, ApiViews.Default.DelegationView, cancellationToken: context.RequestAborted);
    }

    /// <summary>An agent's result is any text: as JSON where it is JSON, else as a text.</summary>
    private static JsonElement ResultOf(string result)
    {
        try
        {
            return JsonElement.Parse(result);
        }
        catch (JsonException)
        {
            return JsonElement.Parse($"\"{JsonEncodedText.Encode(result)}\"");
        }
    }

    private static double? Ms(double? ms) => ms is { } given ? Math.Round(given, 3) : null;
}
