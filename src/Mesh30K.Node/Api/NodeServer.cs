using System.Net;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Node.Api.Callers;
using Mesh30K.Node.Api.Channels;
using Mesh30K.Node.Api.Effects;
using Mesh30K.Node.Api.Identity;
using Mesh30K.Node.Api.People;
using Mesh30K.Node.Channels;
using Mesh30K.Node.Hosting;
using Mesh30K.Node.Identity;
using Mesh30K.Node.Ledger;
using Mesh30K.Node.Links;
using Mesh30K.Node.Links.People;
using Mesh30K.Node.Links.Webhook;
using Microsoft.AspNetCore.Routing;

namespace Mesh30K.Node.Api;

/// <summary>How a node serves its mesh.</summary>
public sealed record NodeServerOptions
{
    /// <summary>Where it listens; port 0 takes a free one. Default 127.0.0.1:7300.</summary>
    public IPEndPoint Listen { get; init; } = new(IPAddress.Loopback, 7300);

    /// <summary>The folder of the operator's key, of the file that says where the node is, of the task channels, and of the ledger. Made when missing.</summary>
    public required string DataDirectory { get; init; }

    /// <summary>What an operation is where a request says nothing.</summary>
    public OperationSpec Defaults { get; init; } = new();

    /// <summary>The bounds of the WebSocket link.</summary>
    public AgentLinkOptions Links { get; init; } = new();

    /// <summary>Which webhooks may be called, and how.</summary>
    public WebhookOptions Webhooks { get; init; } = new();

    /// <summary>How long agents' signed requests count.</summary>
    public SignatureOptions Signatures { get; init; } = new();

    /// <summary>Maps further endpoints beside the mesh's own.</summary>
    public Action<IEndpointRouteBuilder> Map { get; init; } = _ => { };
}

/// <summary>
/// A node's server: the mesh, who may join it, and the task channels of the data directory behind HTTP, with the operator's key and the file by which commands find it. Owned by whoever started it.
/// The mesh itself belongs to the caller, who stops it after this.
/// </summary>
public sealed class NodeServer : IAsyncDisposable
{
    /// <summary>How long agents have to close their side at the node's end.</summary>
    private static readonly TimeSpan ByeWithin = TimeSpan.FromSeconds(3);

    private readonly ApiHost _host;
    private readonly PeopleLink _people;
    private readonly ChannelHosts _channels;
    private readonly FolderLedger _ledger;
    private readonly WebhookLink _webhooks;
    private readonly string _stateFile;

    private NodeServer(ApiHost host, MeshApi api, NodeIdentity identity, AgentLinks links, WebhookLink webhooks, PeopleLink people, ChannelHosts channels, FolderLedger ledger, string stateFile)
    {
        _host = host;
        _people = people;
        Api = api;
        Identity = identity;
        Links = links;
        _webhooks = webhooks;
        _channels = channels;
        _ledger = ledger;
        _stateFile = stateFile;
    }

    public MeshApi Api { get; }

    /// <summary>Who may join, and the mesh's own key.</summary>
    public NodeIdentity Identity { get; }

    /// <summary>The agents on WebSockets.</summary>
    public AgentLinks Links { get; }

    /// <summary>Where it listens, with the actual port.</summary>
    public Uri BaseAddress => _host.BaseAddress;

    /// <summary>The key file's path in a data directory.</summary>
    public static string KeyFile(string dataDirectory) => Path.Combine(dataDirectory, "operator.key");

    /// <summary>The path of the file that says where the node is, in a data directory.</summary>
    public static string StateFile(string dataDirectory) => Path.Combine(dataDirectory, "node.json");

    /// <summary>The ledger's folder in a data directory: <c>mesh effect --ledger</c> may use it beside the node.</summary>
    public static string LedgerFolder(string dataDirectory) => Path.Combine(dataDirectory, "ledger");

    /// <summary>
    /// Starts serving. Throws <see cref="OperatorKeyException"/> or <see cref="MeshKeyException"/> when a key file cannot be used, <see cref="Storage.JournalException"/> when the
    /// directory of agents cannot, and <see cref="ListenFailed"/> when it may not or cannot listen; nothing is left running then.
    /// </summary>
    public static async Task<NodeServer> StartAsync(MeshHost mesh, NodeServerOptions options, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(options);
        OperatorKey key = OperatorKey.LoadOrCreate(KeyFile(options.DataDirectory));
        NodeIdentity identity = NodeIdentity.Open(options.DataDirectory, mesh.Clock);
        AgentLinkNeeds needs = new(identity.Directory, identity.Mesh, mesh, mesh, mesh.Clock);
        int clustersPerSector = mesh.Options.Settings.Shape.ClustersPerSector;
        AgentLinks links = new(needs, clustersPerSector, options.Links);
        WebhookLink webhooks = new(needs, clustersPerSector, options.Webhooks);
        MeshApi api = new(mesh, options.Defaults) { Links = links.Summary };
        PeopleLink people = new(new PeopleNeeds(identity.Directory, mesh, mesh, () => mesh.Clock.Now, mesh.Options.Clock));
        ChannelHosts channels = new(options.DataDirectory);
        FolderLedger ledger = FolderLedger.Open(LedgerFolder(options.DataDirectory));
        ApiHost? host = null;
        try
        {
            host = await ApiHost.StartAsync(
                new ApiHostOptions
                {
                    Address = options.Listen.Address,
                    Port = options.Listen.Port,
                    Key = key,
                    Signatures = new SignatureGate(identity.Mesh.MeshId, identity.Directory.KeyOf, identity.Now, options.Signatures),
                    Now = () => identity.Now,
                    ConnectionsMax = links.ConnectionsMax + ProcessLimits.HttpConnections,
                    ConfigurePipeline = AgentLinkEndpoints.Use,
                    Readiness = ChecksOf(mesh, channels, ledger, identity, links, webhooks),
                    Map = routes =>
                    {
                        api.Map(routes);
                        new ChannelEndpoints(channels, api.Stopping).Map(routes);
                        new EffectEndpoints(ledger).Map(routes);
                        new IdentityEndpoints(identity, options.Webhooks.Allowed).Map(routes);
                        AgentLinkEndpoints.Map(routes, links);
                        new InboxEndpoints(people, identity, api.Events).Map(routes);
                        webhooks.Map(routes);
                        options.Map(routes);
                    },
                },
                cancel).ConfigureAwait(false);
            string stateFile = StateFile(options.DataDirectory);
            NodeStateFile.Write(stateFile, new NodeState(host.BaseAddress.ToString(), Environment.ProcessId, DateTimeOffset.UtcNow));
            people.Start();
            return new NodeServer(host, api, identity, links, webhooks, people, channels, ledger, stateFile);
        }
        catch
        {
            if (host is not null) await host.DisposeAsync().ConfigureAwait(false);
            await people.DisposeAsync().ConfigureAwait(false);
            await channels.DisposeAsync().ConfigureAwait(false);
            await ledger.DisposeAsync().ConfigureAwait(false);
            await api.DisposeAsync().ConfigureAwait(false);
            await webhooks.DisposeAsync().ConfigureAwait(false);
            await links.DisposeAsync().ConfigureAwait(false);
            await identity.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private static ReadinessCheck[] ChecksOf(MeshHost mesh, ChannelHosts channels, FolderLedger ledger, NodeIdentity identity, AgentLinks links, WebhookLink webhooks) =>
    [
        new ReadinessCheck("mesh", () => mesh.NotReadyBecause), new ReadinessCheck("channels", () => channels.NotReadyBecause),
        new ReadinessCheck("ledger", () => ledger.NotReadyBecause),
        new ReadinessCheck("identity", () => identity.NotReadyBecause), new ReadinessCheck("links", () => links.NotReadyBecause),
        new ReadinessCheck("webhooks", () => webhooks.NotReadyBecause),
    ];

    /// <summary>Refuses new operations, lets those in progress end as long as <paramref name="drain"/> says, says BYE to the agents, then stops serving within 2 s.</summary>
    /// <returns>How many operations had not ended.</returns>
    public async Task<int> StopAsync(TimeSpan drain)
    {
        int unfinished = await Api.DrainAsync(drain).ConfigureAwait(false);
        await Links.StopAsync(ByeWithin).ConfigureAwait(false);
        using CancellationTokenSource most = new(TimeSpan.FromSeconds(2));
        await _host.StopAsync(most.Token).ConfigureAwait(false);
        return unfinished;
    }

    public async ValueTask DisposeAsync()
    {
        NodeStateFile.RemoveIfOwn(_stateFile);
        await _webhooks.DisposeAsync().ConfigureAwait(false);
        await Links.StopAsync(TimeSpan.Zero).ConfigureAwait(false);
        await _host.DisposeAsync().ConfigureAwait(false);
        await Links.DisposeAsync().ConfigureAwait(false);
        await _people.DisposeAsync().ConfigureAwait(false);
        await _channels.DisposeAsync().ConfigureAwait(false);
        await _ledger.DisposeAsync().ConfigureAwait(false);
        await Api.DisposeAsync().ConfigureAwait(false);
        await Identity.DisposeAsync().ConfigureAwait(false);
    }
}
