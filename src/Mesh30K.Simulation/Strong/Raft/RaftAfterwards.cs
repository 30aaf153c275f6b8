using Mesh30K.Consistency.Strong.Raft;

namespace Mesh30K.Simulation.Strong.Raft;

/// <summary>What a look at the healed group says.</summary>
/// <param name="IsOver">Whether all has been seen.</param>
/// <param name="Failure">What did not happen in time; null when all did.</param>
internal readonly record struct AfterwardsLook(bool IsOver, string? Failure);

/// <summary>
/// What has to be when all faults are over: the group works; a server that was cut off and comes back disturbs nobody (thesis 9.6 and 4.2.3); a leader
/// that is cut off steps down, and another takes over (thesis 6.2).
/// </summary>
internal sealed class RaftAfterwards(SimWorld world, RaftGroup group)
{
    /// <summary>Longer than any message of the faulty time is on its way.</summary>
    private const long SettleMs = 600;
    private const long CutMs = 800;
    private const long ReturnedMs = 800;

    private readonly long _healedAt = world.Now;
    private readonly SimRandom _random = world.RandomOf(SimStream.Afterwards);
    private Phase _phase = Phase.Works;
    private long _until;
    private SimServer? _cut;
    private (ServerId Leader, long Term) _led;

    private enum Phase
    {
        Works,
        FollowerAway,
        FollowerBack,
        LeaderAway,
    }

    /// <param name="whyStuck">Says why the group does not work, or null.</param>
    public AfterwardsLook Look(Func<string?> whyStuck)
    {
        if (_phase == Phase.Works)
        {
            if (world.Now < _healedAt + Ticks(SettleMs) || whyStuck() is not null) return default;
            SimServer leader = group.Leader!;
            _led = (leader.Id, leader.Machine!.Term);
            SimServer[] others = [.. group.Up.Where(s => s != leader && CanLose(leader.Machine!.Membership, s.Id))];
            if (others.Length == 0) return new AfterwardsLook(true, null);
            // Half of them lose only their leader, and still reach those who hear from it.
            Cut(_random.Of(others), _random.OneIn(2) ? group.Servers : [leader], Phase.FollowerAway, CutMs);
            return default;
        }
        if (world.Now < _until) return default;
        switch (_phase)
        {
            case Phase.FollowerAway:
                group.Network.Heal();
                (_phase, _until) = (Phase.FollowerBack, world.Now + Ticks(ReturnedMs));
                return default;
            case Phase.FollowerBack:
                if (group.Leader is not { Machine: { } now } leader || (leader.Id, now.Term) != _led)
                    return new AfterwardsLook(true, $"{_cut!.Id} came back, and {_led.Leader} lost its lead of term {_led.Term}");
                if (!CanLose(now.Membership, leader.Id)) return new AfterwardsLook(true, null);
                Cut(leader, group.Servers, Phase.LeaderAway, 2 * CutMs);
                return default;
            default:
                if (_cut!.Machine!.Role == RaftRole.Leader) return new AfterwardsLook(true, $"{_cut.Id} leads on without a majority");
                return new AfterwardsLook(true, group.Leader is null ? $"nobody took over from {_cut.Id}" : null);
        }
    }

    private static long Ticks(long ms) => ms * TimeSpan.TicksPerMillisecond;

    private bool CanLose(RaftMembership members, ServerId server) => members.Voters.Count(v => v != server && !group.IsDead(v)) >= members.Majority;

    private void Cut(SimServer server, IEnumerable<SimServer> from, Phase phase, long ms)
    {
        (_cut, _phase, _until) = (server, phase, world.Now + Ticks(ms));
        // Then a follower that is away stays as up to date as the others: only their leader speaks against it when it comes back.
        group.OnlyReads = phase == Phase.FollowerAway;
        foreach (SimServer other in from)
        {
            group.Network.Cut(server.Id, other.Id);
            group.Network.Cut(other.Id, server.Id);
        }
    }
}
