using System.Buffers.Text;
using System.Net.WebSockets;
using Mesh30K.Agent.Delivery;
using Mesh30K.Agent.Effects;
using Mesh30K.Agent.Identity;
using Mesh30K.Agent.Session;
using Mesh30K.Agent.Timing;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Json;
using Mesh30K.Protocol.Messages;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Agent;

/// <summary>
/// An agent of a mesh: enrols if it must, connects, reconnects with growing pauses, hands each delivery once to the handler, measures its time, holds until T, answers, sends heartbeats, rotates its key.
/// Thread-safe; <see cref="RunAsync"/> once.
/// </summary>
/// <remarks>The mesh delivers at least once; a delivery reaches the handler once in a process. A process that was killed may get again what it had not answered. Wire: docs/protocol/links.md.</remarks>
public sealed class MeshAgent : IAsyncDisposable
{
    /// <summary>A key is rotated from so long before its time on, at the first chance.</summary>
    private static readonly TimeSpan RotateBefore = TimeSpan.FromDays(3);

    /// <summary>Keys that live shorter than <see cref="RotateBefore"/> are not rotated without end.</summary>
    private static readonly TimeSpan RotateAtMostEvery = TimeSpan.FromMinutes(10);

    /// <summary>What was sent last is lost when the connection is broken off: longer than a busy machine lets a process stand still.</summary>
    private static readonly TimeSpan CloseWithin = TimeSpan.FromSeconds(5);

    /// <summary>A session that held so long was a good one: the next pause is short again.</summary>
    private static readonly TimeSpan GoodSession = TimeSpan.FromSeconds(10);

    private readonly MeshAgentOptions _options;
    private readonly MeshClock _clock = new();
    private readonly SessionPauses _pauses = new(Random.Shared);
    private readonly CancellationTokenSource _disposed = new();
    private readonly TaskCompletionSource<AgentId> _known = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile IdentityFolder? _folder;
    private volatile bool _hasEnded;
    private DeliveryDesk _desk = null!;
    private volatile MeshSession? _session;
    private Task _running = Task.CompletedTask;
    private long _rotatedTicks = MeshClock.LocalTicks - RotateAtMostEvery.Ticks - 1;
    private long _rotateByTicks = Instant.MaxValue.Ticks;
    private int _started;

    /// <summary>Throws <see cref="ArgumentException"/> for options out of range; nothing else happens yet.</summary>
    public MeshAgent(MeshAgentOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _options = options;
    }

    /// <summary>
    /// Works until cancelled, then lets running handlers end (<see cref="MeshAgentOptions.StopWithin"/>), says BYE and returns. Ends with <see cref="MeshRefusedException"/> when the mesh refuses the agent for good, and with
    /// <see cref="AgentIdentityException"/> when the folder cannot be used. An exception of the handler is a CONFLICT of type OTHER that says which. The handler's token is cancelled when the mesh no longer wants the work,
    /// at the end of its time to live, and at the end of the stop.
    /// </summary>
    public Task RunAsync(Func<Work, CancellationToken, Task<WorkResult>> handler, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(handler);
        if (Interlocked.Exchange(ref _started, 1) != 0) throw new InvalidOperationException("an agent runs once; make another one");
        return _running = RunOnceAsync(handler, cancel);
    }

    /// <summary>
    /// Effects in this agent's own name, recorded at its node: each runs once per key. The agent signs, so it has to run: what is begun before it is enrolled waits for that, and what is still executed when
    /// <see cref="RunAsync"/> has ended cannot be recorded any more (<see cref="EffectProblem.Unrecorded"/>). Make one and keep it; dispose of it.
    /// </summary>
    /// <param name="configure">Changes leases, retention and waits: <c>agent.Effects(o => o with { Lease = … })</c>.</param>
    public MeshEffects Effects(Func<MeshEffectsOptions, MeshEffectsOptions>? configure = null)
    {
        MeshEffectsOptions options = new() { Node = _options.Node, Agent = this };
        return new MeshEffects(configure?.Invoke(options) ?? options);
    }

    /// <summary>Stops it as cancelling does, and waits for its end.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _started, 2) == 2) return;
        await _disposed.CancelAsync().ConfigureAwait(false);
        await _running.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default).ConfigureAwait(false);
        _disposed.Dispose();
    }

    /// <summary>Ends with its id when it is enrolled; cancelled when it ended before that.</summary>
    internal Task<AgentId> Known => _known.Task;

    /// <summary>Who signs, and the mesh's time as it knows it. Throws <see cref="ObjectDisposedException"/> when it has ended. Not before <see cref="Known"/>.</summary>
    internal (AgentIdentity Self, Instant Now) Signing
    {
        get
        {
            ObjectDisposedException.ThrowIf(_hasEnded, this);
            return (Self, _clock.Now);
        }
    }

    private AgentIdentity Self => _folder!.Current!;

    private async Task RunOnceAsync(Func<Work, CancellationToken, Task<WorkResult>> handler, CancellationToken cancel)
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancel, _disposed.Token);
        using IdentityFolder folder = _folder = IdentityFolder.Open(_options.IdentityFolder);
        try
        {
            await EnrolAsync(stop.Token).ConfigureAwait(false);
            _known.TrySetResult(Self.Id);
            _desk = new DeliveryDesk(_options, Self.Id, _clock, handler, ack => _session?.TrySend(ack));
            while (true) await ConnectOnceAsync(stop.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The way to end an agent.
        }
        finally
        {
            _hasEnded = true;
            _known.TrySetCanceled(CancellationToken.None);
        }
    }

    private async Task EnrolAsync(CancellationToken stop)
    {
        while (_folder!.Current is null)
        {
            try
            {
                await Enrolment.RunAsync(_options, _folder, stop).ConfigureAwait(false);
                _options.Log?.Invoke($"enrolled as {Self.Id.Value} at {Self.MeshId}");
            }
            catch (Exception failed) when (failed is HttpRequestException or OperationCanceledException && !stop.IsCancellationRequested)
            {
                await PauseAsync(failed is HttpRequestException ? Words.Short(failed.Message) : "no answer to the enrolment", null, stop).ConfigureAwait(false);
            }
        }
        if (_options.Id is { } wanted && wanted != Self.Id)
            throw new AgentIdentityException($"{_options.IdentityFolder} holds the identity of {Self.Id.Value}, not of {wanted.Value}: give each agent its own folder");
    }

    /// <summary>One connection from its start to its end, and the pause after it.</summary>
    private async Task ConnectOnceAsync(CancellationToken stop)
    {
        long opened = MeshClock.LocalTicks;
        TimeSpan? asked = null;
        string ended;
        try
        {
            MeshSession session = await MeshSession.OpenAsync(_options.Node, _clock, () => Self, stop).ConfigureAwait(false);
            await using (session.ConfigureAwait(false))
            {
                opened = MeshClock.LocalTicks;
                ended = await ServeAsync(session, stop).ConfigureAwait(false) is { } reason ? $"the mesh said bye: {reason}" : "the mesh closed the connection";
            }
        }
        catch (SessionRefusedException refused)
        {
            if (refused.IsAboutKey && Self.Next is not null)
            {
                // The rotation's answer was lost, and the old key has run out since: the new one is the one that the mesh knows.
                _folder!.EndRotation(Self.RotateBy);
                ended = "the mesh does not know the old key any more; going on with the new one";
            }
            else if (refused.IsForGood)
            {
                throw new MeshRefusedException(refused.Code, refused.Why);
            }
            else
            {
                (ended, asked) = ($"refused: {refused.Message}", refused.RetryAfter);
            }
        }
        catch (Exception broken) when (broken is SessionBrokenException or WebSocketException or IOException)
        {
            ended = Words.Short(broken.Message);
        }
        if (MeshClock.LocalTicks - opened > GoodSession.Ticks) _pauses.Reset();
        await PauseAsync(ended, asked, stop).ConfigureAwait(false);
    }

    private async Task<string?> ServeAsync(MeshSession session, CancellationToken stop)
    {
        WelcomeMessage welcome = session.Welcome;
        _options.Log?.Invoke($"connected as {Self.Id.Value} ({WireNames.Classes.NameOf(welcome.AgentClass)}, {welcome.ClusterId}); {welcome.Redelivered} deliveries come again");
        // A THAW may have been lost with the last connection; a mesh that is still frozen sends nothing or says so again.
        _desk.Freeze(frozen: false);
        _session = session;
        using CancellationTokenSource ended = new();
        using CancellationTokenSource asked = CancellationTokenSource.CreateLinkedTokenSource(stop);
        Volatile.Write(ref _rotateByTicks, (welcome.RotateBy ?? Instant.MaxValue).Ticks);
        Task<string?> serving = session.RunAsync(Received, () => Beat(session), ended.Token);
        try
        {
            if (await Task.WhenAny(serving, Task.Delay(Timeout.Infinite, asked.Token)).ConfigureAwait(false) == serving) return await serving.ConfigureAwait(false);
            // Answers of what ends now still go out on this session.
            await _desk.StopAsync(_options.StopWithin).ConfigureAwait(false);
            session.Leave("stopping");
            if (await Task.WhenAny(serving, Task.Delay(CloseWithin, CancellationToken.None)).ConfigureAwait(false) != serving) await ended.CancelAsync().ConfigureAwait(false);
            await serving.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default).ConfigureAwait(false);
        }
        finally
        {
            _session = null;
            await asked.CancelAsync().ConfigureAwait(false);
        }
        throw new OperationCanceledException(stop);
    }

    /// <summary>Called before each heartbeat.</summary>
    private int Beat(MeshSession session)
    {
        if (new Instant(Volatile.Read(ref _rotateByTicks)) - _clock.Now < RotateBefore && MeshClock.LocalTicks - _rotatedTicks > RotateAtMostEvery.Ticks)
        {
            _rotatedTicks = MeshClock.LocalTicks;
            Ed25519PrivateKey next = _folder!.BeginRotation();
            byte[] proof = new byte[Ed25519PublicKey.SignatureBytes];
            next.Sign(KeyProof.BytesOf(Self.Id, Self.MeshId, next.PublicKey), proof);
            _ = session.TrySend(MeshCodec.Default.Encode(new RotateMessage { PublicKey = next.PublicKey.ToString(), Proof = Base64Url.EncodeToString(proof) }));
        }
        return _desk.Depth;
    }

    private void Received(WireMessage message)
    {
        switch (message)
        {
            case CoordinationMessage work:
                _desk.Take(work);
                break;
            case CancelMessage cancel:
                _desk.Cancel(cancel.MessageId);
                break;
            case FreezeMessage:
                _options.Log?.Invoke("frozen: nothing new is started until THAW");
                _desk.Freeze(frozen: true);
                break;
            case ThawMessage:
                _options.Log?.Invoke("thawed");
                _desk.Freeze(frozen: false);
                break;
            case CircuitBreakerMessage circuit:
                _options.Log?.Invoke($"circuit {WireNames.CircuitActions.NameOf(circuit.Action)} of {circuit.TargetId}: {Words.Short(circuit.Reason)}");
                _options.Circuit?.Invoke(circuit);
                break;
            case RotatedMessage rotated when rotated.KeyId == Self.Next?.PublicKey.Id.Value:
                _folder!.EndRotation(rotated.RotateBy);
                Volatile.Write(ref _rotateByTicks, rotated.RotateBy.Ticks);
                _options.Log?.Invoke($"the key was rotated: {rotated.KeyId} from now on");
                break;
            case MeshKeyMessage key:
                Trust(key);
                break;
            default:
                // What a newer mesh may say of itself is no concern of an agent.
                break;
        }
    }

    private void Trust(MeshKeyMessage message)
    {
        if (Ed25519PublicKey.TryParse(message.PublicKey, out Ed25519PublicKey? key) is { } wrong)
        {
            _options.Log?.Invoke($"the mesh's new key was not taken: {wrong}");
            return;
        }
        _folder!.Trust(key!);
    }

    private async Task PauseAsync(string why, TimeSpan? asked, CancellationToken stop)
    {
        TimeSpan pause = _pauses.Next(asked);
        _options.Log?.Invoke($"{why}; trying again in {pause.TotalSeconds:0.0} s");
        await Task.Delay(pause, stop).ConfigureAwait(false);
    }
}
