using System.Net;
using System.Net.Http.Headers;
using Mesh30K.Consistency.Strong.Effects;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Node.Ledger;

namespace Mesh30K.Cli.Execution;

/// <summary>A request that is an effect.</summary>
/// <param name="Method">Such as POST.</param>
/// <param name="Url">Where it goes.</param>
/// <param name="Headers">Name and value each, beside Idempotency-Key.</param>
/// <param name="Body">Null: none.</param>
/// <param name="Timeout">For all of it, the answer's body included.</param>
internal sealed record EffectHttpRequest(HttpMethod Method, Uri Url, IReadOnlyList<(string Name, string Value)> Headers, byte[]? Body, TimeSpan Timeout);

/// <summary>Sends a request once and says what is known of it afterwards. Redirects are not followed: another receiver may not know the key.</summary>
internal static class EffectHttp
{
    public const string KeyHeader = "Idempotency-Key";

    public static async Task<EffectOutcome> SendAsync(EffectHttpRequest request, EffectContext context, CancellationToken cancel)
    {
        using CancellationTokenSource until = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        until.CancelAfter(request.Timeout);
        using SocketsHttpHandler handler = new() { AllowAutoRedirect = false, UseCookies = false };
        using HttpClient client = new(handler) { Timeout = Timeout.InfiniteTimeSpan };
        using HttpRequestMessage message = MessageOf(request, context.Request.Key);
        try
        {
            using HttpResponseMessage response = await client.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, until.Token).ConfigureAwait(false);
            OutputHead head = new();
            string? broken = await ReadAsync(response, head, until.Token).ConfigureAwait(false);
            return OutcomeOf(response, head, broken, context.Request.HonoursKey);
        }
        catch (OperationCanceledException)
        {
            return new EffectOutcome(null, default, cancel.IsCancellationRequested ? "it was interrupted" : $"no answer within {request.Timeout.TotalSeconds:0.###} s");
        }
        catch (HttpRequestException failed) when (failed.HttpRequestError is HttpRequestError.NameResolutionError or HttpRequestError.ConnectionError or HttpRequestError.SecureConnectionError or HttpRequestError.ProxyTunnelError)
        {
            return new EffectOutcome(EffectReport.NotRun, default, $"no connection: {failed.Message}"); // not a byte of the request was sent
        }
        catch (HttpRequestException failed)
        {
            return new EffectOutcome(null, default, $"the connection broke: {failed.Message}");
        }
    }

    /// <summary>What a status says of whether the effect took place (RFC 9110; 425 RFC 8470; 429 RFC 6585).</summary>
    /// <param name="honoursKey">Then 409 may say that the first request with the key is still at work.</param>
    public static EffectReport? ReportOf(HttpStatusCode status, bool honoursKey) => (int)status switch
    {
        >= 200 and < 300 or 303 => EffectReport.Done,
        401 or 407 or 421 or 425 or 429 => EffectReport.NotRun, // 401 and 407: with other credentials, which are no part of the request, it may be
        409 when honoursKey => null,
        408 => null,
        501 or 505 => EffectReport.Failed,
        >= 300 and < 500 => EffectReport.Failed,
        _ => null, // a server that failed may have done it before
    };

    private static HttpRequestMessage MessageOf(EffectHttpRequest request, string key)
    {
        HttpRequestMessage message = new(request.Method, request.Url);
        if (request.Body is { } body) message.Content = new ByteArrayContent(body);
        message.Headers.TryAddWithoutValidation(KeyHeader, key);
        foreach ((string name, string value) in request.Headers)
        {
            if (!message.Headers.TryAddWithoutValidation(name, value)) message.Content?.Headers.TryAddWithoutValidation(name, value);
        }
        if (message.Content is { } content && content.Headers.ContentType is null) content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        return message;
    }

    /// <summary>Reads the body's beginning; the result says why no more came, null when all did that is kept.</summary>
    private static async Task<string?> ReadAsync(HttpResponseMessage response, OutputHead head, CancellationToken until)
    {
        try
        {
            Stream body = await response.Content.ReadAsStreamAsync(until).ConfigureAwait(false);
            byte[] buffer = new byte[16_384];
            int read;
            while (!head.IsTruncated && (read = await body.ReadAsync(buffer, until).ConfigureAwait(false)) > 0) head.Add(buffer.AsSpan(0, read));
            return null;
        }
        catch (Exception broken) when (broken is IOException or HttpRequestException or OperationCanceledException)
        {
            return "the answer's body did not come whole"; // its status did, and that counts
        }
    }

    private static EffectOutcome OutcomeOf(HttpResponseMessage response, OutputHead head, string? broken, bool honoursKey)
    {
        string why = $"the answer was {(int)response.StatusCode} {response.ReasonPhrase}";
        return ReportOf(response.StatusCode, honoursKey) switch
        {
            null => new EffectOutcome(null, default, why),
            EffectReport.NotRun => new EffectOutcome(EffectReport.NotRun, default, response.Headers.RetryAfter is { } after ? $"{why}, to be tried again after {after}" : why),
            { } report => new EffectOutcome(report, new RecordedOutput(0, (int)response.StatusCode, head.IsTruncated || broken is not null) { Bytes = head.Bytes }.Write(), broken ?? ""),
        };
    }
}
