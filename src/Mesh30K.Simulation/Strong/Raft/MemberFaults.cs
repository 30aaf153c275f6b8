using Mesh30K.Consistency.Strong.Raft;

namespace Mesh30K.Simulation.Strong.Raft;

/// <summary>Changes of the members and of the lead, also those that a leader has to refuse.</summary>
internal sealed class MemberFaults(SimWorld world, RaftGroup group)
{
    private const int VotersMost = 5;

    private SimRandom _random = new(0);

    public void Strike(FaultKind kind, SimRandom random)
    {
        _random = random;
        switch (kind)
        {
            case FaultKind.AddServer: Change("member_added", MemberStep.AddLearner, New); break;
            case FaultKind.PromoteServer: Change("member_promoted", MemberStep.Promote, m => m.Voters.Count < VotersMost ? m.Learners.FirstOrDefault(l => !group.IsDead(l)) : ServerId.None); break;
            case FaultKind.RemoveServer: Change("member_removed", MemberStep.Remove, m => m.Voters.Count > 2 ? _random.Of(m.Voters) : ServerId.None); break;
            case FaultKind.RemoveLeader: Change("leader_removed", MemberStep.Remove, m => m.Voters.Count > 2 ? group.Leader!.Id : ServerId.None); break;
            case FaultKind.ChangeAtOnce: ChangeWhenElected(); break;
            case FaultKind.TransferLead: Transfer(cutOff: false); break;
            default: Transfer(cutOff: true); break;
        }
    }

    /// <summary>Whether those members have a majority that is not lost.</summary>
    public static bool CanDo(RaftMembership members, Func<ServerId, bool> isLost) => members.Voters.Count(v => !isLost(v)) > members.Voters.Count / 2;

    private ServerId New(RaftMembership members) => members.Learners.Count < 2 && group.Servers.Count < 10 ? group.NewServer() : ServerId.None;

    private void Change(string fault, MemberStep step, Func<RaftMembership, ServerId> choose)
    {
        if (group.Leader is not { } leader || !leader.Machine!.Membership.IsVoter(leader.Id) || choose(leader.Machine.Membership) is not { Number: > 0 } server) return;
        if (!TryChange(leader, step, server)) return;
        world.Fault(fault);
        if (leader.Machine is not { } machine || !_random.OneIn(2)) return;
        world.Fault("second_change_at_once");
        TryChange(leader, MemberStep.Remove, _random.Of(machine.Membership.Voters));
    }

    /// <summary>Asks the next leader for a change as soon as it is elected, before it can have committed anything.</summary>
    private void ChangeWhenElected()
    {
        world.Fault("change_of_new_leader_planned");
        bool adds = _random.OneIn(2);
        int which = _random.Next(100);
        group.WhenElected = leader =>
        {
            if (!world.IsFaulty || leader.Machine is not { } machine) return;
            RaftMembership members = machine.Membership;
            world.Fault("change_of_new_leader");
            if (!adds && members.Voters.Count > 2) TryChange(leader, MemberStep.Remove, members.Voters[which % members.Voters.Count]);
            else if (New(members) is { Number: > 0 } server) TryChange(leader, MemberStep.AddLearner, server);
        };
    }

    /// <summary>Whether it was taken. Not tried when the group could not do without those that it removes.</summary>
    private bool TryChange(SimServer leader, MemberStep step, ServerId server)
    {
        if (leader.Machine!.Membership.After(step, server) is not { } after || !CanDo(after, group.IsDead)) return false;
        long before = leader.Machine.Last.Index;
        leader.Step(new RaftInput.Change(group.NextRequest(), step, server));
        return leader.Machine is { } machine && machine.Last.Index > before;
    }

    private void Transfer(bool cutOff)
    {
        if (group.Leader is not { } leader) return;
        ServerId to = _random.Of(leader.Machine!.Membership.Voters);
        world.Fault(cutOff ? "lead_transferred_to_cut_off" : "lead_transferred");
        if (cutOff && to != leader.Id)
        {
            group.Network.Cut(leader.Id, to);
            world.Schedule(world.Now + _random.Ms(30, 600), SimEventKind.FaultEnds, null, () => group.Network.Mend(leader.Id, to));
        }
        leader.Step(new RaftInput.Transfer(-group.NextRequest(), to));
    }
}
