using System.Collections.Concurrent;
using Mesh30K.Node.Identity;
using Mesh30K.Node.Runtime;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Node.Links;

/// <summary>What one flush signs with and when: the same for all its frames.</summary>
internal readonly record struct Flush(FrameBatch Batch, SendBuffer Scratch, string MeshId, KeyId Key, Instant Now, TimeSpan FrameLife);

/// <summary>
/// One thread that writes to sessions which have something to say: takes up to 256 of them, builds a frame each, signs all with one signature and hands them to their sockets. A socket that does not take its frame at
/// once finishes by itself and its session queues again: nobody waits for it. Each session is in the queue at most once, so the queue is bounded by the connections.
/// </summary>
/// <remarks>A thread of its own and not a task: behind thousands of received frames in the pool's queue, sends would wait for all of them.</remarks>
internal sealed class FrameSender : IDisposable
{
    /// <summary>Bytes of messages in one flush, about: what it copies at most beside one frame.</summary>
    private const int FlushBytes = 2 << 20;

    private readonly ConcurrentQueue<AgentSession> _dirty = new();
    private readonly AutoResetEvent _wake = new(initialState: false);
    private readonly FrameBatch _batch = new();
    private readonly AgentSession[] _sessions = new AgentSession[FrameBatch.FramesMax];
    private readonly AgentSession[] _composed = new AgentSession[FrameBatch.FramesMax];
    private readonly SendBuffer _scratch = new();
    private readonly MeshIdentity _identity;
    private readonly MeshClock _clock;
    private readonly AgentLinkOptions _options;
    private readonly LinkCounters _counters;
    private readonly Thread _thread;
    private SendBuffer _frame = new();
    private int _asleep;
    private volatile bool _stopping;

    public FrameSender(string name, MeshIdentity identity, MeshClock clock, AgentLinkOptions options, LinkCounters counters)
    {
        _identity = identity;
        _clock = clock;
        _options = options;
        _counters = counters;
        _thread = new Thread(Run) { IsBackground = true, Name = name };
        _thread.Start();
    }

    /// <summary>Why it sends no more: a bug ended it. Null while it works.</summary>
    public string? NotReadyBecause { get; private set; }

    /// <summary>Queues a session; the caller has made sure that it is not queued.</summary>
    public void Enqueue(AgentSession session)
    {
        _dirty.Enqueue(session);
        // Full fence: either this sees the sleeper, or the sleeper sees the queue.
        Interlocked.MemoryBarrier();
        if (Volatile.Read(ref _asleep) != 0 && Interlocked.Exchange(ref _asleep, 0) != 0) _wake.Set();
    }

    /// <summary>Ends the thread; what is queued stays unsent.</summary>
    public void Dispose()
    {
        _stopping = true;
        _wake.Set();
        _thread.Join();
        _wake.Dispose();
        _scratch.Dispose();
        _frame.Dispose();
    }

    private void Run()
    {
        try
        {
            while (!_stopping)
            {
                int count = 0;
                while (count < _sessions.Length && _dirty.TryDequeue(out AgentSession? session)) _sessions[count++] = session;
                if (count > 0) FlushAll(_sessions.AsSpan(0, count));
                else Sleep();
            }
        }
#pragma warning disable CA1031 // a bug here must show in /readyz and not end the process
        catch (Exception bug)
#pragma warning restore CA1031
        {
            NotReadyBecause = $"a sender of the links stopped by a bug: {bug.GetType().Name}: {bug.Message}";
        }
    }

    private void Sleep()
    {
        Interlocked.Exchange(ref _asleep, 1);
        if (_dirty.IsEmpty && !_stopping) _wake.WaitOne();
        Volatile.Write(ref _asleep, 0);
    }

    private void FlushAll(Span<AgentSession> sessions)
    {
        int at = 0;
        while (at < sessions.Length)
        {
            Ed25519PrivateKey key = _identity.Signing;
            Flush flush = new(_batch, _scratch, _identity.MeshId, key.PublicKey.Id, _clock.Now, _options.FrameLife);
            int bytes = 0;
            long messages = 0;
            for (; at < sessions.Length && bytes < FlushBytes; at++)
            {
                AgentSession session = sessions[at];
                session.BeginSend();
                int before = _batch.Count;
                (int written, int size) = session.Compose(flush);
                if (_batch.Count > before) _composed[before] = session;
                else session.Sent();
                bytes += size;
                messages += written;
            }
            if (_batch.Count > 0) SealAndSend(key, messages);
            _batch.Clear();
        }
        sessions.Clear();
    }

    private void SealAndSend(Ed25519PrivateKey key, long messages)
    {
        _batch.Seal(key);
        Interlocked.Increment(ref _counters.Signatures);
        Interlocked.Add(ref _counters.FramesOut, _batch.Count);
        Interlocked.Add(ref _counters.MessagesOut, messages);
        for (int i = 0; i < _batch.Count; i++)
        {
            _frame.Clear();
            _batch.Write(i, _frame);
            // A frame that is still on its way keeps its buffer.
            if (!_composed[i].TrySend(_frame)) _frame = new SendBuffer();
            _composed[i] = null!;
        }
    }
}
