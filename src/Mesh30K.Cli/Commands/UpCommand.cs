using System.CommandLine;
using System.Net;
using Mesh30K.Cli.Config;
using Mesh30K.Cli.Fleet;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Node.Api;
using Mesh30K.Node.Identity;
using Mesh30K.Node.Links;
using Mesh30K.Node.Links.Webhook;
using Mesh30K.Node.Storage;
using Spectre.Console;

namespace Mesh30K.Cli.Commands;

/// <summary>
/// Runs a node in the foreground until Ctrl-C or a request to terminate: then it refuses new operations, lets those in progress end up to 5 s,
/// and ends with exit code 0.
/// </summary>
public sealed class UpCommand : VerbCommand
{
    /// <summary>Names the reference fleet: 30,000 agents as recorded.</summary>
    private const string Demo = "demo";

    private static readonly TimeSpan DrainWithin = TimeSpan.FromSeconds(5);

    private readonly Option<string?> _fleet = new("--fleet")
    {
        Description = "A fleet file, or demo for 30,000 simulated agents (default: none, and room for 30,000 that join)",
        HelpName = "file",
    };

    private readonly Option<string?> _listen = new("--listen") { Description = "Where to listen; port 0 takes a free one (default: the fleet file's, else 127.0.0.1:7300)", HelpName = "address" };
    private readonly Option<string?> _dataDirectory = new("--data-dir") { Description = "Where the operator key and node.json are (default: the fleet file's, else .mesh)", HelpName = "dir" };

    private readonly Option<string[]> _allowWebhook = new("--allow-webhook")
    {
        Description = "An address that the node may call for webhooks, with all below it; may be repeated (private:URL when its name leads to a private network)",
        HelpName = "url",
    };

    public UpCommand()
        : base("up", "Run a node that agents join, until Ctrl-C")
    {
        Add(_fleet);
        Add(_listen);
        Add(_dataDirectory);
        Add(_allowWebhook);
    }

    /// <inheritdoc/>
    public override TimeSpan? StopGrace => DrainWithin + TimeSpan.FromSeconds(10);

    public override IReadOnlyList<string> Examples { get; } =
        ["mesh up", "mesh up --fleet demo", "mesh up --fleet examples/fleet.yaml", "mesh up --listen 127.0.0.1:0 --data-dir .mesh --json", "mesh up --allow-webhook https://agents.example.com/hooks/"];

    public override async Task<ExitCode> RunAsync(VerbRun run)
    {
        FleetFile file = run.Parse.GetValue(_fleet) switch
        {
            null => FleetFile.EmptyFor(run.Context.WorkingDirectory),
            Demo => FleetFile.DefaultFor(run.Context.WorkingDirectory),
            var named => FleetFile.Load(run.PathOf(named)).OrThrow(),
        };
        IPEndPoint at = run.Parse.GetValue(_listen) is { } given ? EndPointOf(given) : file.Node.Listen;
        string data = run.Parse.GetValue(_dataDirectory) is { } folder ? run.PathOf(folder) : file.Node.DataDirectory;
        if (WebhookAllowList.TryParse([.. file.Node.WebhooksAllowed, .. run.Parse.GetValue(_allowWebhook) ?? []], out WebhookAllowList allowed) is { } fault)
            throw new CliException(new CliError(ExitCode.Usage, "bad_value", $"--allow-webhook {fault}", "Write it like https://agents.example.com/hooks/ or http://127.0.0.1:9000/."));
        await RefuseSecondAsync(data, run.Stop).ConfigureAwait(false);

        MeshSettings settings = file.Settings();
        SimulatedMesh mesh = SimulatedMesh.Start(file.LoadFleet(), settings, file.Node.Loops);
        await using (mesh.ConfigureAwait(false))
        {
            NodeServerOptions options = new()
            {
                Listen = at,
                DataDirectory = data,
                Defaults = file.Operation(),
                Webhooks = new WebhookOptions { Allowed = allowed },
                Links = new AgentLinkOptions { AgentsMax = file.Node.AgentsMax },
            };
            NodeServer server = await ServeAsync(mesh, options, run.Stop).ConfigureAwait(false);
            await using (server.ConfigureAwait(false))
            {
                UpResult result = new(
                    server.BaseAddress.ToString(), file.Fleet.Agents, settings.Shape.Capacity - file.Fleet.Agents, settings.Shape.Sectors, settings.Shape.Clusters, Environment.ProcessId, data, NodeServer.KeyFile(data));
                run.Output.Result(result, console => Render(console, result));
                TaskCompletionSource asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
                using (run.Stop.Register(asked.SetResult)) await asked.Task.ConfigureAwait(false);
                run.Output.Note("mesh: stopping; operations in progress have 5 s");
                int unfinished = await server.StopAsync(DrainWithin).ConfigureAwait(false);
                if (unfinished > 0) run.Output.Note($"mesh: {unfinished} operations had not ended");
            }
        }
        return ExitCode.Ok;
    }

    private static async Task<NodeServer> ServeAsync(SimulatedMesh mesh, NodeServerOptions options, CancellationToken stop)
    {
        string data = options.DataDirectory;
        try
        {
            return await NodeServer.StartAsync(mesh.Host, options, stop).ConfigureAwait(false);
        }
        catch (ListenFailed wrong)
        {
            throw new CliException(new CliError(ExitCode.Usage, "cannot_listen", wrong.Message, wrong.Hint));
        }
        catch (OperatorKeyException wrong)
        {
            throw new CliException(new CliError(ExitCode.Usage, "key_unusable", wrong.Message, "Or choose another data directory with --data-dir DIR."));
        }
        catch (MeshKeyException wrong)
        {
            throw new CliException(new CliError(ExitCode.Usage, "mesh_key_unusable", wrong.Message, "Or choose another data directory with --data-dir DIR."));
        }
        catch (JournalException wrong)
        {
            throw new CliException(new CliError(ExitCode.Usage, "identity_" + wrong.Code, wrong.Message, "The directory of agents is in identity/ of the data directory. Or choose another with --data-dir DIR."));
        }
        catch (Exception wrong) when (wrong is IOException or UnauthorizedAccessException)
        {
            throw new CliException(new CliError(ExitCode.Usage, "data_dir", $"cannot write in {options.DataDirectory}: {wrong.Message}", "Choose another data directory with --data-dir DIR."));
        }
    }

    /// <summary>A second node in the same data directory would hide the first from the commands. One that runs on a busy machine may take seconds to say so.</summary>
    private static async Task RefuseSecondAsync(string data, CancellationToken stop)
    {
        if (NodeStateFile.TryRead(NodeServer.StateFile(data)) is not { } state || !state.IsProcessAlive()) return;
        using HttpClient http = new(new SocketsHttpHandler { UseProxy = false }) { Timeout = TimeSpan.FromSeconds(10) };
        try
        {
            using HttpResponseMessage answer = await http.GetAsync(new Uri(new Uri(state.Address), "/healthz"), stop).ConfigureAwait(false);
            if (!answer.IsSuccessStatusCode) return;
        }
        catch (Exception silent) when (silent is HttpRequestException or UriFormatException or OperationCanceledException)
        {
            stop.ThrowIfCancellationRequested();
            return;
        }
        throw new CliException(new CliError(
            ExitCode.Usage, "already_up", $"a node with this data directory runs already at {state.Address} (process {state.Pid})", "Use it, stop it, or choose another --data-dir and --listen."));
    }

    private static IPEndPoint EndPointOf(string text)
    {
        string numeric = text.StartsWith("localhost:", StringComparison.Ordinal) ? "127.0.0.1" + text["localhost".Length..] : text;
        int colon = numeric.LastIndexOf(':');
        return colon > 0 && IPEndPoint.TryParse(numeric, out IPEndPoint? parsed)
            ? parsed
            : throw new CliException(new CliError(ExitCode.Usage, "bad_value", $"--listen must be an address and a port such as 127.0.0.1:7300, was {text}"));
    }

    private static void Render(IAnsiConsole console, UpResult result)
    {
        string agents = result.Agents == 0 ? "no agents yet" : $"{result.Agents:N0} simulated agents";
        console.MarkupLineInterpolated($"[green]The mesh is up[/] at [bold]{result.Address}[/]: {agents}, room for {result.Room:N0} that join, in {result.Sectors:N0} sectors of {result.Clusters / result.Sectors:N0} clusters.");
        console.MarkupLineInterpolated($"Operator key: {result.KeyFile}");
        console.WriteLine("In another terminal, from this folder:");
        console.WriteLine("  mesh status");
        if (result.Agents == 0) console.WriteLine("  mesh agent enrol my-agent");
        console.WriteLine("  mesh cascade --verb sync");
        console.WriteLine("  mesh ask \"What is your context hash?\" --sample 10");
        console.WriteLine("Ctrl-C stops it.");
    }

    private sealed record UpResult(string Address, int Agents, long Room, int Sectors, int Clusters, int Pid, string DataDirectory, string KeyFile);
}
