namespace Mesh30K.Cli;

/// <summary>What the process says to its caller. The only exit codes that <c>mesh</c> uses; <c>mesh effect run</c> ends with its command's.</summary>
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

    /// <summary>Of effects: it may have taken place, and waits for a person's decision.</summary>
    InDoubt = 121,

    /// <summary>Of effects: another executor has it.</summary>
    Held = 122,

    /// <summary>Of effects: it did not take place, or its receiver honours the key: run it again under the same key.</summary>
    RunAgain = 123,

    /// <summary>Of effects: a person gave it up.</summary>
    Abandoned = 124,

    /// <summary>Of effects: it was executed, and the ledger does not have that.</summary>
    Unrecorded = 125,

    /// <summary>Stopped by Ctrl-C or a request to terminate before the work was done.</summary>
    Interrupted = 130,
}
