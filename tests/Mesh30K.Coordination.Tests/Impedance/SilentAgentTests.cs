using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Impedance;
using Mesh30K.Coordination.Impedance.Estimation;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Coordination.Tests.Impedance;

public sealed class SilentAgentTests
{
    private static readonly Instant Start = Instant.FromUnixMs(1_700_000_000_000);

    [Fact]
    public void An_agent_that_hangs_is_expected_to_hang_for_longer_the_longer_it_has()
    {
        AgentRecord agent = Settled();
        LeadEstimate idle = Estimate(agent);
        agent.Await(At(0));
        agent.Beat(At(5), 1);
        LeadEstimate hung5 = Estimate(agent);
        agent.Beat(At(10), 1);
        LeadEstimate hung10 = Estimate(agent);
        Assert.True(hung5.MedianMs > 2_000 && hung5.LeadMs > 10_000, $"t=5s {hung5}");
        Assert.True(hung10.MedianMs > 1.9f * hung5.MedianMs, $"t=10s {hung10}");
        agent.Heard(0);
        Assert.Equal(idle, Estimate(agent));
    }

    [Fact]
    public void Nothing_to_do_or_less_to_do_is_as_good_as_an_answer()
    {
        AgentRecord agent = Settled();
        agent.Await(At(0));
        agent.Beat(At(5), 3);
        Assert.Equal(5_000, agent.SilentMs);
        agent.Beat(At(10), 2);
        Assert.Equal(0, agent.SilentMs);
        agent.Await(At(11));
        agent.Beat(At(15), 2);
        Assert.Equal(4_000, agent.SilentMs);
        agent.Beat(At(20), 0);
        Assert.Equal(default, agent.AwaitedSince);
    }

    [Fact]
    public void A_lost_message_to_an_agent_that_is_never_idle_is_forgotten()
    {
        AgentRecord agent = Settled();
        agent.Await(At(0));
        agent.Beat(At(301), 1);
        Assert.Equal(0, agent.SilentMs);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(8)]
    public void A_stall_among_the_first_samples_does_not_put_an_agent_beyond_reach(int stallAt)
    {
        var pool = new ClassPool(ImpedanceClass.Gpu, EstimatorOptions.Default);
        var random = new Random(8847);
        for (int a = 0; a < 10; a++)
        {
            var other = new DelayEstimator(pool);
            for (int i = 0; i < 40; i++) other.Observe(20, 300 + (100 * random.NextSingle()), 1);
        }
        var agent = new DelayEstimator(pool);
        for (int i = 1; i <= stallAt; i++) agent.Observe(20, i == stallAt ? 50_000 : 300 + (100 * random.NextSingle()), 1);
        Assert.True(agent.LeadMs < 2_000, $"lead {agent.LeadMs} after a stall at {stallAt}");
    }

    private static Instant At(int seconds) => Start + TimeSpan.FromSeconds(seconds);

    private static LeadEstimate Estimate(AgentRecord agent) => new LearnedPlanner().Estimate(agent, Start, 1, new MissBudget(0.95f, 0));

    private static AgentRecord Settled()
    {
        AgentRecord agent = new(default, 0, ImpedanceClass.Persistent, [], new ClassPool(ImpedanceClass.Persistent, EstimatorOptions.Default));
        for (int i = 0; i < 50; i++) agent.Estimator.Observe(10, 100 + (i % 7), 1);
        return agent;
    }
}
