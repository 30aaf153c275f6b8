using Mesh30K.Consistency.Strong.Raft;

namespace Mesh30K.Simulation.Strong.Raft;

/// <summary>The servers of a run, those that were added included.</summary>
internal sealed class RaftGroup
{
    private readonly SimWorld _world;
    private readonly RaftPlan _plan;
    private readonly List<SimServer> _servers = [];
    private long _request;
    private int _crashOneIn;

    public RaftGroup(SimWorld world, RaftPlan plan)
    {
        (_world, _plan) = (world, plan);
        Network = new SimNetwork(world, Find);
        Rules = new RaftStepRules(this, world.Checker);
        First = RaftMembership.Of([.. Enumerable.Range(1, plan.Voters).Select(i => new ServerId(i))]);
        foreach (ServerId id in First.Voters) Add(id, First);
    }

    public RaftMembership First { get; }

    public SimNetwork Network { get; }

    public RaftStepRules Rules { get; }

    public IReadOnlyList<SimServer> Servers => _servers;

    public ServerId Preferred => _plan.Options.Preferred;

    /// <summary>Whether clients only read.</summary>
    public bool OnlyReads { get; set; }

    /// <summary>Done once, by the next server that is elected, right after.</summary>
    public Action<SimServer>? WhenElected { get; set; }

    /// <summary>Those that run, paused ones not counted.</summary>
    public IEnumerable<SimServer> Up => _servers.Where(s => s.Machine is not null && !s.IsPaused);

    /// <summary>The one that leads in the highest term.</summary>
    public SimServer? Leader => Up.Where(s => s.Machine!.Role == RaftRole.Leader).MaxBy(s => s.Machine!.Term);

    /// <summary>In how many effects a crash falls, at every server; 0 for none.</summary>
    public int CrashOneIn
    {
        set
        {
            _crashOneIn = value;
            foreach (SimServer server in _servers) server.CrashOneIn = value;
        }
    }

    public long NextRequest() => ++_request;

    public SimServer? Find(ServerId id) => id.Number >= 1 && id.Number <= _servers.Count ? _servers[id.Number - 1] : null;

    public bool IsDead(ServerId id) => Find(id) is not { IsDead: false };

    /// <summary>A server that knows of nobody and waits to be added.</summary>
    public ServerId NewServer()
    {
        ServerId id = new(_servers.Count + 1);
        Add(id, RaftMembership.Empty);
        return id;
    }

    public void Elected(SimServer server)
    {
        if (WhenElected is not { } then) return;
        WhenElected = null;
        _world.Schedule(_world.Now, SimEventKind.FaultEnds, null, () => then(server));
    }

    private void Add(ServerId id, RaftMembership first)
    {
        SimServer server = new(_world, this, id, first, _plan) { CrashOneIn = _crashOneIn };
        _servers.Add(server);
        server.Start();
    }
}
