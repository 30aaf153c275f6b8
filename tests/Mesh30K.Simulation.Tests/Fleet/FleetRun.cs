using Mesh30K.Protocol.Identity;
using Mesh30K.Simulation.Fleet;

namespace Mesh30K.Simulation.Tests.Fleet;

/// <summary>Short ways to build fleets for tests.</summary>
internal static class FleetRun
{
    public static readonly Instant Start = Instant.FromUnixMs(1_800_000_000_000);

    /// <summary>A fleet of one class.</summary>
    public static FleetOptions Of(ImpedanceClass c, int agents, ulong seed = 1) => new()
    {
        Agents = agents,
        Seed = seed,
        ClassShares = new Dictionary<ImpedanceClass, double> { [c] = 1 },
    };

    /// <summary>All agents of a blueprint as one partition.</summary>
    public static FleetPartition Whole(FleetBlueprint blueprint) => new(blueprint, [.. Enumerable.Range(0, blueprint.Agents)]);

    public static FleetPartition Whole(FleetOptions options) => Whole(new FleetBlueprint(options));

    /// <summary>The pinball loss of a prediction at a level.</summary>
    public static double Pinball(double actual, double predicted, double level) =>
        actual >= predicted ? level * (actual - predicted) : (1 - level) * (predicted - actual);
}
