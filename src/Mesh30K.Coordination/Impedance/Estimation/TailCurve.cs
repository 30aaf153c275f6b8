using System.Runtime.CompilerServices;

namespace Mesh30K.Coordination.Impedance.Estimation;

/// <summary>
/// How a quantile between the median and the 0.95 one lies between the two: 0 at a miss probability of 0.5, 1 at 0.05, known every 0.05 and linear
/// between. Planners that let noisy agents miss often (ADR 0005) read quantiles there. An exponential tail is the default; a class that has
/// been seen puts its own curve in its place, as a model call's delay is nearer to normal there than to exponential. Value; 40 bytes.
/// </summary>
public struct TailCurve
{
    /// <summary>The miss probability between two knots.</summary>
    public const float Step = 0.05f;

    private const int Knots = 10;

    private Fractions _fractions;

    [InlineArray(Knots)]
    private struct Fractions
    {
        private float _first;
    }

    /// <summary>The curve of an exponential tail: ln(0.5/miss)/ln 10.</summary>
    public static TailCurve Exponential { get; } = BuildExponential();

    /// <summary>The fraction of the way from the median to the 0.95 quantile at a miss probability, which is held within 0.05 to 0.5.</summary>
    public readonly float At(float miss)
    {
        float at = Math.Clamp((miss / Step) - 1f, 0f, Knots - 1);
        int knot = Math.Min((int)at, Knots - 2);
        return _fractions[knot] + ((at - knot) * (_fractions[knot + 1] - _fractions[knot]));
    }

    /// <summary>The curve of a class whose residuals above their median are counted; exponential where the class shows no spread.</summary>
    internal static TailCurve Of(in RatioHistogram residuals)
    {
        float lead = residuals.Quantile(1f - Step) - 1f;
        if (!(lead > 0f)) return Exponential;
        TailCurve curve = default;
        for (int knot = 0; knot < Knots - 1; knot++)
            curve._fractions[knot] = Math.Clamp((residuals.Quantile(1f - ((knot + 1) * Step)) - 1f) / lead, 0f, 1f);
        return curve;
    }

    private static TailCurve BuildExponential()
    {
        TailCurve curve = default;
        for (int knot = 0; knot < Knots; knot++) curve._fractions[knot] = MathF.Log(0.5f / ((knot + 1) * Step)) / MathF.Log(10f);
        return curve;
    }
}
