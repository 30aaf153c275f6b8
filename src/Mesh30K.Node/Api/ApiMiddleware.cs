using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Mesh30K.Node.Api;

/// <summary>
/// Marks an endpoint under /v1 that checks its callers by itself (agents sign their messages) and is not asked for the operator key.
/// </summary>
[AttributeUsage(AttributeTargets.Method | AttributeTargets.Class)]
public sealed class WithoutOperatorKeyAttribute : Attribute;

/// <summary>Conventions for endpoints of the API.</summary>
public static class ApiConventions
{
    /// <summary>The endpoint authenticates its callers by itself; see <see cref="WithoutOperatorKeyAttribute"/>.</summary>
    public static TBuilder WithoutOperatorKey<TBuilder>(this TBuilder builder)
        where TBuilder : IEndpointConventionBuilder => builder.WithMetadata(new WithoutOperatorKeyAttribute());
}

/// <summary>Turns what is left without an answer into a problem: unknown paths, wrong methods, refused bodies and bugs.</summary>
internal sealed partial class ProblemMiddleware(RequestDelegate next, ILogger<ProblemMiddleware> log)
{
    public async Task InvokeAsync(HttpContext context)
    {
        try
        {
            await next(context).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            return; // nobody is there to read an answer
        }
        catch (BadHttpRequestException error) when (!context.Response.HasStarted)
        {
            await Refused(error).ExecuteAsync(context).ConfigureAwait(false);
            return;
        }
#pragma warning disable CA1031 // the last line: a bug in one request must be logged and answered, and not end the others
        catch (Exception bug) when (!context.Response.HasStarted)
#pragma warning restore CA1031
        {
            LogBug(bug, context.Request.Method, context.Request.Path);
            await Problem.Internal().ExecuteAsync(context).ConfigureAwait(false);
            return;
        }

        HttpResponse response = context.Response;
        if (response.HasStarted || response.ContentType is not null || response.ContentLength is not null) return;
        if (Unanswered(context) is { } problem) await problem.ExecuteAsync(context).ConfigureAwait(false);
    }

    private static Problem Refused(BadHttpRequestException error) =>
        error.StatusCode == StatusCodes.Status413PayloadTooLarge ? Problem.TooLarge(JsonBody.BytesMax) : Problem.BadRequest("The request could not be read.");

    private static Problem? Unanswered(HttpContext context) => context.Response.StatusCode switch
    {
        StatusCodes.Status404NotFound => Problem.NotFound($"There is nothing at {context.Request.Path}."),
        StatusCodes.Status405MethodNotAllowed => Problem.MethodNotAllowed(context.Request.Method, context.Request.Path),
        _ => null,
    };

    [LoggerMessage(Level = LogLevel.Error, Message = "A request failed by a bug: {Method} {Path}")]
    private partial void LogBug(Exception bug, string method, PathString path);
}
