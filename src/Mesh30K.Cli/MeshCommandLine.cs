using System.CommandLine;
using System.CommandLine.Completions;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using Mesh30K.Cli.Commands;
using Mesh30K.Cli.Output;

namespace Mesh30K.Cli;

/// <summary>
/// The command line as a value: parses, runs one verb, and turns every outcome into output and an exit code.
/// It takes nothing from its process but its <see cref="CliContext"/>, so tests run it in process.
/// System.CommandLine parses and completes; what to do with the outcome is decided here, because its own help, version and error
/// actions know nothing of <c>--json</c>.
/// </summary>
public sealed class MeshCommandLine
{
    private readonly CliContext _context;
    private readonly HelpOption _help = new("--help", "-h") { Description = "Show help", Action = new Marker() };
    private readonly Option<bool> _json = new("--json") { Description = "Write one JSON object to stdout, also for errors", Recursive = true };
    private readonly Option<bool> _noColor = new("--no-color") { Description = "No colour, as with NO_COLOR set", Recursive = true };
    private readonly Option<bool> _verbose = new("--verbose") { Description = "Tell details on stderr", Recursive = true };
    private readonly Option<bool> _version = new("--version") { Description = "Show the version and the commit", Action = new Marker() };

    private MeshCommandLine(CliContext context, IReadOnlyList<VerbCommand> verbs)
    {
        _context = context;
        Root = new RootCommand("Coordinates fleets of AI agents so that they are ready together.");
        Root.Options.Clear();
        Root.Add(_help);
        foreach (VerbCommand verb in verbs) Root.Add(verb);
        Root.Add(_json);
        Root.Add(_noColor);
        Root.Add(_verbose);
        Root.Add(_version);
        foreach (VerbCommand verb in VerbsBelow(Root)) verb.Action = new Marker();
    }

    /// <summary>The tree of verbs and options.</summary>
    public RootCommand Root { get; }

    public static MeshCommandLine Create(CliContext context) => new(context, Verbs());

    /// <summary>As <see cref="Create(CliContext)"/>, with other verbs.</summary>
    public static MeshCommandLine Create(CliContext context, IReadOnlyList<VerbCommand> verbs) => new(context, verbs);

    /// <summary>Every verb, in the order in which the help lists them. A new verb is one line here.</summary>
    public static IReadOnlyList<VerbCommand> Verbs() =>
    [
        new DemoCommand(),
        new UpCommand(),
        new StatusCommand(),
        new CascadeCommand(),
        new BroadcastCommand(),
        new AskCommand(),
        new DelegateCommand(),
        new AgentsCommand(),
        new AgentCommand(),
        new InboxCommand(),
        new SectorsCommand(),
        new SectorCommand(),
        new OperationsCommand(),
        new OperationCommand(),
        new InitCommand(),
        new StateCommand(),
        new QueueCommand(),
        new EffectCommand(),
        new CoordinatorCommand(),
        new LedgerCommand(),
        new LayersCommand(),
        new DoctorCommand(),
        new SimulateCommand(),
        new VerifyCommand(),
        new BenchCommand(),
        new CompletionCommand(),
    ];

    /// <summary>
    /// Runs one command line to its end. Never throws; <paramref name="stop"/> interrupts the verb, and after
    /// <see cref="CliContext.StopGrace"/> leaves it behind.
    /// </summary>
    public async Task<ExitCode> RunAsync(IReadOnlyList<string> args, CancellationToken stop = default)
    {
        List<string> options = [.. args.TakeWhile(a => a != "--")];
        CliOutput output = new(_context, options.Contains("--json"), options.Contains("--no-color"), options.Contains("--verbose"));
        try
        {
            ParseResult parse = Root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
            return await InvokeAsync(parse, output, stop).ConfigureAwait(false);
        }
        catch (CliException known)
        {
            return output.Fail(known.Error);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return output.Fail(new CliError(ExitCode.Interrupted, "interrupted", "interrupted"));
        }
        catch (Exception bug)
        {
            return ExplainBug(bug, output);
        }
    }

    private async Task<ExitCode> InvokeAsync(ParseResult parse, CliOutput output, CancellationToken stop)
    {
        Command command = parse.CommandResult.Command;
        if (Root.Directives.OfType<SuggestDirective>().Any(suggest => parse.GetResult(suggest) is not null)) return Suggest(parse);
        if (parse.GetResult(_help) is { Implicit: false }) return ShowHelp(command, output);
        if (parse.Tokens.Count == 0) return ShowHelp(Root, output);
        if (parse.Errors.Count > 0) return output.Fail(UsageErrors.Explain(parse));
        if (command == Root && parse.GetValue(_version))
        {
            output.ResultText(BuildVersion.Current, BuildVersion.Current.ToString());
            return ExitCode.Ok;
        }
        return command is VerbCommand verb
            ? await RunVerbAsync(verb, new VerbRun(parse, _context, output, stop)).ConfigureAwait(false)
            : output.Fail(UsageErrors.Explain(parse));
    }

    /// <summary>Runs the verb on a pool thread, so that a verb which computes without a pause can be left behind too.</summary>
    private static async Task<ExitCode> RunVerbAsync(VerbCommand verb, VerbRun run)
    {
        Task<ExitCode> running = Task.Run(() => verb.RunAsync(run), CancellationToken.None);
        TaskCompletionSource stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using CancellationTokenRegistration registration = run.Stop.Register(stopped.SetResult);
        await Task.WhenAny(running, stopped.Task).ConfigureAwait(false);
        if (!running.IsCompleted) await Task.WhenAny(running, Task.Delay(verb.StopGrace ?? run.Context.StopGrace, CancellationToken.None)).ConfigureAwait(false);
        if (!running.IsCompleted) throw new OperationCanceledException(run.Stop);
        ExitCode exit = await running.ConfigureAwait(false);
        return run.Output is { Json: true, ResultGiven: false }
            ? throw new InvalidOperationException($"the verb {verb.Name} gave no result")
            : exit;
    }

    /// <summary>Answers the completion scripts: one candidate a line, from the parser's own directive.</summary>
    private ExitCode Suggest(ParseResult parse)
    {
        parse.Invoke(new InvocationConfiguration { Output = _context.Out, Error = _context.Error, EnableDefaultExceptionHandler = false });
        return ExitCode.Ok;
    }

    private static ExitCode ShowHelp(Command command, CliOutput output)
    {
        string text = HelpText.For(command);
        output.ResultText(new HelpResult(text), text);
        return ExitCode.Ok;
    }

    private static ExitCode ExplainBug(Exception bug, CliOutput output)
    {
        ExitCode exit = output.Fail(new CliError(
            ExitCode.InternalBug,
            "internal_bug",
            $"unexpected {bug.GetType().Name}: {bug.Message.ReplaceLineEndings(" ")}",
            "This is a bug in mesh. Please open an issue with the command, its output with --verbose, and `mesh --version`."));
        output.Detail(bug.ToString());
        return exit;
    }

    private static IEnumerable<VerbCommand> VerbsBelow(Command parent) =>
        parent.Subcommands.SelectMany(child => child is VerbCommand { RunsItself: true } verb ? VerbsBelow(child).Prepend(verb) : VerbsBelow(child));

    private sealed record HelpResult(string Help);

    /// <summary>Tells the parser that a symbol can be invoked; <see cref="InvokeAsync"/> does the work.</summary>
    private sealed class Marker : SynchronousCommandLineAction
    {
        public override int Invoke(ParseResult parseResult) => throw new InvalidOperationException("invoked by MeshCommandLine");
    }
}
