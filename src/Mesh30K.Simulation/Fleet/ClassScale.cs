using Mesh30K.Protocol.Identity;

namespace Mesh30K.Simulation.Fleet;

/// <summary>
/// From what range an agent of a class draws its own typical delay, and how that divides into network and service. Reasons and sources:
/// docs/profiles.md. Pure; safe on any thread.
/// </summary>
/// <param name="TotalMsMin">Least typical delay (round trip plus service at weight 1), ms. For class E: least service alone.</param>
/// <param name="TotalMsMax">Greatest typical delay, ms. For class E: greatest service alone.</param>
/// <param name="NetworkShare">
/// The round trip's part of it, on average; an agent's own is between 0.75 and 1.25 of this. Not used for class E, whose round trip is a
/// recorded path's.
/// </param>
public readonly record struct ClassScale(double TotalMsMin, double TotalMsMax, double NetworkShare)
{
    /// <summary>One way between a cluster's lead and its agents, ms (M 8.3, "local").</summary>
    private const double OneWayMs = 20;

    /// <summary>The scale of a class. The ranges are M 2.2's typical latencies; the shares follow from M 8.3 and M 3.1.</summary>
    public static ClassScale Of(ImpedanceClass c) => c switch
    {
        ImpedanceClass.Edge => new(5, 20, ShareOf(c)),
        ImpedanceClass.Serverless => new(50, 150, ShareOf(c)),
        ImpedanceClass.Persistent => new(100, 300, ShareOf(c)),
        ImpedanceClass.Gpu => new(200, 500, ShareOf(c)),
        ImpedanceClass.Local => new(100, 225, 0),
        ImpedanceClass.Human => new(5_000, 1_800_000, ShareOf(c)),
        _ => throw new ArgumentOutOfRangeException(nameof(c), c, "not a class"),
    };

    /// <summary>The round trip of M 8.3 over itself plus the processing of M 3.1 at weight 1 (the base time and a half).</summary>
    private static double ShareOf(ImpedanceClass c) => 2 * OneWayMs / ((2 * OneWayMs) + (1.5 * c.BaseProcessingMs()));
}
