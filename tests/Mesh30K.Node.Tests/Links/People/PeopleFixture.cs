using System.Collections.Concurrent;
using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Coordination.Topology;
using Mesh30K.Node.Identity;
using Mesh30K.Node.Links.People;
using Mesh30K.Node.Ports;
using Mesh30K.Node.Tests.Channels;
using Mesh30K.Node.Tests.Identity;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Tests.Links.People;

/// <summary>A link to people with a mesh that a test plays and a clock that it moves. What happens is on <see cref="Log"/>.</summary>
internal sealed class PeopleFixture : IMeshMembership, IMeshIngress, IAsyncDisposable
{
    private readonly DirectoryBox _box = new();
    private readonly ConcurrentDictionary<AgentId, int> _indices = new();
    private long _handle;

    public PeopleFixture(InboxOptions? options = null)
    {
        Link = new PeopleLink(new PeopleNeeds(_box.Directory, this, this, () => Now, Clock), options) { Changed = (word, item) => Log.Add($"{(Now - DirectoryBox.Start).TotalSeconds:0}s {word} {item.Person}") };
    }

    public ManualClock Clock { get; } = new();

    public Instant Now => Instant.From(Clock.GetUtcNow());

    public PeopleLink Link { get; }

    public AgentDirectory Directory => _box.Directory;

    public List<string> Log { get; } = [];

    public List<AgentAck> Acks { get; } = [];

    public List<AgentHeartbeat> Heartbeats { get; } = [];

    public List<AgentId> Left { get; } = [];

    /// <summary>Whether the mesh takes answers.</summary>
    public bool IsBusy { get; set; }

    public bool IsFull { get; set; }

    public int Loops => 1;

    public Task<Membership?> JoinAsync(AgentDescription agent, IAgentLink link)
    {
        if (IsFull) return Task.FromResult<Membership?>(null);
        int index = _indices.GetOrAdd(agent.Id, _ => _indices.Count);
        Membership member = new(agent.Id, index, new AgentPlace(new ClusterAddress(0, 2, 2), index));
        link.Joined(member);
        return Task.FromResult<Membership?>(member);
    }

    public Task LeaveAsync(AgentId id)
    {
        Left.Add(id);
        return Task.CompletedTask;
    }

    public int LoopOf(int sector) => 0;

    public bool Post(int loop, AgentAck[] acks, int count)
    {
        if (!IsBusy) Acks.AddRange(acks.Take(count));
        return !IsBusy;
    }

    public bool Post(int loop, AgentHeartbeat[] heartbeats, int count)
    {
        Heartbeats.AddRange(heartbeats.Take(count));
        return true;
    }

    public async Task AddAsync(string person) => Assert.Null((await Directory.AddPersonAsync(new AgentId(person), ["approve"], Now)).Code);

    /// <summary>Delivers one order to a person.</summary>
    public OperationOrder Deliver(string person, double deadlineS, double? ttlS = null, string payload = "{\"ask\":\"ok?\"}")
    {
        int index = _indices[new AgentId(person)];
        long handle = ++_handle;
        Instant until = Now + TimeSpan.FromSeconds(deadlineS);
        OperationOrder order = Orders.Of(handle, payload, at: Now) with { Target = until, GatherUntil = until, ExpiresAt = Now + TimeSpan.FromSeconds(ttlS ?? deadlineS * 2) };
        DeliverAgain(order, index);
        return order;
    }

    public void DeliverAgain(OperationOrder order, int index)
    {
        DispatchSlip slip = new(order.Handle, new ClusterAddress(0, 2, 2), order.Target, order.ExpiresAt, 1, new SlipLine[20]);
        Link.Deliver([new Delivery(slip, order, index, index, Now)], Now);
    }

    public int IndexOf(string person) => _indices[new AgentId(person)];

    public InboxItem Only(string person) => Assert.Single(Link.List(new AgentId(person), ended: false));

    public async ValueTask DisposeAsync()
    {
        await Link.DisposeAsync();
        await _box.DisposeAsync();
    }
}
