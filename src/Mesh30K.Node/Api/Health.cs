using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Mesh30K.Node.Api;

/// <summary>Something that the node needs before it takes work.</summary>
/// <param name="Name">What it is, for the reader.</param>
/// <param name="NotReadyBecause">Null when ready, else the reason in plain words. Called on any thread: cheap, never blocks, no secrets (no key is asked for).</param>
public sealed record ReadinessCheck(string Name, Func<string?> NotReadyBecause);

internal sealed record Liveness(bool Alive);

internal sealed record CheckResult(string Name, bool Ready, string? Reason);

internal sealed record Readiness(bool Ready, CheckResult[] Checks);

/// <summary>The two questions that supervisors ask: is the process alive (<c>/healthz</c>), and does it take work (<c>/readyz</c>, 503 when not).</summary>
internal static class Health
{
    internal static void MapHealth(this IEndpointRouteBuilder routes, IReadOnlyList<ReadinessCheck> checks)
    {
        routes.MapGet("/healthz", (RequestDelegate)(context =>
            context.Response.WriteAsJsonAsync(new Liveness(Alive: true), ApiJson.Default.Liveness, cancellationToken: context.RequestAborted)));
        routes.MapGet("/readyz", (RequestDelegate)(context =>
        {
            Readiness readiness = Ask(checks);
            context.Response.StatusCode = readiness.Ready ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
            return context.Response.WriteAsJsonAsync(readiness, ApiJson.Default.Readiness, cancellationToken: context.RequestAborted);
        }));
    }

    private static Readiness Ask(IReadOnlyList<ReadinessCheck> checks)
    {
        CheckResult[] results = [.. checks.Select(check => (check.Name, Reason: check.NotReadyBecause())).Select(c => new CheckResult(c.Name, c.Reason is null, c.Reason))];
        return new Readiness(results.All(result => result.Ready), results);
    }
}
