using System.Text.Json;
using Mesh30K.Consistency.Causal;
using Mesh30K.Consistency.Time;
using Mesh30K.Node.Channels;
using Mesh30K.Node.Storage;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Mesh30K.Node.Api.Channels;

/// <summary>The endpoints of task channels (docs/protocol/http-api.md). Thread-safe.</summary>
/// <param name="channels">The channels of the node.</param>
/// <param name="stopping">Ends the waiting of claims when the node stops.</param>
internal sealed class ChannelEndpoints(ChannelHosts channels, CancellationToken stopping)
{
    private const int LimitDefault = 100;
    private const int LimitMax = 1_000;

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/channels", (RequestDelegate)ListAsync);
        routes.MapGet("/v1/channels/{name}/entries", (RequestDelegate)EntriesAsync);
        routes.MapGet("/v1/channels/{name}/graph", (RequestDelegate)GraphAsync);
        foreach (string verb in ChannelRequest.Verbs) routes.MapPost($"/v1/channels/{{name}}/{verb}", (RequestDelegate)(context => CommandAsync(context, verb)));
    }

    private Task ListAsync(HttpContext context)
    {
        QueryFields query = new(context.Request);
        if (query.Problem is { } wrong) return wrong.ExecuteAsync(context);
        ChannelList list = new([.. channels.All().Select(c => new ChannelSummary(
            c.Name, c.Host is { Folder.Writer: { IsNone: false } writer } ? writer.ToString() : null, c.Host?.Read(channel => CountsView.Of(channel.Counts))))]);
        return context.Response.WriteAsJsonAsync(list, ChannelViews.Default.ChannelList, cancellationToken: context.RequestAborted);
    }

    private async Task EntriesAsync(HttpContext context)
    {
        QueryFields query = new(context.Request, "status", "limit", "after");
        string? status = query.OneOf("status", [.. Enum.GetValues<EntryStatus>().Select(ChannelViews.NameOf)]);
        int limit = query.Integer("limit", 1, LimitMax) ?? LimitDefault;
        Dot? after = null;
        if (query.Text("after") is { } text)
        {
            if (Dot.TryParse(text, out Dot dot)) after = dot;
            else query.Add("after", text, "must be the next_after of the page before");
        }
        if (query.Problem is { } wrong) await wrong.ExecuteAsync(context).ConfigureAwait(false);
        else await ReadAsync(context, host =>
        {
            EntryStatus? only = status is null ? null : Enum.GetValues<EntryStatus>().First(s => ChannelViews.NameOf(s) == status);
            EntryPage page = host.Read(channel => EntryPage.Of(host.Folder.Name, host.Folder.Writer, channel, only, after, limit));
            return context.Response.WriteAsJsonAsync(page, ChannelViews.Default.EntryPage, cancellationToken: context.RequestAborted);
        }).ConfigureAwait(false);
    }

    private Task GraphAsync(HttpContext context)
    {
        QueryFields query = new(context.Request);
        return query.Problem is { } wrong ? wrong.ExecuteAsync(context) : ReadAsync(context, host =>
        {
            GraphView graph = host.Read(channel => GraphView.Of(host.Folder.Name, channel));
            return context.Response.WriteAsJsonAsync(graph, ChannelViews.Default.GraphView, cancellationToken: context.RequestAborted);
        });
    }

    private async Task ReadAsync(HttpContext context, Func<ChannelHost, Task> answer)
    {
        string name = NameOf(context);
        try
        {
            if (await channels.FindAsync(name, context.RequestAborted).ConfigureAwait(false) is { } host) await answer(host).ConfigureAwait(false);
            else await Missing(name).ExecuteAsync(context).ConfigureAwait(false);
        }
        catch (Exception failed) when (Explain(failed) is { } problem && !context.Response.HasStarted)
        {
            await problem.ExecuteAsync(context).ConfigureAwait(false);
        }
    }

    private async Task CommandAsync(HttpContext context, string verb)
    {
        QueryFields query = new(context.Request);
        JsonBody<JsonDocument> body = await JsonBody.ReadAsync(context, ChannelViews.Default.JsonDocument).ConfigureAwait(false);
        if (!body.IsValid)
        {
            await body.Problem.ExecuteAsync(context).ConfigureAwait(false);
            return;
        }
        ChannelRequest? request;
        using (body.Value) request = ChannelRequest.Read(verb, body.Value.RootElement, query.Errors);
        if (query.Problem is { } wrong)
        {
            await wrong.ExecuteAsync(context).ConfigureAwait(false);
            return;
        }
        string name = NameOf(context);
        try
        {
            ChannelHost? host = verb == "push"
                ? await channels.FindOrCreateAsync(name, request!.Writer, context.RequestAborted).ConfigureAwait(false)
                : await channels.FindAsync(name, context.RequestAborted).ConfigureAwait(false);
            Problem? problem = host is null ? Missing(name) : await DoAsync(context, host, request!).ConfigureAwait(false);
            if (problem is not null) await problem.ExecuteAsync(context).ConfigureAwait(false);
        }
        catch (Exception failed) when (Explain(failed) is { } problem && !context.Response.HasStarted)
        {
            await problem.ExecuteAsync(context).ConfigureAwait(false);
        }
    }

    /// <summary>Does it and writes the reply, or says what is wrong.</summary>
    private async Task<Problem?> DoAsync(HttpContext context, ChannelHost host, ChannelRequest request)
    {
        using CancellationTokenSource ends = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping);
        ChannelReply reply;
        try
        {
            reply = request.Command is ChannelCommand.Claim claim
                ? await host.ClaimAsync(claim, request.Wait, ends.Token).ConfigureAwait(false)
                : await host.StepAsync(request.Command).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            return Problem.Unavailable("The node is stopping.");
        }
        if (Refused(reply) is { } problem) return problem;
        await context.Response.WriteAsJsonAsync(ReplyView.Of(reply), ChannelViews.Default.ReplyView, cancellationToken: context.RequestAborted).ConfigureAwait(false);
        return null;
    }

    private static Problem? Refused(ChannelReply reply)
    {
        string message = reply.Message.Length == 0 ? "" : char.ToUpperInvariant(reply.Message[0]) + reply.Message[1..] + ".";
        Problem? problem = reply.Outcome switch
        {
            ChannelOutcome.Ok or ChannelOutcome.Empty => null,
            ChannelOutcome.NotFound => Problem.NotFound(message),
            ChannelOutcome.NotHeld => new Problem(409, "The entry is not in a state for that", message, "Look at it; claim again with a new token if it is yours to do."),
            ChannelOutcome.Taken => new Problem(409, "The number or key is taken", message),
            ChannelOutcome.Full => Problem.Unavailable(message),
            _ => Problem.BadRequest(message),
        };
        return problem is null ? null : problem with { Code = ChannelViews.NameOf(reply.Outcome) };
    }

    private static Problem? Explain(Exception failed) => failed switch
    {
        ChannelAccessException { Code: "bad_name" } wrong => Problem.BadRequest(wrong.Message, wrong.Hint) with { Code = wrong.Code },
        ChannelAccessException { Code: "writer_differs" } wrong => new Problem(409, "The channel has another writer", wrong.Message, wrong.Hint) { Code = wrong.Code },
        ChannelAccessException wrong => Problem.Unavailable(wrong.Message, wrong.Hint) with { Code = wrong.Code },
        JournalException wrong => Problem.Unavailable($"The channel's journal cannot be used: {wrong.Message}", "See to the disk first when it is full or fails; then start the node again.") with { Code = wrong.Code },
        ObjectDisposedException => Problem.Unavailable("The node is stopping."),
        _ => null,
    };

    private static Problem Missing(string name) => Problem.NotFound($"There is no channel {name}.", "GET /v1/channels lists them; the first push makes one.") with { Code = "no_channel" };

    private static string NameOf(HttpContext context) => context.Request.RouteValues["name"] as string ?? "";
}
