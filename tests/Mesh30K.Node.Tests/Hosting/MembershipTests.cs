using System.Collections.Concurrent;
using System.Diagnostics;
using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Coordination.Topology;
using Mesh30K.Node.Hosting;
using Mesh30K.Node.Ports;
using Mesh30K.Node.Tests.Runtime;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Node.Tests.Hosting;

public sealed class MembershipTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static OperationSpec Everyone => new() { Planner = PlannerKind.FireNow, WindowMs = 20_000, TimeoutMs = 20_000, TargetInMs = 0, CollectAnswers = true };

    private static AgentDescription Agent(string id, ImpedanceClass c = ImpedanceClass.Edge, params string[] capabilities) => new(new AgentId(id), c, capabilities);

    private static OperationSpec To(params IEnumerable<Membership> members)
    {
        Membership[] named = [.. members];
        return Everyone with
        {
            Strategy = RoutingStrategy.Direct,
            Selector = new Selector { Scope = SelectorScope.Agents, Places = [.. named.Select(m => m.Place)], Ids = [.. named.Select(m => m.Id)] },
        };
    }

    private static MeshHost Empty(MeshShape shape, TimeSpan? reclaimAfter = null)
    {
        MeshHostOptions options = new() { Loops = 2, Settings = new MeshSettings { Shape = shape } };
        MeshHost host = new(reclaimAfter is { } after ? options with { ReclaimAfter = after } : options, 0, _ => throw new InvalidOperationException("nobody is there"));
        host.Start();
        return host;
    }

    private static Task UntilAsync(Func<bool> holds, string what) => UntilAsync(() => Task.FromResult(holds()), what);

    private static async Task UntilAsync(Func<Task<bool>> holds, string what)
    {
        Stopwatch waited = Stopwatch.StartNew();
        while (!await holds())
        {
            Assert.True(waited.Elapsed < Patience, $"waited in vain until {what}");
            await Task.Delay(5, Cancel);
        }
    }

    [Fact]
    public async Task A_mesh_without_agents_runs_and_a_cascade_right_after_a_join_reaches_the_newcomer()
    {
        await using MeshHost host = Empty(new MeshShape(3, 2, 4));
        OperationResult nobody = await host.RunAsync(Everyone, Cancel);
        Assert.Equal(QuorumDecision.NoTargets, nobody.Quorum.Decision);

        MemberLink link = new(host);
        for (int n = 1; n <= 24; n++)
        {
            // Two in turn: the newcomer may live on either loop.
            Membership member = (await host.JoinAsync(Agent($"a{n}", (ImpedanceClass)(n % 6), "route"), link))!;
            Assert.Equal(member, Assert.Single(link.Members, m => m.Id == member.Id));
            OperationResult all = await host.RunAsync(Everyone with { Selector = new Selector { SampleSize = n } }, Cancel);
            Assert.True(all.Report.Counts.Ready == n, $"{n} joined, {all.Report.Counts.Ready} were ready of {all.Report.Counts.Targets}");
        }
        Assert.Null(await host.JoinAsync(Agent("one-too-many"), link));
        Assert.Equal(24, host.Registry.Count);
    }

    [Fact]
    public async Task Ten_thousand_join_at_once_and_leave_again()
    {
        await using MeshHost host = Empty(MeshShape.Reference);
        MemberLink link = new(host);
        PacedClock clock = new();
        long from = clock.GetTimestamp();
        Membership?[] members = await Task.WhenAll(Enumerable.Range(0, 10_000).Select(i => host.JoinAsync(Agent($"a{i}", (ImpedanceClass)(i % 6), "route"), link)));
        TimeSpan took = clock.GetElapsedTime(from);
        Assert.True(took < TimeSpan.FromSeconds(10), $"10,000 joins took {took}");
        Assert.Equal(10_000, members.Select(m => m!.AgentIndex).Distinct().Count());
        Assert.Equal(10_000, members.Select(m => m!.Place).Distinct().Count());
        Assert.Equal(10_000, (await host.RunAsync(Everyone, Cancel)).Report.Counts.Ready);
        await UntilAsync(() => host.Registry.FindBest("route", 10, double.MaxValue).Count == 10, "the index knows of the newcomers");

        await Task.WhenAll(members.Skip(1).Select(m => host.LeaveAsync(m!.Id)));
        Assert.Equal(1, host.Registry.Count);
        Assert.Equal(["a0"], (await host.RunAsync(Everyone, Cancel)).Report.Answers.Select(a => a.Agent.Value));
    }

    [Fact]
    public async Task Who_leaves_while_an_operation_counts_it_keeps_its_place_until_the_operation_ends()
    {
        await using MeshHost host = Empty(new MeshShape(1, 1, 1));
        MemberLink silent = new(host) { Answers = false };
        Membership first = (await host.JoinAsync(Agent("first"), silent))!;
        OperationTicket open = await host.SubmitAsync(To(first));
        await UntilAsync(() => silent.Delivered.Count == 1, "the send left");

        await host.LeaveAsync(first.Id);
        Assert.Null(host.Registry.Find(first.Id));
        Assert.Null(await host.JoinAsync(Agent("second"), silent));
        silent.Answer();
        Assert.Equal(["first"], (await open.Completion.WaitAsync(Patience, Cancel)).Report.Answers.Select(a => a.Agent.Value));

        Membership? second = null;
        await UntilAsync(async () => (second = await host.JoinAsync(Agent("second"), silent)) is not null, "the place is free");
        Assert.Equal(first.Place, second!.Place);

        // An operation that still means the first agent does not reach the second in its place.
        silent.Answers = true;
        Assert.Equal(0, (await host.RunAsync(To(first), Cancel)).Report.Counts.Targets);
        Assert.Equal(["second"], (await host.RunAsync(To(second), Cancel)).Report.Answers.Select(a => a.Agent.Value));
    }

    [Fact]
    public async Task Who_returns_keeps_its_place_with_a_new_link_and_new_capabilities_and_moves_with_a_new_class()
    {
        await using MeshHost host = Empty(new MeshShape(2, 2, 2));
        MemberLink old = new(host), now = new(host);
        Membership a = (await host.JoinAsync(Agent("a", ImpedanceClass.Edge, "route"), old))!;
        await host.JoinAsync(Agent("b"), old);
        Assert.Equal(a, await host.JoinAsync(Agent("a", ImpedanceClass.Edge, "vision"), now));
        OperationResult seeing = await host.RunAsync(Everyone with { Selector = new Selector { Capability = "vision", SampleSize = 5 } }, Cancel);
        Assert.Equal((1, 1, 0), (seeing.Report.Counts.Ready, now.Delivered.Count, old.Delivered.Count));
        Assert.Equal(["vision"], host.Registry.Find(a.Id)!.Capabilities);
        await UntilAsync(() => host.Registry.FindBest("vision", 1, double.MaxValue).Count == 1, "the index follows the new capability");

        Membership gpu = (await host.JoinAsync(Agent("a", ImpedanceClass.Gpu, "vision"), now))!;
        Assert.NotEqual(a.Place.Cluster, gpu.Place.Cluster);
        Assert.Equal(ImpedanceClass.Gpu, host.Registry.Find(a.Id)!.AgentClass);
        Assert.Equal(2, (await host.RunAsync(Everyone, Cancel)).Report.Counts.Ready);
    }

    [Fact]
    public async Task A_full_mesh_gives_the_place_of_who_was_offline_longest()
    {
        await using MeshHost host = Empty(new MeshShape(1, 2, 2));
        MemberLink link = new(host);
        Membership[] members = [.. (await Task.WhenAll(Enumerable.Range(0, 4).Select(i => host.JoinAsync(Agent($"a{i}"), link)))).Select(m => m!)];
        foreach ((int i, double hours) in new[] { (1, 1.5), (2, 2.5), (3, 0.5) })
        {
            AgentHeartbeat beat = new() { ClusterIndex = members[i].Place.Cluster.Index, Slot = members[i].Place.Slot, ReceivedAt = host.Clock.Now.PlusMs(-hours * 3_600_000) };
            host.Post(host.LoopOf(0), [beat], 1);
        }
        await UntilAsync(() => Enumerable.Range(1, 3).All(i => host.Registry.Find(members[i].Id)!.OperationalState == OperationalState.Offline), "three are offline");
        Assert.Equal(members[2].Place, (await host.JoinAsync(Agent("b0"), link))!.Place);
        Assert.Equal(members[1].Place, (await host.JoinAsync(Agent("b1"), link))!.Place);
        Assert.Null(await host.JoinAsync(Agent("b2"), link));
        Assert.Equal(["a0", "a3", "b0", "b1"], host.Registry.All.Select(a => a.AgentId.Value).Order());
    }

    [Fact]
    public async Task Joins_and_departures_of_one_agent_take_effect_in_order_whatever_else_happens()
    {
        await using MeshHost host = Empty(new MeshShape(2, 3, 5));
        MemberLink link = new(host);
        int seed = Random.Shared.Next();
        Random random = new(seed);
        Dictionary<string, bool> inside = [];
        List<Task> asked = [];
        for (int i = 0; i < 3_000; i++)
        {
            string id = $"a{random.Next(25)}";
            inside[id] = random.Next(3) > 0;
            asked.Add(inside[id] ? host.JoinAsync(Agent(id, (ImpedanceClass)random.Next(2)), link) : host.LeaveAsync(new AgentId(id)));
            if (random.Next(200) == 0) asked.Add(host.RunAsync(Everyone with { WindowMs = 300 }, Cancel));
        }
        await Task.WhenAll(asked).WaitAsync(Patience, Cancel);
        string[] expected = [.. inside.Where(p => p.Value).Select(p => p.Key).Order(StringComparer.Ordinal)];
        Assert.True(expected.SequenceEqual(host.Registry.All.Select(a => a.AgentId.Value).Order(StringComparer.Ordinal)), $"replay: seed {seed}");
        OperationResult all = await host.RunAsync(Everyone, Cancel);
        Assert.True(expected.SequenceEqual(all.Report.Answers.Select(a => a.Agent.Value).Order(StringComparer.Ordinal)), $"replay: seed {seed}");
        Assert.Null(host.NotReadyBecause);
    }

    [Fact]
    public async Task Those_who_wait_when_the_mesh_stops_are_told_that_they_are_not_in()
    {
        MeshHost host = Empty(new MeshShape(1, 1, 5));
        await host.DisposeAsync();
        Assert.Null(await host.JoinAsync(Agent("late"), new MemberLink(host)));
        await host.LeaveAsync(new AgentId("late"));
    }

    /// <summary>Answers READY from within the delivery, in the agent's name; checks that it heard of each agent before.</summary>
    private sealed class MemberLink(MeshHost host) : IAgentLink
    {
        private readonly ConcurrentDictionary<int, Membership> _members = new();

        public bool Answers { get; set; } = true;

        public ConcurrentQueue<Delivery> Delivered { get; } = new();

        public IEnumerable<Membership> Members => _members.Values;

        public void Joined(Membership member) => _members[member.AgentIndex] = member;

        public void Deliver(ReadOnlySpan<Delivery> due, Instant releasedAt)
        {
            foreach (ref readonly Delivery delivery in due)
            {
                Delivered.Enqueue(delivery);
                if (Answers) Answer(delivery);
            }
        }

        public void Answer()
        {
            foreach (Delivery delivery in Delivered) Answer(delivery);
        }

        private void Answer(in Delivery delivery) => host.Post(
            host.LoopOf(delivery.Slip.Cluster.Sector),
            [
                new AgentAck
                {
                    ClusterIndex = delivery.Slip.Cluster.Index,
                    Slot = delivery.Slot,
                    Operation = delivery.Slip.Operation,
                    ReceivedAt = host.Clock.Now,
                    State = TrinaryState.Ready,
                    ProcessingMs = 0,
                    Detail = new AckDetail($"\"{_members[delivery.AgentIndex].Id}\"", null),
                },
            ],
            1);
    }
}
