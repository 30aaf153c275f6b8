using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http;

namespace Mesh30K.Node.Api;

/// <summary>One thing that is wrong with a request.</summary>
/// <param name="Field">Where, as a path: <c>selector.class</c>, <c>stages[1].sample</c>; a query parameter by its name.</param>
/// <param name="Value">What was there, as text of at most 64 characters; null when something is missing.</param>
/// <param name="Message">What is wrong and what would be right.</param>
public sealed record FieldProblem(string Field, string? Value, string Message)
{
    /// <summary>One clause for a sentence.</summary>
    public override string ToString() => Value is null ? $"{Field} {Message}" : $"{Field} {Message}, was {Value}";
}

/// <summary>
/// An answer that says what is wrong and what to do about it, as <c>application/problem+json</c> (RFC 9457) with one more member, <c>hint</c>.
/// Immutable; an endpoint returns it. Details never hold secrets or stack traces.
/// </summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="Title">The kind of problem; the same for each of its kind.</param>
/// <param name="Detail">What was wrong this time.</param>
/// <param name="Hint">What the reader can do; null when there is nothing better to say than the detail.</param>
public sealed record Problem(int Status, string Title, string Detail, string? Hint = null) : IResult
{
    /// <summary>Seconds after which trying again makes sense, sent as <c>Retry-After</c>; null for none.</summary>
    [JsonIgnore]
    public int? RetryAfterSeconds { get; init; }

    /// <summary>The kind of problem as one snake_case word for programs; null where the status says it all.</summary>
    public string? Code { get; init; }

    /// <summary>The conflict behind a refusal; null when there is none.</summary>
    public Operations.ConflictView? Conflict { get; init; }

    /// <summary>What is wrong, a field each; null when the problem is not about fields.</summary>
    public IReadOnlyList<FieldProblem>? Errors { get; init; }

    /// <summary>400: one or more fields are wrong; the detail names all of them.</summary>
    public static Problem BadFields(IReadOnlyList<FieldProblem> errors, string? hint = null) =>
        new(400, "The request is not valid", string.Join("; ", errors) + ".", hint) { Errors = errors };

    /// <summary>400: the request cannot be understood.</summary>
    public static Problem BadRequest(string detail, string? hint = null) => new(400, "The request is not valid", detail, hint);

    /// <summary>401: no operator key, or another.</summary>
    public static Problem Unauthorized() => new(
        401, "The operator key is missing or wrong", "This path needs the header Authorization: Bearer with the operator key.",
        "The key is in the node's key file, which only its owner can read; the mesh command sends it by itself.");

    /// <summary>401: an agent's signature where only the operator may call.</summary>
    public static Problem ForOperators() => new(
        401, "The operator key is missing or wrong", "This path needs the header Authorization: Bearer with the operator key; an agent's signature does not open it.",
        "Agents may start, renew, finish, list and read effects of their own.")
    { Code = "operator_only" };

    /// <summary>401: neither the operator's key nor an agent's signature.</summary>
    public static Problem Unsigned() => new(
        401, "The operator key is missing or wrong", "This path needs the header Authorization: Bearer with the operator key, or an agent's signature (the headers Signature-Input and Signature).",
        "The key is in the node's key file, which only its owner can read; the mesh command sends it by itself. The package Mesh30K.Agent signs by itself.")
    { Code = "unsigned" };

    /// <summary>404: no such thing.</summary>
    public static Problem NotFound(string detail, string? hint = null) => new(404, "Not found", detail, hint);

    /// <summary>405: the path exists, not with this method.</summary>
    public static Problem MethodNotAllowed(string method, string path) => new(405, "Method not allowed", $"{path} does not answer {method}.");

    /// <summary>413: larger than the limit, in bytes.</summary>
    public static Problem TooLarge(long bytesMax) =>
        new(413, "The body is too large", $"At most {bytesMax.ToString(CultureInfo.InvariantCulture)} bytes are read.", "Send less at once, or in several requests.");

    /// <summary>415: not JSON.</summary>
    public static Problem NotJson(string? contentType) =>
        new(415, "The body is not JSON", $"The content type is {contentType ?? "missing"}.", "Send Content-Type: application/json.");

    /// <summary>429: this caller asks too often.</summary>
    public static Problem TooManyRequests(string detail, int retryAfterSeconds) =>
        new(429, "Too many requests", detail, $"Try again in {retryAfterSeconds} s.") { RetryAfterSeconds = retryAfterSeconds };

    /// <summary>500: a bug of the node. The exception is in its log, not here.</summary>
    public static Problem Internal() => new(500, "The node failed to answer", "This is a bug of the node; its log has the details.");

    /// <summary>503: the node cannot do this now.</summary>
    public static Problem Unavailable(string detail, string? hint = null, int retryAfterSeconds = 1) =>
        new(503, "Not available now", detail, hint) { RetryAfterSeconds = retryAfterSeconds };

    /// <summary>Writes the answer; the response must not have started.</summary>
    public Task ExecuteAsync(HttpContext httpContext)
    {
        HttpResponse response = httpContext.Response;
        response.StatusCode = Status;
        response.ContentType = "application/problem+json";
        if (RetryAfterSeconds is { } seconds) response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
        if (Status == StatusCodes.Status401Unauthorized) response.Headers.WWWAuthenticate = "Bearer";
        byte[] body = JsonSerializer.SerializeToUtf8Bytes(this, ApiJson.Default.Problem);
        response.ContentLength = body.Length;
        return HttpMethods.IsHead(httpContext.Request.Method)
            ? Task.CompletedTask
            : response.Body.WriteAsync(body, httpContext.RequestAborted).AsTask();
    }
}
