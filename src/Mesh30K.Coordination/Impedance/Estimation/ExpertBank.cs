using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Mesh30K.Coordination.Impedance.Estimation;

/// <summary>
/// Eight simple predictors of the same quantiles, one in each lane of a vector, with the record of how well each has done. All are of one
/// form: a moving level plus a distance. They differ in how fast the level moves and in how the distance is found.
/// <code>
/// lane  level α   distance                    good when
/// 0     –         window of 100 (from outside) the law does not change
/// 1     0.03      k × mean deviation, β 0.03   few samples, light tails
/// 2     1/8       k × mean deviation, β 1/4    the spread changes (Jacobson 1988, RFC 6298, but with k for the level)
/// 3     0.9       tracked                      the last value says most: level shifts, random walks
/// 4     0.5       tracked                      correlated noise
/// 5     0.2       tracked                      drift
/// 6     0.06      tracked, quick               the tail changes
/// 7     0.02      tracked, slow                the law does not change, memory longer than 100
/// </code>
/// "Tracked" is the stochastic quantile step: up by step·level when the sample lies above, down by step·(1−level) when not, so that it
/// rests where the share above is 1−level, whatever the law. No exp, log or fused step: the same bits on every machine.
/// A mutable struct inside its only owner; not thread-safe.
/// </summary>
internal struct ExpertBank
{
    private const int Lanes = 8;

    /// <summary>Weight e^(−12) for an expert whose discounted loss is twice the best one's.</summary>
    private const float Eta = 12f;

    /// <summary>What a loss is worth after one more sample: a memory of about 100 samples.</summary>
    private const float Discount = 0.99f;

    private static readonly Vector256<float> LevelAlpha = Vector256.Create(0.03f, 0.03f, 0.125f, 0.9f, 0.5f, 0.2f, 0.06f, 0.02f);
    private static readonly Vector256<float> DeviationAlpha = Vector256.Create(0.03f, 0.03f, 0.25f, 0.03f, 0.03f, 0.03f, 0.03f, 0.03f);
    private static readonly Vector256<float> TrackStep = Vector256.Create(0f, 0f, 0f, 0.3f, 0.3f, 0.3f, 0.5f, 0.15f);
    /// <summary>The window counts twice: among equals the one that asks no more than that nothing changed is preferred.</summary>
    private static readonly Vector256<float> Prior = Vector256.Create(2f, 1f, 1f, 1f, 1f, 1f, 1f, 1f);
    private static readonly Vector256<float> IsTracked = Vector256.Create(0, 0, 0, -1, -1, -1, -1, -1).AsSingle();

    private Vector256<float> _level;
    private Vector256<float> _deviation;
    private PerLevel _median;
    private PerLevel _lead;
    private PerLevel _tail;

    /// <summary>One quantile level's share of the bank: tracked distances, predictions and discounted losses of the eight lanes.</summary>
    private struct PerLevel
    {
        public Vector256<float> Distance;
        public Vector256<float> Prediction;
        public Vector256<float> Loss;
    }

    /// <summary>Slow mean of the samples, in their unit.</summary>
    public readonly float Mean => _level.GetElement(1);

    /// <summary>Slow mean absolute deviation of the samples, in their unit: the yardstick of every step.</summary>
    public readonly float Deviation => _deviation.GetElement(1);

    /// <summary>Charges every expert the pinball loss of what it had predicted for <paramref name="y"/>.</summary>
    public void Score(float y, in QuantileLevels levels)
    {
        Vector256<float> sample = Vector256.Create(y);
        Charge(ref _median, sample, 0.5f);
        Charge(ref _lead, sample, levels.Lead);
        Charge(ref _tail, sample, levels.Tail);
    }

    /// <summary>
    /// Moves levels, deviations and tracked distances; <paramref name="count"/> is the number of samples including this one. At first all
    /// levels move by 2/(count + 1): a first call is often slower than the rest and should be forgotten faster than a mean would.
    /// </summary>
    public void Learn(float y, int count, in QuantileLevels levels)
    {
        Vector256<float> sample = Vector256.Create(y);
        if (count == 1)
        {
            _level = sample;
            _deviation = sample * 0.1f;
            return;
        }
        Vector256<float> warm = Vector256.Create(2f / (count + 1));
        Vector256<float> residual = sample - _level;
        _deviation += Vector256.Max(DeviationAlpha, warm) * (Vector256.Abs(residual) - _deviation);
        Vector256<float> step = TrackStep * _deviation;
        Track(ref _median, residual, step * 0.2f, 0.5f);
        Track(ref _lead, residual, step, levels.Lead);
        Track(ref _tail, residual, step, levels.Tail);
        _level += Vector256.Max(LevelAlpha, warm) * residual;
    }

    /// <summary>Starts the tracked distances anew from the window and the deviation, while samples are too few to track anything.</summary>
    public void Seed(in Quantiles window, in QuantileLevels levels)
    {
        float center = 0.5f * (window.Median + Mean);
        _median.Distance = Vector256<float>.Zero;
        _lead.Distance = Vector256.Create((0.5f * (window.Lead + Mean + (levels.LeadDeviations * Deviation))) - center);
        _tail.Distance = Vector256.Create((0.5f * (window.Tail + Mean + (levels.TailDeviations * Deviation))) - center);
    }

    /// <summary>Prepares each expert's prediction of the next sample and combines them, level by level, by weighted median.</summary>
    public Quantiles Predict(in Quantiles window, in QuantileLevels levels) => new(
        Combine(ref _median, window.Median, 0f),
        Combine(ref _lead, window.Lead, levels.LeadDeviations),
        Combine(ref _tail, window.Tail, levels.TailDeviations));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Charge(ref PerLevel at, Vector256<float> sample, float level)
    {
        Vector256<float> miss = sample - at.Prediction;
        Vector256<float> loss = Vector256.Max(miss * level, miss * (level - 1f));
        at.Loss += (loss - at.Loss) * (1f - Discount);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Track(ref PerLevel at, Vector256<float> residual, Vector256<float> step, float level)
    {
        Vector256<float> above = Vector256.GreaterThan(residual, at.Distance);
        at.Distance += Vector256.ConditionalSelect(above, step * level, step * (level - 1f));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly float Combine(ref PerLevel at, float window, float deviations)
    {
        Vector256<float> distance = Vector256.ConditionalSelect(IsTracked, at.Distance, _deviation * deviations);
        at.Prediction = (_level + distance).WithElement(0, window);
        return WeightedMedian(at.Prediction, Weights(at.Loss) * Prior);
    }

    /// <summary>(1 − x/16)^16 for e^(−x), x = η·(loss − best)/best: the same shape, zero beyond 16, and exact arithmetic everywhere.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Weights(Vector256<float> loss)
    {
        float best = Min(loss);
        Vector256<float> excess = (loss - Vector256.Create(best)) * (Eta / (16f * MathF.Max(best, 1e-30f)));
        Vector256<float> weight = Vector256.Max(Vector256<float>.Zero, Vector256<float>.One - excess);
        weight *= weight;
        weight *= weight;
        weight *= weight;
        return weight * weight;
    }

    /// <summary>The least prediction at or below which lies half of the weight. Eight compares instead of a sort: no branch to mispredict.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float WeightedMedian(Vector256<float> prediction, Vector256<float> weight)
    {
        Vector256<float> upTo = Vector256<float>.Zero;
        for (int lane = 0; lane < Lanes; lane++)
        {
            Vector256<float> counts = Vector256.LessThanOrEqual(Vector256.Create(prediction.GetElement(lane)), prediction);
            upTo += counts & Vector256.Create(weight.GetElement(lane));
        }
        Vector256<float> enough = Vector256.GreaterThanOrEqual(upTo, Vector256.Create(0.499999f * Vector256.Sum(weight)));
        return Min(Vector256.ConditionalSelect(enough, prediction, Vector256.Create(float.MaxValue)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Min(Vector256<float> v)
    {
        Vector128<float> four = Vector128.Min(v.GetLower(), v.GetUpper());
        Vector128<float> two = Vector128.Min(four, Vector128.Shuffle(four, Vector128.Create(2, 3, 0, 1)));
        return MathF.Min(two.GetElement(0), two.GetElement(1));
    }
}
