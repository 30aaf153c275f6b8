namespace Mesh30K.Simulation.Prediction;

/// <summary>
/// Recorded measurements that cannot be read. Nothing is returned of an input with a mistake in it, since a score over half of it would
/// look like one over all. The message names the file, the line (from 1; 0 when it is about the whole file), what is there and what
/// would be right.
/// </summary>
public sealed class PredictionInputException : Exception
{
    /// <summary>A mistake at one line of one file.</summary>
    public PredictionInputException(string file, int line, string found, string expected)
        : base(line > 0 ? $"{file}:{line}: {found}; expected {expected}" : $"{file}: {found}; expected {expected}")
    {
        File = file;
        Line = line;
        Found = found;
        Expected = expected;
    }

    /// <summary>The file or folder, as it was given.</summary>
    public string File { get; }

    /// <summary>The line from 1, the header included; 0 when the mistake is not on a line.</summary>
    public int Line { get; }

    /// <summary>What is there.</summary>
    public string Found { get; }

    /// <summary>What would be right.</summary>
    public string Expected { get; }
}
