using System.CommandLine;
using Mesh30K.Agent;
using Mesh30K.Cli.Agents;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Cli.Commands;

/// <summary>Any command becomes an agent: enrols if it must, connects, and does each delivery with the command until it is stopped.</summary>
public sealed class AgentRunCommand : VerbCommand
{
    internal const string TokenVariable = "MESH_ENROL_TOKEN";
    private const string NodeVariable = "MESH_NODE";
    private const string UsualNode = "http://127.0.0.1:7300";
    private const string FromStdin = "-";

    private readonly Option<string?> _node = new("--node") { Description = $"The node's address (default: {NodeVariable}, else {UsualNode})", HelpName = "url" };
    private readonly Option<string> _identity = new("--identity") { Description = "The folder of the agent's key and id; made when it enrols", HelpName = "dir", Required = true };
    private readonly Option<string?> _token = new("--token") { Description = $"The token of mesh agent enrol, for the first time; - reads it from stdin (default: {TokenVariable})", HelpName = "token" };
    private readonly Option<string?> _id = new("--id") { Description = "The agent's id, for the first time", HelpName = "id" };
    private readonly Option<int> _concurrency = new("--concurrency") { Description = "How many deliveries at once, 1 to 1024", HelpName = "n", DefaultValueFactory = _ => 1 };
    private readonly Argument<string[]> _command = new("command")
    {
        Description = "What does a delivery, after --: payload on stdin, result on stdout, exit code 0 READY, others CONFLICT with stderr's last line as the reason",
        Arity = ArgumentArity.OneOrMore,
    };

    public AgentRunCommand()
        : base("run", "Be an agent that does each delivery with a command")
    {
        foreach (Option option in (Option[])[_node, _identity, _token, _id, _concurrency]) Add(option);
        Add(_command);
    }

    /// <inheritdoc/>
    public override TimeSpan? StopGrace => TimeSpan.FromSeconds(15);

    public override IReadOnlyList<string> Examples { get; } =
    [
        "mesh agent enrol counter --class local --bare | mesh agent run --identity .agent --id counter --token - -- wc -w", "mesh agent run --identity .agent -- ./worker.sh", "mesh agent run --node http://127.0.0.1:7300 --identity .agent --concurrency 4 -- python3 work.py",
    ];

    public override async Task<ExitCode> RunAsync(VerbRun run)
    {
        MeshAgentOptions options = await OptionsAsync(run).ConfigureAwait(false);
        CommandHandler handler = new(run.Parse.GetRequiredValue(_command), run.Context.WorkingDirectory);
        try
        {
            MeshAgent agent = new(options);
            await using (agent.ConfigureAwait(false)) await agent.RunAsync(handler.RunAsync, run.Stop).ConfigureAwait(false);
        }
        catch (MeshRefusedException refused)
        {
            throw new CliException(new CliError(ExitCode.NodeUnreachable, refused.Code, $"the mesh refused the agent: {refused.Message}", HintOf(refused.Code)));
        }
        catch (AgentIdentityException unusable)
        {
            throw new CliException(new CliError(ExitCode.Usage, "identity_unusable", unusable.Message));
        }
        catch (ArgumentException wrong)
        {
            throw new CliException(new CliError(ExitCode.Usage, "bad_value", wrong.Message.Split(" (Parameter", 2)[0]));
        }
        (int ready, int conflicts, int cancelled) = handler.Counts;
        run.Output.Result(new { Ready = ready, Conflicts = conflicts, Cancelled = cancelled }, console => Views.Line(console, $"{ready} ready, {conflicts} conflicts, {cancelled} cancelled"));
        return ExitCode.Ok;
    }

    private async Task<MeshAgentOptions> OptionsAsync(VerbRun run)
    {
        string node = run.Parse.GetValue(_node) ?? run.Context.Environment(NodeVariable) ?? UsualNode;
        if (!Uri.TryCreate(node.Contains("://", StringComparison.Ordinal) ? node : "http://" + node, UriKind.Absolute, out Uri? address))
            throw new CliException(new CliError(ExitCode.Usage, "bad_value", "--node must be an address such as http://127.0.0.1:7300"));
        return new MeshAgentOptions
        {
            Node = address,
            IdentityFolder = run.PathOf(run.Parse.GetRequiredValue(_identity)),
            Id = run.Parse.GetValue(_id) is { } id ? new AgentId(id) : null,
            Token = await TokenAsync(run).ConfigureAwait(false),
            Concurrency = run.Parse.GetValue(_concurrency),
            Log = run.Output.Note,
        };
    }

    /// <summary>A token on the command line can be seen in the list of processes while the verb runs; stdin and the environment cannot.</summary>
    private async Task<string?> TokenAsync(VerbRun run)
    {
        string? given = run.Parse.GetValue(_token);
        if (given != FromStdin) return given ?? run.Context.Environment(TokenVariable);
        using StreamReader reader = new(run.Context.OpenIn());
        return await reader.ReadLineAsync(run.Stop).ConfigureAwait(false) is { Length: > 0 } line
            ? line
            : throw new CliException(new CliError(ExitCode.Usage, "no_token", "stdin held no token", "Give it as: mesh agent enrol NAME --class local --bare | mesh agent run --token - …"));
    }

    private static string? HintOf(string code) => code switch
    {
        "not_enrolled" or "token_unknown" or "token_used" or "token_expired" => "An operator makes a token with: mesh agent enrol NAME",
        "revoked" or "unknown_agent" or "unknown_key" => "Enrol again with a new identity folder and a new token.",
        _ => null,
    };
}
