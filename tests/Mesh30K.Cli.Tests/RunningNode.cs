using System.Text;
using System.Text.Json;

namespace Mesh30K.Cli.Tests;

/// <summary><c>mesh up</c> in process with 300 simulated agents on a free port; disposed, it has stopped and its folder is gone.</summary>
internal sealed class RunningNode : IAsyncDisposable
{
    private const string Fleet = """
        mesh: {sectors: 3, clusters_per_sector: 2, agents_per_cluster: 60}
        fleet:
          seed: 5
          agents: {CLASS_A_EDGE: 200, CLASS_B_SERVERLESS: 90, CLASS_F_HUMAN: 10}
        arrival: {window_ms: 400, timeout_ms: 4000}
        """;

    private static readonly TimeSpan Generous = TimeSpan.FromSeconds(60);

    private readonly CancellationTokenSource _stop = new();
    private readonly LineWriter _output = new();
    private readonly StringWriter _error = new();
    private Task<ExitCode> _running = Task.FromResult(ExitCode.Ok);

    public TemporaryFolder Folder { get; } = new();

    public string Errors => _error.ToString();

    public JsonElement Started { get; private set; }

    public string Address => Started.GetProperty("address").GetString()!;

    public string KeyFile => Started.GetProperty("key_file").GetString()!;

    public static Task<RunningNode> StartAsync()
    {
        RunningNode node = new();
        node.Folder.Write("fleet.yaml", Fleet);
        return node.UpAsync("--fleet", "fleet.yaml");
    }

    /// <summary>A node without a fleet: only agents that join.</summary>
    public static Task<RunningNode> StartEmptyAsync(params string[] more) => new RunningNode().UpAsync(more);

    private async Task<RunningNode> UpAsync(params string[] more)
    {
        CliContext context = new() { Out = _output, Error = _error, Environment = _ => null, WorkingDirectory = Folder.FullName };
        _running = MeshCommandLine.Create(context).RunAsync(["up", "--listen", "127.0.0.1:0", "--json", .. more], _stop.Token);
        string line = await _output.FirstLine.WaitAsync(Generous, TestContext.Current.CancellationToken);
        Started = JsonSerializer.Deserialize<JsonElement>(line);
        Assert.True(Started.TryGetProperty("address", out _), line);
        return this;
    }

    /// <summary>Runs a command from the node's folder.</summary>
    public Task<CommandLineRun> RunAsync(params string[] args) => RunInAsync(Folder.FullName, args);

    public static Task<CommandLineRun> RunInAsync(string folder, params string[] args) =>
        CommandLineRun.WithAsync(MeshCommandLine.Verbs(), folder, CancellationToken.None, args).WaitAsync(2 * Generous, TestContext.Current.CancellationToken);

    /// <summary>Asks the node to stop, as Ctrl-C does.</summary>
    public async Task<ExitCode> StopAsync()
    {
        await _stop.CancelAsync();
        return await _running.WaitAsync(Generous, TestContext.Current.CancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _stop.Dispose();
        Folder.Dispose();
    }

    /// <summary>Tells when the first line is there.</summary>
    private sealed class LineWriter : StringWriter
    {
        private readonly TaskCompletionSource<string> _first = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<string> FirstLine => _first.Task;

        public override Encoding Encoding => Encoding.UTF8;

        public override void WriteLine(string? value)
        {
            base.WriteLine(value);
            _first.TrySetResult(value ?? "");
        }
    }
}
