using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Coordination.Topology;
using Mesh30K.Node.Api;
using Mesh30K.Node.Hosting;
using Mesh30K.Node.Ports;
using Mesh30K.Node.Tests.Runtime;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Node.Tests.Api;

/// <summary>
/// Agents that answer within the call that delivers. <c>conflict-*</c> answers CONFLICT, <c>silent-*</c> not at all; while <see cref="Hold"/> is
/// set the answers wait for <see cref="Release"/>.
/// </summary>
internal sealed class AnsweringLink(MeshHost host, string[] ids) : IAgentLink
{
    private readonly Lock _gate = new();
    private readonly List<Delivery> _held = [];
    private int _delivered;

    public bool Hold { get; set; }

    public int Delivered => Volatile.Read(ref _delivered);

    public void Deliver(ReadOnlySpan<Delivery> due, Instant releasedAt)
    {
        bool hold;
        lock (_gate)
        {
            hold = Hold;
            if (hold) _held.AddRange(due);
        }
        Interlocked.Add(ref _delivered, due.Length);
        if (!hold) Answer(due);
    }

    public void Release()
    {
        Delivery[] held;
        lock (_gate)
        {
            Hold = false;
            held = [.. _held];
            _held.Clear();
        }
        Answer(held);
    }

    /// <summary>Answers the one that was delivered last; the others go on waiting.</summary>
    public void ReleaseNewest()
    {
        Delivery newest;
        lock (_gate)
        {
            newest = _held[^1];
            _held.RemoveAt(_held.Count - 1);
        }
        Answer([newest]);
    }

    private void Answer(ReadOnlySpan<Delivery> due)
    {
        foreach (ref readonly Delivery delivery in due)
        {
            string id = ids[delivery.AgentIndex];
            if (id.StartsWith("silent", StringComparison.Ordinal)) continue;
            bool conflict = id.StartsWith("conflict", StringComparison.Ordinal);
            AgentAck ack = new()
            {
                ClusterIndex = delivery.Slip.Cluster.Index,
                Slot = delivery.Slot,
                Operation = delivery.Slip.Operation,
                ReceivedAt = host.Clock.Now,
                State = conflict ? TrinaryState.Conflict : TrinaryState.Ready,
                ProcessingMs = 0,
                Detail = conflict
                    ? new AckDetail(null, new ConflictDetail { Type = ConflictType.DataContradiction })
                    : new AckDetail(delivery.AgentIndex % 10 == 3 ? "\"b\"" : "\"a\"", null),
            };
            host.Post(host.LoopOf(delivery.Slip.Cluster.Sector), [ack], 1);
        }
    }
}

/// <summary>A node on a free port with 300 agents in 3 sectors: 10 people, 2 that answer CONFLICT, 2 silent, the rest edge and GPU. Its clock knows no stalls.</summary>
internal sealed class MeshFixture : IAsyncDisposable
{
    public const int Agents = 300;

    private readonly DirectoryInfo _folder;

    private MeshFixture(MeshHost host, AnsweringLink link, NodeServer server, DirectoryInfo folder)
    {
        Host = host;
        Link = link;
        Server = server;
        _folder = folder;
        Client = new HttpClient { BaseAddress = server.BaseAddress, Timeout = ApiFixture.Generous };
        Client.DefaultRequestHeaders.Authorization = OperatorKey.Load(NodeServer.KeyFile(folder.FullName)).ToHeader();
    }

    public MeshHost Host { get; }

    public AnsweringLink Link { get; }

    public NodeServer Server { get; }

    public HttpClient Client { get; }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static async Task<MeshFixture> StartAsync(OperationSpec? defaults = null, Func<NodeServerOptions, NodeServerOptions>? configure = null)
    {
        string[] ids = [.. Enumerable.Range(0, Agents).Select(i => $"{(i < 10 ? "human" : i < 12 ? "conflict" : i < 14 ? "silent" : i % 2 == 0 ? "edge" : "gpu")}-{i:000}")];
        MeshHostOptions options = new() { Loops = 2, Settings = new MeshSettings { Shape = new MeshShape(3, 10, 10) }, IdSeed = 7, Clock = new PacedClock() };
        MeshHost host = new(options, Agents, i => new AgentDescription(
            new AgentId(ids[i]), i < 10 ? ImpedanceClass.Human : i % 2 == 0 ? ImpedanceClass.Edge : ImpedanceClass.Gpu, i % 2 == 0 ? ["route"] : ["route", "vision"]));
        AnsweringLink link = new(host, ids);
        host.Connect(link);
        host.Start();
        DirectoryInfo folder = Directory.CreateTempSubdirectory("mesh-node-");
        NodeServerOptions serving = new() { Listen = new(System.Net.IPAddress.Loopback, 0), DataDirectory = folder.FullName, Defaults = defaults ?? new OperationSpec() };
        return new MeshFixture(host, link, await NodeServer.StartAsync(host, configure?.Invoke(serving) ?? serving, Cancel), folder);
    }

    public Task<HttpResponseMessage> PostAsync(string json, string query = "") =>
        Client.PostAsync("/v1/operations" + query, new StringContent(json, Encoding.UTF8, new MediaTypeHeaderValue("application/json")), Cancel);

    /// <summary>Submits and waits for the end.</summary>
    public async Task<JsonElement> RunAsync(string json)
    {
        using HttpResponseMessage response = await PostAsync(json, "?wait=true");
        string text = await response.Content.ReadAsStringAsync(Cancel);
        Assert.True(response.StatusCode == System.Net.HttpStatusCode.OK, text);
        return JsonSerializer.Deserialize<JsonElement>(text);
    }

    public Task<JsonElement> GetAsync(string path) => Client.GetFromJsonAsync<JsonElement>(path, Cancel);

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await Server.StopAsync(TimeSpan.Zero);
        await Server.DisposeAsync();
        await Host.DisposeAsync();
        _folder.Delete(recursive: true);
    }
}
