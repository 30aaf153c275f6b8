using System.CommandLine;
using Mesh30K.Cli.Client;
using Mesh30K.Node.Api;
using Mesh30K.Node.Api.Operations;
using Mesh30K.Node.Api.Status;

namespace Mesh30K.Cli.Commands;

/// <summary>Lists agents, or shows one.</summary>
public sealed class AgentsCommand : NodeVerb
{
    private readonly Argument<string?> _id = new("id") { Description = "Show this agent only", Arity = ArgumentArity.ZeroOrOne };
    private readonly Option<int?> _sector = new("--sector") { Description = "Only this sector, from 0", HelpName = "n" };
    private readonly Option<int?> _cluster = new("--cluster") { Description = "Only this cluster of the sector, from 0", HelpName = "n" };
    private readonly Option<string?> _onlyClass = new("--class") { Description = "Only this class, such as gpu", HelpName = "class" };
    private readonly Option<string?> _capability = new("--capability") { Description = "Only with this capability", HelpName = "name" };
    private readonly Option<string?> _state = new("--state") { Description = "active, degraded, offline or quarantined", HelpName = "name" };
    private readonly Option<string?> _sort = new("--sort") { Description = "id, or impedance (slowest first)", HelpName = "name" };
    private readonly Option<int?> _limit = new("--limit") { Description = "At most so many, 1 to 1000 (default 100)", HelpName = "n" };
    private readonly Option<string?> _after = new("--after") { Description = "Go on after the page before: its next_after", HelpName = "cursor" };

    public AgentsCommand()
        : base("agents", "List agents, or show one")
    {
        Add(_id);
        foreach (Option option in (Option[])[_sector, _cluster, _onlyClass, _capability, _state, _sort, _limit, _after]) Add(option);
    }

    public override IReadOnlyList<string> Examples { get; } =
        ["mesh agents --sort impedance --limit 20", "mesh agents --sector 7 --cluster 4", "mesh agents --class gpu --state offline --json", "mesh agents edge-00042"];

    private protected override async Task<ExitCode> RunAsync(VerbRun run, NodeClient client)
    {
        if (run.Parse.GetValue(_id) is { } one)
        {
            NodeAnswer<AgentView> agent = await client.GetAsync($"/v1/agents/{Uri.EscapeDataString(one)}", ApiViews.Default.AgentView, run.Stop).ConfigureAwait(false);
            run.Output.Result(agent.Json, console =>
            {
                AgentView a = agent.Value;
                Views.Line(console, $"{a.AgentId}: {a.AgentClass} in {a.ClusterId}, {a.OperationalState}");
                Views.Line(console, $"  impedance {a.ImpedanceScore:0.#} ms{(a.TrendMsPerHour is { } t ? $" ({t:+0.#;-0.#} ms per hour)" : "")}: round trip {a.CurrentLatencyMs:0.#} ms, processing {a.CurrentProcessingMs:0.#} ms, queue {a.CurrentQueueDepth}");
                Views.Line(console, $"  reliability {Views.Share(a.ReliabilityScore)}, drift {a.DriftCoefficient:0.##}, last heard {a.LastHeartbeat}");
                Views.Line(console, $"  can: {string.Join(", ", a.Capabilities)}");
            });
            return ExitCode.Ok;
        }
        string path = Query.Of(
            "/v1/agents", ("sector", run.Parse.GetValue(_sector)), ("cluster", run.Parse.GetValue(_cluster)), ("class", run.Parse.GetValue(_onlyClass)),
            ("capability", run.Parse.GetValue(_capability)), ("state", run.Parse.GetValue(_state)), ("sort", run.Parse.GetValue(_sort)), ("limit", run.Parse.GetValue(_limit)),
            ("after", run.Parse.GetValue(_after)));
        NodeAnswer<AgentPage> page = await client.GetAsync(path, ApiViews.Default.AgentPage, run.Stop).ConfigureAwait(false);
        run.Output.Result(page.Json, console =>
        {
            console.Write(Views.Agents(page.Value));
            Views.Line(console, $"{page.Value.Agents.Count:N0} of {page.Value.Total:N0}{(page.Value.NextAfter is { } next ? $"; more with --after {next}" : "")}");
        });
        return ExitCode.Ok;
    }
}

/// <summary>Lists the sectors.</summary>
public sealed class SectorsCommand() : NodeVerb("sectors", "List the sectors")
{
    public override IReadOnlyList<string> Examples { get; } = ["mesh sectors", "mesh sectors --json"];

    private protected override async Task<ExitCode> RunAsync(VerbRun run, NodeClient client)
    {
        NodeAnswer<SectorList> list = await client.GetAsync("/v1/sectors", ApiViews.Default.SectorList, run.Stop).ConfigureAwait(false);
        run.Output.Result(list.Json, console =>
        {
            console.Write(Views.Sectors(list.Value.Sectors));
            Views.Line(console, $"{list.Value.Healthy} of {list.Value.Total} healthy");
        });
        return ExitCode.Ok;
    }
}

/// <summary>Shows one sector with its clusters.</summary>
public sealed class SectorCommand : NodeVerb
{
    private readonly Argument<string> _id = new("id") { Description = "The sector's number, from 0" };

    public SectorCommand()
        : base("sector", "Show one sector and its clusters") => Add(_id);

    public override IReadOnlyList<string> Examples { get; } = ["mesh sector 7", "mesh sector 0 --json"];

    private protected override async Task<ExitCode> RunAsync(VerbRun run, NodeClient client)
    {
        string path = $"/v1/sectors/{Uri.EscapeDataString(run.Parse.GetRequiredValue(_id))}";
        NodeAnswer<SectorDetail> sector = await client.GetAsync(path, ApiViews.Default.SectorDetail, run.Stop).ConfigureAwait(false);
        run.Output.Result(sector.Json, console =>
        {
            console.Write(Views.Sectors([sector.Value.Sector]));
            console.Write(Views.Clusters(sector.Value));
        });
        return ExitCode.Ok;
    }
}

/// <summary>Lists operations, newest first.</summary>
public sealed class OperationsCommand : NodeVerb
{
    private readonly Option<string?> _state = new("--state") { Description = "queued, running or ended", HelpName = "name" };
    private readonly Option<int?> _limit = new("--limit") { Description = "At most so many, 1 to 1000 (default 50)", HelpName = "n" };
    private readonly Option<string?> _after = new("--after") { Description = "Go on after the page before: its next_after", HelpName = "cursor" };

    public OperationsCommand()
        : base("operations", "List operations, newest first")
    {
        Add(_state);
        Add(_limit);
        Add(_after);
    }

    public override IReadOnlyList<string> Examples { get; } = ["mesh operations", "mesh operations --state running", "mesh operations --limit 5 --json"];

    private protected override async Task<ExitCode> RunAsync(VerbRun run, NodeClient client)
    {
        string path = Query.Of("/v1/operations", ("state", run.Parse.GetValue(_state)), ("limit", run.Parse.GetValue(_limit)), ("after", run.Parse.GetValue(_after)));
        NodeAnswer<OperationPage> page = await client.GetAsync(path, ApiViews.Default.OperationPage, run.Stop).ConfigureAwait(false);
        run.Output.Result(page.Json, console =>
        {
            console.Write(Views.Operations(page.Value));
            if (page.Value.NextAfter is { } next) Views.Line(console, $"more with --after {next}");
        });
        return ExitCode.Ok;
    }
}

/// <summary>Shows one operation, or who did not make it.</summary>
public sealed class OperationCommand : NodeVerb
{
    private readonly Argument<string> _id = new("id") { Description = "The operation's id, 26 characters" };
    private readonly Option<bool> _roster = new("--roster") { Description = "Show who did not make it, and why" };
    private readonly Option<string?> _outcome = new("--outcome") { Description = "With --roster: transit, skipped or conflict", HelpName = "name" };
    private readonly Option<string?> _reason = new("--reason") { Description = "With --roster: only skipped for this reason", HelpName = "name" };
    private readonly Option<int?> _limit = new("--limit") { Description = "With --roster: at most so many, 1 to 1000 (default 50)", HelpName = "n" };
    private readonly Option<string?> _after = new("--after") { Description = "With --roster: go on after the page before", HelpName = "cursor" };

    public OperationCommand()
        : base("operation", "Show one operation, or who did not make it")
    {
        Add(_id);
        foreach (Option option in (Option[])[_roster, _outcome, _reason, _limit, _after]) Add(option);
    }

    public override IReadOnlyList<string> Examples { get; } =
        ["mesh operation 01KA4C3X5T2V9Q8R7S6P5N4M3K", "mesh operation 01KA4C3X5T2V9Q8R7S6P5N4M3K --roster --reason insufficient_lead_time", "mesh operation 01KA4C3X5T2V9Q8R7S6P5N4M3K --json"];

    private protected override void CheckInput(VerbRun run)
    {
        bool lists = run.Parse.GetValue(_outcome) is not null || run.Parse.GetValue(_reason) is not null || run.Parse.GetValue(_limit) is not null || run.Parse.GetValue(_after) is not null;
        if (lists && !run.Parse.GetValue(_roster))
            throw new CliException(new CliError(ExitCode.Usage, "usage", "--outcome, --reason, --limit and --after belong to --roster", "Add --roster."));
    }

    private protected override async Task<ExitCode> RunAsync(VerbRun run, NodeClient client)
    {
        string path = $"/v1/operations/{Uri.EscapeDataString(run.Parse.GetRequiredValue(_id))}";
        if (!run.Parse.GetValue(_roster))
        {
            NodeAnswer<OperationView> operation = await client.GetAsync(path, ApiViews.Default.OperationView, run.Stop).ConfigureAwait(false);
            run.Output.Result(operation.Json, console => Views.Operation(console, operation.Value));
            return ExitCode.Ok;
        }
        string query = Query.Of(
            path + "/roster", ("outcome", run.Parse.GetValue(_outcome)), ("reason", run.Parse.GetValue(_reason)), ("limit", run.Parse.GetValue(_limit)), ("after", run.Parse.GetValue(_after)));
        NodeAnswer<RosterPage> page = await client.GetAsync(query, ApiViews.Default.RosterPage, run.Stop).ConfigureAwait(false);
        run.Output.Result(page.Json, console =>
        {
            console.Write(Views.Roster(page.Value));
            Views.Line(console, $"{page.Value.Roster.Count:N0} of {page.Value.Total:N0}{(page.Value.NextAfter is { } next ? $"; more with --after {next}" : "")}");
        });
        return ExitCode.Ok;
    }
}
