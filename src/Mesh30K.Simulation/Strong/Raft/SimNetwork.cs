using Mesh30K.Consistency.Strong.Raft;

namespace Mesh30K.Simulation.Strong.Raft;

/// <summary>Carries messages: loses, doubles, delays and reorders them, and cuts ways, each direction by itself.</summary>
internal sealed class SimNetwork(SimWorld world, Func<ServerId, SimServer?> find)
{
    private readonly HashSet<(ServerId From, ServerId To)> _cut = [];
    private readonly Dictionary<(ServerId From, ServerId To), long> _latest = [];
    private readonly SimRandom _random = world.RandomOf(SimStream.Network);

    private readonly Dictionary<(ServerId From, ServerId To), double> _slow = [];

    /// <summary>Of 100 messages, how many are lost; at most 30.</summary>
    public int LossPercent { get; set; }

    public int DoublePercent { get; set; }

    /// <summary>Of 100 messages, how many come much too late.</summary>
    public int LatePercent { get; set; }

    /// <summary>How late, at most.</summary>
    public double LateMsMost { get; set; } = 400;

    public void Cut(ServerId from, ServerId to) => _cut.Add((from, to));

    public void Mend(ServerId from, ServerId to) => _cut.Remove((from, to));

    /// <summary>Messages on that way take so much longer at most; 0: no longer.</summary>
    public void Slow(ServerId from, ServerId to, double ms) => _slow[(from, to)] = ms;

    public void Heal()
    {
        _cut.Clear();
        _slow.Clear();
        LossPercent = DoublePercent = LatePercent = 0;
    }

    /// <summary>Calls what a client or a server is told, after its time on the way; false when it is lost. Cuts between servers do not part them from clients.</summary>
    public bool TryReach(string what, Action<long> schedule)
    {
        if (_random.Percent(LossPercent))
        {
            world.Fault("lost_" + what);
            return false;
        }
        schedule(world.Now + _random.Ms(0.1, 2));
        return true;
    }

    public void Send(RaftMessage message)
    {
        if (find(message.To) is not { } to) return;
        if (_cut.Contains((message.From, message.To)))
        {
            if (world.IsFaulty) world.Fault("cut_" + Name(message));
            return;
        }
        if (_random.Percent(LossPercent))
        {
            world.Fault("lost_" + Name(message));
            return;
        }
        if (_random.Percent(DoublePercent))
        {
            world.Fault("doubled_" + Name(message));
            Arrive(to, message, world.Now + _random.Ms(0.1, 40));
        }
        bool late = _random.Percent(LatePercent);
        if (late) world.Fault("late_" + Name(message));
        long slower = _slow.GetValueOrDefault((message.From, message.To)) is > 0 and double ms ? _random.Ms(ms / 2, ms) : 0;
        Arrive(to, message, world.Now + slower + (late ? _random.Ms(20, LateMsMost) : _random.Ms(0.2, 4)));
    }

    private void Arrive(SimServer to, RaftMessage message, long at)
    {
        long latest = _latest.GetValueOrDefault((message.From, message.To));
        if (at < latest && world.IsFaulty) world.Fault("overtaken");
        _latest[(message.From, message.To)] = Math.Max(at, latest);
        world.Schedule(at, SimEventKind.Deliver, to, message);
    }

    private static string Name(RaftMessage message) => message switch
    {
        VoteRequest { PreVote: true } => "pre_vote",
        VoteReply { PreVote: true } => "pre_vote_reply",
        VoteRequest => "vote",
        VoteReply => "vote_reply",
        AppendRequest { Entries.Count: 0 } => "heartbeat",
        AppendRequest => "append",
        AppendReply => "append_reply",
        SnapshotChunk => "snapshot",
        SnapshotReply => "snapshot_reply",
        _ => "timeout_now",
    };
}
