namespace Mesh30K.Cli.Config;

/// <summary>The first thing that is wrong with a fleet file.</summary>
/// <param name="File">The file as the caller named it.</param>
/// <param name="Line">Line from 1; 0 when the error is about the whole file.</param>
/// <param name="Column">Column from 1; 0 when the error is about the whole file.</param>
/// <param name="What">What is wrong, without a full stop.</param>
/// <param name="Fix">What would be right, as a sentence.</param>
public sealed record FleetFileError(string File, long Line, long Column, string What, string Fix)
{
    public override string ToString() => Line == 0 ? $"{File}: {What}" : $"{File}:{Line}:{Column}: {What}";
}

/// <summary>A checked fleet file, or what is wrong with it. Exactly one of the two is set.</summary>
public sealed record FleetFileResult(FleetFile? File, FleetFileError? Error)
{
    /// <summary>The file, or the error as one that ends the verb with <see cref="ExitCode.Usage"/>.</summary>
    public FleetFile OrThrow() =>
        File ?? throw new CliException(new CliError(ExitCode.Usage, "fleet_file", Error!.ToString(), Error.Fix));
}

/// <summary>Leaves the parser at the first error; never leaves <see cref="FleetFileParser"/>.</summary>
internal sealed class FleetFileException(FleetFileError error) : Exception(error.ToString())
{
    public FleetFileError Error { get; } = error;
}
