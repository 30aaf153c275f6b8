using System.Runtime.CompilerServices;

namespace Mesh30K.Coordination.Impedance.Estimation;

/// <summary>
/// How far above their own medians the samples of a class lie, as a histogram of value/median − 1 in eighths of octaves from 2^−16 to 2^8.
/// A quantile read from it is off by at most 9% of the excess, be the class as tight as a wired network or as wide as a model call.
/// Old samples fade: all counts are halved whenever 4,096 are held. Mutable struct inside its only owner; not thread-safe.
/// </summary>
internal struct RatioHistogram
{
    private const int Cells = 192;
    private const int CellsPerOctave = 8;
    private const int LowestOctave = -16;
    private const float HeldMax = 4096f;

    private Counts _counts;
    private float _held;

    [InlineArray(Cells)]
    private struct Counts
    {
        private float _first;
    }

    /// <summary>Counts one sample against the median its agent was predicted to have (above 0).</summary>
    public void Add(float value, float median)
    {
        float excess = (value / median) - 1f;
        _held += 1f;
        if (excess > 0f) _counts[Cell(excess)] += 1f;
        if (_held >= HeldMax) Halve();
    }

    /// <summary>Value/median below which the share <paramref name="level"/> of the samples lies; at least 1.</summary>
    public readonly float Quantile(float level)
    {
        float above = (1f - level) * _held;
        if (above <= 0f) return 1f;
        for (int cell = Cells - 1; cell >= 0; cell--)
        {
            float count = _counts[cell];
            if (count > 0f && above <= count) return 1f + Edge(cell + 1 - (above / count));
            above -= count;
        }
        return 1f;
    }

    private static int Cell(float excess) => Math.Clamp((int)((BitOctave(excess) - LowestOctave) * CellsPerOctave), 0, Cells - 1);

    /// <summary>log2 with its mantissa taken as linear: monotone, exact arithmetic, and its inverse is <see cref="Edge"/>.</summary>
    private static float BitOctave(float x)
    {
        int bits = BitConverter.SingleToInt32Bits(x);
        float mantissa = BitConverter.Int32BitsToSingle((bits & 0x7FFFFF) | 0x3F800000);
        return (bits >> 23) - 127 + (mantissa - 1f);
    }

    private static float Edge(float cell)
    {
        float octave = (cell / CellsPerOctave) + LowestOctave;
        float whole = MathF.Floor(octave);
        return BitConverter.Int32BitsToSingle((127 + (int)whole) << 23) * (1f + octave - whole);
    }

    private void Halve()
    {
        for (int cell = 0; cell < Cells; cell++) _counts[cell] *= 0.5f;
        _held *= 0.5f;
    }
}
