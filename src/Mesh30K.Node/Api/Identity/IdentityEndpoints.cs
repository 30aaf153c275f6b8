using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Mesh30K.Node.Identity;
using Mesh30K.Node.Links.Webhook;
using Mesh30K.Node.Storage;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Mesh30K.Node.Api.Identity;

/// <summary>The endpoints of enrolment and identities (docs/protocol/http-api.md). Thread-safe.</summary>
internal sealed class IdentityEndpoints(NodeIdentity identity, WebhookAllowList webhooks)
{
    /// <summary>Enrolments tried a second, in whole. A secret of 256 bits is not guessed at any rate: this bounds what strangers can make the node compute.</summary>
    private const int EnrolmentsPerSecond = 1_000;
    private const int EnrolBytesMax = 8 << 10;
    private const int LimitDefault = 100;
    private const int LimitMax = 1_000;

    private readonly AttemptLimit _limit = new(EnrolmentsPerSecond);

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/v1/agents/enrol", (RequestDelegate)(context => GuardedAsync(context, EnrolAsync))).WithoutOperatorKey();
        routes.MapPost("/v1/tokens", (RequestDelegate)(context => GuardedAsync(context, IssueAsync)));
        routes.MapPost("/v1/people", (RequestDelegate)(context => GuardedAsync(context, AddPersonAsync)));
        routes.MapGet("/v1/identities", (RequestDelegate)(context => GuardedAsync(context, ListAsync)));
        routes.MapGet("/v1/identities/{id}", (RequestDelegate)(context => GuardedAsync(context, ReadAsync)));
        routes.MapPost("/v1/identities/{id}/revoke", (RequestDelegate)(context => GuardedAsync(context, RevokeAsync)));
        routes.MapGet("/v1/mesh-key", (RequestDelegate)(context => GuardedAsync(context, MeshKeyAsync)));
        routes.MapPost("/v1/mesh-key/rotate", (RequestDelegate)(context => GuardedAsync(context, RotateMeshKeyAsync)));
    }

    /// <summary>Runs an endpoint; null means that it wrote its answer.</summary>
    private static async Task GuardedAsync(HttpContext context, Func<HttpContext, Task<Problem?>> endpoint)
    {
        Problem? problem;
        try
        {
            problem = await endpoint(context).ConfigureAwait(false);
        }
        catch (JournalException failed) when (!context.Response.HasStarted)
        {
            problem = Problem.Unavailable($"The directory of agents cannot be written: {failed.Message}", "See to the disk first when it is full or fails; then start the node again.") with { Code = failed.Code };
        }
        catch (MeshKeyException failed) when (!context.Response.HasStarted)
        {
            problem = Problem.Unavailable($"The mesh's key cannot be changed: {failed.Message}") with { Code = "mesh_key" };
        }
        if (problem is not null) await problem.ExecuteAsync(context).ConfigureAwait(false);
    }

    private async Task<Problem?> EnrolAsync(HttpContext context)
    {
        if (!_limit.TryTake(identity.Now)) return Problem.TooManyRequests($"More than {EnrolmentsPerSecond} enrolments a second are tried.", 1);
        (IdentityRequests.Enrol? request, Problem? wrong) = await BodyAsync(context, IdentityRequests.ReadEnrol, EnrolBytesMax).ConfigureAwait(false);
        if (wrong is not null) return wrong;
        EnrolResult result = await identity.Directory.EnrolAsync(request!.Token, request.AgentId, request.PublicKey, request.Proof, identity.Mesh, identity.Now).ConfigureAwait(false);
        if (Refused(result) is { } refused) return refused;
        context.Response.StatusCode = StatusCodes.Status201Created;
        return await Answer(context, EnrolmentView.Of(result.Agent!, identity.Mesh), IdentityViews.Default.EnrolmentView).ConfigureAwait(false);
    }

    private async Task<Problem?> IssueAsync(HttpContext context)
    {
        Instant now = identity.Now;
        (TokenGrant? grant, Problem? wrong) = await BodyAsync(context, (body, errors) => IdentityRequests.ReadGrant(body, errors, now)).ConfigureAwait(false);
        if (wrong is not null) return wrong;
        if (grant!.Webhook is { } address && webhooks.WhyNot(address) is { } why)
            return new Problem(403, "The webhook is not allowed", $"This node does not call that address: {why}.", "An operator allows addresses at the node's start: mesh up --allow-webhook URL.") { Code = "webhook_not_allowed" };
        if (grant.AgentId is { } id && identity.Directory.Find(id) is { } existing)
            return new Problem(409, "The agent exists", existing.RevokedAt is null ? $"There is an agent {id} already." : $"Agent {id} was revoked; its id is not given again.", "Choose another id.") { Code = "agent_exists" };
        string token = await identity.Directory.IssueTokenAsync(grant, identity.Mesh, now).ConfigureAwait(false);
        context.Response.StatusCode = StatusCodes.Status201Created;
        context.Response.Headers.CacheControl = "no-store";
        return await Answer(context, TokenView.Of(token, grant, identity.Mesh), IdentityViews.Default.TokenView).ConfigureAwait(false);
    }

    private async Task<Problem?> AddPersonAsync(HttpContext context)
    {
        (Person? person, Problem? wrong) = await BodyAsync(context, (body, errors) => IdentityRequests.ReadPerson(body, errors) is { } p ? new Person(p.Id, p.Capabilities) : null).ConfigureAwait(false);
        if (wrong is not null) return wrong;
        EnrolResult result = await identity.Directory.AddPersonAsync(person!.Id, person.Capabilities, identity.Now).ConfigureAwait(false);
        if (Refused(result) is { } refused) return refused;
        context.Response.StatusCode = StatusCodes.Status201Created;
        return await Answer(context, IdentityView.Of(result.Agent!, identity.Now), IdentityViews.Default.IdentityView).ConfigureAwait(false);
    }

    private async Task<Problem?> ListAsync(HttpContext context)
    {
        QueryFields query = new(context.Request, "state", "link", "limit", "after");
        string? state = query.OneOf("state", "active", "expired", "revoked");
        string? link = query.OneOf("link", "websocket", "webhook", "person");
        int limit = query.Integer("limit", 1, LimitMax) ?? LimitDefault;
        string? after = query.Text("after");
        if (query.Problem is { } wrong) return wrong;
        Instant now = identity.Now;
        EnrolledAgent[] matching =
        [
            .. identity.Directory.All
                .Where(a => (state is null || IdentityView.StateOf(a, now) == state) && (link is null || AgentRecord.NameOf(a.Link) == link))
                .OrderBy(a => a.Id.Value, StringComparer.Ordinal),
        ];
        EnrolledAgent[] rest = [.. matching.Where(a => after is null || string.CompareOrdinal(a.Id.Value, after) > 0).Take(limit + 1)];
        IdentityPage page = new(matching.Length, [.. rest.Take(limit).Select(a => IdentityView.Of(a, now))], rest.Length > limit ? rest[limit - 1].Id.Value : null);
        return await Answer(context, page, IdentityViews.Default.IdentityPage).ConfigureAwait(false);
    }

    private async Task<Problem?> ReadAsync(HttpContext context)
    {
        if (new QueryFields(context.Request).Problem is { } wrong) return wrong;
        return Find(context) is { } agent ? await Answer(context, IdentityView.Of(agent, identity.Now), IdentityViews.Default.IdentityView).ConfigureAwait(false) : Missing(context);
    }

    private async Task<Problem?> RevokeAsync(HttpContext context)
    {
        (Revocation? revocation, Problem? wrong) = await BodyAsync(context, (body, errors) => new Revocation(IdentityRequests.ReadRevocation(body, errors))).ConfigureAwait(false);
        if (wrong is not null) return wrong;
        if (Find(context) is not { } agent) return Missing(context);
        if (!await identity.Directory.RevokeAsync(agent.Id, revocation!.Key, identity.Now).ConfigureAwait(false))
            return Problem.NotFound($"Agent {agent.Id} has no key {revocation.Key}.", "GET /v1/identities/{id} lists its keys.") with { Code = "no_key" };
        return await Answer(context, IdentityView.Of(identity.Directory.Find(agent.Id)!, identity.Now), IdentityViews.Default.IdentityView).ConfigureAwait(false);
    }

    private async Task<Problem?> MeshKeyAsync(HttpContext context) => new QueryFields(context.Request).Problem is { } wrong
        ? wrong
        : await Answer(context, MeshKeysView.Of(identity.Mesh, null), IdentityViews.Default.MeshKeysView).ConfigureAwait(false);

    private async Task<Problem?> RotateMeshKeyAsync(HttpContext context)
    {
        (_, Problem? wrong) = await BodyAsync(context, (body, errors) => Operations.JsonFields.Of(body, "", errors, [])).ConfigureAwait(false);
        if (wrong is not null) return wrong;
        bool announced = identity.Mesh.Rotate(identity.Now);
        return await Answer(context, MeshKeysView.Of(identity.Mesh, announced), IdentityViews.Default.MeshKeysView).ConfigureAwait(false);
    }

    private static async Task<(T? Value, Problem? Problem)> BodyAsync<T>(HttpContext context, Func<JsonElement, List<FieldProblem>, T?> read, int bytesMax = 64 << 10)
        where T : class
    {
        QueryFields query = new(context.Request);
        JsonBody<JsonDocument> body = await JsonBody.ReadAsync(context, IdentityViews.Default.JsonDocument, bytesMax).ConfigureAwait(false);
        if (!body.IsValid) return (null, body.Problem);
        using JsonDocument document = body.Value;
        T? value = read(document.RootElement, query.Errors);
        return (value, query.Problem);
    }

    private EnrolledAgent? Find(HttpContext context) =>
        context.Request.RouteValues["id"] is string id && AgentId.IsValid(id) ? identity.Directory.Find(new AgentId(id)) : null;

    private static Problem Missing(HttpContext context)
    {
        string id = context.Request.RouteValues["id"] as string ?? "";
        return Problem.NotFound($"Nobody is enrolled as {(id.Length > 64 ? id[..64] + "…" : id)}.", "GET /v1/identities lists them.") with { Code = "unknown_agent" };
    }

    private static Problem? Refused(EnrolResult result)
    {
        if (result.Code is not { } code) return null;
        Problem problem = code switch
        {
            "agent_exists" => new Problem(409, "The agent exists", result.Why!, "Choose another id."),
            "directory_full" => Problem.Unavailable(result.Why!),
            _ when code.StartsWith("token_", StringComparison.Ordinal) => new Problem(403, "The token does not allow it", result.Why!, "An operator makes a new one with mesh agent enrol."),
            _ => Problem.BadRequest(result.Why!, "docs/protocol/links.md says how keys and proofs are written."),
        };
        return problem with { Code = code };
    }

    private static async Task<Problem?> Answer<T>(HttpContext context, T view, JsonTypeInfo<T> type)
    {
        await context.Response.WriteAsJsonAsync(view, type, cancellationToken: context.RequestAborted).ConfigureAwait(false);
        return null;
    }

    private sealed record Person(AgentId Id, IReadOnlyList<string> Capabilities);

    private sealed record Revocation(KeyId? Key);
}
