using System.Buffers;
using System.Net.WebSockets;
using System.Security.Cryptography;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Node.Identity;
using Mesh30K.Node.Ports;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Json;
using Mesh30K.Protocol.Messages;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Node.Links;

/// <summary>What comes in, on the receiving loop alone: HELLO, then PROOF, then everything else.</summary>
internal sealed partial class AgentSession
{
    private const int ReceiveBytes = 4_096;

    /// <summary>A stranger may send so much: HELLO and PROOF are far smaller.</summary>
    private const int StrangersBytesMax = 8_192;

    private const int ProtocolVersion = 1;
    private const int NonceBytes = 18;

    private FrameGate? _frames;
    private string? _nonce;
    private KeyId _lastKey;
    private Phase _phase;
    private Instant _phaseSince;
    private long _lastFrameTicks;
    private long _aliveSaidTicks;

    private enum Phase : byte
    {
        /// <summary>Nobody has spoken.</summary>
        Hello,

        /// <summary>Challenged.</summary>
        Proof,

        /// <summary>In.</summary>
        Open,
    }

    /// <summary>Whether it has not proven itself yet.</summary>
    public bool IsStranger => _phase != Phase.Open;

    /// <summary>Receives until the connection ends, for whatever reason. Throws for bugs only.</summary>
    public async Task RunAsync()
    {
        try
        {
            // Without a buffer while nothing comes: an idle connection holds none.
            while (await _socket.ReceiveAsync(Memory<byte>.Empty, CancellationToken.None).ConfigureAwait(false) is { MessageType: not WebSocketMessageType.Close } begun)
            {
                if (!await ReceiveOneAsync(begun).ConfigureAwait(false)) break;
            }
            // The agent closed: answer in kind, unless the mesh closed first.
            End(last: null, WebSocketCloseStatus.NormalClosure, "");
        }
        catch (Exception broken) when (IsBroken(broken))
        {
            Abort();
        }
        finally
        {
            lock (_requestGate) _requestHasEnded = true;
            _links.Ended(this, _agent);
        }
    }

    /// <summary>One message, to its end. False when the agent closed in the middle.</summary>
    private async ValueTask<bool> ReceiveOneAsync(ValueWebSocketReceiveResult part)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(ReceiveBytes);
        try
        {
            int count = 0;
            int most = IsStranger ? StrangersBytesMax : FrameLimits.BytesMax;
            while (!part.EndOfMessage)
            {
                if (count == buffer.Length)
                {
                    if (count > most) break;
                    byte[] larger = ArrayPool<byte>.Shared.Rent(buffer.Length * 2);
                    buffer.CopyTo(larger, 0);
                    ArrayPool<byte>.Shared.Return(buffer);
                    buffer = larger;
                }
                part = await _socket.ReceiveAsync(buffer.AsMemory(count), CancellationToken.None).ConfigureAwait(false);
                if (part.MessageType == WebSocketMessageType.Close) return false;
                count += part.Count;
            }
            Instant at = _links.Clock.Now;
            if (Volatile.Read(ref _endingSinceTicks) != 0) return true;
            if (!part.EndOfMessage || count > most) Refuse("malformed", $"larger than {most} bytes");
            else if (part.MessageType != WebSocketMessageType.Text) Refuse("malformed", "a frame is a text message");
            else await HandleAsync(buffer.AsMemory(0, count), at).ConfigureAwait(false);
            return true;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private ValueTask HandleAsync(ReadOnlyMemory<byte> bytes, Instant at)
    {
        if (_phase == Phase.Hello)
        {
            Hello(bytes.Span, at);
            return default;
        }
        if (_agent is { } agent && !agent.Rate.TryTake(0, at))
        {
            TooFast(agent);
            return default;
        }
        OpenedFrame frame = _frames!.Open(bytes.Span, at);
        if (frame.Refusal != FrameRefusal.None)
        {
            Refuse(frame.Refusal.Word(), frame.Why!);
            return default;
        }
        Volatile.Write(ref _lastFrameTicks, at.Ticks);
        _lastKey = frame.Header!.Key;
        if (_phase == Phase.Proof) return ProofAsync(bytes, frame, at);
        Interlocked.Increment(ref _links.Counters.FramesIn);
        Interlocked.Add(ref _links.Counters.MessagesIn, frame.Messages.Count);
        if (!_agent!.Rate.TryTake(frame.Messages.Count, at))
        {
            TooFast(_agent);
            return default;
        }
        return MessagesAsync(bytes, frame.Messages, 0, at);
    }

    /// <summary>The messages of a frame in order; only the rare ones wait for something.</summary>
    private ValueTask MessagesAsync(ReadOnlyMemory<byte> bytes, IReadOnlyList<Range> messages, int from, Instant at)
    {
        for (int i = from; i < messages.Count && Volatile.Read(ref _endingSinceTicks) == 0; i++)
        {
            DecodeResult read = MeshCodec.Default.Decode(bytes.Span[messages[i]]);
            switch (read.Message)
            {
                case AcknowledgeMessage ack:
                    Ack(ack, at);
                    break;
                case HeartbeatMessage beat:
                    Heartbeat(beat, at);
                    break;
                case RotateMessage or ByeMessage:
                    return RareAsync(read.Message, bytes, messages, i + 1, at);
                case { } other:
                    Refuse("unexpected", $"an agent does not send {WireNames.MessageTypes.NameOf(other.Type)}");
                    break;
                default:
                    Refuse("malformed", $"message {i + 1}: {read.Error}");
                    break;
            }
        }
        return default;
    }

    private async ValueTask RareAsync(WireMessage message, ReadOnlyMemory<byte> bytes, IReadOnlyList<Range> messages, int next, Instant at)
    {
        if (message is RotateMessage rotate) await RotateAsync(rotate, at).ConfigureAwait(false);
        else await ByeAsync((ByeMessage)message).ConfigureAwait(false);
        await MessagesAsync(bytes, messages, next, at).ConfigureAwait(false);
    }

    private void Hello(ReadOnlySpan<byte> bytes, Instant at)
    {
        DecodeResult read = MeshCodec.Default.Decode(bytes);
        if (read.Message is not HelloMessage hello)
        {
            Refuse("malformed", read.Error is { } error ? $"no HELLO: {error}" : "the first message must be HELLO");
            return;
        }
        Agent = hello.AgentId;
        Epoch = _links.Directory.NextEpoch();
        if (hello.Version != ProtocolVersion) Refuse("unsupported_version", $"this mesh speaks version {ProtocolVersion}");
        else if (_links.Directory.Find(Agent) is not { } known) Refuse("unknown_agent", "this mesh has not enrolled such an agent");
        else if (known.RevokedAt is not null) Refuse("revoked", "the agent was revoked");
        else if (known.Link != AgentLinkKind.WebSocket) Refuse("wrong_link", "the agent was enrolled for another kind of link");
        else Challenge(hello, at);
    }

    private void Challenge(HelloMessage hello, Instant at)
    {
        Span<byte> random = stackalloc byte[NonceBytes];
        RandomNumberGenerator.Fill(random);
        _nonce = System.Buffers.Text.Base64Url.EncodeToString(random);
        _frames = new FrameGate(Agent.Value, _links.Identity.MeshId, Epoch, KeyOf);
        _phaseSince = at;
        _phase = Phase.Proof;
        Tell(new Control(new ChallengeMessage { Echo = hello.Nonce, Nonce = _nonce, Time = _links.Clock.Now }));
    }

    private async ValueTask ProofAsync(ReadOnlyMemory<byte> bytes, OpenedFrame frame, Instant at)
    {
        DecodeResult read = MeshCodec.Default.Decode(bytes.Span[frame.Messages[0]]);
        if (frame.Messages.Count != 1 || read.Message is not ProofMessage proof)
        {
            Refuse("malformed", "after CHALLENGE the mesh waits for PROOF, alone in its frame");
            return;
        }
        if (!string.Equals(proof.Echo, _nonce, StringComparison.Ordinal))
        {
            Refuse("bad_proof", "echo is not the nonce of the challenge");
            return;
        }
        _nonce = null;
        if (_links.Directory.Find(Agent) is not { RevokedAt: null } known)
        {
            Refuse("revoked", "the agent was revoked");
            return;
        }
        AgentDescription description = new(known.Id, known.Class, [.. known.Capabilities]);
        if (await _links.Membership.JoinAsync(description, _links).ConfigureAwait(false) is not { } member)
        {
            Refuse("mesh_full", "the mesh has no place now", retryAfterMs: 5_000);
            return;
        }
        Volatile.Write(ref _lastFrameTicks, _links.Clock.Now.Ticks);
        _aliveSaidTicks = at.Ticks; // a join is one
        Open(_links.AgentOf(member), member, known, at);
    }

    /// <summary>Takes the agent over. WELCOME is queued before the agent is this session's, so that it comes before every delivery.</summary>
    private void Open(LinkedAgent agent, Membership member, EnrolledAgent known, Instant now)
    {
        AgentSession? older;
        lock (agent.Gate)
        {
            older = agent.Session;
            if (older is not null && older.Epoch > Epoch)
            {
                older = this;
            }
            else
            {
                int again = agent.Outbox.Reconnected(now);
                Interlocked.Add(ref _links.Counters.Redelivered, again);
                _agent = agent;
                _phase = Phase.Open;
                Tell(new Control(Welcome(member, known, again)));
                // The mesh's next key, when there is one: an agent that was away has not heard of it.
                foreach (Ed25519PublicKey next in _links.Identity.Trusted.Skip(1)) Tell(new Control(new MeshKeyMessage { PublicKey = next.ToString() }));
                agent.Session = this;
            }
        }
        if (older is not null)
        {
            Interlocked.Increment(ref _links.Counters.Replaced);
            older.End(new ByeMessage { Reason = "replaced by a newer session of the same agent" }, WebSocketCloseStatus.PolicyViolation, "replaced");
        }
        if (_phase != Phase.Open) return;
        Interlocked.Increment(ref _links.Counters.SessionsOpened);
        _links.Proven();
        MarkDirty();
        // Revoked between the check and here: the revocation found no session to close.
        if (KeyOf(_lastKey, now) is null) Revoked();
    }

    private WelcomeMessage Welcome(Membership member, EnrolledAgent known, int again) => new()
    {
        AgentId = Agent,
        AgentClass = known.Class,
        ClusterId = new ClusterId(member.Place.Cluster.Sector, member.Place.Cluster.Cluster),
        Capabilities = known.Capabilities,
        HeartbeatMs = (int)_links.Options.HeartbeatEvery.TotalMilliseconds,
        IdleMs = (int)_links.Options.IdleAfter.TotalMilliseconds,
        Redelivered = again,
        RotateBy = known.Keys.FirstOrDefault(k => k.Key.Id == _lastKey)?.RotateBy,
    };

    private void Ack(AcknowledgeMessage ack, Instant at)
    {
        if (ack.AgentId != Agent)
        {
            Refuse("wrong_address", "an ACK of another agent");
            return;
        }
        LinkedAgent agent = _agent!;
        OutboxItem? item;
        int depth;
        lock (agent.Gate)
        {
            item = agent.Outbox.Answered(ack.MessageId, ack.TrinaryState);
            depth = agent.Outbox.Unanswered;
        }
        if (item is null)
        {
            Interlocked.Increment(ref _links.Counters.UnknownAcks);
            return;
        }
        // TRANSIT is what the lead believes already.
        if (ack.TrinaryState == TrinaryState.Transit) return;
        _links.Post(new AgentAck
        {
            ClusterIndex = item.Cluster,
            Slot = item.Slot,
            Operation = item.Operation,
            ReceivedAt = at,
            State = ack.TrinaryState,
            ProcessingMs = (float)ack.ProcessingTimeMs,
            QueueWaitMs = (float)(ack.QueueWaitMs ?? 0),
            QueueDepth = depth,
            Detail = ack.Result is null && ack.ConflictDetail is null ? null : new AckDetail(ack.Result, ack.ConflictDetail),
        });
        // An answer is a sign of life. The lead learns from acks when it is idle: a busy one would take an agent for offline that answers all the time.
        if (at.Ticks - _aliveSaidTicks < _links.Options.HeartbeatEvery.Ticks) return;
        Alive(agent.Member, at, depth, contextHash: null);
    }

    private void Alive(Membership member, Instant at, int queueDepth, string? contextHash)
    {
        _aliveSaidTicks = at.Ticks;
        _links.Post(new AgentHeartbeat { ClusterIndex = member.Place.Cluster.Index, Slot = member.Place.Slot, ReceivedAt = at, QueueDepth = queueDepth, ContextHash = contextHash });
    }

    private void Heartbeat(HeartbeatMessage beat, Instant at)
    {
        if (beat.AgentId != Agent)
        {
            Refuse("wrong_address", "a HEARTBEAT of another agent");
            return;
        }
        Alive(_agent!.Member, at, beat.QueueDepth ?? beat.Impedance?.CurrentQueueDepth ?? 0, beat.ContextHash ?? beat.Impedance?.CurrentContextHash);
        if (beat.Clock) Tell(new Control(new ClockMessage { Echo = beat.Timestamp, ReceivedAt = at, SentAt = at }));
    }

    private async ValueTask RotateAsync(RotateMessage rotate, Instant at)
    {
        EnrolResult result = await _links.Directory.RotateAsync(Agent, _lastKey, rotate.PublicKey, rotate.Proof, _links.Identity, at).ConfigureAwait(false);
        if (result.Agent is not { Keys.Count: > 0 } agent)
        {
            Refuse(result.Code ?? "bad_public_key", result.Why ?? "the key was not taken");
            return;
        }
        EnrolledKey newest = agent.Keys[^1];
        Instant oldUntil = agent.Keys.FirstOrDefault(k => k.Key.Id == _lastKey)?.ValidUntil ?? at;
        Tell(new Control(new RotatedMessage { KeyId = newest.Key.Id.Value, OldKeyValidUntil = oldUntil, RotateBy = newest.RotateBy }));
    }

    private async ValueTask ByeAsync(ByeMessage bye)
    {
        if (bye.Leave) await _links.LeaveAsync(_agent!).ConfigureAwait(false);
        End(last: null, WebSocketCloseStatus.NormalClosure, "bye");
    }

    /// <summary>The agent, or the key that it uses, is valid no more.</summary>
    public void Revoked() => Refuse("revoked", "the key or the agent was revoked");

    /// <summary>Whether the key that it uses is still valid.</summary>
    public bool IsKeyValid(Instant now) => _lastKey.Value is null || KeyOf(_lastKey, now) is not null;

    private Ed25519PublicKey? KeyOf(KeyId key, Instant now) => _links.Directory.KeyOf(Agent, key, now);

    private void TooFast(LinkedAgent agent) =>
        Refuse("too_fast", $"more than {_links.Options.MessagesPerSecond} messages a second", retryAfterMs: Math.Max(100, agent.Rate.WaitMs));

    /// <summary>Says why and closes. Whoever has not said who it is learns it from the close frame alone.</summary>
    private void Refuse(string code, string why, int? retryAfterMs = null)
    {
        string text = why.Length > CodecLimits.Default.StringCharsMax ? why[..CodecLimits.Default.StringCharsMax] : why;
        _links.Counters.Refused(code);
        _links.Log.Write(code, Agent.Value ?? "?", text, _links.Clock.Now);
        End(new RefusedMessage { Code = code, Message = text, RetryAfterMs = retryAfterMs }, WebSocketCloseStatus.PolicyViolation, code);
    }

    private void SweepReceiving(Instant now, AgentLinkOptions options)
    {
        if (_phase != Phase.Open)
        {
            if (now - _phaseSince > options.HandshakeWithin) Refuse("handshake_timeout", "the handshake took too long", retryAfterMs: 1_000);
        }
        else if (now.Ticks - Volatile.Read(ref _lastFrameTicks) > options.IdleAfter.Ticks)
        {
            _links.Counters.Refused("idle");
            End(new ByeMessage { Reason = "idle: no frame for three heartbeats" }, WebSocketCloseStatus.NormalClosure, "idle");
        }
    }
}
