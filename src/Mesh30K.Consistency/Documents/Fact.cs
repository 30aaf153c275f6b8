using Mesh30K.Consistency.Time;

namespace Mesh30K.Consistency.Documents;

/// <summary>One fact of a facts document.</summary>
/// <param name="Entity">What it is about.</param>
/// <param name="Attribute">Which of its attributes.</param>
/// <param name="At">When it was stated.</param>
/// <param name="By">Who stated it; empty for nobody.</param>
/// <param name="Json">The whole fact in canonical form, which is its identity; a part of the file's text where it was written so.</param>
internal sealed record Fact(string Entity, string Attribute, Hlc At, string By, ReadOnlyMemory<char> Json)
{
    /// <summary>By entity, attribute, time, author, then value: equal for the same fact.</summary>
    public static int Compare(Fact a, Fact b)
    {
        if (ReferenceEquals(a, b)) return 0;
        int order = string.CompareOrdinal(a.Entity, b.Entity);
        if (order == 0) order = string.CompareOrdinal(a.Attribute, b.Attribute);
        if (order == 0) order = a.At.CompareTo(b.At);
        if (order == 0) order = string.CompareOrdinal(a.By, b.By);
        return order == 0 ? a.Json.Span.SequenceCompareTo(b.Json.Span) : order;
    }
}
