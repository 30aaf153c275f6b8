using System.Runtime.CompilerServices;

namespace Mesh30K.Coordination.Impedance.Estimation;

/// <summary>
/// Keeps the slots of a ring in the order of their values: one byte a sample instead of a second copy of the value. A binary search finds
/// the place, one block move makes room. Pure functions over memory that the caller owns; not thread-safe.
/// </summary>
internal static class SortedWindow
{
    /// <summary>Puts <paramref name="slot"/> among the first <paramref name="count"/> entries of <paramref name="order"/>, which must have room.</summary>
    public static void Insert(Span<byte> order, int count, ReadOnlySpan<float> values, int slot)
    {
        int at = UpperBound(order[..count], values, values[slot]);
        order[at..count].CopyTo(order[(at + 1)..]);
        order[at] = (byte)slot;
    }

    /// <summary>Takes <paramref name="slot"/> out of the first <paramref name="count"/> entries: one vectorised scan of at most 100 bytes.</summary>
    public static void Remove(Span<byte> order, int count, int slot)
    {
        int at = order[..count].IndexOf((byte)slot);
        order[(at + 1)..count].CopyTo(order[at..]);
    }

    /// <summary>
    /// The value at 1-based rank <paramref name="rank"/>, interpolated between neighbours and held at the ends. With the rank level·(n+1)
    /// the next sample of an exchangeable series lies below with exactly that chance, while the rank is at most n.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float AtRank(ReadOnlySpan<byte> order, ReadOnlySpan<float> values, float rank)
    {
        int below = (int)rank;
        if (below < 1) return values[order[0]];
        if (below >= order.Length) return values[order[^1]];
        float low = values[order[below - 1]];
        float high = values[order[below]];
        return low + ((rank - below) * (high - low));
    }

    private static int UpperBound(ReadOnlySpan<byte> order, ReadOnlySpan<float> values, float value)
    {
        int low = 0;
        int high = order.Length;
        while (low < high)
        {
            int middle = (low + high) >> 1;
            if (values[order[middle]] <= value) low = middle + 1;
            else high = middle;
        }
        return low;
    }
}
