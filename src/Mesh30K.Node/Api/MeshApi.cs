using Mesh30K.Coordination.Cascades;
using Mesh30K.Node.Api.Delegations;
using Mesh30K.Node.Api.Operations;
using Mesh30K.Node.Api.Status;
using Mesh30K.Node.Hosting;
using Mesh30K.Node.Links;
using Microsoft.AspNetCore.Routing;

namespace Mesh30K.Node.Api;

/// <summary>
/// The operator's API of one mesh under /v1 (docs/protocol/http-api.md): operations, agents, sectors, status, events. Made before operations are
/// submitted, so that it sees all of them. Thread-safe; disposed by its owner after the server has stopped.
/// </summary>
public sealed class MeshApi : IAsyncDisposable
{
    private readonly MeshHost _mesh;
    private readonly OperationFeed _feed;
    private readonly OperationEndpoints _operations;
    private readonly DelegationEndpoints _delegations;
    private readonly StatusEndpoints _status;
    private readonly AgentEndpoints _agents;
    private readonly CancellationTokenSource _stopping = new();
    private volatile bool _draining;

    /// <param name="mesh">The mesh. Its <see cref="MeshHost.OnStarted"/> and <see cref="MeshHost.OnCompleted"/> are added to, not replaced.</param>
    /// <param name="defaults">What a request starts from where it says nothing; null for the defaults of <see cref="OperationSpec"/>.</param>
    /// <param name="bounds">The bounds of what is remembered.</param>
    public MeshApi(MeshHost mesh, OperationSpec? defaults = null, OperationStoreOptions? bounds = null)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        _mesh = mesh;
        Store = new OperationStore(bounds);
        Events = new EventStream(Guid.NewGuid().ToString("N"));
        _feed = new OperationFeed(Store, Events);
        _operations = new OperationEndpoints(mesh, Store, new OperationRules(mesh, defaults ?? new OperationSpec()), () => Refusal, _stopping.Token);
        _delegations = new DelegationEndpoints(mesh, () => Refusal, _stopping.Token);
        _status = new StatusEndpoints(mesh, Store, _feed, Events, () => Refusal, () => Links?.Invoke());
        _agents = new AgentEndpoints(mesh);
        mesh.OnStarted += Store.Started;
        mesh.OnCompleted += Store.Ended;
    }

    /// <summary>The operations of this run.</summary>
    public OperationStore Store { get; }

    /// <summary>What <c>/v1/events</c> serves; others may publish to it too.</summary>
    public EventStream Events { get; }

    /// <summary>What <c>/v1/status</c> says of the WebSocket link; null where there is none.</summary>
    public Func<LinksSummary>? Links { get; init; }

    /// <summary>Fires when clients are to wait no longer because the node stops.</summary>
    internal CancellationToken Stopping => _stopping.Token;

    private string? Refusal => _draining ? "The node is stopping and takes no new operations." : _mesh.NotReadyBecause;

    /// <summary>Maps the endpoints.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        _operations.Map(routes);
        _delegations.Map(routes);
        _agents.Map(routes);
        _status.Map(routes);
        routes.MapEventStream("/v1/events", Events);
    }

    /// <summary>Takes no new operations from now on, and waits until those in progress have ended, at most as long as given.</summary>
    /// <returns>How many had not ended.</returns>
    public async Task<int> DrainAsync(TimeSpan most)
    {
        _draining = true;
        DateTime until = DateTime.UtcNow + most;
        while (Store.Unfinished > 0 && DateTime.UtcNow < until) await Task.Delay(20).ConfigureAwait(false);
        await _stopping.CancelAsync().ConfigureAwait(false);
        return Store.Unfinished;
    }

    public async ValueTask DisposeAsync()
    {
        _mesh.OnStarted -= Store.Started;
        _mesh.OnCompleted -= Store.Ended;
        if (!_stopping.IsCancellationRequested) await _stopping.CancelAsync().ConfigureAwait(false);
        await _feed.DisposeAsync().ConfigureAwait(false);
        _stopping.Dispose();
    }
}
