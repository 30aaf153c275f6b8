using System.Diagnostics;
using Mesh30K.Agent.Timing;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Json;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Agent.Delivery;

/// <summary>
/// Takes deliveries, hands each once to the handler, measures, holds what is ready early, and answers. Outlives connections: an answer that could not be sent is sent when the mesh delivers again.
/// Bounded: what waits by <see cref="MeshAgentOptions.QueueMax"/>, what is held by the <see cref="HoldTimer"/>, what was answered by the <see cref="DeliveryLedger"/>. Thread-safe.
/// </summary>
internal sealed class DeliveryDesk
{
    /// <summary>The time to live of a delivery that does not say its own.</summary>
    private static readonly TimeSpan UsualLife = TimeSpan.FromMinutes(5);

    /// <summary>An ACK at its longest: the longest result with every character escaped, and room for the rest. Fits in a frame.</summary>
    private const int AckBytesMax = 512 * 1024;

    private readonly MeshAgentOptions _options;
    private readonly AgentId _self;
    private readonly MeshClock _clock;
    private readonly Func<Work, CancellationToken, Task<WorkResult>> _handler;
    private readonly Action<byte[]> _send;
    private readonly Lock _gate = new();
    private readonly DeliveryLedger _ledger = new();
    private readonly Queue<Job> _waiting = new();
    private readonly Dictionary<MessageId, Job> _open = [];
    private TaskCompletionSource? _drained;
    private int _running;
    private bool _frozen;
    private bool _stopping;

    /// <param name="send">Sends an encoded ACK if there is a connection; never blocks.</param>
    internal DeliveryDesk(MeshAgentOptions options, AgentId self, MeshClock clock, Func<Work, CancellationToken, Task<WorkResult>> handler, Action<byte[]> send) =>
        (_options, _self, _clock, _handler, _send) = (options, self, clock, handler, send);

    /// <summary>Deliveries that wait or are worked on.</summary>
    internal int Depth
    {
        get
        {
            lock (_gate) return _waiting.Count + _running;
        }
    }

    internal void Take(CoordinationMessage message)
    {
        Instant now = _clock.Now;
        Instant expiresAt = Instant.FromUnixMs(message.MessageId.TimestampMs) + (message.TtlMs is { } ttl ? TimeSpan.FromMilliseconds(Math.Min(ttl, uint.MaxValue)) : UsualLife);
        if (now > expiresAt) return;
        Job job = new(message, expiresAt);
        byte[]? answer;
        lock (_gate)
        {
            if (_stopping) return;
            Known known = _ledger.Came(message.MessageId, expiresAt, now, out answer);
            if (known is Known.Open or Known.Closed) return;
            if (known == Known.New)
            {
                _open.Add(message.MessageId, job);
                answer = Refusal(message) is { } refusal ? Encode(message.MessageId, refusal, now, 0, 0) : null;
                if (answer is null)
                {
                    _waiting.Enqueue(job);
                    StartWhatMay_NeedsLock();
                    return;
                }
                Close_NeedsLock(job, answer);
            }
        }
        _send(answer!);
    }

    /// <summary>Nobody wants it any more: its handler is cancelled, and no answer is given.</summary>
    internal void Cancel(MessageId id)
    {
        Job? job;
        lock (_gate)
        {
            if (!_open.TryGetValue(id, out job)) return;
            Close_NeedsLock(job, null);
        }
        job.Cancel();
    }

    /// <summary>Frozen, nothing new is started; what runs goes on.</summary>
    internal void Freeze(bool frozen)
    {
        lock (_gate)
        {
            _frozen = frozen;
            StartWhatMay_NeedsLock();
        }
    }

    /// <summary>Takes and starts nothing more; waits for what runs and what is held, at most so long, then cancels it. What waited is left to the mesh, which delivers it again.</summary>
    internal async Task StopAsync(TimeSpan within)
    {
        Task drained;
        lock (_gate)
        {
            _stopping = true;
            foreach (Job waiting in _waiting) _ = _open.Remove(waiting.Id);
            _waiting.Clear();
            _drained = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            if (_open.Count == 0) _drained.SetResult();
            drained = _drained.Task;
        }
        try
        {
            await drained.WaitAsync(within).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            Job[] late;
            lock (_gate) late = [.. _open.Values];
            foreach (Job job in late) Cancel(job.Id);
        }
    }

    private WorkResult? Refusal(CoordinationMessage message)
    {
        if (message.PayloadHash is { } hash && !hash.Matches(message.Payload.Utf8))
        {
            return WorkResult.Conflict(new ConflictDetail
            {
                Type = ConflictType.HashMismatch,
                ExpectedValue = RawJson.Text(hash.ToString()),
                ReceivedValue = RawJson.Text(PayloadHash.Of(message.Payload.Utf8).ToString()),
            });
        }
        return _waiting.Count >= _options.QueueMax ? WorkResult.Conflict($"the agent's queue is full ({_options.QueueMax} wait)") : null;
    }

    private void StartWhatMay_NeedsLock()
    {
        while (!_frozen && _running < _options.Concurrency && _waiting.TryDequeue(out Job? job))
        {
            // Cancelled while it waited, or its time is over.
            if (!_open.ContainsKey(job.Id)) continue;
            if (_clock.Now > job.ExpiresAt)
            {
                Close_NeedsLock(job, null);
                continue;
            }
            _running++;
            _ = Task.Run(() => WorkAsync(job));
        }
    }

    private async Task WorkAsync(Job job)
    {
        long started = Stopwatch.GetTimestamp();
        WorkResult? result;
        try
        {
            result = await RunHandlerAsync(job).ConfigureAwait(false);
        }
        finally
        {
            lock (_gate)
            {
                _running--;
                StartWhatMay_NeedsLock();
            }
        }
        double processingMs = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
        Instant ready = _clock.Now;
        byte[]? answer = result is null ? null : Encode(job.Id, result, ready, processingMs, Stopwatch.GetElapsedTime(job.Received, started).TotalMilliseconds);
        if (result is { Detail: null } && _options.HoldUntilTarget && job.Message.TargetArrivalTime > ready) await HoldAsync(job).ConfigureAwait(false);
        lock (_gate)
        {
            if (!_open.ContainsKey(job.Id)) return;
            Close_NeedsLock(job, answer);
        }
        if (answer is not null) _send(answer);
    }

    /// <summary>The handler's result; null when nobody waits for one any more.</summary>
    private async Task<WorkResult?> RunHandlerAsync(Job job)
    {
        TimeSpan left = job.ExpiresAt - _clock.Now;
        using CancellationTokenSource stop = new();
        if (!job.Begin(stop)) return null;
        try
        {
            stop.CancelAfter(left > TimeSpan.Zero ? left : TimeSpan.Zero);
            Work work = new()
            {
                Id = job.Id,
                Verb = job.Message.Verb,
                Payload = job.Message.Payload.ToString(),
                Target = _clock.ToWall(job.Message.TargetArrivalTime),
                Deadline = _clock.ToWall(job.ExpiresAt),
                ResultWanted = job.Message.Collect,
            };
            return await _handler(work, stop.Token).ConfigureAwait(false) ?? WorkResult.Conflict("the handler returned null");
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return null;
        }
        catch (Exception broken)
        {
            _options.Log?.Invoke($"work {job.Id}: the handler threw {broken.GetType().Name}: {Words.Short(broken.Message)}");
            return WorkResult.Conflict($"{broken.GetType().Name}: {broken.Message}");
        }
        finally
        {
            job.End();
        }
    }

    private async Task HoldAsync(Job job)
    {
        // Longer than it lives it is not held: a target after the end of its time to live is answered at the end.
        Instant until = job.Message.TargetArrivalTime < job.ExpiresAt ? job.Message.TargetArrivalTime : job.ExpiresAt;
        await Task.WhenAny(HoldTimer.Shared.WaitAsync(_clock.ToLocalTicks(until)), job.Cancelled).ConfigureAwait(false);
    }

    private byte[] Encode(MessageId id, WorkResult result, Instant ready, double processingMs, double queueWaitMs)
    {
        AcknowledgeMessage Ack(WorkResult what) => new()
        {
            MessageId = id,
            AgentId = _self,
            TrinaryState = what.Detail is null ? TrinaryState.Ready : TrinaryState.Conflict,
            ActualArrivalTime = ready,
            ProcessingTimeMs = processingMs,
            QueueWaitMs = queueWaitMs,
            Result = what.Result,
            ConflictDetail = what.Detail,
        };
        try
        {
            byte[] ack = MeshCodec.Default.Encode(Ack(result));
            return ack.Length <= AckBytesMax ? ack : MeshCodec.Default.Encode(Ack(WorkResult.Conflict($"the handler's conflict has {ack.Length} bytes; at most {AckBytesMax} can be sent")));
        }
        catch (ArgumentException wrong)
        {
            // The handler's conflict breaks a rule of the protocol, such as a text that is too long.
            return MeshCodec.Default.Encode(Ack(WorkResult.Conflict($"the handler's conflict cannot be sent: {wrong.Message}")));
        }
    }

    private void Close_NeedsLock(Job job, byte[]? answer)
    {
        _ = _open.Remove(job.Id);
        _ = _ledger.Answer(job.Id, answer, _clock.Now);
        if (_open.Count == 0) _drained?.TrySetResult();
    }

    private sealed class Job(CoordinationMessage message, Instant expiresAt)
    {
        private readonly Lock _gate = new();
        private readonly TaskCompletionSource _cancelled = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private CancellationTokenSource? _stop;

        internal CoordinationMessage Message { get; } = message;

        internal MessageId Id => Message.MessageId;

        internal Instant ExpiresAt { get; } = expiresAt;

        internal long Received { get; } = Stopwatch.GetTimestamp();

        internal Task Cancelled => _cancelled.Task;

        /// <summary>False when it was cancelled already.</summary>
        internal bool Begin(CancellationTokenSource stop)
        {
            lock (_gate)
            {
                if (_cancelled.Task.IsCompleted) return false;
                _stop = stop;
                return true;
            }
        }

        internal void End()
        {
            lock (_gate) _stop = null;
        }

        internal void Cancel()
        {
            _cancelled.TrySetResult();
            // Under the lock, so that the source is not disposed meanwhile; callbacks run elsewhere, as they may take their time.
            lock (_gate) _ = _stop?.CancelAsync();
        }
    }
}
