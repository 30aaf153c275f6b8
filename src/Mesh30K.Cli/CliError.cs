namespace Mesh30K.Cli;

/// <summary>
/// A failure as the user sees it: one message and what to do about it. With <c>--json</c> it is
/// <c>{"error":{"code","message","hint"}}</c> on stdout, otherwise two lines on stderr.
/// </summary>
/// <param name="Exit">The exit code of the process; never <see cref="ExitCode.Ok"/>.</param>
/// <param name="Code">A stable snake_case name for programs, such as <c>unknown_verb</c>.</param>
/// <param name="Message">What is wrong, in one line.</param>
/// <param name="Hint">What would be right, in one line; null when there is nothing useful to say.</param>
public sealed record CliError(ExitCode Exit, string Code, string Message, string? Hint = null);

/// <summary>Ends a verb with an error that the user can act on. Anything else that is thrown counts as a bug in mesh.</summary>
public sealed class CliException(CliError error) : Exception(error.Message)
{
    public CliError Error { get; } = error;
}
