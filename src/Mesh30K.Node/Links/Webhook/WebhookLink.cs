using System.Collections.Concurrent;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Node.Api;
using Mesh30K.Node.Identity;
using Mesh30K.Node.Ports;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;
using Mesh30K.Protocol.Timing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Polly;
using Polly.Retry;

namespace Mesh30K.Node.Links.Webhook;

/// <summary>Figures of the webhook link since the node started.</summary>
internal sealed class WebhookCounters
{
    public long Calls;
    public long Acks;
    public long Retries;
    public long GivenUp;
    public long Evicted;
    public long LostAcks;
    public long Undeliverable;

    public ConcurrentDictionary<string, long> Failures { get; } = new(StringComparer.Ordinal);
}

/// <summary>The webhook link in figures.</summary>
/// <param name="Agents">Agents behind webhooks that have a place in the mesh.</param>
/// <param name="Alive">Of these, those that answered their last call.</param>
/// <param name="Waiting">Deliveries that wait for their call.</param>
/// <param name="Calls">Calls made, probes and repeated ones among them.</param>
/// <param name="Acks">Deliveries that were answered with READY or CONFLICT.</param>
/// <param name="Retries">Calls that were made again.</param>
/// <param name="GivenUp">Deliveries whose time was over, or that were taken back, before an answer.</param>
/// <param name="Evicted">Deliveries that a full outbox did not keep.</param>
/// <param name="LostAcks">Acks that a full mailbox did not take.</param>
/// <param name="Undeliverable">Deliveries for agents that had left, or too large for a frame.</param>
/// <param name="Failures">Calls that failed or were refused, by code.</param>
public sealed record WebhooksView(
    int Agents, int Alive, int Waiting, long Calls, long Acks, long Retries, long GivenUp, long Evicted, long LostAcks, long Undeliverable, IReadOnlyDictionary<string, long> Failures);

/// <summary>
/// The webhook link (docs/protocol/links.md): agents that are called instead of connecting. Joins all that are enrolled at start and those that come later, calls only allowed addresses, one call at a time for an agent and
/// a bounded number in all, and again with growing pauses until there is an answer or the delivery's time is over. Thread-safe; owned by the node's server.
/// </summary>
public sealed class WebhookLink : IAgentLink, IAsyncDisposable
{
    private const int MessageBytesMax = FrameLimits.BytesMax - 4_096;
    private static readonly TimeSpan JoinAgainWithin = TimeSpan.FromSeconds(7.5);

    private readonly ConcurrentDictionary<AgentId, WebhookAgent> _agents = new();
    private readonly ConcurrentDictionary<int, WebhookAgent> _byIndex = new();
    private readonly ConcurrentDictionary<Task, byte> _running = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly int _clustersPerSector;
    private readonly IngressBatcher<AgentAck>[] _acks;
    private readonly IngressBatcher<AgentHeartbeat>[] _heartbeats;
    private readonly Task _ticking;
    private readonly RefusalLog _log = new();
    private string? _failure;

    /// <param name="needs">The node around it.</param>
    /// <param name="clustersPerSector">Of the mesh's shape: which loop an ack belongs to.</param>
    /// <param name="options">What may be called, and the bounds.</param>
    public WebhookLink(AgentLinkNeeds needs, int clustersPerSector, WebhookOptions options)
    {
        ArgumentNullException.ThrowIfNull(needs);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(clustersPerSector, 1);
        options.Validate();
        (Needs, Options, _clustersPerSector) = (needs, options, clustersPerSector);
        Places = new SemaphoreSlim(options.CallsMax);
        Caller = new WebhookCaller(options);
        Retries = new ResiliencePipelineBuilder<CallResult>()
            .AddRetry(new RetryStrategyOptions<CallResult>
            {
                ShouldHandle = static args => ValueTask.FromResult(args.Outcome.Result.Outcome is CallOutcome.Failed or CallOutcome.NotYet && args.Outcome.Exception is null),
                BackoffType = DelayBackoffType.Exponential,
                UseJitter = true,
                Delay = options.RetryFirst,
                MaxDelay = options.RetryMax,
                // The delivery's time to live ends it: the token that each call gets.
                MaxRetryAttempts = int.MaxValue,
                OnRetry = _ =>
                {
                    Interlocked.Increment(ref Counters.Retries);
                    return ValueTask.CompletedTask;
                },
            })
            .Build();
        IMeshIngress ingress = needs.Ingress;
        _acks = [.. Enumerable.Range(0, ingress.Loops).Select(loop => new IngressBatcher<AgentAck>((acks, count) => ingress.Post(loop, acks, count), lost => Interlocked.Add(ref Counters.LostAcks, lost)))];
        _heartbeats = [.. Enumerable.Range(0, ingress.Loops).Select(loop => new IngressBatcher<AgentHeartbeat>(
            (beats, count) => ingress.Post(loop, beats, count), static _ => { /* the next comes in a few seconds; the host counts the batch */ }))];
        needs.Directory.Enrolled += OnEnrolled;
        needs.Directory.Revoked += OnRevoked;
        foreach (EnrolledAgent agent in needs.Directory.All) OnEnrolled(agent);
        _ticking = TickAsync();
    }

    /// <summary>Why it does not work as it should, or null.</summary>
    public string? NotReadyBecause => Volatile.Read(ref _failure);

    internal AgentLinkNeeds Needs { get; }

    internal WebhookOptions Options { get; }

    internal WebhookCounters Counters { get; } = new();

    internal SemaphoreSlim Places { get; }

    internal WebhookCaller Caller { get; }

    internal ResiliencePipeline<CallResult> Retries { get; }

    /// <inheritdoc/>
    public void Deliver(ReadOnlySpan<Delivery> due, Instant releasedAt)
    {
        OperationOrder? order = null;
        OrderMessage? message = null;
        foreach (ref readonly Delivery delivery in due)
        {
            if (!ReferenceEquals(order, delivery.Order)) message = OrderMessage.Of(order = delivery.Order);
            if (!_byIndex.TryGetValue(delivery.AgentIndex, out WebhookAgent? agent) || message!.BytesAbout > MessageBytesMax)
            {
                Interlocked.Increment(ref Counters.Undeliverable);
                continue;
            }
            OutboxItem item = new(
                message, delivery.Slip.Operation, delivery.Slip.Cluster.Index, delivery.Slot, delivery.Slip.Lines[delivery.Slot].LeadMs, order.Spec.Priority, delivery.Slip.ExpiresAt);
            agent.Add(item, releasedAt);
        }
    }

    /// <inheritdoc/>
    public void Joined(Membership member)
    {
        if (!_agents.TryGetValue(member.Id, out WebhookAgent? agent)) return;
        if (agent.Member is { } before && before.AgentIndex != member.AgentIndex) _byIndex.TryRemove(before.AgentIndex, out _);
        agent.Member = member;
        _byIndex[member.AgentIndex] = agent;
    }

    /// <inheritdoc/>
    public void Cancel(int agentIndex, MessageId message, string reason)
    {
        if (_byIndex.TryGetValue(agentIndex, out WebhookAgent? agent)) agent.Cancel(message);
    }

    /// <summary>Maps <c>/v1/webhooks</c>, what it does in figures, and takes the server's log.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        _log.Logger = routes.ServiceProvider.GetService<ILoggerFactory>()?.CreateLogger("Mesh30K.Node.Links.Webhook");
        routes.MapGet("/v1/webhooks", (RequestDelegate)(context =>
            context.Response.WriteAsJsonAsync(View(), ApiViews.Default.WebhooksView, cancellationToken: context.RequestAborted)));
    }

    /// <summary>What it does, in figures.</summary>
    public WebhooksView View()
    {
        WebhookAgent[] joined = [.. _agents.Values.Where(a => a.Member is not null)];
        return new WebhooksView(
            joined.Length, joined.Count(a => a.IsAlive), joined.Sum(a => a.Waiting), Volatile.Read(ref Counters.Calls), Volatile.Read(ref Counters.Acks), Volatile.Read(ref Counters.Retries),
            Volatile.Read(ref Counters.GivenUp), Volatile.Read(ref Counters.Evicted), Volatile.Read(ref Counters.LostAcks), Volatile.Read(ref Counters.Undeliverable), Counters.Failures.ToDictionary(StringComparer.Ordinal));
    }

    /// <summary>Breaks off all calls and waits for their ends, 5 s at most. Nothing is called afterwards.</summary>
    public async ValueTask DisposeAsync()
    {
        Needs.Directory.Enrolled -= OnEnrolled;
        Needs.Directory.Revoked -= OnRevoked;
        await _stopping.CancelAsync().ConfigureAwait(false);
        foreach (WebhookAgent agent in _agents.Values) agent.Leave();
        await _ticking.ConfigureAwait(false);
        _ = await Task.WhenAny(Task.WhenAll(_running.Keys), Task.Delay(TimeSpan.FromSeconds(5))).ConfigureAwait(false);
        Caller.Dispose();
    }

    /// <summary>Runs an agent's loop on the thread pool, and keeps hold of it until it ends.</summary>
    internal void Run(Func<Task> loop)
    {
        Task task = Task.Run(loop);
        _running[task] = 0;
        _ = task.ContinueWith(
            done =>
            {
                // What should never happen is shown where operators look: the agent's loop is gone.
                if (done.Exception?.GetBaseException() is { } bug) Volatile.Write(ref _failure, $"a webhook's loop ended: {bug.GetType().Name}: {bug.Message}");
                _running.TryRemove(done, out _);
            },
            CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
    }

    internal void Post(in AgentAck ack) => _acks[LoopOf(ack.ClusterIndex)].Add(ack, ack.ReceivedAt);

    internal void Post(in AgentHeartbeat beat) => _heartbeats[LoopOf(beat.ClusterIndex)].Add(beat, beat.ReceivedAt);

    /// <summary>Counts and logs what went wrong with a call.</summary>
    internal void Tell(AgentId agent, string what, in CallResult result)
    {
        if (result.Outcome is CallOutcome.Answered or CallOutcome.NotYet) return;
        Counters.Failures.AddOrUpdate(result.Code, 1, static (_, n) => n + 1);
        _log.Write("webhook_" + result.Code, agent.Value, $"{what}: {result.Why}", Needs.Clock.Now);
    }

    private int LoopOf(int cluster) => Needs.Ingress.LoopOf(cluster / _clustersPerSector);

    private void OnEnrolled(EnrolledAgent enrolled)
    {
        if (enrolled is not { Link: AgentLinkKind.Webhook, Webhook: { } address, RevokedAt: null }) return;
        Instant now = Needs.Clock.Now;
        // Spread, so that 10,000 agents are not asked at the same moment after a start.
        Instant first = now + (Options.ProbeEvery * Random.Shared.NextDouble());
        if (_agents.ContainsKey(enrolled.Id) || !_agents.TryAdd(enrolled.Id, new WebhookAgent(this, enrolled.Id, address, Needs.Directory.NextEpoch(), first))) return;
        Run(() => JoinAsync(enrolled));
    }

    private async Task JoinAsync(EnrolledAgent enrolled)
    {
        AgentDescription description = new(enrolled.Id, enrolled.Class, [.. enrolled.Capabilities]);
        while (!_stopping.IsCancellationRequested && Needs.Directory.Find(enrolled.Id) is { RevokedAt: null })
        {
            if (await Needs.Membership.JoinAsync(description, this).ConfigureAwait(false) is not null) return;
            _log.Write("webhook_mesh_full", enrolled.Id.Value, "the mesh has no place now; tried again", Needs.Clock.Now);
            await Task.Delay(Backoff.PartOf(JoinAgainWithin, Random.Shared, steady: 1 / 3.0), _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private void OnRevoked(AgentId id)
    {
        // A key alone: the next answer by it is refused.
        if (Needs.Directory.Find(id) is not { RevokedAt: not null } || !_agents.TryRemove(id, out WebhookAgent? agent)) return;
        agent.Leave();
        if (agent.Member is { } member) _byIndex.TryRemove(member.AgentIndex, out _);
        Run(() => Needs.Membership.LeaveAsync(id));
    }

    private async Task TickAsync()
    {
        using PeriodicTimer timer = new(TimeSpan.FromMilliseconds(Math.Clamp(Options.ProbeEvery.TotalMilliseconds / 40, 5, 250)));
        try
        {
            while (await timer.WaitForNextTickAsync(_stopping.Token).ConfigureAwait(false))
            {
                Instant now = Needs.Clock.Now;
                foreach (WebhookAgent agent in _agents.Values)
                {
                    if (agent.NextProbe > now || agent.Member is null) continue;
                    agent.NextProbe = now + Options.ProbeEvery;
                    agent.Probe();
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping.
        }
    }
}
