namespace Mesh30K.Consistency.Documents;

/// <summary>Elements by the gap of the prose in which they stand.</summary>
internal static class Gaps
{
    /// <summary>The indices of the elements by gap, and inside of a gap as they came; <paramref name="ends"/>: where each gap ends in them.</summary>
    public static int[] Order<T>(List<T> elements, Func<T, int> gapOf, int lastGap, out int[] ends)
    {
        ends = new int[lastGap + 2];
        foreach (T element in elements) ends[gapOf(element) + 1]++;
        for (int gap = 1; gap < ends.Length; gap++) ends[gap] += ends[gap - 1];
        int[] order = new int[elements.Count];
        for (int i = 0; i < elements.Count; i++) order[ends[gapOf(elements[i])]++] = i;
        return order;
    }
}
