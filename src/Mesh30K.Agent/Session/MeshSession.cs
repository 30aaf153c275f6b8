using System.Buffers.Text;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Threading.Channels;
using Mesh30K.Agent.Identity;
using Mesh30K.Agent.Timing;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Json;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Agent.Session;

/// <summary>
/// One connection from HELLO to its end: handshake, heartbeats with the clock's four timestamps, and whatever else is to be sent, many messages in a frame. A silent mesh ends it.
/// <see cref="TrySend"/> is thread-safe; the rest has one owner.
/// </summary>
internal sealed class MeshSession : IAsyncDisposable
{
    private const int OutgoingMax = 8_192;
    private const int Version = 1;
    private static readonly TimeSpan HandshakeWithin = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan LastWordsWithin = TimeSpan.FromSeconds(1);

    private readonly ClientWebSocket _socket;
    private readonly FramePipe _pipe;
    private readonly MeshClock _clock;
    private readonly AgentId _self;
    private readonly Channel<byte[]> _outgoing = Channel.CreateBounded<byte[]>(new BoundedChannelOptions(OutgoingMax) { SingleReader = true, FullMode = BoundedChannelFullMode.Wait });
    private readonly CancellationTokenSource _ended = new();

    /// <summary>The last heartbeat that asked for the time: its timestamp and when it left, both as its answer needs them.</summary>
    private (Instant Stamp, long SentTicks) _asked;

    /// <summary>What came in the frame of WELCOME after it: the first of <see cref="RunAsync"/>'s messages.</summary>
    private IReadOnlyList<WireMessage> _first = [];

    private MeshSession(ClientWebSocket socket, FramePipe pipe, MeshClock clock, AgentId self) => (_socket, _pipe, _clock, _self) = (socket, pipe, clock, self);

    /// <summary>What the mesh said at the end of the handshake.</summary>
    internal WelcomeMessage Welcome { get; private set; } = null!;

    /// <summary>Connects and shakes hands. Throws <see cref="SessionRefusedException"/>, <see cref="SessionBrokenException"/> or <see cref="WebSocketException"/>.</summary>
    internal static async Task<MeshSession> OpenAsync(Uri node, MeshClock clock, Func<AgentIdentity> identity, CancellationToken cancel)
    {
        ClientWebSocket socket = new();
        socket.Options.Proxy = null;
        socket.Options.CollectHttpResponseDetails = true;
        MeshSession session = new(socket, new FramePipe(socket, clock, identity), clock, identity().Id);
        try
        {
            using CancellationTokenSource within = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            within.CancelAfter(HandshakeWithin);
            await session.ConnectAsync(node, within.Token).ConfigureAwait(false);
            await session.ShakeHandsAsync(within.Token).ConfigureAwait(false);
            return session;
        }
        catch (Exception failed)
        {
            await session.DisposeAsync().ConfigureAwait(false);
            if (failed is OperationCanceledException && !cancel.IsCancellationRequested) throw new SessionBrokenException($"no answer within {HandshakeWithin.TotalSeconds:0} s");
            throw;
        }
    }

    /// <summary>Queues one encoded message. False when the session is over, or 8,192 wait: then it is lost for this session.</summary>
    internal bool TrySend(byte[] message) => _outgoing.Writer.TryWrite(message);

    /// <summary>Hands over what comes until the mesh closes or breaks it off, or <paramref name="cancel"/>. Returns the reason of the mesh's BYE, or null. Throws as <see cref="OpenAsync"/>.</summary>
    /// <param name="received">Takes each message; called by one thread at a time.</param>
    /// <param name="depth">Gives the queue's depth; called before each heartbeat.</param>
    internal async Task<string?> RunAsync(Action<WireMessage> received, Func<int> depth, CancellationToken cancel)
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancel, _ended.Token);
        Task writing = WriteAsync(stop.Token);
        Task beating = BeatAsync(depth, stop.Token);
        Task<string?> reading = ReadAsync(received, stop.Token);
        try
        {
            Task first = await Task.WhenAny(writing, beating, reading).ConfigureAwait(false);
            // The writer ends well only after BYE: then the mesh closes, and the reader sees it. When it fails, the reader may still hold the reason.
            if (first == writing) first = writing.IsCompletedSuccessfully ? await Task.WhenAny(beating, reading).ConfigureAwait(false) : await Task.WhenAny(reading, Task.Delay(LastWordsWithin, cancel)).ConfigureAwait(false);
            if (first == beating) await beating.ConfigureAwait(false);
            if (first != reading) await writing.ConfigureAwait(false);
            return await reading.ConfigureAwait(false);
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await Task.WhenAll(writing, beating, reading).ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default).ConfigureAwait(false);
        }
    }

    /// <summary>Sends what is queued, then BYE, then closes this side: <see cref="RunAsync"/> ends when the mesh has closed the other.</summary>
    internal void Leave(string reason)
    {
        _ = TrySend(MeshCodec.Default.Encode(new ByeMessage { Reason = reason }));
        _ = _outgoing.Writer.TryComplete();
    }

    public ValueTask DisposeAsync()
    {
        _ended.Cancel();
        _outgoing.Writer.TryComplete();
        _socket.Dispose();
        _ended.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task ConnectAsync(Uri node, CancellationToken cancel)
    {
        UriBuilder address = new(new Uri(node, "/v1/agents/connect")) { Scheme = node.Scheme == "https" ? "wss" : "ws" };
        try
        {
            await _socket.ConnectAsync(address.Uri, cancel).ConfigureAwait(false);
        }
        catch (WebSocketException) when ((int)_socket.HttpStatusCode >= 400)
        {
            throw new SessionBrokenException($"the node answered {(int)_socket.HttpStatusCode} ({_socket.HttpStatusCode})");
        }
    }

    private async Task ShakeHandsAsync(CancellationToken cancel)
    {
        string nonce = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(24));
        long sent = MeshClock.LocalTicks;
        await _pipe.SendPlainAsync(new HelloMessage { Version = Version, AgentId = _self, Nonce = nonce, Software = Software }, cancel).ConfigureAwait(false);
        IReadOnlyList<WireMessage> answer = await ExpectAsync(cancel).ConfigureAwait(false);
        if (answer is not [ChallengeMessage challenge]) throw new SessionBrokenException("the mesh did not answer HELLO with CHALLENGE");
        // Whoever repeats an old CHALLENGE does not have this nonce.
        if (!string.Equals(challenge.Echo, nonce, StringComparison.Ordinal)) throw new SessionBrokenException("the mesh's CHALLENGE is not for this HELLO");
        _clock.Add(sent, challenge.Time, challenge.Time, _pipe.LastReceivedTicks);
        _pipe.ClockIsSet();

        _ = await _pipe.SendAsync([MeshCodec.Default.Encode(new ProofMessage { Echo = challenge.Nonce })], cancel).ConfigureAwait(false);
        answer = await ExpectAsync(cancel).ConfigureAwait(false);
        if (answer is not [WelcomeMessage welcome, ..]) throw new SessionBrokenException("the mesh did not answer PROOF with WELCOME");
        Welcome = welcome;
        _first = [.. answer.Skip(1)];
    }

    private static string Software { get; } = $"Mesh30K.Agent {typeof(MeshSession).Assembly.GetName().Version?.ToString(3)}";

    private async Task<IReadOnlyList<WireMessage>> ExpectAsync(CancellationToken cancel) =>
        await _pipe.ReceiveAsync(cancel).ConfigureAwait(false) ?? throw new SessionBrokenException("the mesh closed the connection during the handshake");

    private async Task<string?> ReadAsync(Action<WireMessage> received, CancellationToken cancel)
    {
        IReadOnlyList<WireMessage>? messages = _first;
        while (messages is not null)
        {
            foreach (WireMessage message in messages)
            {
                if (message is ByeMessage bye) return Words.Short(bye.Reason);
                if (message is ClockMessage clock) Adjust(clock);
                else received(message);
            }
            messages = await _pipe.ReceiveAsync(cancel).ConfigureAwait(false);
        }
        return null;
    }

    private void Adjust(ClockMessage clock)
    {
        (Instant stamp, long sentTicks) = _asked;
        if (stamp == clock.Echo) _clock.Add(sentTicks, clock.ReceivedAt, clock.SentAt, _pipe.LastReceivedTicks);
    }

    private async Task WriteAsync(CancellationToken cancel)
    {
        List<byte[]> ready = [];
        while (await _outgoing.Reader.WaitToReadAsync(cancel).ConfigureAwait(false))
        {
            while (ready.Count < Protocol.Signing.FrameLimits.MessagesMax && _outgoing.Reader.TryRead(out byte[]? message)) ready.Add(message);
            while (ready.Count > 0) ready.RemoveRange(0, await _pipe.SendAsync(ready, cancel).ConfigureAwait(false));
        }
        await _socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, cancel).ConfigureAwait(false);
    }

    /// <summary>Heartbeats; also the watch over the mesh, which answers each of them with CLOCK.</summary>
    private async Task BeatAsync(Func<int> depth, CancellationToken cancel)
    {
        TimeSpan every = TimeSpan.FromMilliseconds(Math.Clamp(Welcome.HeartbeatMs, 100, 3_600_000));
        SilenceWatch silence = new();
        while (true)
        {
            Instant stamp = _clock.Now;
            long sentTicks = MeshClock.LocalTicks;
            _asked = (stamp, sentTicks);
            _ = TrySend(MeshCodec.Default.Encode(new HeartbeatMessage { AgentId = _self, Timestamp = stamp, QueueDepth = depth(), Clock = true }));
            await Task.Delay(every, cancel).ConfigureAwait(false);
            if (silence.IsSilentAfter(sentTicks, _pipe.LastReceivedTicks)) throw new SessionBrokenException($"the mesh was silent for {SilenceWatch.UnansweredMax} heartbeats of {every.TotalSeconds:0.#} s");
        }
    }
}
