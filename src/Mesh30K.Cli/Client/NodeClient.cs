using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Mesh30K.Node.Api;

namespace Mesh30K.Cli.Client;

/// <summary>An answer of the node: the value, and the JSON as it came, which is what <c>--json</c> passes on.</summary>
internal sealed record NodeAnswer<T>(T Value, JsonElement Json);

/// <summary>
/// Speaks to a node's API. Every failure is a <see cref="CliException"/> with what to do next: exit code 3 when the node cannot be reached or
/// refuses the caller, 2 when what was asked is wrong. Every request has a time limit. Takes no proxy or other setting from the surroundings.
/// </summary>
internal sealed class NodeClient : IDisposable
{
    /// <summary>The time limit of a request that only reads.</summary>
    public static readonly TimeSpan ReadWithin = TimeSpan.FromSeconds(10);

    private const long AnswerBytesMax = 64L << 20;

    private readonly HttpClient _http;
    private readonly Uri _address;

    /// <param name="address">The node's base address.</param>
    /// <param name="key">The operator key as a header.</param>
    public NodeClient(Uri address, AuthenticationHeaderValue key)
    {
        _address = address;
        SocketsHttpHandler handler = new() { UseProxy = false, UseCookies = false, AllowAutoRedirect = false, ConnectTimeout = TimeSpan.FromSeconds(3) };
        _http = new HttpClient(handler) { BaseAddress = address, Timeout = Timeout.InfiniteTimeSpan, MaxResponseContentBufferSize = AnswerBytesMax };
        _http.DefaultRequestHeaders.Authorization = key;
    }

    /// <summary>The node's base address.</summary>
    public Uri Address => _address;

    public void Dispose() => _http.Dispose();

    public Task<NodeAnswer<T>> GetAsync<T>(string path, JsonTypeInfo<T> type, CancellationToken stop) =>
        SendAsync(new HttpRequestMessage(HttpMethod.Get, path), type, ReadWithin, stop);

    /// <param name="within">The time limit of the whole request.</param>
    public Task<NodeAnswer<T>> PostAsync<T>(string path, byte[] json, JsonTypeInfo<T> type, TimeSpan within, CancellationToken stop)
    {
        ByteArrayContent content = new(json) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
        return SendAsync(new HttpRequestMessage(HttpMethod.Post, path) { Content = content }, type, within, stop);
    }

    private async Task<NodeAnswer<T>> SendAsync<T>(HttpRequestMessage request, JsonTypeInfo<T> type, TimeSpan within, CancellationToken stop)
    {
        using HttpRequestMessage owned = request;
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(stop);
        limit.CancelAfter(within);
        try
        {
            using HttpResponseMessage response = await _http.SendAsync(owned, limit.Token).ConfigureAwait(false);
            byte[] body = await response.Content.ReadAsByteArrayAsync(limit.Token).ConfigureAwait(false);
            if (!response.IsSuccessStatusCode) throw new CliException(Explain(response.StatusCode, body));
            using JsonDocument document = JsonDocument.Parse(body);
            T value = document.RootElement.Deserialize(type) ?? throw new JsonException("null");
            return new NodeAnswer<T>(value, document.RootElement.Clone());
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            throw Unreachable($"the node at {_address} did not answer within {within.TotalSeconds:0} s", "Look at it with `mesh status`, or at its output; it may be overloaded.");
        }
        catch (HttpRequestException error)
        {
            string why = error.InnerException is SocketException socket ? socket.Message : error.Message;
            throw Unreachable($"no node answers at {_address}: {why}", "Start one with `mesh up`, or name another with --node URL --key-file FILE.");
        }
        catch (JsonException)
        {
            throw Unreachable($"what answers at {_address} is not a mesh node of this version", "Check --node, and that node and command are of the same version.");
        }
    }

    private CliError Explain(HttpStatusCode status, byte[] body)
    {
        Problem? problem = null;
        try
        {
            problem = JsonSerializer.Deserialize(body, ApiViews.Default.Problem);
        }
        catch (JsonException)
        {
            // Not a mesh node, or something between: the status has to do.
        }
        string detail = Plain.Line(problem?.Detail ?? $"the node answered {(int)status}");
        string? hint = problem?.Hint is { } h ? Plain.Line(h) : null;
        return status switch
        {
            HttpStatusCode.Unauthorized => new CliError(
                ExitCode.NodeUnreachable, "wrong_key", $"the node at {_address} does not accept this operator key",
                "Use the key of the node's data directory: --key-file FILE (by default .mesh/operator.key beside .mesh/node.json)."),
            _ when problem?.Code == "not_held" => new CliError(ExitCode.NotAchieved, problem.Code, detail, hint),
            _ when problem?.Code is { } code && (int)status < 500 => new CliError(ExitCode.Usage, Plain.Line(code, 64), detail, hint),
            HttpStatusCode.NotFound => new CliError(ExitCode.Usage, "not_found", detail, hint),
            HttpStatusCode.ServiceUnavailable => new CliError(ExitCode.NodeUnreachable, "not_available", detail, hint),
            _ when (int)status is >= 400 and < 500 => new CliError(ExitCode.Usage, "refused", detail, hint),
            _ => new CliError(ExitCode.NodeUnreachable, "node_failed", detail, hint),
        };
    }

    private static CliException Unreachable(string message, string hint) => new(new CliError(ExitCode.NodeUnreachable, "node_unreachable", message, hint));
}

/// <summary>Text that others wrote, made harmless for a terminal.</summary>
internal static class Plain
{
    /// <summary>One line in which control characters, and those that change how others are shown, stand as their code: <c>\u001b</c>. Nothing is left out but what is behind a number of characters.</summary>
    public static string Escaped(string text, int charsMax)
    {
        StringBuilder line = new(Math.Min(text.Length, charsMax) + 8);
        foreach (char c in text)
        {
            if (line.Length >= charsMax) return line.Append('…').ToString();
            bool isShown = !char.IsControl(c) && char.GetUnicodeCategory(c) is not (System.Globalization.UnicodeCategory.Format or System.Globalization.UnicodeCategory.LineSeparator or System.Globalization.UnicodeCategory.ParagraphSeparator);
            if (isShown) line.Append(c);
            else line.Append(System.Globalization.CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
        }
        return line.ToString();
    }

    /// <summary>One line without control characters, cut at a number of characters.</summary>
    public static string Line(string text, int charsMax = 2_000)
    {
        StringBuilder line = new(Math.Min(text.Length, charsMax));
        foreach (char c in text)
        {
            if (line.Length == charsMax) return line.Append('…').ToString();
            line.Append(char.IsControl(c) || char.GetUnicodeCategory(c) == System.Globalization.UnicodeCategory.Format ? ' ' : c);
        }
        return line.ToString();
    }
}
