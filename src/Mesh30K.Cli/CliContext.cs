namespace Mesh30K.Cli;

/// <summary>
/// Everything that the command line takes from its process, so that a test can run it in process: writers, terminal, environment.
/// </summary>
public sealed record CliContext
{
    private const int WidthWithoutTerminalColumns = 120;

    /// <summary>Results go here, and with <c>--json</c> exactly one JSON object.</summary>
    public required TextWriter Out { get; init; }

    /// <summary>Progress, logs and errors go here.</summary>
    public required TextWriter Error { get; init; }

    /// <summary>Opens stdin, for verbs that read a document from it, or ask.</summary>
    public Func<Stream> OpenIn { get; init; } = static () => Stream.Null;

    /// <summary>Opens stdout for bytes that have to stay as they are whatever the terminal's encoding is; null: they go to <see cref="Out"/> as text.</summary>
    public Func<Stream>? OpenOut { get; init; }

    /// <summary>Whether there is somebody to ask.</summary>
    public bool InIsTerminal { get; init; }

    public bool OutIsTerminal { get; init; }

    public bool ErrorIsTerminal { get; init; }

    /// <summary>How wide a table may be, in columns.</summary>
    public int WidthColumns { get; init; } = WidthWithoutTerminalColumns;

    /// <summary>Reads an environment variable; null when it is not set.</summary>
    public required Func<string, string?> Environment { get; init; }

    /// <summary>Relative paths on the command line start here.</summary>
    public required string WorkingDirectory { get; init; }

    /// <summary>How long a verb may take to stop after Ctrl-C before the process leaves without it. Default 5 s.</summary>
    public TimeSpan StopGrace { get; init; } = TimeSpan.FromSeconds(5);

    public static CliContext ForProcess()
    {
        bool outIsTerminal = !Console.IsOutputRedirected;
        return new CliContext
        {
            Out = Console.Out,
            Error = Console.Error,
            OpenIn = Console.OpenStandardInput,
            OpenOut = Console.OpenStandardOutput,
            InIsTerminal = !Console.IsInputRedirected,
            OutIsTerminal = outIsTerminal,
            ErrorIsTerminal = !Console.IsErrorRedirected,
            WidthColumns = outIsTerminal && Console.WindowWidth > 0 ? Console.WindowWidth : WidthWithoutTerminalColumns,
            Environment = System.Environment.GetEnvironmentVariable,
            WorkingDirectory = Directory.GetCurrentDirectory(),
        };
    }
}
