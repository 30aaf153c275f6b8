namespace Mesh30K.Consistency.Documents;

/// <summary>
/// The three-way join of a value: the side that changed it wins; of two different changes the larger value. With one base it is commutative,
/// associative and idempotent: the result is the largest of the changed values, or the base when none changed.
/// </summary>
internal static class ThreeWay
{
    public static bool Join(bool start, bool ours, bool theirs) => ours == start ? theirs : ours;

    public static QueueStatus Join(QueueStatus start, QueueStatus ours, QueueStatus theirs)
    {
        if (ours == start) return theirs;
        return theirs == start || ours > theirs ? ours : theirs;
    }

    /// <summary>Null, for what is not there, is the smallest.</summary>
    public static string? Join(string? start, string? ours, string? theirs)
    {
        if (ours == start) return theirs;
        return theirs == start || string.CompareOrdinal(ours, theirs) > 0 ? ours : theirs;
    }
}
