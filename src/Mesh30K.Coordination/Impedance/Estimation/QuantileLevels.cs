namespace Mesh30K.Coordination.Impedance.Estimation;

/// <summary>
/// The two levels above the median and, for each, by how many mean deviations it lies above the mean. The factors, 2.10 and
/// 2.78 for 0.95 and 0.98, are little above those of a normal law (2.06 and 2.57): heavier tails are left to the other experts.
/// </summary>
internal readonly struct QuantileLevels(float lead, float tail)
{
    private const float EulerGamma = 0.577f;

    /// <summary>The lead level, 0.5 to 1.</summary>
    public float Lead { get; } = lead;

    /// <summary>The tail level, above <see cref="Lead"/>.</summary>
    public float Tail { get; } = tail;

    /// <summary>Mean deviations between the mean and the lead quantile.</summary>
    public float LeadDeviations { get; } = Deviations(lead);

    /// <summary>Mean deviations between the mean and the tail quantile.</summary>
    public float TailDeviations { get; } = Deviations(tail);

    /// <summary>
    /// How much farther from the median the level lies than the expected maximum of <paramref name="n"/> samples of an exponential law,
    /// −ln(1 − level) against H(n) ≈ ln(n + 1) + γ, both less the median's ln 2; at least 1.
    /// </summary>
    public static float Stretch(int n, float level) =>
        MathF.Max(1f, MathF.Log(0.5f / (1f - level)) / (MathF.Log(0.5f * (n + 1)) + EulerGamma));

    private static float Deviations(float level) => (0.75f * -MathF.Log(1f - level)) - 0.15f;
}
