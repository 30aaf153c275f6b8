using System.Text.Json;
using System.Text.Json.Serialization;
using Mesh30K.Cli.Client;
using Spectre.Console;

namespace Mesh30K.Cli.Output;

/// <summary>
/// What one run of a verb says. Results go to stdout once, as JSON or for people; notes and errors go to stderr.
/// Not thread-safe: the verb that got it owns it.
/// </summary>
public sealed class CliOutput
{
    private static readonly JsonSerializerOptions JsonOptions = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DictionaryKeyPolicy = null,
        DefaultIgnoreCondition = JsonIgnoreCondition.Never,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };

    private const int ErrorCharsMax = 500;

    private readonly CliContext _context;
    private readonly Lazy<IAnsiConsole> _human;
    private readonly Lazy<IAnsiConsole> _progress;

    public CliOutput(CliContext context, bool json, bool noColor, bool verbose)
    {
        _context = context;
        Json = json;
        Verbose = verbose;
        bool colourAllowed = !noColor && string.IsNullOrEmpty(context.Environment("NO_COLOR"))
            && !string.Equals(context.Environment("TERM"), "dumb", StringComparison.Ordinal);
        Colour = colourAllowed && context.OutIsTerminal && !json;
        _human = new(() => CreateConsole(context.Out, Colour));
        _progress = new(() => CreateConsole(context.Error, colourAllowed && context.ErrorIsTerminal));
    }

    /// <summary>Whether the caller is a program: <c>--json</c>.</summary>
    public bool Json { get; }

    /// <summary>Whether details are wanted: <c>--verbose</c>.</summary>
    public bool Verbose { get; }

    /// <summary>Whether stdout takes colour: a terminal, and neither <c>--no-color</c>, <c>NO_COLOR</c> nor <c>TERM=dumb</c>.</summary>
    public bool Colour { get; }

    /// <summary>Whether the one result was given already.</summary>
    public bool ResultGiven { get; private set; }

    /// <summary>A console on stderr, for progress bars and live notes of verbs that take long.</summary>
    public IAnsiConsole Progress => _progress.Value;

    /// <summary>
    /// Gives the result of the verb: <paramref name="value"/> as one JSON object in snake_case (enums as snake_case strings), or what
    /// <paramref name="render"/> writes for people. Once per run.
    /// </summary>
    public void Result<T>(T value, Action<IAnsiConsole> render)
        where T : notnull
    {
        Write(() =>
        {
            if (Json) _context.Out.WriteLine(JsonOf(value));
            else render(_human.Value);
        });
    }

    private void Write(Action write)
    {
        if (ResultGiven) throw new InvalidOperationException("a verb gives one result");
        ResultGiven = true;
        try
        {
            write();
        }
        catch (Exception full) when (full is IOException or UnauthorizedAccessException)
        {
            throw new CliException(new CliError(ExitCode.Usage, "output_failed", $"cannot write the result to stdout: {full.Message}", "Is the disk full, or stdout closed?"));
        }
    }

    /// <summary>Like <see cref="Result{T}"/>, for people as UTF-8 bytes that are written as they are.</summary>
    public void ResultBytes<T>(T value, byte[] utf8)
        where T : notnull
    {
        if (Json) Result(value, static _ => { });
        else Write(() => WriteBytes(utf8));
    }

    private void WriteBytes(byte[] utf8)
    {
        if (_context.OpenOut is not { } open)
        {
            _context.Out.Write(System.Text.Encoding.UTF8.GetString(utf8));
            return;
        }
        _context.Out.Flush();
        using Stream raw = open();
        raw.Write(utf8);
    }

    private static string JsonOf<T>(T value)
        where T : notnull
    {
        string text = JsonSerializer.Serialize(value, value.GetType(), JsonOptions);
        return text[0] == '{' ? text : throw new InvalidOperationException("a result is a JSON object, not " + typeof(T).Name);
    }

    /// <summary>Like <see cref="Result{T}"/>, for people as plain text that is written as it is.</summary>
    public void ResultText<T>(T value, string text)
        where T : notnull
    {
        if (Json) Result(value, static _ => { });
        else Write(() => _context.Out.Write(text.EndsWith('\n') ? text : text + "\n"));
    }

    /// <summary>One line on stderr; nothing where stderr takes nothing.</summary>
    public void Note(string line)
    {
        try
        {
            _context.Error.WriteLine(line);
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            // There is nobody left to tell; the exit code still says how it went.
        }
    }

    /// <summary>One line on stderr when <c>--verbose</c> was given.</summary>
    public void Detail(string line)
    {
        if (Verbose) Note(line);
    }

    /// <summary>Tells an error and returns its exit code. With <c>--json</c> it is the run's one object unless a result went out before.</summary>
    public ExitCode Fail(CliError error)
    {
        // What is wrong may quote a file: ten megabytes of one line, or bytes that would steer the terminal.
        string message = Plain.Line(error.Message, ErrorCharsMax);
        string? hint = error.Hint is { } advice ? Plain.Line(advice, ErrorCharsMax) : null;
        if (Json && !ResultGiven)
        {
            try
            {
                Result(new ErrorEnvelope(new ErrorBody(error.Code, message, hint)), static _ => { });
                return error.Exit;
            }
            catch (CliException)
            {
                // stdout takes nothing: stderr then, with the error that counts.
            }
        }
        Note("mesh: " + message);
        if (hint is not null) Note("      " + hint);
        return error.Exit;
    }

    private IAnsiConsole CreateConsole(TextWriter writer, bool colour)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = colour ? AnsiSupport.Yes : AnsiSupport.No,
            ColorSystem = colour ? ColorSystemSupport.Standard : ColorSystemSupport.NoColors,
            Interactive = colour ? InteractionSupport.Detect : InteractionSupport.No,
            Out = new AnsiConsoleOutput(writer),
        });
        console.Profile.Width = _context.WidthColumns;
        return console;
    }

    private sealed record ErrorEnvelope(ErrorBody Error);

    private sealed record ErrorBody(string Code, string Message, string? Hint);
}
