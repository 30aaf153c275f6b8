using System.CommandLine;
using System.Text.Json;
using Mesh30K.Cli.Client;
using Mesh30K.Cli.Queue;
using Mesh30K.Node.Api;
using Mesh30K.Node.Api.Delegations;
using Spectre.Console;

namespace Mesh30K.Cli.Commands;

/// <summary>Gives a task to whoever does it best, and waits for the result (M 7.1). Exit code 1 when nobody did it in time.</summary>
public sealed class DelegateCommand : NodeVerb
{
    private readonly Argument<string> _task = new("task") { Description = "The text; the agent gets it as a JSON string" };
    private readonly Option<string> _to = new("--to") { Description = "best, a class, or an agent's id", HelpName = "who", DefaultValueFactory = _ => "best" };
    private readonly Option<string?> _capability = new("--capability") { Description = "Only agents with this capability", HelpName = "name" };
    private readonly Option<string> _timeout = new("--timeout") { Description = "The longest it may take, such as 30s or 5m", HelpName = "time", DefaultValueFactory = _ => "60s" };
    private readonly Option<bool> _hedge = new("--hedge") { Description = "Ask a second agent too when the first takes longer than expected; the faster one wins" };

    public DelegateCommand()
        : base("delegate", "Give a task to the best agent and wait for its result (exit code 1 when nobody did it)")
    {
        foreach (Option option in (Option[])[_to, _capability, _timeout, _hedge]) Add(option);
        Add(_task);
    }

    public override IReadOnlyList<string> Examples { get; } =
        ["mesh delegate \"Summarise the log of today\"", "mesh delegate \"Describe the picture\" --capability vision --hedge --timeout 30s", "mesh delegate \"Restart\" --to edge-00042 --json"];

    private protected override void CheckInput(VerbRun run) => Request(run);

    private protected override async Task<ExitCode> RunAsync(VerbRun run, NodeClient client)
    {
        DelegationRequest request = Request(run);
        byte[] body = JsonSerializer.SerializeToUtf8Bytes(request, ApiViews.Default.DelegationRequest);
        TimeSpan within = TimeSpan.FromMilliseconds(request.TimeoutMs!.Value) + NodeClient.ReadWithin;
        NodeAnswer<DelegationView> answer = await client.PostAsync("/v1/delegations", body, ApiViews.Default.DelegationView, within, run.Stop).ConfigureAwait(false);
        run.Output.Result(answer.Json, console => Render(console, answer.Value));
        return answer.Value.Outcome == "DONE" ? ExitCode.Ok : ExitCode.NotAchieved;
    }

    private DelegationRequest Request(VerbRun run)
    {
        if (run.Parse.GetValue(_capability) is "")
            throw new CliException(new CliError(ExitCode.Usage, "bad_value", "--capability is empty", "Name a capability, or leave the option out."));
        return new DelegationRequest
        {
            Task = OperationArguments.Text(run.Parse.GetRequiredValue(_task), "task"),
            To = run.Parse.GetRequiredValue(_to),
            Capability = run.Parse.GetValue(_capability),
            TimeoutMs = Duration.Of("--timeout", run.Parse.GetRequiredValue(_timeout), TimeSpan.FromMilliseconds(1)).TotalMilliseconds,
            Hedge = run.Parse.GetValue(_hedge),
        };
    }

    private static void Render(IAnsiConsole console, DelegationView d)
    {
        Views.Line(console, d.Outcome switch
        {
            "DONE" => $"{d.AgentId} did it in {d.DurationMs:N0} ms:",
            "NOBODY_COULD" => d.Candidates.Count == 0 ? "Nobody is there to ask." : "Nobody could do it.",
            "TIMED_OUT" => $"Nobody did it within {d.DurationMs:N0} ms.",
            _ => "The node is stopping; the delegation had not ended.",
        });
        if (d.Result is { } result) Views.Line(console, $"  {result.GetRawText()}");
        foreach (DelegationCandidateView c in d.Candidates.Where(c => c.Outcome != "not_asked"))
            Views.Line(console, $"  {c.AgentId}: {c.Outcome}{(c.Why is null ? "" : $" ({c.Why})")}, asked after {c.AskedAfterMs:N0} ms{(c.TookMs is { } took ? $", {took:N0} ms" : "")}, {c.ExpectedMs:N0} ms expected");
        Views.Line(console, $"  delegation {d.DelegationId}");
    }
}
