using System.Text.Json.Serialization.Metadata;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Node.Api.Callers;
using Mesh30K.Node.Ledger;
using Mesh30K.Node.Storage;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Mesh30K.Node.Api.Effects;

/// <summary>The endpoints of effects (docs/protocol/http-api.md): the ledger's commands, one to one. The caller executes; the node keeps the record. Thread-safe.</summary>
internal sealed class EffectEndpoints(ILedger ledger)
{
    private const int LimitDefault = 100;
    private static readonly TimeSpan Within = TimeSpan.FromSeconds(10);

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/effects", (RequestDelegate)(context => GuardedAsync(context, ListAsync))).OpenToAgents();
        routes.MapGet("/v1/effects/one", (RequestDelegate)(context => GuardedAsync(context, OneAsync))).OpenToAgents();
        routes.MapPost("/v1/effects/start", Takes(EffectRequestJson.Default.Start, static (r, e) => r.Command(e))).OpenToAgents();
        routes.MapPost("/v1/effects/renew", Takes(EffectRequestJson.Default.Renew, static (r, e) => r.Command(e))).OpenToAgents();
        routes.MapPost("/v1/effects/finish", Takes(EffectRequestJson.Default.Finish, static (r, e) => r.Command(e))).OpenToAgents();
        // A person decides: whether an effect in doubt took place is not for its executor to say.
        routes.MapPost("/v1/effects/resolve", Takes(EffectRequestJson.Default.Resolve, static (r, e) => r.Command(e)));
    }

    private RequestDelegate Takes<T>(JsonTypeInfo<T> type, Func<T, List<FieldProblem>, LedgerCommand.Effect?> commandOf)
        where T : class
    {
        return AnswerAsync;

        Task AnswerAsync(HttpContext context) => GuardedAsync(context, c => DoAsync(c, type, commandOf));
    }

    /// <summary>Runs an endpoint; null means that it wrote its answer.</summary>
    private static async Task GuardedAsync(HttpContext context, Func<HttpContext, Task<Problem?>> endpoint)
    {
        Problem? problem;
        try
        {
            problem = await endpoint(context).ConfigureAwait(false);
        }
        catch (Exception failed) when (failed is IOException or ObjectDisposedException && failed is not BadHttpRequestException && !context.Response.HasStarted)
        {
            problem = Problem.Unavailable($"The ledger cannot be used: {failed.Message}", "See to the disk first when it is full or fails; then start the node again.") with
            {
                Code = failed is JournalException journal ? journal.Code : "ledger_unavailable",
            };
        }
        if (problem is not null) await problem.ExecuteAsync(context).ConfigureAwait(false);
    }

    private async Task<Problem?> ListAsync(HttpContext context)
    {
        QueryFields query = new(context.Request, "principal", "status", "limit", "after_principal", "after_key");
        string? word = query.OneOf("status", [.. Enum.GetValues<EffectStatus>().Select(EffectView.NameOf)]);
        int limit = query.Integer("limit", 1, LedgerLimits.PageMax) ?? LimitDefault;
        AgentCaller? agent = AgentCaller.Of(context);
        string? only = query.Text("principal") ?? agent?.Principal;
        (string? principal, string? key) = (query.Text("after_principal"), query.Text("after_key"));
        if (principal is null != key is null) query.Add("after_key", key ?? "", "goes with after_principal: both are the next ones of the page before");
        if (only is not null && principal is not null && principal != only) query.Add("after_principal", principal, "must be the principal whose effects are listed");
        if (query.Problem is { } wrong) return wrong;
        if (agent is not null && only != agent.Principal) return agent.OtherPrincipal();
        LedgerKey? after = key is not null ? new LedgerKey(principal!, key) : only is not null ? new LedgerKey(only, "") : null; // no key is empty: the first of a principal comes after this
        LedgerQuery.List list = new(LedgerEntryKind.Effect, word is null ? null : EffectView.StatusOf(word), after, limit);
        LedgerPage<LedgerEntry> page = await ledger.ReadAsync(list, Within, context.RequestAborted).ConfigureAwait(false);
        if (only is not null) page = new LedgerPage<LedgerEntry>([.. page.Items.Where(e => e.Id.Scope == only)], page.Next?.Scope == only ? page.Next : null);
        await context.Response.WriteAsJsonAsync(EffectPage.Of(page), EffectViews.Default.EffectPage, cancellationToken: context.RequestAborted).ConfigureAwait(false);
        return null;
    }

    private async Task<Problem?> OneAsync(HttpContext context)
    {
        QueryFields query = new(context.Request, "principal", "key");
        (string? principal, string? key) = (query.Text("principal"), query.Text("key"));
        if (principal is null) query.Add("principal", "", "is needed");
        if (key is null) query.Add("key", "", "is needed");
        if (query.Problem is { } wrong) return wrong;
        if (AgentCaller.Of(context) is { } agent && principal != agent.Principal) return agent.OtherPrincipal();
        LedgerPage<LedgerEntry> found = await ledger.ReadAsync(new LedgerQuery.Find(LedgerEntryKind.Effect, new LedgerKey(principal!, key!)), Within, context.RequestAborted).ConfigureAwait(false);
        if (found.Items is not [LedgerEffect effect]) return Problem.NotFound($"No effect is known under the key {key} of {principal}.", "It was never recorded, or its retention is over.") with { Code = "not_found" };
        await context.Response.WriteAsJsonAsync(EffectView.Of(effect, withOutput: true), EffectViews.Default.EffectView, cancellationToken: context.RequestAborted).ConfigureAwait(false);
        return null;
    }

    private async Task<Problem?> DoAsync<T>(HttpContext context, JsonTypeInfo<T> type, Func<T, List<FieldProblem>, LedgerCommand.Effect?> commandOf)
        where T : class
    {
        if (new QueryFields(context.Request).Problem is { } unknown) return unknown;
        JsonBody<T> body = await JsonBody.ReadAsync(context, type).ConfigureAwait(false);
        if (!body.IsValid) return body.Problem;
        List<FieldProblem> errors = [];
        LedgerCommand.Effect? command = commandOf(body.Value, errors);
        if (errors.Count > 0) return Problem.BadFields(errors);
        if (AgentCaller.Of(context) is { } agent && command!.Principal != agent.Principal) return agent.OtherPrincipal();
        LedgerAnswer answer = await ledger.AskAsync(command!, Within, CancellationToken.None).ConfigureAwait(false); // a caller that has gone learns by asking again
        if (answer.Reply is not { } reply)
        {
            return answer.Certainty == LedgerCertainty.NotTaken
                ? Problem.Unavailable($"The ledger did not take it: {answer.Why}.", "Nothing was changed. Send the same again.") with { Code = "not_taken" }
                : Problem.Unavailable($"The ledger may have taken it: {answer.Why}.", "Send the same again: a repetition does no harm.") with { Code = "unknown" };
        }
        if (Refused(reply) is { } problem) return problem;
        EffectReplyView view = new(NameOf(reply.Outcome), reply.Entry is LedgerEffect effect ? EffectView.Of(effect, withOutput: true) : null);
        await context.Response.WriteAsJsonAsync(view, EffectViews.Default.EffectReplyView, cancellationToken: context.RequestAborted).ConfigureAwait(false);
        return null;
    }

    private static Problem? Refused(LedgerReply reply)
    {
        string message = reply.Message.Length == 0 ? "" : char.ToUpperInvariant(reply.Message[0]) + reply.Message[1..] + ".";
        Problem? problem = reply.Outcome switch
        {
            LedgerOutcome.Ok or LedgerOutcome.Recorded or LedgerOutcome.Held => null,
            LedgerOutcome.NotFound => Problem.NotFound(message),
            LedgerOutcome.OtherRequest => new Problem(409, "The key belongs to another request", message, "Another effect needs another key."),
            LedgerOutcome.Fenced => new Problem(409, "Another one has come after", message, "Look at the effect: what it says counts."),
            LedgerOutcome.WrongState => new Problem(409, "The effect is not in a state for that", message, "Look at the effect: what it says counts."),
            LedgerOutcome.Full => Problem.Unavailable(message),
            _ => Problem.BadRequest(message),
        };
        return problem is null ? null : problem with { Code = NameOf(reply.Outcome) };
    }

    private static string NameOf(LedgerOutcome outcome) => outcome switch
    {
        LedgerOutcome.Ok => "ok",
        LedgerOutcome.Recorded => "recorded",
        LedgerOutcome.Held => "held",
        LedgerOutcome.NotFound => "not_found",
        LedgerOutcome.OtherRequest => "other_request",
        LedgerOutcome.Fenced => "fenced",
        LedgerOutcome.WrongState => "wrong_state",
        LedgerOutcome.Full => "full",
        _ => "invalid",
    };
}
