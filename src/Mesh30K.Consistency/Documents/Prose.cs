namespace Mesh30K.Consistency.Documents;

/// <summary>
/// The lines of a file that are no elements. Elements stand in the gaps between them: gap 0 before the first line, gap n after the n-th.
/// </summary>
internal sealed class Prose
{
    public List<string> Lines { get; } = [];

    /// <summary>The number in the file, from 1, of each line.</summary>
    public List<int> Numbers { get; } = [];

    /// <summary>The gap at the end.</summary>
    public int Gap => Lines.Count;

    public void Add(ReadOnlySpan<char> line, int number)
    {
        Lines.Add(line.ToString());
        Numbers.Add(number);
    }

    public bool Matches(Prose other) => Lines.Count == other.Lines.Count && Lines.SequenceEqual(other.Lines, StringComparer.Ordinal);
}
