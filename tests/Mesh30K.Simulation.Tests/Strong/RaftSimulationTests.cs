using Mesh30K.Simulation.Strong.Raft;

namespace Mesh30K.Simulation.Tests.Strong;

public sealed class RaftSimulationTests
{
    private const int Seeds = 300;

    [Fact]
    public void No_seed_breaks_a_rule_and_every_healed_group_works_again()
    {
        Dictionary<string, long> faults = new(StringComparer.Ordinal);
        long acknowledged = 0;
        long reads = 0;
        for (long seed = 1; seed <= Seeds; seed++)
        {
            RaftRunReport report = RaftSimulation.Run(seed);
            Assert.True(report.Violation is null, $"{report.Violation?.Rule}: {report.Violation?.Detail}; replay: {report.Violation?.Replay}");
            Assert.True(report.LivenessFailure is null, $"{report.LivenessFailure}; replay: mesh verify raft --seeds 1 --start {seed}");
            foreach ((string fault, long hits) in report.Faults) faults[fault] = faults.GetValueOrDefault(fault) + hits;
            acknowledged += report.Acknowledged;
            reads += report.Reads;
        }
        Assert.True(acknowledged > 100 * Seeds && reads > 50 * Seeds, $"only {acknowledged} writes and {reads} reads: the runs show little");
        Assert.True(faults.Count(f => f.Value > Seeds / 2) >= 40, "fewer than 40 kinds of fault hit every second run: " + string.Join(' ', faults.Where(f => f.Value <= Seeds / 2).Select(f => f.Key)));
    }

    [Theory]
    [InlineData(7)]
    [InlineData(8841)]
    public void The_same_seed_gives_the_same_trace(long seed)
    {
        RaftRunReport first = RaftSimulation.Run(seed);
        RaftRunReport again = RaftSimulation.Run(seed);
        Assert.Equal((first.TraceHash, first.Events), (again.TraceHash, again.Events));
        Assert.NotEqual(first.TraceHash, RaftSimulation.Run(seed + 1).TraceHash);
    }
}
