using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;

namespace Mesh30K.Node.Links.Webhook;

/// <summary>What came of one call.</summary>
internal enum CallOutcome : byte
{
    /// <summary>200 with a body that is within the bound.</summary>
    Answered,

    /// <summary>202 or 204: not yet. Also a TRANSIT.</summary>
    NotYet,

    /// <summary>Broken, too slow, 408, 425, 429 or 5xx, or an answer that is not to be trusted: worth another call.</summary>
    Failed,

    /// <summary>A redirect, another status, or an address that may not be called: another call would not help.</summary>
    Refused,
}

/// <summary>One call's outcome.</summary>
/// <param name="Code">A word in snake_case for logs and counters.</param>
/// <param name="Why">For people; no payloads.</param>
/// <param name="Body">The frame, when answered.</param>
internal readonly record struct CallResult(CallOutcome Outcome, string Code, string Why, ReadOnlyMemory<byte> Body = default);

/// <summary>
/// Makes calls to allowed addresses and to nothing else: no redirects, no proxy, no cookies, and each connection goes to an address that was checked after its name was resolved, so that a name cannot change its meaning
/// between the check and the call. Thread-safe.
/// </summary>
internal sealed class WebhookCaller : IDisposable
{
    private static readonly MediaTypeHeaderValue FrameType = new("application/x-ndjson");

    private readonly WebhookOptions _options;
    private readonly HttpClient _http;

    public WebhookCaller(WebhookOptions options)
    {
        _options = options;
        SocketsHttpHandler handler = new()
        {
            AllowAutoRedirect = false,
            UseProxy = false,
            UseCookies = false,
            ActivityHeadersPropagator = null,
            ConnectTimeout = options.CallWithin,
            PooledConnectionLifetime = TimeSpan.FromMinutes(2),
            MaxConnectionsPerServer = options.CallsMax,
            MaxResponseHeadersLength = 16,
            ConnectCallback = ConnectAsync,
        };
        _http = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
        _http.DefaultRequestHeaders.UserAgent.ParseAdd("mesh30k-webhook/1");
    }

    /// <summary>Posts a frame. Returns whatever happens; throws <see cref="OperationCanceledException"/> only when <paramref name="cancel"/> says so.</summary>
    public async Task<CallResult> PostAsync(Uri address, ReadOnlyMemory<byte> frame, CancellationToken cancel)
    {
        if (_options.Allowed.WhyNot(address) is { } why) return new CallResult(CallOutcome.Refused, "address_not_allowed", why);
        using CancellationTokenSource within = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        within.CancelAfter(_options.CallWithin);
        try
        {
            using HttpRequestMessage request = new(HttpMethod.Post, address) { Content = new ReadOnlyMemoryContent(frame) };
            request.Content.Headers.ContentType = FrameType;
            using HttpResponseMessage response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, within.Token).ConfigureAwait(false);
            return await ReadAsync(response, within.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return new CallResult(CallOutcome.Failed, "timeout", $"no answer within {_options.CallWithin.TotalSeconds:0.###} s");
        }
        catch (HttpRequestException failed) when (failed.InnerException is ForbiddenAddressException forbidden)
        {
            return new CallResult(CallOutcome.Refused, "address_not_allowed", forbidden.Message);
        }
        catch (Exception failed) when (failed is HttpRequestException or IOException or SocketException)
        {
            return new CallResult(CallOutcome.Failed, "broken", failed is HttpRequestException { HttpRequestError: not HttpRequestError.Unknown } known ? $"{known.HttpRequestError}" : failed.GetType().Name);
        }
    }

    public void Dispose() => _http.Dispose();

    private async Task<CallResult> ReadAsync(HttpResponseMessage response, CancellationToken within)
    {
        int status = (int)response.StatusCode;
        switch (status)
        {
            case 200:
                break;
            case 202 or 204:
                return new CallResult(CallOutcome.NotYet, "not_yet", "");
            case >= 300 and < 400:
                return new CallResult(CallOutcome.Refused, "redirect", $"{status} to {Shown(response.Headers.Location)}: redirects are not followed");
            case 408 or 425 or 429 or >= 500:
                return new CallResult(CallOutcome.Failed, "http_" + status, $"status {status}");
            default:
                return new CallResult(CallOutcome.Refused, "http_" + status, $"status {status}");
        }
        byte[] buffer = new byte[Math.Min(_options.AnswerBytesMax, 4_096)];
        int count = 0;
        Stream body = await response.Content.ReadAsStreamAsync(within).ConfigureAwait(false);
        await using (body.ConfigureAwait(false))
        {
            while (await body.ReadAsync(buffer.AsMemory(count), within).ConfigureAwait(false) is > 0 and var read)
            {
                count += read;
                if (count < buffer.Length) continue;
                if (buffer.Length > _options.AnswerBytesMax) return new CallResult(CallOutcome.Refused, "answer_too_large", $"an answer of more than {_options.AnswerBytesMax} bytes");
                Array.Resize(ref buffer, Math.Min(2 * buffer.Length, _options.AnswerBytesMax + 1));
            }
        }
        return new CallResult(CallOutcome.Answered, "", "", buffer.AsMemory(0, count));
    }

    /// <summary>Where a redirect points, without what could be secret in it.</summary>
    private static string Shown(Uri? location) =>
        location is null ? "nowhere" : location.IsAbsoluteUri ? location.GetLeftPart(UriPartial.Authority).Split('@')[^1] : "another path";

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancel)
    {
        DnsEndPoint to = context.DnsEndPoint;
        IPAddress[] addresses = IPAddress.TryParse(to.Host.Trim('[', ']'), out IPAddress? literal) ? [literal] : await Dns.GetHostAddressesAsync(to.Host, cancel).ConfigureAwait(false);
        if (!_options.Allowed.MayBePrivate(to.Host, to.Port)) addresses = Array.FindAll(addresses, PublicAddress.Is);
        if (addresses.Length == 0)
            throw new ForbiddenAddressException($"{to.Host} has no address on the public internet; if that is meant, allow it as private:URL");
        Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(addresses, to.Port, cancel).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private sealed class ForbiddenAddressException(string message) : Exception(message);
}
