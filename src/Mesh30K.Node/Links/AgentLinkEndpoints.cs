using System.Net.WebSockets;
using Mesh30K.Node.Api;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Mesh30K.Node.Links;

/// <summary>Where agents connect, and where operators see how the links do.</summary>
public static class AgentLinkEndpoints
{
    /// <summary>Adds WebSockets to the pipeline. No keep-alives of their own: agents send heartbeats, and 10,000 timers would be there for nothing.</summary>
    public static void Use(IApplicationBuilder app) => app.UseWebSockets(new WebSocketOptions { KeepAliveInterval = Timeout.InfiniteTimeSpan });

    /// <summary>Maps <c>/v1/agents/connect</c> (agents prove themselves, no operator key) and <c>/v1/links</c>.</summary>
    public static void Map(IEndpointRouteBuilder routes, AgentLinks links)
    {
        links.Log.Logger = routes.ServiceProvider.GetService<ILoggerFactory>()?.CreateLogger("Mesh30K.Node.Links");
        routes.MapGet("/v1/agents/connect", (RequestDelegate)(context => ConnectAsync(context, links))).WithoutOperatorKey();
        routes.MapGet("/v1/links", (RequestDelegate)(context =>
            context.Response.WriteAsJsonAsync(links.View(), ApiViews.Default.LinksView, cancellationToken: context.RequestAborted)));
    }

    private static Task ConnectAsync(HttpContext context, AgentLinks links)
    {
        if (!context.WebSockets.IsWebSocketRequest)
        {
            return new Problem(426, "A WebSocket is needed", "Agents connect here by WebSocket.", "docs/protocol/links.md says how; mesh agent run does it.") { Code = "upgrade_required" }
                .ExecuteAsync(context);
        }
        if (links.TryEnter() is { } refusal)
        {
            links.Counters.Refused(refusal);
            links.Log.Write(refusal, "?", $"{links.Connections} of {links.ConnectionsMax} connections", links.Clock.Now);
            return Full(refusal, links).ExecuteAsync(context);
        }
        return UpgradeAsync(context, links);
    }

    private static Problem Full(string code, AgentLinks links) => code switch
    {
        "connection_limit" => Problem.Unavailable(
            $"The node has its {links.ConnectionsMax} agents.", "Try again later; an operator raises node.agents_max and the limit of open files.", retryAfterSeconds: 30) with
        { Code = code },
        "busy" => Problem.Unavailable("Too many agents connect at this moment.", "Try again in a moment.") with { Code = code },
        _ => Problem.Unavailable("The node is stopping.", "Try again when it is back.", retryAfterSeconds: 5) with { Code = code },
    };

    private static async Task UpgradeAsync(HttpContext context, AgentLinks links)
    {
        WebSocket socket;
        try
        {
            // The link has its own, longer deadline for an agent that does not read.
            if (context.Features.Get<IHttpMinResponseDataRateFeature>() is { } rate) rate.MinDataRate = null;
            socket = await context.WebSockets.AcceptWebSocketAsync().ConfigureAwait(false);
        }
        catch
        {
            links.Leave();
            throw;
        }
        using (socket) await links.ServeAsync(context, socket).ConfigureAwait(false);
    }
}
