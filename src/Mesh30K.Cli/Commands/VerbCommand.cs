using System.CommandLine;
using Mesh30K.Cli.Output;
using Mesh30K.Node.Runtime;

namespace Mesh30K.Cli.Commands;

/// <summary>
/// One verb of <c>mesh</c>: its options and arguments, its examples, and what it does. A new verb is one class of this kind and one line in
/// <see cref="MeshCommandLine.Verbs"/>. A verb with its own sub-verbs adds them as subcommands and need not be run itself (<see cref="RunsItself"/>).
/// </summary>
/// <param name="name">What the user types.</param>
/// <param name="summary">One line for the list of verbs.</param>
public abstract class VerbCommand(string name, string summary) : Command(name, summary)
{
    /// <summary>Complete command lines that work, for the help; at least one.</summary>
    public abstract IReadOnlyList<string> Examples { get; }

    /// <summary>Whether it does something by itself beside its sub-verbs.</summary>
    public virtual bool RunsItself => Subcommands.Count == 0;

    /// <summary>How long this verb may take to stop; null for <see cref="CliContext.StopGrace"/>.</summary>
    public virtual TimeSpan? StopGrace => null;

    /// <summary>
    /// Does the work. Expected failures end with a <see cref="CliException"/> or <see cref="CliOutput.Fail"/>; anything else thrown is
    /// reported as a bug. Must stop soon after <see cref="VerbRun.Stop"/>.
    /// </summary>
    public abstract Task<ExitCode> RunAsync(VerbRun run);
}

/// <summary>What a verb gets for one run.</summary>
/// <param name="Parse">The command line, for <c>GetValue(option)</c>.</param>
/// <param name="Context">Writers, environment and working directory of the caller.</param>
/// <param name="Output">Where the result, notes and errors go.</param>
/// <param name="Stop">Cancelled by Ctrl-C.</param>
public sealed record VerbRun(ParseResult Parse, CliContext Context, CliOutput Output, CancellationToken Stop)
{
    /// <summary>A path from the command line, made absolute against the caller's directory.</summary>
    /// <exception cref="CliException">It is empty, or what is there is a pipe or a device: reading it could wait for ever.</exception>
    public string PathOf(string path)
    {
        if (path.Length == 0 || path.Contains('\0', StringComparison.Ordinal))
            throw new CliException(new CliError(ExitCode.Usage, "bad_path", "a path is empty or holds a zero character", "Is a variable in the command not set?"));
        string absolute = Path.GetFullPath(path, Context.WorkingDirectory);
        return RegularFile.WhyNot(absolute) is { } special
            ? throw new CliException(new CliError(ExitCode.Usage, "bad_path", $"{path} is {special}, not a file", "Save its content to a file, and name that."))
            : absolute;
    }
}
