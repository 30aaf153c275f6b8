using System.CommandLine;
using Mesh30K.Cli.Client;
using Mesh30K.Node.Api.Operations;

namespace Mesh30K.Cli.Commands;

/// <summary>Sends an operation over the whole mesh and waits for the quorum's decision. Exit code 1 when that is not PROCEED.</summary>
public sealed class CascadeCommand : NodeVerb
{
    private readonly OperationArguments _operation;
    private readonly Option<string> _strategy = new("--strategy") { Description = "wave, parallel or priority-first", HelpName = "name", DefaultValueFactory = _ => "wave" };
    private readonly Option<string> _verb = new("--verb") { Description = "observe, orient, decide, act, record or sync", HelpName = "name", DefaultValueFactory = _ => "sync" };
    private readonly Option<string?> _payload = new("--payload") { Description = "The content: JSON, or @file", HelpName = "json" };

    public CascadeCommand()
        : base("cascade", "Bring the whole mesh to READY at one moment (exit code 1 unless the decision is PROCEED)")
    {
        Add(_strategy);
        Add(_verb);
        Add(_payload);
        _operation = new OperationArguments(this);
    }

    public override IReadOnlyList<string> Examples { get; } =
    [
        "mesh cascade", "mesh cascade --strategy priority-first --verb act --payload '{\"task\":\"reload\"}'", "mesh cascade --strategy parallel --window 1000 --timeout 5000",
        "mesh cascade --class gpu --dry-run", "mesh cascade --payload @task.json --json",
    ];

    private protected override void CheckInput(VerbRun run) => Request(run);

    private protected override async Task<ExitCode> RunAsync(VerbRun run, NodeClient client)
    {
        OperationView? ended = await _operation.SubmitAsync(run, client, Request(run), Views.Operation).ConfigureAwait(false);
        return ended is null or { Decision.Decision: "PROCEED" } ? ExitCode.Ok : ExitCode.NotAchieved;
    }

    private OperationRequest Request(VerbRun run) => _operation.Apply(run, new OperationRequest
    {
        Cascade = run.Parse.GetRequiredValue(_strategy),
        Verb = run.Parse.GetRequiredValue(_verb),
        Payload = OperationArguments.Payload(run, run.Parse.GetValue(_payload)),
    });
}

/// <summary>Sends a message to all at once (M 7.1). Exit code 1 when nothing was sent, and with <c>--require-ack</c> unless the decision is PROCEED.</summary>
public sealed class BroadcastCommand : NodeVerb
{
    private readonly OperationArguments _operation;
    private readonly Argument<string> _message = new("message") { Description = "The text; agents get it as a JSON string" };
    private readonly Option<bool> _requireAck = new("--require-ack") { Description = "Exit code 1 unless enough agents acked READY in time" };

    public BroadcastCommand()
        : base("broadcast", "Send a message to all agents at once")
    {
        Add(_message);
        Add(_requireAck);
        _operation = new OperationArguments(this);
    }

    public override IReadOnlyList<string> Examples { get; } =
        ["mesh broadcast \"Market closed early today\"", "mesh broadcast \"Reload your context\" --require-ack --timeout 10000", "mesh broadcast \"Hello\" --class edge --json"];

    private protected override void CheckInput(VerbRun run) => Request(run);

    private protected override async Task<ExitCode> RunAsync(VerbRun run, NodeClient client)
    {
        OperationView? ended = await _operation.SubmitAsync(run, client, Request(run), (console, o) =>
        {
            Views.Line(console, $"Broadcast complete: {o.Counts!.Sent:N0} sent, {o.AgentsReached:N0} acknowledged, {o.Counts.Skipped:N0} skipped");
            Views.Operation(console, o);
        }).ConfigureAwait(false);
        if (ended is null) return ExitCode.Ok;
        bool good = run.Parse.GetValue(_requireAck) ? ended.Decision!.Decision == "PROCEED" : ended.Counts!.Sent > 0;
        return good ? ExitCode.Ok : ExitCode.NotAchieved;
    }

    private OperationRequest Request(VerbRun run) => _operation.Apply(run, new OperationRequest
    {
        Strategy = "broadcast",
        Verb = "sync",
        Payload = OperationArguments.Text(run.Parse.GetRequiredValue(_message), "message"),
    });
}

/// <summary>Asks a sample of agents and groups what they answer (M 7.1). Exit code 1 when the decision is not PROCEED.</summary>
public sealed class AskCommand : NodeVerb
{
    private readonly OperationArguments _operation;
    private readonly Argument<string> _question = new("question") { Description = "The text; agents get it as a JSON string" };
    private readonly Option<int> _sample = new("--sample") { Description = "How many agents to ask", HelpName = "n", DefaultValueFactory = _ => 100 };

    public AskCommand()
        : base("ask", "Ask a sample of agents and group their answers (exit code 1 unless the decision is PROCEED)")
    {
        Add(_question);
        Add(_sample);
        _operation = new OperationArguments(this);
    }

    public override IReadOnlyList<string> Examples { get; } =
        ["mesh ask \"What is your context hash?\" --sample 10", "mesh ask \"Which model do you run?\" --capability vision", "mesh ask \"Ready?\" --class gpu --json"];

    private protected override void CheckInput(VerbRun run)
    {
        if (run.Parse.GetValue(_sample) < 1)
            throw new CliException(new CliError(ExitCode.Usage, "bad_value", $"--sample must be at least 1, was {run.Parse.GetValue(_sample)}", "For example: --sample 100"));
        Request(run);
    }

    private protected override async Task<ExitCode> RunAsync(VerbRun run, NodeClient client)
    {
        OperationView? ended = await _operation.SubmitAsync(run, client, Request(run), Views.Operation).ConfigureAwait(false);
        return ended is null or { Decision.Decision: "PROCEED" } ? ExitCode.Ok : ExitCode.NotAchieved;
    }

    private OperationRequest Request(VerbRun run) => _operation.Apply(run, new OperationRequest
    {
        Verb = "observe",
        Payload = OperationArguments.Text(run.Parse.GetRequiredValue(_question), "question"),
        CollectAnswers = true,
        Selector = new SelectorRequest { Sample = run.Parse.GetValue(_sample) },
    });
}
