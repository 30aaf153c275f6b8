using System.Buffers.Text;
using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Node.Identity;
using Mesh30K.Node.Links;
using Mesh30K.Node.Links.Webhook;
using Mesh30K.Node.Ports;
using Mesh30K.Node.Runtime;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Node.Tests.Links.Webhook;

/// <summary>The webhook link with a directory, a key and a mesh that writes down what comes in. Everything is removed at the end.</summary>
internal sealed class WebhookFixture : IAsyncDisposable
{
    private readonly DirectoryInfo _folder = System.IO.Directory.CreateTempSubdirectory("mesh-hook-");
    private long _handle;

    public WebhookFixture()
    {
        Directory = AgentDirectory.Open(_folder.FullName, Clock.Now);
        Identity = MeshIdentity.LoadOrCreate(_folder.FullName, Clock.Now);
    }

    public MeshClock Clock { get; } = new();

    public AgentDirectory Directory { get; }

    public MeshIdentity Identity { get; }

    public FakeMesh Mesh { get; } = new();

    public WebhookLink Link { get; private set; } = null!;

    /// <summary>Starts the link with quick pauses; probes stay out of the way unless a test asks for them.</summary>
    public WebhookFixture Start(IEnumerable<string> allowed, Func<WebhookOptions, WebhookOptions>? with = null)
    {
        Assert.Null(WebhookAllowList.TryParse(allowed, out WebhookAllowList list));
        WebhookOptions options = new()
        {
            Allowed = list,
            RetryFirst = TimeSpan.FromMilliseconds(10),
            RetryMax = TimeSpan.FromMilliseconds(50),
            ProbeEvery = TimeSpan.FromHours(1),
        };
        Link = new WebhookLink(new AgentLinkNeeds(Directory, Identity, Mesh, Mesh, Clock), FakeMesh.ClustersPerSector, with is null ? options : with(options));
        return this;
    }

    public async Task<HookAgent> EnrolAsync(string name, Uri address)
    {
        AgentId id = new(name);
        Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        TokenGrant grant = new() { AgentId = id, Class = ImpedanceClass.Serverless, Webhook = address, ValidUntil = Clock.Now.PlusMs(60_000) };
        string token = await Directory.IssueTokenAsync(grant, Identity, Clock.Now);
        byte[] proof = new byte[64];
        key.Sign(KeyProof.BytesOf(id, Identity.MeshId, key.PublicKey), proof);
        EnrolResult result = await Directory.EnrolAsync(token, id, key.PublicKey.ToString(), Base64Url.EncodeToString(proof), Identity, Clock.Now);
        Assert.Null(result.Code);
        return new HookAgent(name, key, Identity.MeshId, () => Identity.Signing.PublicKey, () => Clock.Now);
    }

    public Task JoinedAsync(int agents) => LinkFixture.WaitAsync(() => Link.View().Agents == agents, $"{agents} agents joined");

    /// <summary>Delivers one message to an agent; returns its id as it stands on the wire.</summary>
    public string Deliver(string agent, double ttlMs = 60_000, Priority priority = Priority.High, string payload = "null")
    {
        Instant now = Clock.Now;
        OperationOrder order = Orders.Of(Interlocked.Increment(ref _handle), payload, ttlMs, at: now);
        order = order with { Spec = order.Spec with { Priority = priority } };
        Membership member = Mesh.Of(agent);
        DispatchSlip slip = new(order.Handle, member.Place.Cluster, order.Target, order.ExpiresAt, 1, new SlipLine[8]);
        Link.Deliver([new Delivery(slip, order, member.AgentIndex, member.Place.Slot, now)], now);
        return order.MessageId.ToString();
    }

    public async ValueTask DisposeAsync()
    {
        await Link.DisposeAsync();
        Assert.Null(Link.NotReadyBecause);
        await Directory.DisposeAsync();
        Identity.Dispose();
        _folder.Delete(recursive: true);
    }
}
