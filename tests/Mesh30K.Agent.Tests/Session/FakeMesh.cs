using System.Buffers;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using System.Threading.Channels;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Json;
using Mesh30K.Protocol.Messages;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Agent.Tests.Session;

/// <summary>A mesh of one agent that follows docs/protocol/links.md and does what a test tells it to, also what it should not. Its clock is years away from this machine's.</summary>
internal sealed class FakeMesh : IAsyncDisposable
{
    internal static readonly TimeSpan Generous = TimeSpan.FromSeconds(30);

    private readonly HttpListener _listener = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _accepting;
    private readonly ConcurrentBag<WebSocket> _sockets = [];
    private readonly Channel<FakeLink> _links = Channel.CreateUnbounded<FakeLink>();
    private long _epoch = 1_000;

    private FakeMesh(int port)
    {
        Address = new Uri($"http://127.0.0.1:{port}");
        _listener.Prefixes.Add(Address.ToString());
        _listener.Start();
        _accepting = AcceptAsync();
    }

    internal Uri Address { get; }

    internal string MeshId { get; } = "mesh:0123456789abcdef";

    internal Ed25519PrivateKey Key { get; set; } = Ed25519PrivateKey.Generate();

    /// <summary>The keys of the agent that are valid; enrolment and rotation add to them.</summary>
    internal List<Ed25519PublicKey> AgentKeys { get; } = [];

    internal string Token => $"mt1.0123456789abcdef.{Key.PublicKey.Id.Value[2..]}.secret-of-the-token";

    /// <summary>What the enrolment answers instead of 201, if set.</summary>
    internal (int Status, string Code)? EnrolmentRefusal { get; set; }

    /// <summary>What the next connection gets instead of CHALLENGE, if set: signed or not.</summary>
    internal Queue<(RefusedMessage Refused, bool Signed)> Refusals { get; } = new();

    internal Instant? RotateBy { get; set; }

    /// <summary>How often agents send heartbeats. They are answered while the test reads; seldom, so that a test that looks elsewhere is no silent mesh.</summary>
    internal int HeartbeatMs { get; set; } = 60_000;

    /// <summary>Whether CHALLENGE repeats another nonce.</summary>
    internal bool WrongEcho { get; set; }

    internal int Connections { get; private set; }

    /// <summary>What calls of /v1/effects get: status and body.</summary>
    internal Func<EffectCall, Task<(int Status, string Body)>>? Effects { get; set; }

    internal Instant Now => Instant.From(DateTimeOffset.UtcNow) + TimeSpan.FromDays(3_000);

    internal static FakeMesh Start()
    {
        while (true)
        {
            using TcpListener probe = new(IPAddress.Loopback, 0);
            probe.Start();
            int port = ((IPEndPoint)probe.LocalEndpoint).Port;
            probe.Stop();
            try
            {
                return new FakeMesh(port);
            }
            catch (HttpListenerException)
            {
                // Somebody else took the port meanwhile.
            }
        }
    }

    /// <summary>The next connection that came through the handshake.</summary>
    internal async Task<FakeLink> LinkAsync() => await _links.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(Generous, TestContext.Current.CancellationToken);

    /// <param name="ageMs">How long ago it was made.</param>
    internal CoordinationMessage Order(int number, object payload, double targetInMs = 0, long ttlMs = 60_000, string? hash = null, long ageMs = 0)
    {
        RawJson json = RawJson.Parse(JsonSerializer.Serialize(payload));
        Instant now = Now.PlusMs(-ageMs);
        return new CoordinationMessage
        {
            MessageId = MessageId.From(now.Ticks / Instant.TicksPerMs, (UInt128)number),
            TargetArrivalTime = now.PlusMs(targetInMs),
            Compensation = new Dictionary<AgentId, double> { [new AgentId("worker-1")] = 1 },
            Verb = Verb.Act,
            Payload = json,
            PayloadHash = hash is null ? PayloadHash.Of(json.Utf8) : PayloadHash.Of(Encoding.UTF8.GetBytes(hash)),
            TtlMs = ttlMs,
            Collect = true,
        };
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        foreach (WebSocket socket in _sockets) socket.Abort();
        Key.Dispose();
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            HttpListenerContext context;
            try
            {
                context = await _listener.GetContextAsync();
            }
            catch (Exception stopped) when (stopped is HttpListenerException or ObjectDisposedException)
            {
                return;
            }
            _ = context.Request.IsWebSocketRequest ? ConnectAsync(context)
                : context.Request.RawUrl!.StartsWith("/v1/effects/", StringComparison.Ordinal) ? EffectAsync(context) : EnrolAsync(context);
        }
    }

    private async Task EffectAsync(HttpListenerContext context)
    {
        using MemoryStream read = new();
        await context.Request.InputStream.CopyToAsync(read);
        (int status, string answer) = await Effects!(new EffectCall(context.Request.RawUrl!.Split('/')[^1], read.ToArray(), name => context.Request.Headers[name]));
        context.Response.StatusCode = status;
        await context.Response.OutputStream.WriteAsync(Encoding.UTF8.GetBytes(answer));
        context.Response.Close();
    }

    private async Task EnrolAsync(HttpListenerContext context)
    {
        using StreamReader reader = new(context.Request.InputStream);
        using JsonDocument request = JsonDocument.Parse(await reader.ReadToEndAsync());
        JsonElement root = request.RootElement;
        string answer;
        if (EnrolmentRefusal is { } refusal)
        {
            context.Response.StatusCode = refusal.Status;
            answer = JsonSerializer.Serialize(new { title = "No", status = refusal.Status, code = refusal.Code, detail = "the token is not good" });
        }
        else
        {
            _ = Ed25519PublicKey.TryParse(root.GetProperty("public_key").GetString(), out Ed25519PublicKey? key);
            AgentId agent = new(root.GetProperty("agent_id").GetString()!);
            byte[] proof = System.Buffers.Text.Base64Url.DecodeFromChars(root.GetProperty("proof").GetString());
            bool good = key!.Verify(KeyProof.BytesOf(agent, MeshId, key), proof) && root.GetProperty("token").GetString()!.StartsWith("mt1.", StringComparison.Ordinal);
            if (good) AgentKeys.Add(key);
            context.Response.StatusCode = good ? 201 : 400;
            answer = JsonSerializer.Serialize(new
            {
                agent_id = agent.Value,
                agent_class = "CLASS_C_PERSISTENT",
                capabilities = Array.Empty<string>(),
                key = key.Id.Value,
                mesh_id = MeshId,
                mesh_keys = new[] { new { key = Key.PublicKey.Id.Value, public_key = Key.PublicKey.ToString() } },
                rotate_by = "2030-01-01T00:00:00Z",
            });
        }
        await context.Response.OutputStream.WriteAsync(Encoding.UTF8.GetBytes(answer));
        context.Response.Close();
    }

    private async Task ConnectAsync(HttpListenerContext context)
    {
        Connections++;
        long from = Stopwatch.GetTimestamp();
        WebSocket socket = (await context.AcceptWebSocketAsync(null)).WebSocket;
        _sockets.Add(socket);
        try
        {
            byte[] buffer = new byte[65_536];
            ValueWebSocketReceiveResult first = await socket.ReceiveAsync(buffer.AsMemory(), _stop.Token);
            HelloMessage hello = (HelloMessage)MeshCodec.Default.Decode(buffer.AsSpan(0, first.Count)).Message!;
            FakeLink link = new(this, socket, context.Response.Abort, hello.AgentId, ++_epoch);
            if (Refusals.TryDequeue(out (RefusedMessage Refused, bool Signed) refusal))
            {
                if (refusal.Signed) await link.SendAsync(refusal.Refused);
                else await socket.SendAsync(MeshCodec.Default.Encode(refusal.Refused), WebSocketMessageType.Text, true, _stop.Token);
                await socket.CloseAsync(WebSocketCloseStatus.PolicyViolation, null, _stop.Token);
                return;
            }
            await link.SendAsync(new ChallengeMessage { Echo = WrongEcho ? "AAAAAAAAAAAAAAAAAAAAAA" : hello.Nonce, Nonce = "bWVzaC1ub25jZS1oZXJl", Time = Now });
            if (await link.ReadAsync(_stop.Token) is not ProofMessage { Echo: "bWVzaC1ub25jZS1oZXJl" }) return;
            link.RoundTripMsAtMost = Stopwatch.GetElapsedTime(from).TotalMilliseconds;
            await link.SendAsync(new WelcomeMessage
            {
                AgentId = hello.AgentId,
                AgentClass = ImpedanceClass.Persistent,
                ClusterId = default,
                Capabilities = [],
                HeartbeatMs = HeartbeatMs,
                IdleMs = 3 * HeartbeatMs,
                Redelivered = 0,
                RotateBy = RotateBy,
            });
            await _links.Writer.WriteAsync(link);
        }
        catch (Exception gone) when (gone is WebSocketException or OperationCanceledException)
        {
            // The agent did not like what it got: the test looks at what it does next.
        }
    }
}

/// <summary>One connection of the fake mesh.</summary>
internal sealed class FakeLink(FakeMesh mesh, WebSocket socket, Action abort, AgentId agent, long epoch)
{
    private readonly FrameGate _gate = new(agent.Value, mesh.MeshId, epoch, (id, _) => mesh.AgentKeys.Find(key => key.Id == id));
    private readonly Queue<WireMessage> _came = new();
    private readonly byte[] _buffer = new byte[1 << 20];
    private long _seq;

    /// <summary>The last frame as it went out.</summary>
    internal byte[] LastFrame { get; private set; } = [];

    /// <summary>What the handshake took in all, and so the round trip by which the agent has set its clock at most: half of that is its error at most.</summary>
    internal double RoundTripMsAtMost { get; set; }

    /// <summary>Which key signed the last frame of the agent.</summary>
    internal KeyId LastKey { get; private set; }

    internal Task SendAsync(params WireMessage[] messages) => SendAsync(mesh.Key, messages);

    internal async Task SendAsync(Ed25519PrivateKey key, params WireMessage[] messages)
    {
        FrameBatch batch = new();
        Instant now = mesh.Now;
        batch.Begin(new FrameHeader { From = mesh.MeshId, To = agent.Value, Epoch = epoch, Seq = ++_seq, SentAt = now, ExpiresAt = now.PlusMs(30_000), Key = key.PublicKey.Id });
        foreach (WireMessage message in messages) batch.AddMessage(MeshCodec.Default.Encode(message));
        batch.Seal(key);
        ArrayBufferWriter<byte> frame = new();
        batch.Write(0, frame);
        await SendRawAsync(frame.WrittenMemory.ToArray());
    }

    internal async Task SendRawAsync(byte[] frame)
    {
        LastFrame = frame;
        await socket.SendAsync(frame, WebSocketMessageType.Text, true, CancellationToken.None);
    }

    /// <summary>The next message that the agent sent; heartbeats are answered and left out.</summary>
    internal async Task<WireMessage> ReadAsync(CancellationToken cancel)
    {
        while (true)
        {
            while (_came.TryDequeue(out WireMessage? message))
            {
                if (message is not HeartbeatMessage heartbeat) return message;
                Instant now = mesh.Now;
                await SendAsync(new ClockMessage { Echo = heartbeat.Timestamp, ReceivedAt = now, SentAt = now });
            }
            int length = 0;
            ValueWebSocketReceiveResult part;
            do
            {
                part = await socket.ReceiveAsync(_buffer.AsMemory(length), cancel);
                length += part.Count;
            }
            while (!part.EndOfMessage);
            if (part.MessageType == WebSocketMessageType.Close)
            {
                await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, cancel);
                throw new WebSocketException("closed");
            }
            OpenedFrame opened = _gate.Open(_buffer.AsSpan(0, length), mesh.Now);
            Assert.True(opened.Refusal == FrameRefusal.None, $"a frame of the agent was refused: {opened.Why}");
            LastKey = opened.Header!.Key;
            foreach (Range range in opened.Messages) _came.Enqueue(MeshCodec.Default.Decode(_buffer.AsSpan(0, length)[range]).Message!);
        }
    }

    internal async Task<T> NextAsync<T>()
        where T : WireMessage =>
        Assert.IsType<T>(await ReadAsync(TestContext.Current.CancellationToken).WaitAsync(FakeMesh.Generous, TestContext.Current.CancellationToken));

    /// <summary>The connection is gone without a BYE, and the agent's machine is told so: an aborted WebSocket alone leaves it open.</summary>
    internal void Break()
    {
        socket.Abort();
        abort();
    }
}

/// <summary>A call of /v1/effects as it came.</summary>
internal sealed record EffectCall(string Verb, byte[] Body, Func<string, string?> Header)
{
    internal string Text(string field) => JsonSerializer.Deserialize<JsonElement>(Body).GetProperty(field).ToString();
}
