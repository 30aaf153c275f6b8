using Mesh30K.Consistency.Strong.Raft;

namespace Mesh30K.Simulation.Strong.Raft;

/// <summary>The servers of a run, those that were added included.</summary>
internal sealed class RaftGroup
{
    private readonly SimWorld _world;
    private readonly SimNetwork _network;
    private readonly RaftOptions _options;
    private readonly int _imageBytes;
    private readonly List<SimServer> _servers = [];
    private long _request;

    public RaftGroup(SimWorld world)
    {
        _world = world;
        _network = new SimNetwork(world, Find);
        SimRandom random = world.Random;
        int voters = random.Percent(12) ? 1 : random.Percent(60) ? 3 : 5;
        First = RaftMembership.Of([.. Enumerable.Range(1, voters).Select(i => new ServerId(i))]);
        _imageBytes = random.Next(150);
        _options = new RaftOptions
        {
            ElectionMin = TimeSpan.FromMilliseconds(150),
            ElectionSpread = TimeSpan.FromMilliseconds(150),
            Heartbeat = TimeSpan.FromMilliseconds(30),
            BatchEntriesMax = random.Between(1, 16),
            BatchBytesMax = random.Between(1, 200),
            InflightMax = random.Between(1, 6),
            UncommittedMax = random.Between(8, 60),
            ReadsMax = random.Between(2, 20),
            ApplyingMax = random.Between(1, 32),
            SnapshotEvery = random.Percent(80) ? random.Between(8, 60) : 10_000,
            KeepBehindSnapshot = random.Next(12),
            ChunkBytes = random.Between(16, 100),
            PromoteBehindMax = random.Between(3, 40),
            Preferred = random.OneIn(3) ? new ServerId(1) : ServerId.None,
            PreferredAfter = TimeSpan.FromMilliseconds(600),
        };
        foreach (ServerId id in First.Voters) Add(id, First);
    }

    public RaftMembership First { get; }

    public SimNetwork Network => _network;

    public IReadOnlyList<SimServer> Servers => _servers;

    public ServerId Preferred => _options.Preferred;

    /// <summary>Those that run, paused ones not counted.</summary>
    public IEnumerable<SimServer> Up => _servers.Where(s => s.Machine is not null && !s.IsPaused);

    /// <summary>The one that leads in the highest term.</summary>
    public SimServer? Leader => Up.Where(s => s.Machine!.Role == RaftRole.Leader).MaxBy(s => s.Machine!.Term);

    /// <summary>In how many effects a crash falls, at every server; 0 for none.</summary>
    public int CrashOneIn
    {
        set
        {
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

    private void Add(ServerId id, RaftMembership first)
    {
        SimServer server = new(_world, this, id, first, _options, _imageBytes) { CrashOneIn = _servers.Count > 0 ? _servers[0].CrashOneIn : 0 };
        _servers.Add(server);
        server.Start();
    }
}
