using System.Buffers;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Json;
using Mesh30K.Protocol.Messages;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Cli.Bench.Agents;

/// <summary>One agent of the bench: answers every COORDINATE with READY at once, all of one frame in one frame.</summary>
internal sealed class BenchAgent(AgentsPlan plan, AgentId id, Ed25519PrivateKey key, Ed25519PublicKey meshKey, VerifiedRoots roots)
{
    public static readonly TimeSpan BeatsEvery = TimeSpan.FromSeconds(5);

    private const int BufferBytes = 4 * 1024;
    private static readonly TimeSpan FrameLife = TimeSpan.FromSeconds(30);

    /// <summary>A batch is for the moment of one frame: one for each thread, not for each of 10,000 agents.</summary>
    [ThreadStatic]
    private static FrameBatch? s_batch;

    private readonly SemaphoreSlim _sending = new(1);
    private byte[] _buffer = new byte[BufferBytes];
    private FrameGate? _gate;
    private WebSocket? _socket;
    private MessageId _last;
    private long _seq;
    private long _sentAtMs;
    private volatile bool _ending;
    private volatile bool _isWelcome;

    public long Deliveries { get; private set; }

    public long Repeated { get; private set; }

    public bool IsBroken { get; private set; }

    public async Task ConnectAsync(CancellationToken stop)
    {
        Uri node = new(plan.Node);
        Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(node.Host, node.Port, stop).ConfigureAwait(false);
        NetworkStream stream = new(socket, ownsSocket: true);
        string upgrade = $"GET /v1/agents/connect HTTP/1.1\r\nHost: {node.Authority}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n\r\n";
        await stream.WriteAsync(Encoding.ASCII.GetBytes(upgrade), stop).ConfigureAwait(false);
        await ReadUpgradedAsync(stream, stop).ConfigureAwait(false);
        _socket = WebSocket.CreateFromStream(stream, new WebSocketCreationOptions { IsServer = false, KeepAliveInterval = Timeout.InfiniteTimeSpan });
        _gate = new FrameGate(plan.MeshId, id.Value, 0, (name, _) => name == meshKey.Id ? meshKey : null, roots);
        await _socket.SendAsync(
            MeshCodec.Default.Encode(new HelloMessage { Version = 1, AgentId = id, Nonce = "abcdefghijklmnop" }), WebSocketMessageType.Text, endOfMessage: true, stop).ConfigureAwait(false);
        ChallengeMessage challenge = (ChallengeMessage)await ReadOneAsync(stop).ConfigureAwait(false);
        await SendAsync([MeshCodec.Default.Encode(new ProofMessage { Echo = challenge.Nonce })]).ConfigureAwait(false);
        if (await ReadOneAsync(stop).ConfigureAwait(false) is not WelcomeMessage) throw new InvalidOperationException("not welcome");
        _isWelcome = true;
    }

    /// <summary>Answers until the connection ends.</summary>
    public async Task RunAsync()
    {
        try
        {
            while (await ReadAsync(CancellationToken.None).ConfigureAwait(false) is int count and > 0)
            {
                List<byte[]> answers = Answers(_buffer.AsSpan(0, count));
                if (answers.Count > 0) await SendAsync(answers).ConfigureAwait(false);
            }
            IsBroken = !_ending;
        }
        catch (Exception ended) when (ended is WebSocketException or IOException or ObjectDisposedException or OperationCanceledException)
        {
            IsBroken = !_ending;
        }
    }

    /// <summary>A sign of life, when it has said nothing for a while.</summary>
    public async Task BeatAsync()
    {
        if (Environment.TickCount64 - Volatile.Read(ref _sentAtMs) < BeatsEvery.TotalMilliseconds || IsBroken || !_isWelcome) return;
        try
        {
            await SendAsync([MeshCodec.Default.Encode(new HeartbeatMessage { AgentId = id, Timestamp = Now, QueueDepth = 0 })]).ConfigureAwait(false);
        }
        catch (Exception ended) when (ended is WebSocketException or IOException or ObjectDisposedException)
        {
            IsBroken = true;
        }
    }

    public void Abort()
    {
        _ending = true;
        _socket?.Abort();
        key.Dispose();
    }

    /// <summary>Both processes are on one machine, so its clock is the mesh's but for the corrections since the node's start.</summary>
    private static Instant Now => Instant.From(DateTimeOffset.UtcNow);

    private static async Task ReadUpgradedAsync(NetworkStream stream, CancellationToken stop)
    {
        byte[] buffer = new byte[1];
        StringBuilder head = new();
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            if (await stream.ReadAsync(buffer, stop).ConfigureAwait(false) == 0 || head.Length > 4_096) break;
            head.Append((char)buffer[0]);
        }
        if (!head.ToString().StartsWith("HTTP/1.1 101", StringComparison.Ordinal)) throw new InvalidOperationException("the node refused the connection: " + head.ToString().Split('\r')[0]);
    }

    private async Task<WireMessage> ReadOneAsync(CancellationToken stop)
    {
        int count = await ReadAsync(stop).ConfigureAwait(false);
        OpenedFrame frame = _gate!.Open(_buffer.AsSpan(0, count), Now);
        return frame.Refusal == FrameRefusal.None && MeshCodec.Default.Decode(_buffer.AsSpan()[frame.Messages[0]]).Message is { } message and not RefusedMessage
            ? message
            : throw new InvalidOperationException($"the handshake failed: {frame.Why ?? Encoding.UTF8.GetString(_buffer, 0, count)}");
    }

    /// <summary>One message into the buffer; 0 when the node closed.</summary>
    private async ValueTask<int> ReadAsync(CancellationToken stop)
    {
        int count = 0;
        while (true)
        {
            ValueWebSocketReceiveResult part = await _socket!.ReceiveAsync(_buffer.AsMemory(count), stop).ConfigureAwait(false);
            if (part.MessageType == WebSocketMessageType.Close) return 0;
            count += part.Count;
            if (part.EndOfMessage) return count;
            if (count == _buffer.Length) Array.Resize(ref _buffer, count * 2);
        }
    }

    private List<byte[]> Answers(ReadOnlySpan<byte> bytes)
    {
        OpenedFrame frame = _gate!.Open(bytes, Now);
        List<byte[]> answers = new(frame.Messages.Count);
        foreach (Range range in frame.Messages)
        {
            if (MeshCodec.Default.Decode(bytes[range]).Message is not CoordinationMessage order) continue;
            Deliveries++;
            if (order.MessageId == _last) Repeated++;
            _last = order.MessageId;
            answers.Add(MeshCodec.Default.Encode(new AcknowledgeMessage
            {
                MessageId = order.MessageId,
                AgentId = id,
                TrinaryState = TrinaryState.Ready,
                ActualArrivalTime = Now,
                ProcessingTimeMs = 0.01,
                QueueWaitMs = 0,
            }));
        }
        return answers;
    }

    private async Task SendAsync(IReadOnlyList<byte[]> messages)
    {
        await _sending.WaitAsync().ConfigureAwait(false);
        try
        {
            Volatile.Write(ref _sentAtMs, Environment.TickCount64);
            ArrayBufferWriter<byte> frame = new(1_024);
            Sign(messages, frame);
            await _socket!.SendAsync(frame.WrittenMemory, WebSocketMessageType.Text, endOfMessage: true, CancellationToken.None).ConfigureAwait(false);
        }
        finally
        {
            _sending.Release();
        }
    }

    private void Sign(IReadOnlyList<byte[]> messages, ArrayBufferWriter<byte> frame)
    {
        FrameBatch batch = s_batch ??= new FrameBatch();
        Instant now = Now;
        batch.Clear();
        _ = batch.Begin(new FrameHeader
        {
            From = id.Value,
            To = plan.MeshId,
            Epoch = _gate!.Epoch,
            Seq = ++_seq,
            SentAt = now,
            ExpiresAt = now + FrameLife,
            Key = key.PublicKey.Id,
        });
        foreach (byte[] message in messages) batch.AddMessage(message);
        batch.Seal(key);
        batch.Write(0, frame);
    }
}
