using System.Buffers;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Node.Ports;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Json;
using Mesh30K.Protocol.Messages;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Node.Links.Webhook;

/// <summary>
/// One agent behind a webhook: its deliveries, its session (an epoch for each run of the node), and the one loop that calls it, which exists while there is something to do. The lock guards the outbox and whose turn it
/// is; numbers, gate and buffers belong to the loop.
/// </summary>
internal sealed class WebhookAgent
{
    private readonly WebhookLink _link;
    private readonly Lock _gate = new();
    private readonly Outbox _outbox;
    private readonly FrameGate _frames;
    private readonly FrameBatch _batch = new();
    private readonly ArrayBufferWriter<byte> _output = new(1_024);
    private readonly CancellationTokenSource _gone = new();
    private readonly long _epoch;
    private Membership? _member;
    private CancellationTokenSource? _current;
    private MessageId _currentMessage;
    private long _seq;
    private bool _running;
    private bool _probeIsDue;

    public WebhookAgent(WebhookLink link, AgentId id, Uri address, long epoch, Instant firstProbe)
    {
        (_link, Id, Address, _epoch, NextProbe) = (link, id, address, epoch, firstProbe);
        _outbox = new Outbox(link.Options.OutboxMax);
        _frames = new FrameGate(id.Value, link.Needs.Identity.MeshId, epoch, (key, now) => link.Needs.Directory.KeyOf(id, key, now));
    }

    public AgentId Id { get; }

    public Uri Address { get; }

    /// <summary>When it is asked for life next; only the link's ticker touches it.</summary>
    public Instant NextProbe { get; set; }

    /// <summary>Whether it answered its last call.</summary>
    public bool IsAlive { get; private set; }

    /// <summary>Where it lives; null until it joined.</summary>
    public Membership? Member
    {
        get => Volatile.Read(ref _member);
        set => Volatile.Write(ref _member, value);
    }

    public int Waiting
    {
        get
        {
            lock (_gate) return _outbox.Waiting;
        }
    }

    /// <summary>Takes a delivery. Any thread; does not block.</summary>
    public void Add(OutboxItem item, Instant now)
    {
        lock (_gate)
        {
            if (!_outbox.Add(item, now)) Interlocked.Increment(ref _link.Counters.Evicted);
            Start_NeedsLock();
        }
    }

    /// <summary>Asks for life when nothing else is under way.</summary>
    public void Probe()
    {
        lock (_gate)
        {
            if (_running) return;
            _probeIsDue = true;
            Start_NeedsLock();
        }
    }

    /// <summary>Takes a delivery back; a call that is under way for it is broken off.</summary>
    public void Cancel(MessageId message)
    {
        lock (_gate)
        {
            _ = _outbox.Cancel(message);
            if (_currentMessage == message) _ = _current?.CancelAsync();
        }
    }

    /// <summary>Ends everything for good.</summary>
    public void Leave()
    {
        lock (_gate) _ = _gone.CancelAsync();
    }

    private void Start_NeedsLock()
    {
        if (_running || _gone.IsCancellationRequested) return;
        _running = true;
        _link.Run(RunAsync);
    }

    private async Task RunAsync()
    {
        while (true)
        {
            OutboxItem? item;
            lock (_gate)
            {
                item = _gone.IsCancellationRequested ? null : _outbox.Take(_link.Needs.Clock.Now);
                bool probes = _probeIsDue && !_gone.IsCancellationRequested;
                _probeIsDue = false;
                if (item is null && !probes)
                {
                    _running = false;
                    return;
                }
                _current = CancellationTokenSource.CreateLinkedTokenSource(_gone.Token);
                _currentMessage = item?.Message.Id ?? default;
            }
            using CancellationTokenSource current = _current;
            if (item is null) await ProbeAsync(current.Token).ConfigureAwait(false);
            else await DeliverAsync(item, current).ConfigureAwait(false);
            lock (_gate) _current = null;
        }
    }

    private async Task ProbeAsync(CancellationToken cancel)
    {
        try
        {
            CallResult result = await CallAsync(null, cancel).ConfigureAwait(false);
            IsAlive = result.Outcome is CallOutcome.Answered or CallOutcome.NotYet;
        }
        catch (OperationCanceledException)
        {
            // Gone or stopping: nobody waits for the answer.
        }
    }

    /// <summary>Calls until there is an answer, another call would not help, or the delivery's time is over.</summary>
    private async Task DeliverAsync(OutboxItem item, CancellationTokenSource current)
    {
        try
        {
            TimeSpan left = item.ExpiresAt - _link.Needs.Clock.Now;
            if (left < TimeSpan.FromMilliseconds(int.MaxValue)) current.CancelAfter(left > TimeSpan.Zero ? left : TimeSpan.Zero);
            CallResult result = await _link.Retries.ExecuteAsync(
                static async (state, cancel) => await state.Agent.CallAsync(state.Item, cancel).ConfigureAwait(false), (Agent: this, Item: item), current.Token).ConfigureAwait(false);
            IsAlive = result.Outcome == CallOutcome.Answered;
        }
        catch (OperationCanceledException)
        {
            IsAlive = false;
            Interlocked.Increment(ref _link.Counters.GivenUp);
        }
        // Answered or given up: either way it is not called again.
        lock (_gate) _ = _outbox.Answered(item.Message.Id, TrinaryState.Conflict);
    }

    /// <summary>One call: a delivery, or with null a probe. Another call is a new frame with the same message.</summary>
    private async ValueTask<CallResult> CallAsync(OutboxItem? item, CancellationToken cancel)
    {
        await _link.Places.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            ReadOnlyMemory<byte> frame = Frame(item);
            Interlocked.Increment(ref _link.Counters.Calls);
            CallResult result = await _link.Caller.PostAsync(Address, frame, cancel).ConfigureAwait(false);
            if (result.Outcome == CallOutcome.Answered) result = Read(result.Body.Span, item);
            _link.Tell(Id, item is null ? "probe" : "delivery", result);
            return result;
        }
        finally
        {
            _link.Places.Release();
        }
    }

    private ReadOnlyMemory<byte> Frame(OutboxItem? item)
    {
        Instant now = _link.Needs.Clock.Now;
        Ed25519PrivateKey key = _link.Needs.Identity.Signing;
        _batch.Clear();
        _output.ResetWrittenCount();
        if (item is null) _ = MeshCodec.Default.Encode(_output, new ClockMessage { Echo = now, ReceivedAt = now, SentAt = now });
        else item.Message.WriteTo(_output, Id, item.LeadMs);
        _ = _batch.Begin(new FrameHeader
        {
            From = _link.Needs.Identity.MeshId,
            To = Id.Value,
            Epoch = _epoch,
            Seq = ++_seq,
            SentAt = now,
            ExpiresAt = now + _link.Options.FrameLife,
            Key = key.PublicKey.Id,
        });
        _batch.AddMessage(_output.WrittenSpan);
        _batch.Seal(key);
        _output.ResetWrittenCount();
        _batch.Write(0, _output);
        return _output.WrittenMemory;
    }

    /// <summary>Checks an answer, and hands on what it says.</summary>
    private CallResult Read(ReadOnlySpan<byte> answer, OutboxItem? item)
    {
        Instant at = _link.Needs.Clock.Now;
        OpenedFrame frame = _frames.Open(answer, at);
        if (frame.Refusal != FrameRefusal.None) return new CallResult(CallOutcome.Failed, frame.Refusal.Word(), frame.Why!);
        if (frame.Header!.Seq != _seq) return new CallResult(CallOutcome.Failed, "replayed", "the answer's seq is not the request's");
        List<AcknowledgeMessage> acks = [];
        List<HeartbeatMessage> beats = [];
        foreach (Range range in frame.Messages)
        {
            DecodeResult read = MeshCodec.Default.Decode(answer[range]);
            switch (read.Message)
            {
                case AcknowledgeMessage ack when ack.AgentId == Id && item is not null && ack.MessageId == item.Message.Id:
                    acks.Add(ack);
                    break;
                case HeartbeatMessage beat when beat.AgentId == Id:
                    beats.Add(beat);
                    break;
                case null:
                    return new CallResult(CallOutcome.Refused, "malformed", $"a message of the answer: {read.Error}");
                default:
                    return new CallResult(CallOutcome.Refused, "unexpected", "the answer holds a message that answers something else");
            }
        }
        foreach (HeartbeatMessage beat in beats) Post(beat, at);
        if (item is null) return beats.Count > 0 ? new CallResult(CallOutcome.Answered, "", "") : new CallResult(CallOutcome.Refused, "unexpected", "a probe is answered with HEARTBEAT");
        if (acks.Find(a => a.TrinaryState != TrinaryState.Transit) is not { } final) return new CallResult(CallOutcome.NotYet, "not_yet", "");
        Post(final, item, at);
        return new CallResult(CallOutcome.Answered, "", "");
    }

    private void Post(AcknowledgeMessage ack, OutboxItem item, Instant at)
    {
        Interlocked.Increment(ref _link.Counters.Acks);
        _link.Post(new AgentAck
        {
            ClusterIndex = item.Cluster,
            Slot = item.Slot,
            Operation = item.Operation,
            ReceivedAt = at,
            State = ack.TrinaryState,
            ProcessingMs = (float)ack.ProcessingTimeMs,
            QueueWaitMs = (float)(ack.QueueWaitMs ?? 0),
            QueueDepth = Waiting,
            Detail = ack.Result is null && ack.ConflictDetail is null ? null : new AckDetail(ack.Result, ack.ConflictDetail),
        });
    }

    private void Post(HeartbeatMessage beat, Instant at)
    {
        if (Member is not { } member) return;
        _link.Post(new AgentHeartbeat
        {
            ClusterIndex = member.Place.Cluster.Index,
            Slot = member.Place.Slot,
            ReceivedAt = at,
            QueueDepth = beat.QueueDepth ?? beat.Impedance?.CurrentQueueDepth ?? 0,
            ContextHash = beat.ContextHash ?? beat.Impedance?.CurrentContextHash,
        });
    }
}
