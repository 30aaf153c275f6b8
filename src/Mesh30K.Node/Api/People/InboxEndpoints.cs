using System.Text.Json;
using Mesh30K.Node.Api.Operations;
using Mesh30K.Node.Identity;
using Mesh30K.Node.Links.People;
using Mesh30K.Protocol.Identity;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Mesh30K.Node.Api.People;

/// <summary>The endpoints of people's inboxes (docs/protocol/http-api.md), and their events. Thread-safe.</summary>
internal sealed class InboxEndpoints
{
    private const int ItemsMax = 1_000;
    private const int ResultCharsMax = 16_000;
    private const int WhyCharsMax = 1_000;

    private readonly PeopleLink _people;
    private readonly NodeIdentity _identity;

    /// <param name="people">The link; its changes become events.</param>
    /// <param name="identity">Who is a person.</param>
    /// <param name="events">Where the events go.</param>
    public InboxEndpoints(PeopleLink people, NodeIdentity identity, EventStream events)
    {
        (_people, _identity) = (people, identity);
        people.Changed = (word, item) => events.Publish("inbox." + word, JsonSerializer.SerializeToUtf8Bytes(InboxItemView.Of(item, whole: false), InboxViews.Default.InboxItemView));
    }

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/inbox", (RequestDelegate)ListAsync);
        routes.MapGet("/v1/inbox/{id}", (RequestDelegate)ReadAsync);
        routes.MapPost("/v1/inbox/{id}/answer", (RequestDelegate)AnswerAsync);
    }

    private Task ListAsync(HttpContext context)
    {
        QueryFields query = new(context.Request, "person", "all");
        string? person = query.Text("person");
        bool all = query.Flag("all");
        if (person is not null && !(AgentId.IsValid(person) && _identity.Directory.Find(new AgentId(person)) is { Link: AgentLinkKind.Person }))
            query.Add("person", person, "is nobody who is enrolled as a person; mesh agent enrol NAME --person does that");
        if (query.Problem is { } wrong) return wrong.ExecuteAsync(context);
        IReadOnlyList<InboxItem> items = _people.List(person is null ? null : new AgentId(person), all);
        InboxView view = new(_identity.Now, items.Count, [.. items.Take(ItemsMax).Select(i => InboxItemView.Of(i, whole: false))], _people.Refused, _people.LostRefusals);
        return context.Response.WriteAsJsonAsync(view, InboxViews.Default.InboxView, cancellationToken: context.RequestAborted);
    }

    private Task ReadAsync(HttpContext context)
    {
        if (new QueryFields(context.Request).Problem is { } wrong) return wrong.ExecuteAsync(context);
        string id = IdOf(context);
        return _people.List(null, ended: true).FirstOrDefault(i => i.Id == id) is { } item
            ? context.Response.WriteAsJsonAsync(InboxItemView.Of(item, whole: true), InboxViews.Default.InboxItemView, cancellationToken: context.RequestAborted)
            : Missing(id).ExecuteAsync(context);
    }

    private async Task AnswerAsync(HttpContext context)
    {
        QueryFields query = new(context.Request);
        JsonBody<JsonDocument> body = await JsonBody.ReadAsync(context, InboxViews.Default.JsonDocument, 128 << 10).ConfigureAwait(false);
        if (!body.IsValid)
        {
            await body.Problem.ExecuteAsync(context).ConfigureAwait(false);
            return;
        }
        (bool Ready, string? Text) answer;
        using (body.Value) answer = Read(body.Value.RootElement, query.Errors);
        Problem? problem = query.Problem;
        if (problem is null)
        {
            string id = IdOf(context);
            (InboxAnswer outcome, InboxItem? item) = _people.Answer(id, answer.Ready, answer.Text);
            problem = ProblemOf(outcome, id, item);
            if (problem is null) await context.Response.WriteAsJsonAsync(InboxItemView.Of(item!, whole: false), InboxViews.Default.InboxItemView, cancellationToken: context.RequestAborted).ConfigureAwait(false);
        }
        if (problem is not null) await problem.ExecuteAsync(context).ConfigureAwait(false);
    }

    private static (bool Ready, string? Text) Read(JsonElement body, List<FieldProblem> errors)
    {
        if (JsonFields.Of(body, "", errors, ["state", "text", "why"]) is not { } fields) return default;
        string? state = fields.Text("state");
        (string? text, string? why) = (fields.Text("text"), fields.Text("why"));
        if (state is not ("READY" or "CONFLICT") && errors.Count == 0) fields.Add("state", state, "must be READY or CONFLICT");
        if (state == "READY" && why is not null) fields.Add("why", null, "goes with CONFLICT; the words of a READY are text");
        if (state == "CONFLICT" && text is not null) fields.Add("text", null, "goes with READY; the words of a CONFLICT are why");
        if (state == "CONFLICT" && string.IsNullOrWhiteSpace(why)) fields.Add("why", why, "is needed with CONFLICT: what is in the way");
        if (text is { Length: > ResultCharsMax }) fields.Add("text", $"{text.Length} characters", $"must be at most {ResultCharsMax} characters");
        if (why is { Length: > WhyCharsMax }) fields.Add("why", $"{why.Length} characters", $"must be at most {WhyCharsMax} characters");
        return (state == "READY", text ?? why);
    }

    private static Problem? ProblemOf(InboxAnswer outcome, string id, InboxItem? item) => (outcome, item?.State) switch
    {
        (InboxAnswer.Taken, _) => null,
        (InboxAnswer.Unknown, _) => Missing(id),
        (InboxAnswer.Busy, _) => Problem.Unavailable("The mesh is too busy to take the answer; the item is still open."),
        (_, InboxState.Answered) => new Problem(409, "It is answered", $"Item {id} was answered already, at {item!.EndedAt}; the first answer counts.") { Code = "answered" },
        (_, InboxState.Expired) => new Problem(409, "It is too late", $"The deadline of item {id} was {item!.Deadline}; the operation counted {item.Person} as in transit.") { Code = "expired" },
        _ => new Problem(409, "It was taken back", $"Item {id} was taken back at {item!.EndedAt}: {item.Text}.") { Code = "withdrawn" },
    };

    private static Problem Missing(string id) => Problem.NotFound(
        $"There is no item {(id.Length > 32 ? id[..32] + "…" : id)} in any inbox.", "GET /v1/inbox lists what is open. Ended items are kept for a while, and nothing is kept over a restart of the node.") with
    { Code = "unknown_item" };

    private static string IdOf(HttpContext context) => context.Request.RouteValues["id"] as string ?? "";
}
