using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Mesh30K.Node.Api;

/// <summary>Serves an <see cref="EventStream"/> over HTTP.</summary>
public static class EventStreamEndpoint
{
    private static readonly byte[] Heartbeat = ": alive\n\n"u8.ToArray();

    /// <summary>
    /// Maps <c>GET pattern</c> to the stream, as <c>text/event-stream</c>. Answers 503 with <c>Retry-After</c> when there are too many readers.
    /// Ends when the client leaves or the node stops; a client that does not read is cut off by the server's least data rate.
    /// </summary>
    public static IEndpointConventionBuilder MapEventStream(this IEndpointRouteBuilder routes, string pattern, EventStream stream) =>
        routes.MapGet(pattern, (RequestDelegate)(context => ServeAsync(context, stream)));

    private static async Task ServeAsync(HttpContext context, EventStream stream)
    {
        using EventStream.Subscription? subscription = stream.TrySubscribe(context.Request.Headers["Last-Event-ID"]);
        if (subscription is null)
        {
            await Problem.Unavailable("There are too many readers of this event stream.", "Close one, or try again later.", retryAfterSeconds: 5)
                .ExecuteAsync(context).ConfigureAwait(false);
            return;
        }

        context.Response.ContentType = "text/event-stream";
        context.Response.Headers.CacheControl = "no-store";
        context.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        var stopping = context.RequestServices.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping);
        try
        {
            await context.Response.Body.WriteAsync(Heartbeat, ending.Token).ConfigureAwait(false);
            await context.Response.Body.FlushAsync(ending.Token).ConfigureAwait(false);
            await PumpAsync(context.Response, stream.Options.Heartbeat, subscription, ending.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (ending.IsCancellationRequested)
        {
            // The reader left or the node stops: the stream simply ends.
        }
    }

    private static async Task PumpAsync(HttpResponse response, TimeSpan heartbeat, EventStream.Subscription subscription, CancellationToken ending)
    {
        var frames = new List<byte[]>();
        while (true)
        {
            frames.Clear();
            Task changed = subscription.Read(frames);
            if (frames.Count == 0)
            {
                try
                {
                    await changed.WaitAsync(heartbeat, ending).ConfigureAwait(false);
                    continue;
                }
                catch (TimeoutException)
                {
                    frames.Add(Heartbeat);
                }
            }

            foreach (byte[] frame in frames) await response.Body.WriteAsync(frame, ending).ConfigureAwait(false);
            await response.Body.FlushAsync(ending).ConfigureAwait(false);
        }
    }
}
