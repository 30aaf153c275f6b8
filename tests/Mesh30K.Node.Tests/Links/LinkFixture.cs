using System.Collections.Concurrent;
using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Coordination.Topology;
using Mesh30K.Node.Api;
using Mesh30K.Node.Identity;
using Mesh30K.Node.Links;
using Mesh30K.Node.Ports;
using Mesh30K.Node.Runtime;
using Mesh30K.Node.Tests.Api;
using Mesh30K.Node.Tests.Runtime;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Node.Tests.Links;

/// <summary>A mesh that gives out places in turn, 2 clusters of 4 a sector, and writes down what comes in.</summary>
internal sealed class FakeMesh : IMeshIngress, IMeshMembership
{
    public const int ClustersPerSector = 2;
    private const int AgentsPerCluster = 4;
    private static readonly MeshShape Shape = new(10, ClustersPerSector, AgentsPerCluster);

    private readonly ConcurrentDictionary<AgentId, Membership> _members = new();
    private int _next;

    public ConcurrentQueue<AgentAck> Acks { get; } = new();

    public ConcurrentQueue<AgentHeartbeat> Heartbeats { get; } = new();

    public ConcurrentQueue<AgentId> Left { get; } = new();

    public bool IsFull { get; set; }

    public int Loops => 2;

    public int LoopOf(int sector) => sector % Loops;

    public bool Post(int loop, AgentAck[] acks, int count)
    {
        foreach (AgentAck ack in acks.AsSpan(0, count))
        {
            Assert.Equal(loop, LoopOf(ack.ClusterIndex / ClustersPerSector));
            Acks.Enqueue(ack);
        }
        return true;
    }

    public bool Post(int loop, AgentHeartbeat[] heartbeats, int count)
    {
        foreach (AgentHeartbeat beat in heartbeats.AsSpan(0, count)) Heartbeats.Enqueue(beat);
        return true;
    }

    public Task<Membership?> JoinAsync(AgentDescription agent, IAgentLink link)
    {
        if (IsFull) return Task.FromResult<Membership?>(null);
        Membership member = _members.GetOrAdd(agent.Id, id =>
        {
            int index = Interlocked.Increment(ref _next) - 1;
            return new Membership(id, index, new AgentPlace(ClusterAddress.Of(Shape, index / AgentsPerCluster), index % AgentsPerCluster));
        });
        link.Joined(member);
        return Task.FromResult<Membership?>(member);
    }

    public Task LeaveAsync(AgentId id)
    {
        Left.Enqueue(id);
        _members.TryRemove(id, out _);
        return Task.CompletedTask;
    }

    public Membership Of(string agent) => _members[new AgentId(agent)];
}

/// <summary>The link behind a real server on a free port, with a directory and a key of its own, by a clock that knows no stalls. Everything is removed at the end.</summary>
internal sealed class LinkFixture : IAsyncDisposable
{
    private readonly DirectoryInfo _folder;
    private long _handle;

    private LinkFixture(DirectoryInfo folder, AgentDirectory directory, MeshIdentity identity, MeshClock clock, FakeMesh mesh, AgentLinks links, ApiHost host, OperatorKey key)
    {
        _folder = folder;
        (Directory, Identity, Clock, Mesh, Links, Host) = (directory, identity, clock, mesh, links, host);
        Client = new HttpClient { BaseAddress = host.BaseAddress, Timeout = ApiFixture.Generous };
        Client.DefaultRequestHeaders.Authorization = key.ToHeader();
    }

    public AgentDirectory Directory { get; }

    public MeshIdentity Identity { get; }

    public MeshClock Clock { get; }

    public FakeMesh Mesh { get; }

    public AgentLinks Links { get; }

    public ApiHost Host { get; }

    public HttpClient Client { get; }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static async Task<LinkFixture> StartAsync(AgentLinkOptions? options = null)
    {
        DirectoryInfo folder = System.IO.Directory.CreateTempSubdirectory("mesh-link-");
        MeshClock clock = new(new PacedClock());
        AgentDirectory directory = AgentDirectory.Open(folder.FullName, clock.Now);
        MeshIdentity identity = MeshIdentity.LoadOrCreate(folder.FullName, clock.Now);
        FakeMesh mesh = new();
        AgentLinks links = new(new AgentLinkNeeds(directory, identity, mesh, mesh, clock), FakeMesh.ClustersPerSector, options);
        OperatorKey key = OperatorKey.LoadOrCreate(Path.Combine(folder.FullName, "operator.key"));
        ApiHost host = await ApiHost.StartAsync(
            new ApiHostOptions
            {
                Key = key,
                ConnectionsMax = links.ConnectionsMax + ProcessLimits.HttpConnections,
                ConfigurePipeline = AgentLinkEndpoints.Use,
                Map = routes => AgentLinkEndpoints.Map(routes, links),
            },
            Cancel);
        return new LinkFixture(folder, directory, identity, clock, mesh, links, host, key);
    }

    /// <summary>Enrols an agent; it is not connected.</summary>
    public async Task<Ed25519PrivateKey> EnrolAsync(string name)
    {
        AgentId id = new(name);
        Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        string token = await Directory.IssueTokenAsync(
            new TokenGrant { AgentId = id, Class = ImpedanceClass.Edge, Capabilities = ["route"], ValidUntil = Clock.Now.PlusMs(60_000) }, Identity, Clock.Now);
        EnrolResult result = await Directory.EnrolAsync(token, id, key.PublicKey.ToString(), ProofOf(key, id), Identity, Clock.Now);
        Assert.Null(result.Code);
        return key;
    }

    public string ProofOf(Ed25519PrivateKey key, AgentId id)
    {
        byte[] signature = new byte[64];
        key.Sign(KeyProof.BytesOf(id, Identity.MeshId, key.PublicKey), signature);
        return System.Buffers.Text.Base64Url.EncodeToString(signature);
    }

    /// <summary>Enrols and connects an agent, up to WELCOME.</summary>
    public async Task<TestAgent> JoinAsync(string name)
    {
        TestAgent agent = new(name, await EnrolAsync(name), Identity, Clock);
        await agent.ConnectAsync(Host.BaseAddress);
        await agent.ReadUntilAsync("WELCOME");
        return agent;
    }

    /// <summary>Delivers one message to each of these agents; returns its id as it stands on the wire.</summary>
    public string Deliver(IReadOnlyList<string> agents, string payload = "null", double ttlMs = 60_000, Priority priority = Priority.High, double agoMs = 0)
    {
        Instant now = Clock.Now;
        OperationOrder order = Orders.Of(Interlocked.Increment(ref _handle), payload, ttlMs, at: now.PlusMs(-agoMs));
        order = order with { Spec = order.Spec with { Priority = priority } };
        Delivery[] due = [.. agents.Select(name =>
        {
            Membership member = Mesh.Of(name);
            DispatchSlip slip = new(order.Handle, member.Place.Cluster, order.Target, order.ExpiresAt, 1, new SlipLine[8]);
            return new Delivery(slip, order, member.AgentIndex, member.Place.Slot, now);
        })];
        Links.Deliver(due, now);
        return order.MessageId.ToString();
    }

    public Task UntilAsync(Func<bool> holds, string what) => WaitAsync(holds, what);

    public static async Task WaitAsync(Func<bool> holds, string what)
    {
        DateTime until = DateTime.UtcNow.AddSeconds(30);
        while (!holds())
        {
            Assert.True(DateTime.UtcNow < until, $"waited 30 s in vain: {what}");
            await Task.Delay(5, Cancel);
        }
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await Links.DisposeAsync();
        await Host.DisposeAsync();
        await Directory.DisposeAsync();
        Identity.Dispose();
        _folder.Delete(recursive: true);
    }
}
