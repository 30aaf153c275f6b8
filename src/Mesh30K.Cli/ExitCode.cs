namespace Mesh30K.Cli;

/// <summary>What the process says to its caller. The only exit codes that <c>mesh</c> uses.</summary>
public enum ExitCode
{
    /// <summary>The operation did what was asked.</summary>
    Ok = 0,

    /// <summary>The operation ran and its answer is no: a negative decision, a failed check, too few READY.</summary>
    NotAchieved = 1,

    /// <summary>The command line, a file or a value is wrong; nothing was done.</summary>
    Usage = 2,

    /// <summary>The node could not be reached, or refused the caller.</summary>
    NodeUnreachable = 3,

    /// <summary>A bug in mesh itself.</summary>
    InternalBug = 4,

    /// <summary>Stopped by Ctrl-C or a request to terminate before the work was done.</summary>
    Interrupted = 130,
}
