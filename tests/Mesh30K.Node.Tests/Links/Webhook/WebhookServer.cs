using System.Buffers;
using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Mesh30K.Node.Tests.Links.Webhook;

/// <summary>A real HTTP server on a free port of loopback that answers as a test says, and writes down what came.</summary>
internal sealed class WebhookServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private int _now;

    private WebhookServer(WebApplication app) => _app = app;

    public Uri Address => new(_app.Urls.First() + "/hook");

    /// <summary>Bodies as they came.</summary>
    public ConcurrentQueue<byte[]> Requests { get; } = new();

    /// <summary>The most that were under way at once.</summary>
    public int MostAtOnce { get; private set; }

    /// <summary>What happens with a request; its body is read already.</summary>
    public Func<HttpContext, byte[], Task> Handle { get; set; } = (context, _) =>
    {
        context.Response.StatusCode = 500;
        return Task.CompletedTask;
    };

    public static async Task<WebhookServer> StartAsync()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        WebApplication app = builder.Build();
        WebhookServer server = new(app);
        app.Run(server.ServeAsync);
        await app.StartAsync(TestContext.Current.CancellationToken);
        return server;
    }

    public async ValueTask DisposeAsync()
    {
        using CancellationTokenSource now = new(TimeSpan.Zero);
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }

    private async Task ServeAsync(HttpContext context)
    {
        int many = Interlocked.Increment(ref _now);
        lock (Requests) MostAtOnce = Math.Max(MostAtOnce, many);
        try
        {
            using MemoryStream body = new();
            await context.Request.Body.CopyToAsync(body, context.RequestAborted);
            Assert.Equal("application/x-ndjson", context.Request.ContentType);
            Requests.Enqueue(body.ToArray());
            await Handle(context, body.ToArray());
        }
        finally
        {
            Interlocked.Decrement(ref _now);
        }
    }
}

/// <summary>The agent behind a webhook: checks requests, signs answers.</summary>
internal sealed class HookAgent(string name, Ed25519PrivateKey key, string meshId, Func<Ed25519PublicKey> meshKey, Func<Instant> now)
{
    private FrameGate? _gate;

    public string Name => name;

    public Ed25519PrivateKey Key { get; set; } = key;

    /// <summary>Reads a request as an agent must: the frame's header and its one message.</summary>
    public (FrameHeader Header, JsonElement Message) Read(byte[] request)
    {
        _gate ??= new FrameGate(meshId, name, 0, (id, _) => meshKey().Id == id ? meshKey() : null);
        OpenedFrame opened = _gate.Open(request, now());
        Assert.True(opened.Refusal == FrameRefusal.None, opened.Why);
        return (opened.Header!, Peek(request));
    }

    public static JsonElement Peek(byte[] request) => JsonDocument.Parse(Encoding.UTF8.GetString(request).Split('\n')[1]).RootElement;

    public static string IdOf(byte[] request) => Peek(request).TryGetProperty("message_id", out JsonElement id) ? id.GetString()! : "";

    public string Ack(JsonElement message, int state, string more = "") =>
        $$"""{"type":"ACK","message_id":"{{message.GetProperty("message_id").GetString()}}","agent_id":"{{name}}","trinary_state":{{state}},"actual_arrival_time":"2026-01-02T03:04:05Z","processing_time_ms":7.5{{more}}}""";

    public string Beat() => $$"""{"type":"HEARTBEAT","agent_id":"{{name}}","timestamp":"2026-01-02T03:04:05Z","queue_depth":3}""";

    public byte[] Sign(FrameHeader request, params string[] messages) => Sign(request.Epoch, request.Seq, messages);

    public byte[] Sign(long epoch, long seq, params string[] messages)
    {
        FrameBatch batch = new();
        _ = batch.Begin(new FrameHeader { From = name, To = meshId, Epoch = epoch, Seq = seq, SentAt = now(), ExpiresAt = now() + TimeSpan.FromSeconds(30), Key = Key.PublicKey.Id });
        foreach (string message in messages) batch.AddMessage(Encoding.UTF8.GetBytes(message));
        batch.Seal(Key);
        ArrayBufferWriter<byte> output = new();
        batch.Write(0, output);
        return output.WrittenSpan.ToArray();
    }

    /// <summary>Answers deliveries with READY and probes with HEARTBEAT.</summary>
    public async Task AnswerAsync(HttpContext context, byte[] request)
    {
        (FrameHeader header, JsonElement message) = Read(request);
        bool isProbe = message.GetProperty("type").GetString() == "CLOCK";
        await context.Response.Body.WriteAsync(Sign(header, isProbe ? Beat() : Ack(message, 1)), context.RequestAborted);
    }
}
