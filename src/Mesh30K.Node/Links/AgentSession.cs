using System.Net.WebSockets;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Json;
using Mesh30K.Protocol.Messages;
using Mesh30K.Protocol.Signing;
using Microsoft.AspNetCore.Http;

namespace Mesh30K.Node.Links;

/// <summary>
/// One WebSocket from its first byte to its last. Here: what goes out. What comes in: AgentSession.Receiving.cs. Three parties touch it: its receiving loop, one sender's thread, and whoever has something to tell
/// (any thread); the lock guards the control messages and the end, an integer says whose turn the socket's sending side is.
/// </summary>
internal sealed partial class AgentSession
{
    /// <summary>Nothing to send.</summary>
    private const int Idle = 0;

    /// <summary>In the sender's queue.</summary>
    private const int Queued = 1;

    /// <summary>A frame is being built or sent.</summary>
    private const int Sending = 2;

    /// <summary>As <see cref="Sending"/>, and there is more: queues again when the frame has left.</summary>
    private const int SendingMore = 3;

    private const int FrameRoom = FrameLimits.BytesMax - 2_048;

    private readonly AgentLinks _links;
    private readonly HttpContext _http;
    private readonly WebSocket _socket;
    private readonly FrameSender _sender;
    private readonly Lock _gate = new();

    /// <summary>Guards the request: once the receiving loop has ended, its context is nobody's, or the next request's.</summary>
    private readonly Lock _requestGate = new();
    private Queue<Control>? _controls;
    private Ending? _ending;
    private int _turn;
    private long _seq;
    private long _sendingSinceTicks;
    private long _endingSinceTicks;
    private int _aborted;
    private bool _requestHasEnded;

    /// <summary>The agent, once it has proven itself.</summary>
    private LinkedAgent? _agent;

    public AgentSession(AgentLinks links, HttpContext http, WebSocket socket, FrameSender sender)
    {
        _links = links;
        _http = http;
        _socket = socket;
        _sender = sender;
        _phaseSince = links.Clock.Now;
    }

    /// <summary>Who speaks here; what HELLO said until it is proven.</summary>
    public AgentId Agent { get; private set; }

    /// <summary>0 until HELLO.</summary>
    public long Epoch { get; private set; }

    /// <summary>Queues a control message: it goes before deliveries, in order. Dropped when the session ends already; too many unsent ones end it.</summary>
    public void Tell(Control control)
    {
        bool slow;
        lock (_gate)
        {
            if (_ending is not null) return;
            _controls ??= new Queue<Control>(1);
            slow = _controls.Count >= _links.Options.ControlsMax;
            if (!slow) _controls.Enqueue(control);
        }
        if (slow) AbortAsSlow();
        else MarkDirty();
    }

    /// <summary>Says a last word and closes the mesh's side; what comes in from now on is read and thrown away. The first call counts.</summary>
    /// <param name="last">The last message; null when there is nobody to address.</param>
    public void End(WireMessage? last, WebSocketCloseStatus status, string reason)
    {
        lock (_gate)
        {
            if (_ending is not null) return;
            _ending = new Ending(status, reason.Length > 100 ? reason[..100] : reason);
            if (last is not null && Epoch != 0) (_controls ??= new Queue<Control>(1)).Enqueue(new Control(last));
            Volatile.Write(ref _endingSinceTicks, _links.Clock.Now.Ticks);
        }
        MarkDirty();
    }

    /// <summary>There is something to send. Any thread; cheap when it is known already.</summary>
    public void MarkDirty()
    {
        while (true)
        {
            int turn = Volatile.Read(ref _turn);
            if (turn is Queued or SendingMore) return;
            int next = turn == Idle ? Queued : SendingMore;
            if (Interlocked.CompareExchange(ref _turn, next, turn) != turn) continue;
            if (next == Queued) _sender.Enqueue(this);
            return;
        }
    }

    /// <summary>The sender took it from its queue.</summary>
    public void BeginSend() => Volatile.Write(ref _turn, Sending);

    /// <summary>Adds a frame with what is to be said, if anything. Returns how many messages and bytes. The sender's thread, between <see cref="BeginSend"/> and <see cref="Sent"/>.</summary>
    public (int Messages, int Bytes) Compose(in Flush flush)
    {
        int messages = 0, bytes = 0;
        while (messages < _links.Options.MessagesPerFrame && NextControl() is { } control)
        {
            flush.Scratch.Clear();
            control.WriteTo(flush.Scratch, flush.Now);
            Add(flush, ref messages, ref bytes);
        }
        bool more = messages == _links.Options.MessagesPerFrame;
        while (!more && _agent is { } agent)
        {
            OutboxItem? item;
            lock (agent.Gate)
            {
                item = agent.Session == this && Volatile.Read(ref _endingSinceTicks) == 0 ? agent.Outbox.Take(flush.Now, FrameRoom - bytes) : null;
                // Nothing taken although something waits: the next does not fit into what is left of this frame.
                more = agent.Session == this && agent.Outbox.Waiting > 0 && (item is null ? messages > 0 : messages + 1 == _links.Options.MessagesPerFrame);
            }
            if (item is null) break;
            flush.Scratch.Clear();
            item.Message.WriteTo(flush.Scratch, Agent, item.LeadMs);
            Add(flush, ref messages, ref bytes);
        }
        if (more) MarkDirty();
        return (messages, bytes);
    }

    /// <summary>Sends a frame. True when the socket took it at once and the buffer is free again; otherwise the buffer belongs to the session now.</summary>
    public bool TrySend(SendBuffer frame)
    {
        Volatile.Write(ref _sendingSinceTicks, _links.Clock.Now.Ticks);
        Task sent = SendAsync(frame.Written);
        if (sent.IsCompleted)
        {
            Sent();
            return true;
        }
        _ = ThenSentAsync(sent, frame);
        return false;
    }

    /// <summary>The sending side is free: the session queues again if there is more, or closes if it ends.</summary>
    public void Sent()
    {
        Volatile.Write(ref _sendingSinceTicks, 0);
        if (IsLastWordOut() is { } ending)
        {
            // The turn is never given back: nothing follows a close.
            _ = CloseOutputAsync(ending);
            return;
        }
        if (Interlocked.CompareExchange(ref _turn, Idle, Sending) == Sending) return;
        Volatile.Write(ref _turn, Queued);
        _sender.Enqueue(this);
    }

    /// <summary>Ends it without a word: the socket is dead from now on. False when it was already.</summary>
    public bool Abort()
    {
        if (Interlocked.Exchange(ref _aborted, 1) != 0) return false;
        _socket.Abort();
        lock (_requestGate)
        {
            if (!_requestHasEnded) _http.Abort();
        }
        return true;
    }

    /// <summary>Looks for what takes too long; called by the one sweeper.</summary>
    public void Sweep(Instant now)
    {
        AgentLinkOptions options = _links.Options;
        long sendingSince = Volatile.Read(ref _sendingSinceTicks), endingSince = Volatile.Read(ref _endingSinceTicks);
        if (endingSince != 0)
        {
            if (now.Ticks - endingSince > options.CloseWithin.Ticks) Abort();
        }
        else if (sendingSince != 0 && now.Ticks - sendingSince > options.SendWithin.Ticks)
        {
            AbortAsSlow();
        }
        else
        {
            SweepReceiving(now, options);
        }
    }

    private void AbortAsSlow()
    {
        if (!Abort()) return;
        Interlocked.Increment(ref _links.Counters.SlowClosed);
        _links.Log.Write("slow", Agent.Value, "does not read what it is sent", _links.Clock.Now);
    }

    private void Add(in Flush flush, ref int messages, ref int bytes)
    {
        if (messages == 0)
        {
            _ = flush.Batch.Begin(new FrameHeader
            {
                From = flush.MeshId,
                To = Agent.Value,
                Epoch = Epoch,
                Seq = ++_seq,
                SentAt = flush.Now,
                ExpiresAt = flush.Now + flush.FrameLife,
                Key = flush.Key,
            });
        }
        ReadOnlySpan<byte> message = flush.Scratch.Written.Span;
        flush.Batch.AddMessage(message);
        messages++;
        bytes += message.Length + 1;
    }

    private Control? NextControl()
    {
        lock (_gate)
        {
            if (_controls is null) return null;
            Control next = _controls.Dequeue();
            if (_controls.Count == 0) _controls = null;
            return next;
        }
    }

    private Ending? IsLastWordOut()
    {
        if (Volatile.Read(ref _endingSinceTicks) == 0) return null;
        lock (_gate) return _controls is null ? _ending : null;
    }

    /// <summary>A completed task when the socket took all, or is broken: the receiving loop sees that too, and ends the session.</summary>
    private Task SendAsync(ReadOnlyMemory<byte> frame)
    {
        try
        {
            ValueTask sent = _socket.SendAsync(frame, WebSocketMessageType.Text, endOfMessage: true, CancellationToken.None);
            if (!sent.IsCompleted) return sent.AsTask();
            sent.GetAwaiter().GetResult();
        }
        catch (Exception broken) when (IsBroken(broken))
        {
            Abort();
        }
        return Task.CompletedTask;
    }

    private async Task ThenSentAsync(Task sent, SendBuffer frame)
    {
        try
        {
            await sent.ConfigureAwait(false);
        }
        catch (Exception broken) when (IsBroken(broken))
        {
            Abort();
        }
        frame.Dispose();
        Sent();
    }

    private async Task CloseOutputAsync(Ending ending)
    {
        try
        {
            await _socket.CloseOutputAsync(ending.Status, ending.Reason, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception broken) when (IsBroken(broken))
        {
            Abort();
        }
    }

    /// <summary>How sockets say that the other side is gone: nothing that a reader of logs could do about.</summary>
    private static bool IsBroken(Exception error) =>
        error is WebSocketException or IOException or OperationCanceledException or ObjectDisposedException or InvalidOperationException;

    private sealed record Ending(WebSocketCloseStatus Status, string Reason);
}

/// <summary>A control message that waits: encoded already because many get the same, or to be encoded when it is sent.</summary>
internal readonly struct Control
{
    private readonly byte[]? _encoded;
    private readonly WireMessage? _message;

    public Control(byte[] encoded) => _encoded = encoded;

    public Control(WireMessage message) => _message = message;

    public void WriteTo(SendBuffer output, Instant now)
    {
        if (_encoded is not null) System.Buffers.BuffersExtensions.Write(output, _encoded);
        else _ = MeshCodec.Default.Encode(output, _message is ClockMessage clock ? clock with { SentAt = now } : _message!);
    }
}
