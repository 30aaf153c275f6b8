namespace Mesh30K.Simulation.Fleet;

/// <summary>
/// A recorded file that the fleet was asked to use cannot be used. The message names the file, the line (1 is the first), what was
/// wrong there, and what would be right; the parts are kept apart for a caller that lays out its own text.
/// </summary>
public sealed class FleetInputException : Exception
{
    public FleetInputException(string file, int line, string problem, string expected)
        : base(Compose(file, line, problem, expected))
    {
        File = file;
        Line = line;
        Problem = problem;
        Expected = expected;
    }

    /// <summary>The path as the caller gave it.</summary>
    public string File { get; }

    /// <summary>The line, counted from 1; 0 when the fault is of the whole file or folder.</summary>
    public int Line { get; }

    /// <summary>What was found.</summary>
    public string Problem { get; }

    /// <summary>What would have been right.</summary>
    public string Expected { get; }

    private static string Compose(string file, int line, string problem, string expected) =>
        line > 0 ? $"{file}, line {line}: {problem}; expected {expected}" : $"{file}: {problem}; expected {expected}";
}
