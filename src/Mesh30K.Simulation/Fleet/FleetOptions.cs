using Mesh30K.Protocol.Identity;

namespace Mesh30K.Simulation.Fleet;

/// <summary>
/// What a simulated fleet is made of. Immutable. The shapes of the delays come from recordings (docs/profiles.md); what is assumed
/// rather than recorded is said so at the property.
/// </summary>
public sealed record FleetOptions
{
    /// <summary>Number of agents, 0 to 10,000,000; default 30,000 (M 2.1). Each costs <see cref="FleetPartition.BytesPerAgent"/> bytes.</summary>
    public int Agents { get; init; } = 30_000;

    /// <summary>The seed of everything random; default 1. The same options give the same fleet and the same draws on every machine.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>
    /// Relative share of each class, at least 0, not all 0; a class that is left out has share 0. Default (null): 10:8:5:2:3:2 (M 2.2).
    /// Agents are apportioned by largest remainder.
    /// </summary>
    public IReadOnlyDictionary<ImpedanceClass, double>? ClassShares { get; init; }

    /// <summary>
    /// Probability in [0, 0.5] that a message is lost on its round trip: the request in one half of the cases, the ack in the other.
    /// Default (null): the recorded rate (<see cref="FleetProfiles.LossRate"/>, about 0.0015). Not used with a <see cref="NetworkTrace"/>, which has
    /// losses of its own.
    /// </summary>
    public double? LossRate { get; init; }

    /// <summary>
    /// Probability in [0, 0.5] that a service takes <see cref="StragglerFactor"/> times as long; default 0.001. An assumption, on top of the recorded
    /// tails, for pauses longer than the recordings' sessions show. Not used with a <see cref="ServiceTrace"/>, which has tails of its own.
    /// </summary>
    public double StragglerRate { get; init; } = 0.001;

    /// <summary>How many times longer a straggling service takes, 1 to 1,000; default 10. An assumption.</summary>
    public float StragglerFactor { get; init; } = 10;

    /// <summary>
    /// Probability in [0, 1] that an agent that got the message answers CONFLICT; default 0.002. An assumption: nothing recorded tells.
    /// </summary>
    public double ConflictRate { get; init; } = 0.002;

    /// <summary>
    /// How far the way out may differ from half of a round trip: each agent's share of the way out is fixed for life, drawn evenly from
    /// 0.5 ± this; in [0, 0.5), default 0. Without synchronised clocks no sender can measure it (only the sum of both ways is seen),
    /// so a larger value costs every planner accuracy that it cannot win back; the oracle is told.
    /// </summary>
    public double PathAsymmetry { get; init; }

    /// <summary>
    /// Sends that an agent may have unfinished, 1 to 1,000,000; default 4,096. Overflow policy: drop newest, which looks like a lost request.
    /// A larger value costs 12 bytes for each send that waits.
    /// </summary>
    public int QueueDepthMax { get; init; } = 4_096;

    /// <summary>Recorded round trips instead of the profile's network; default none.</summary>
    public NetworkTrace? NetworkTrace { get; init; }

    /// <summary>Recorded durations instead of the profile's service times, for every class alike; default none.</summary>
    public ServiceTrace? ServiceTrace { get; init; }

    /// <summary>Throws when a property is outside its range.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Names the property and its range.</exception>
    public void Validate()
    {
        Check(Agents is >= 0 and <= 10_000_000, nameof(Agents), Agents, "0 to 10,000,000");
        Check(LossRate is null or >= 0 and <= 0.5, nameof(LossRate), LossRate, "0 to 0.5, or null for the recorded rate");
        Check(StragglerRate is >= 0 and <= 0.5, nameof(StragglerRate), StragglerRate, "0 to 0.5");
        Check(StragglerFactor is >= 1 and <= 1_000, nameof(StragglerFactor), StragglerFactor, "1 to 1,000");
        Check(ConflictRate is >= 0 and <= 1, nameof(ConflictRate), ConflictRate, "0 to 1");
        Check(PathAsymmetry is >= 0 and < 0.5, nameof(PathAsymmetry), PathAsymmetry, "0 to below 0.5");
        Check(QueueDepthMax is >= 1 and <= 1_000_000, nameof(QueueDepthMax), QueueDepthMax, "1 to 1,000,000");
        Check(
            ClassShares is null || (ClassShares.Values.All(s => s is >= 0 and < 1e12) && ClassShares.Values.Sum() > 0),
            nameof(ClassShares), ClassShares, "shares of at least 0, not all 0");
    }

    private static void Check(bool condition, string property, object? value, string range)
    {
        if (!condition) throw new ArgumentOutOfRangeException(property, value, $"must be {range}");
    }
}
